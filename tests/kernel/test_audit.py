from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib import import_module
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.migrations.executor import MigrationExecutor
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from qala.kernel import audit
from qala.kernel.access import ANONYMOUS, EVERYTHING, Scope, Who, system
from qala.kernel.errors import NotAllowed, SignInNeeded
from qala.kernel.models import AuditEntry, AuditName

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
    row = audit.entries(audit.AuditFilter(kind="device", key=str(UUID(int=3))), who=system("cli")).get()
    assert (row.at, row.who_kind, row.who_id, row.shown_name, row.verb) == (
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


# the chain


@contextmanager
def past_the_guards() -> Iterator[CursorWrapper]:
    """A cursor that may change the audit, as somebody with the database's password could."""
    guards = import_module("qala.kernel.migrations.0004_append_only")
    with connection.schema_editor() as editor:
        guards.release(None, editor)
    with connection.cursor() as cursor:
        yield cursor
    with connection.schema_editor() as editor:
        guards.guard(None, editor)


def several(count: int = 5) -> list[AuditEntry]:
    return [
        audit.record(who=AIGERIM, now=NOW + timedelta(seconds=n), verb="devices.rename", thing="device", key=n)
        for n in range(count)
    ]


def key_of(row: AuditEntry) -> str | UUID:
    return row.pk.hex if connection.vendor == "sqlite" else row.pk


def test_rows_are_chained_and_the_doctor_says_so() -> None:
    rows = several()
    assert [row.number for row in rows] == [1, 2, 3, 4, 5]
    assert len({row.digest for row in rows}) == 5
    assert audit.verify() == (5, [])
    good, what, fix = audit.check()
    assert (good, fix) == (True, "")
    assert what.startswith("5 rows")


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
        | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False),
        lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.sampled_from("abc"), inside, max_size=3),
        max_leaves=6,
    )
)  # fmt: skip
@example(value=[1e16, 1e300, 1.5e-7, -0.0, 0.0, 100.0, 1, 2**63, 0.1 + 0.2, 120])
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_comes_back_from_the_database_has_the_same_digest(value: object) -> None:
    audit.record(who=AIGERIM, now=NOW, verb="test", thing="thing", key="Ү", before={"value": value}, why="себебі")
    assert audit.verify()[1] == []


@pytest.mark.django_db(transaction=True)
def test_a_changed_row_is_named() -> None:
    rows = several()
    with past_the_guards() as cursor:
        cursor.execute("UPDATE kernel_auditentry SET who_name = 'Somebody else' WHERE id = %s", [key_of(rows[2])])
        cursor.execute("UPDATE kernel_auditentry SET why = 'later' WHERE id = %s", [key_of(rows[4])])
    assert audit.verify() == (5, [audit.Break(rows[2].lane, 3, rows[2].pk, missing=False)])
    good, what, fix = audit.check()
    assert not good
    assert str(rows[2].pk) in what
    assert fix


@pytest.mark.django_db(transaction=True)
def test_a_row_that_was_taken_out_is_noticed() -> None:
    rows = several()
    with past_the_guards() as cursor:
        cursor.execute("DELETE FROM kernel_auditentry WHERE id = %s", [key_of(rows[1])])
    assert audit.verify() == (4, [audit.Break(rows[2].lane, 3, rows[2].pk, missing=True)])
    assert "missing" in audit.check()[1]


@pytest.mark.django_db(transaction=True)
def test_a_row_with_its_digest_made_anew_is_noticed() -> None:
    """Whoever changes a row must change all later ones of its chain too."""
    rows = several()
    content = {name: getattr(rows[2], name) for name in audit.FIELDS} | {"why": "made up"}
    digest = audit.digest_of(content, rows[2].lane, 3, rows[1].digest)
    with past_the_guards() as cursor:
        cursor.execute(
            "UPDATE kernel_auditentry SET why = 'made up', digest = %s WHERE id = %s", [digest, key_of(rows[2])]
        )
    assert [one.number for one in audit.verify()[1]] == [4]


@pytest.mark.django_db(transaction=True)
def test_writers_at_once_make_whole_chains_and_do_not_wait_for_each_other() -> None:
    together = threading.Barrier(4)

    def write(number: int) -> None:
        try:
            for turn in range(10):
                with transaction.atomic():
                    audit.record(who=AIGERIM, now=NOW, verb="test", thing="thing", key=f"{number}.{turn}")
                    if connection.vendor == "postgresql" and turn == 0:
                        together.wait(20)  # all four hold a lane at this moment, or this breaks
                    audit.record(who=AIGERIM, now=NOW, verb="test", thing="thing", key=f"{number}.{turn} again")
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(write, number) for number in range(4)]:
            done.result(60)
    assert audit.verify() == (80, [])
    lanes = AuditEntry.objects.values_list("lane", flat=True).distinct().count()
    assert (lanes >= 4) if connection.vendor == "postgresql" else (lanes == 1)


@pytest.mark.django_db(transaction=True)
def test_rows_from_before_the_chain_are_chained() -> None:
    rows = several(7)
    before = sorted(AuditEntry.objects.values_list("at", "verb", "thing_key"))
    executor = MigrationExecutor(connection)
    executor.migrate([("kernel", "0004_append_only")])
    executor = MigrationExecutor(connection)
    state = executor.migrate([("kernel", "0005_audit_chain")])
    assert sorted(AuditEntry.objects.values_list("at", "verb", "thing_key")) == before
    assert audit.verify() == (7, [])
    last = AuditEntry.objects.get(lane=0, number=7)
    with_name = {
        "id": UUID(int=9), "at": NOW, "who_kind": "person", "who_id": AIGERIM.id, "who_name": "Aigerim", "verb": "test",
        "thing_kind": "thing", "thing_key": "9", "before": None, "after": None, "why": "",
    }  # fmt: skip
    state.apps.get_model("kernel", "AuditEntry").objects.create(
        **with_name, lane=0, number=8, digest=audit.digest_of(with_name, 0, 8, last.digest)
    )
    MigrationExecutor(connection).migrate([("kernel", "0007_names_beside_the_audit")])
    assert audit.verify() == (8, [])
    assert not AuditEntry.objects.filter(who_name="Aigerim").exists()
    assert audit.entries(audit.AuditFilter(name="Aigerim"), who=system("cli")).get().shown_name == "Aigerim"
    later = audit.record(who=AIGERIM, now=NOW, verb="test", thing="thing", key=8)
    assert audit.verify() == (9, [])
    for row in (rows[0], later):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            AuditEntry.objects.filter(pk=row.pk).update(why="x")


# names, which stand beside the chain


def test_a_name_that_is_cut_leaves_the_chain_whole() -> None:
    entry()
    entry()
    dana = Who("token", "Dana's program", UUID(int=8))
    audit.record(who=dana, now=NOW, verb="devices.rename", thing="device", key=1)
    assert AuditName.objects.count() == 2
    assert not AuditEntry.objects.filter(who_name__contains="Aigerim").exists()
    assert audit.erase_names(UUID(int=7), NOW) == 1
    assert audit.erase_names(UUID(int=7), NOW) == 0
    assert audit.check()[0]
    rows = audit.entries(audit.AuditFilter(), who=system("cli"))
    assert sorted({row.shown_name for row in rows}) == ["Dana's program", "erased person"]
    assert not audit.entries(audit.AuditFilter(name="Aigerim"), who=system("cli"))
    assert len(audit.export_of(UUID(int=7))["audit"]) == 2


def test_a_name_that_somebody_changed_shows() -> None:
    entry()
    AuditName.objects.update(name="Somebody else")
    ok, what, fix = audit.check()
    assert not ok
    assert "Somebody else" in what
    assert fix


# reading it


def test_who_may_read_what() -> None:
    """An asker of one organisation sees what its people did; the system's acts and other people's are not there."""
    dana, ours, theirs = UUID(int=8), UUID(int=70), UUID(int=71)
    entry()
    audit.record(who=Who("person", "Dana", dana), now=NOW, verb="devices.rename", thing="device", key=1)
    audit.record(who=system("job"), now=NOW, verb="devices.rename", thing="device", key=2)
    everything = Who("person", "a", grants={"audit.view": EVERYTHING})
    some = Who("person", "b", grants={"audit.view": Scope(organisations=frozenset({ours}))})
    table = [
        (everything, None, ["Aigerim", "Dana", "job"]),
        (some, [dana], ["Dana"]),
        (some, [], []),
        (some, None, []),
        (system("cli"), None, ["Aigerim", "Dana", "job"]),
    ]
    for who, persons, seen in table:
        rows = audit.entries(audit.AuditFilter(), who=who, persons=persons)
        assert sorted(row.shown_name for row in rows) == seen
    for who, error in (
        (ANONYMOUS, SignInNeeded),
        (Who("person", "c", grants={"devices.view": EVERYTHING}), NotAllowed),
    ):
        with pytest.raises(error):
            audit.entries(audit.AuditFilter(), who=who)
    assert theirs not in some.scope("audit.view").organisations


def test_filters() -> None:
    rows = several(5)
    audit.record(who=Who("person", "Dana", UUID(int=8)), now=NOW, verb="people.join", thing="membership", key="x")
    us = system("cli")

    def found(**wanted: object) -> list[str]:
        return [row.thing_key for row in audit.entries(audit.AuditFilter(**wanted), who=us)]  # type: ignore[arg-type]

    assert found(name="dana") == found(person=UUID(int=8)) == found(verb="people.") == found(kind="membership") == ["x"]
    assert found(kind="device", key="3") == ["3"]
    assert found(start=NOW + timedelta(seconds=3)) == ["4", "3"]
    assert found(end=NOW + timedelta(seconds=1), kind="device") == ["0"]
    assert [row.pk for row in audit.entries(audit.AuditFilter(kind="device"), who=us)] == [row.pk for row in rows[::-1]]
