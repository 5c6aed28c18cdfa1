"""Names of persons leave the chains of the audit: the rows have salted digests of them, and are chained anew."""

from __future__ import annotations

import secrets
from importlib import import_module
from typing import Any

from django.db import migrations, models

append_only = import_module("qala.kernel.migrations.0004_append_only")
FIELDS = ("id", "at", "who_kind", "who_id", "who_name", "verb", "thing_kind", "thing_key", "before", "after", "why")
MARK = "name:"
BATCH = 2000


def put_beside(apps: Any, schema_editor: Any) -> None:
    from qala.kernel.audit import digest_of, name_code

    entry, beside = apps.get_model("kernel", "AuditEntry"), apps.get_model("kernel", "AuditName")
    codes: dict[tuple[Any, str], str] = {}
    for lane in sorted(entry.objects.order_by().values_list("lane", flat=True).distinct()):
        digest, last = "", 0
        while True:
            rows = list(entry.objects.filter(lane=lane, number__gt=last).order_by("number")[:BATCH])
            if not rows:
                break
            for row in rows:
                if row.who_kind in ("person", "token") and row.who_id is not None:
                    if (row.who_id, row.who_name) not in codes:
                        salt = secrets.token_hex(16)
                        code = codes[row.who_id, row.who_name] = name_code(salt, row.who_name)
                        beside.objects.create(code=code, who_id=row.who_id, name=row.who_name, salt=salt)
                    row.who_name = MARK + codes[row.who_id, row.who_name]
                digest = digest_of({name: getattr(row, name) for name in FIELDS}, lane, row.number, digest)
                row.digest, last = digest, row.number
            entry.objects.bulk_update(rows, ["who_name", "digest"], batch_size=200)


class Migration(migrations.Migration):
    dependencies = [("kernel", "0006_storage_day")]

    operations = [
        migrations.CreateModel(
            name="AuditName",
            fields=[
                ("code", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("who_id", models.UUIDField()),
                ("name", models.CharField(max_length=200)),
                ("salt", models.CharField(max_length=32)),
            ],
            options={
                "indexes": [models.Index(fields=["who_id", "name"], name="audit_name_by_person")],
            },
        ),
        migrations.RunPython(append_only.release, append_only.guard),
        migrations.RunPython(put_beside, migrations.RunPython.noop),
        migrations.RunPython(append_only.guard, append_only.release),
    ]
