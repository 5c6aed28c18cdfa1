"""The audit and what is published are never changed: the database itself refuses it."""

from __future__ import annotations

from typing import Any

from django.db import migrations

TABLES = ("kernel_auditentry", "kernel_publishedvalue")

# SQLite's REPLACE deletes the row in its way without calling the delete trigger; hence the one on insert.
SAME = {
    "kernel_auditentry": "id = NEW.id",
    "kernel_publishedvalue": "id = NEW.id OR (measure = NEW.measure AND subject = NEW.subject AND grain = NEW.grain"
    " AND period_start = NEW.period_start AND dimensions = NEW.dimensions)",
}
SQLITE = (
    """CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table}
    BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END""",
    """CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table}
    BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END""",
    """CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN EXISTS (SELECT 1 FROM {table} WHERE {same})
    BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END""",
)
SQLITE_BACK = (
    "DROP TRIGGER {table}_no_update",
    "DROP TRIGGER {table}_no_delete",
    "DROP TRIGGER {table}_no_replace",
)
POSTGRESQL = (
    """CREATE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION '{table} is append-only' USING ERRCODE = 'integrity_constraint_violation'; END $$""",
    """CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION {table}_refuse()""",
)
POSTGRESQL_BACK = ("DROP TRIGGER {table}_append_only ON {table}", "DROP FUNCTION {table}_refuse()")


def guard(apps: Any, schema_editor: Any) -> None:
    for table in TABLES:
        for statement in SQLITE if schema_editor.connection.vendor == "sqlite" else POSTGRESQL:
            schema_editor.execute(statement.format(table=table, same=SAME[table]))


def release(apps: Any, schema_editor: Any) -> None:
    for table in TABLES:
        for statement in SQLITE_BACK if schema_editor.connection.vendor == "sqlite" else POSTGRESQL_BACK:
            schema_editor.execute(statement.format(table=table))


class Migration(migrations.Migration):
    dependencies = [("kernel", "0003_published_value")]

    operations = [migrations.RunPython(guard, release)]
