"""The rows of the audit are chained: those that are there in the order of their time, in the first lane."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from django.db import migrations, models

append_only = import_module("qala.kernel.migrations.0004_append_only")
BATCH = 2000
FIELDS = ("id", "at", "who_kind", "who_id", "who_name", "verb", "thing_kind", "thing_key", "before", "after", "why")


def chain(apps: Any, schema_editor: Any) -> None:
    from qala.kernel.audit import digest_of

    entry = apps.get_model("kernel", "AuditEntry")
    digest = ""
    keys = list(entry.objects.order_by("at", "id").values_list("id", flat=True))
    for begin in range(0, len(keys), BATCH):
        rows = entry.objects.in_bulk(keys[begin : begin + BATCH])
        batch = []
        for offset, key in enumerate(keys[begin : begin + BATCH]):
            row, number = rows[key], begin + offset + 1
            digest = digest_of({name: getattr(row, name) for name in FIELDS}, 0, number, digest)
            row.lane, row.number, row.digest = 0, number, digest
            batch.append(row)
        entry.objects.bulk_update(batch, ["lane", "number", "digest"], batch_size=200)


class Migration(migrations.Migration):
    dependencies = [("kernel", "0004_append_only")]

    operations = [
        # SQLite makes the table anew for some of these, and its triggers go with the old one
        migrations.RunPython(append_only.release, append_only.guard),
        migrations.AddField("auditentry", "lane", models.PositiveSmallIntegerField(null=True)),
        migrations.AddField("auditentry", "number", models.PositiveBigIntegerField(null=True)),
        migrations.AddField("auditentry", "digest", models.CharField(max_length=64, null=True)),
        migrations.RunPython(chain, migrations.RunPython.noop),
        migrations.AlterField("auditentry", "lane", models.PositiveSmallIntegerField()),
        migrations.AlterField("auditentry", "number", models.PositiveBigIntegerField()),
        migrations.AlterField("auditentry", "digest", models.CharField(max_length=64)),
        migrations.AddConstraint("auditentry", models.UniqueConstraint(fields=["lane", "number"], name="audit_chain")),
        migrations.RunPython(append_only.guard, append_only.release),
    ]
