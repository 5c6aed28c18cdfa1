from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction

from qala.kernel import audit
from qala.kernel.access import Who
from qala.kernel.models import AuditEntry

NOW = datetime(2026, 3, 5, 9, 7, tzinfo=UTC)
AIGERIM = Who("person", "Aigerim", UUID(int=7))
pytestmark = pytest.mark.django_db


def entry() -> AuditEntry:
    return audit.record(
        who=AIGERIM, now=NOW, verb="devices.rename", thing="device", key=UUID(int=3),
        before={"name": "Абай 1"}, after={"name": "Абай 2"}, why="typo",
    )  # fmt: skip


def test_an_entry_says_who_what_before_after_and_why() -> None:
    entry()
    row = AuditEntry.objects.get(thing_kind="device", thing_key=str(UUID(int=3)))
    assert (row.at, row.who_kind, row.who_id, row.who_name, row.verb) == (
        NOW, "person", AIGERIM.id, "Aigerim", "devices.rename",
    )  # fmt: skip
    assert (row.before, row.after, row.why) == ({"name": "Абай 1"}, {"name": "Абай 2"}, "typo")


def test_the_database_refuses_change_and_removal() -> None:
    row = entry()
    row.why = "better"
    for change in (row.save, row.delete, AuditEntry.objects.all().delete, lambda: AuditEntry.objects.update(why="x")):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            change()
    assert AuditEntry.objects.get().why == "typo"


def test_replacing_is_changing() -> None:
    row = entry()
    if connection.vendor == "sqlite":
        statement = "INSERT OR REPLACE INTO kernel_auditentry SELECT * FROM kernel_auditentry"
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    row.why = "better"
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        AuditEntry.objects.bulk_create([row], update_conflicts=True, unique_fields=["id"], update_fields=["why"])
    assert AuditEntry.objects.get().why == "typo"


def test_an_entry_goes_with_its_change() -> None:
    with transaction.atomic():
        entry()
        transaction.set_rollback(True)
    assert not AuditEntry.objects.exists()
