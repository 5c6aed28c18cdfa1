"""Search: one table on both databases, with a trigram index as each of them makes it."""

from __future__ import annotations

from typing import Any

from django.db import migrations, models

SQLITE = (
    # External content: the words lie once, in kernel_search; the text is folded already, so cases are told apart.
    """CREATE VIRTUAL TABLE kernel_search_fts USING fts5(
        text, content='kernel_search', content_rowid='id', tokenize='trigram case_sensitive 1')""",
    """CREATE TRIGGER kernel_search_insert AFTER INSERT ON kernel_search BEGIN
        INSERT INTO kernel_search_fts (rowid, text) VALUES (NEW.id, NEW.text);
    END""",
    """CREATE TRIGGER kernel_search_delete AFTER DELETE ON kernel_search BEGIN
        INSERT INTO kernel_search_fts (kernel_search_fts, rowid, text) VALUES ('delete', OLD.id, OLD.text);
    END""",
    """CREATE TRIGGER kernel_search_update AFTER UPDATE ON kernel_search BEGIN
        INSERT INTO kernel_search_fts (kernel_search_fts, rowid, text) VALUES ('delete', OLD.id, OLD.text);
        INSERT INTO kernel_search_fts (rowid, text) VALUES (NEW.id, NEW.text);
    END""",
)
SQLITE_BACK = (
    "DROP TRIGGER kernel_search_insert",
    "DROP TRIGGER kernel_search_delete",
    "DROP TRIGGER kernel_search_update",
    "DROP TABLE kernel_search_fts",
)
POSTGRESQL = (
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    "CREATE INDEX kernel_search_trigrams ON kernel_search USING gin (text gin_trgm_ops)",
)
POSTGRESQL_BACK = ("DROP INDEX kernel_search_trigrams",)


def make_index(apps: Any, schema_editor: Any) -> None:
    for statement in SQLITE if schema_editor.connection.vendor == "sqlite" else POSTGRESQL:
        schema_editor.execute(statement)


def drop_index(apps: Any, schema_editor: Any) -> None:
    for statement in SQLITE_BACK if schema_editor.connection.vendor == "sqlite" else POSTGRESQL_BACK:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("kernel", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="SearchRow",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(max_length=80)),
                ("key", models.CharField(max_length=200)),
                ("text", models.TextField()),
            ],
            options={
                "db_table": "kernel_search",
                "constraints": [models.UniqueConstraint(fields=("key", "kind"), name="search_once_a_thing")],
            },
        ),
        migrations.RunPython(make_index, drop_index),
    ]
