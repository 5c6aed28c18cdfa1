"""What a reading is: once, in versions, as it was known."""

from __future__ import annotations

import fcntl
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qala.city.devices import jobs
from qala.city.devices.models import Device, Load
from qala.city.devices.store import export_readings, list_readings
from qala.kernel.ids import new_id
from qala.kernel.lake import Lake, get_lake
from qala.kernel.models import AuditEntry, OutboxEvent
from qala.kernel.ranges import TimeRange

from . import conftest
from .conftest import NOW, US
from .seen import current, reasons, series_of, versions

AT = "2026-05-01T00:00:00"
LATER = NOW + timedelta(days=1)
LATEST = NOW + timedelta(days=2)


def test_the_same_twice_is_one(load: conftest.Load) -> None:
    found = load(f"m,{AT}Z,5\nm,{AT}Z,5\nm,{AT}Z,5.0\nm,2026-05-01T05:00:00+05:00,5e0\n")
    assert (found.read, found.new, found.already_there) == (4, 1, 3)
    again = load(f"m,{AT}Z,5\n", at=LATER)
    assert (again.new, again.new_versions, again.already_there) == (0, 0, 1)
    assert versions("m", AT) == [5]


def test_another_value_is_a_new_version_and_the_latest_received_is_current(load: conftest.Load) -> None:
    load(f"m,{AT}Z,5\nm,2026-05-01T01:00:00Z,6\n")
    found = load(f"m,{AT}Z,7\n", at=LATER)
    assert (found.new, found.new_versions, found.already_there) == (0, 1, 0)
    assert current("m") == {AT: 7, "2026-05-01T01:00:00": 6}
    _, value, _, version, received, source = list_readings(series_of("m"), span=TimeRange())[0]
    assert (value, version, received, source) == (7, 2, LATER, f"load:{found.load_id}")


def test_as_it_was_known(load: conftest.Load) -> None:
    load(f"m,{AT}Z,5\n")
    load(f"m,{AT}Z,7\nm,2026-05-01T01:00:00Z,8\n", at=LATER)
    assert current("m", as_of=NOW - timedelta(microseconds=1)) == {}
    assert current("m", as_of=NOW) == {AT: 5}
    assert current("m", as_of=LATER - timedelta(seconds=1)) == {AT: 5}
    assert current("m", as_of=LATER) == {AT: 7, "2026-05-01T01:00:00": 8}


def test_a_value_that_returns_keeps_the_one_between(load: conftest.Load) -> None:
    for at, value in ((NOW, 5), (LATER, 7), (LATEST, 5)):
        load(f"m,{AT}Z,{value}\n", at=at)
    assert versions("m", AT) == [5, 7]
    assert current("m") == {AT: 7}


def test_versions_within_one_file_follow_its_order(load: conftest.Load) -> None:
    found = load(f"m,{AT}Z,9\nm,{AT}Z,3\nm,{AT}Z,9\nm,{AT}Z,6\nn,{AT}Z,1\n")
    assert (found.new, found.new_versions, found.already_there) == (2, 2, 1)
    assert versions("m", AT) == [9, 3, 6]
    assert current("m") == {AT: 6}
    assert current("m", as_of=NOW) == {AT: 9}, "the first of the file was received at its instant"
    again = load(f"m,{AT}Z,9\nm,{AT}Z,3\nm,{AT}Z,9\nm,{AT}Z,6\nn,{AT}Z,1\n", at=LATER)
    assert again.already_there == 5
    assert current("m") == {AT: 6}


def test_the_latest_received_is_current_also_after_the_clock_was_set_back(load: conftest.Load) -> None:
    load(f"m,{AT}Z,5\n", at=LATER)
    load(f"m,{AT}Z,7\n", at=NOW)
    load(f"m,{AT}Z,8\n", at=NOW)
    assert versions("m", AT) == [5, 7, 8]
    assert current("m") == {AT: 8}


def test_a_version_differs_in_value_alone(load: conftest.Load) -> None:
    columns = {**conftest.COLUMNS, "quality": "quality"}
    load(b"serial,time,value,quality\nm,2026-05-01T00:00:00Z,5,E\n", columns=columns)
    found = load(b"serial,time,value,quality\nm,2026-05-01T00:00:00Z,5,A\n", columns=columns, at=LATER)
    assert found.already_there == 1
    assert list_readings(series_of("m"), span=TimeRange())[0][2] == "E"


def test_what_is_told_of_a_load(load: conftest.Load) -> None:
    found = load(f"m,{AT}Z,5\nn,2026-05-02T00:00:00Z,5\nn,x,5\n")
    assert (found.series, found.devices_created) == (2, 2)
    assert (found.first_time, found.last_time) == (
        datetime(2026, 5, 1, tzinfo=UTC),
        datetime(2026, 5, 2, tzinfo=UTC),
    )
    row = Load.objects.get()
    assert (row.state, row.rows_read, row.rows_new, row.rows_refused, row.devices_created) == ("done", 3, 2, 1, 2)
    assert row.refused_by_reason == {"bad_time": 1}
    assert len(row.file_sha256) == 64
    assert Device.objects.get(serial="n").last_seen_at == found.last_time
    assert Device.objects.get(serial="n").state == Device.ACTIVE
    event = OutboxEvent.objects.get(name="devices.readings_kept")
    assert event.payload["source"] == f"load:{row.pk}"
    assert AuditEntry.objects.filter(verb="devices.load_readings", thing_key=str(row.pk)).exists()
    load(f"m,{AT}Z,5\n", at=LATER)
    assert OutboxEvent.objects.filter(name="devices.readings_kept").count() == 1, "nothing new, no news"


def test_a_dry_run_changes_nothing(load: conftest.Load, lake: Lake) -> None:
    load(f"m,{AT}Z,5\n")
    before = _everything(lake)
    found = load(f"m,{AT}Z,5\nm,{AT}Z,6\nq,{AT}Z,1\nr,{AT}Z,1\nr,{AT}Z,x\n", dry_run=True, at=LATER)
    assert (found.read, found.new, found.new_versions, found.already_there, found.refused) == (5, 2, 1, 1, 1)
    assert (found.devices_created, found.load_id) == (2, None)
    assert reasons(found) == [(6, "not_a_number")]
    assert _everything(lake) == before


def _everything(lake: Lake) -> list[object]:
    with lake.question() as cursor:
        rows = [cursor.execute(f"SELECT * FROM lake.{one}").fetchall() for one in ("readings", "refusals", "intervals")]
    counts = [model.objects.count() for model in (Device, Load, OutboxEvent, AuditEntry)]
    return [*rows, *counts]


ROWS = st.lists(
    st.tuples(
        st.integers(0, 2),  # meter
        st.integers(0, 5),  # hour
        st.sampled_from(["1", "2", "3", "1.0", "0.5", "x", "", "1e30", "-4", "nan"]),
    ),
    max_size=40,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.lists(ROWS, min_size=1, max_size=3))
def test_counters_balance_and_the_lake_holds_each_value_once_in_order(
    load: conftest.Load, files: list[list[tuple[int, int, str]]]
) -> None:
    prefix = new_id().hex[-12:]
    kept: dict[tuple[int, int], list[int]] = {}
    for number, rows in enumerate(files):
        text = "".join(f"{prefix}-{meter},2026-05-01T{hour:02}:00:00Z,{value}\n" for meter, hour, value in rows)
        expected = {"new": 0, "new_versions": 0, "already_there": 0, "refused": 0}
        for meter, hour, value in rows:
            if value in ("x", "", "1e30", "0.5", "nan"):
                expected["refused"] += 1
                continue
            known = kept.setdefault((meter, hour), [])
            if int(float(value)) in known:
                expected["already_there"] += 1
            else:
                expected["new_versions" if known else "new"] += 1
                known.append(int(float(value)))
        found = load(text, at=NOW + timedelta(minutes=number))
        assert {name: getattr(found, name) for name in expected} == expected
        assert found.read == len(rows)
    for (meter, hour), values in kept.items():
        assert versions(f"{prefix}-{meter}", f"2026-05-01T{hour:02}:00:00") == values


def test_parts_of_a_file_are_as_one(load: conftest.Load, settings: pytest.FixtureRequest) -> None:
    """Parts of 4 MiB, the size of a chunk: what a part kept is known to the next."""
    settings.QALA = settings.QALA.model_copy(update={"load_part_mib": 1})  # type: ignore[attr-defined]
    start = datetime(2026, 1, 1, tzinfo=UTC)
    lines = [
        f"m{number % 50:02},{(start + timedelta(minutes=number // 50)).isoformat()},{number}"
        for number in range(60_000)
    ]
    body = "\n".join([*lines, *lines, f"m00,{start.isoformat()},77", "bad"]) + "\n"
    found = load(body + lines[0] + "\n")
    assert (found.read, found.new, found.new_versions, found.already_there, found.refused) == (
        120_003,
        60_000,
        1,
        60_001,
        1,
    )
    assert reasons(found) == [(120_003, "columns")]
    assert found.devices_created == 50
    with get_lake().question() as cursor:
        assert cursor.execute("SELECT count(*) FROM lake.readings").fetchone() == (60_001,)


def test_an_export_is_loaded_back_without_change(load: conftest.Load, tmp_path) -> None:  # type: ignore[no-untyped-def]
    load(f"m,{AT}Z,123456789012345\nm,2026-05-01T01:00:00.250Z,7\nm,2026-05-01T02:00:00Z,0\n")
    columns = {
        "serial": "serial",
        "property": "property",
        "time": "time",
        "value": "value",
        "unit": "unit",
        "quality": "quality",
    }
    for form in ("csv", "parquet"):
        path = tmp_path / f"out.{form}"
        assert export_readings(path, form, who=US, span=TimeRange()) == 3
        found = load(path, columns=columns, format=form, unit=None, at=LATER)
        assert (found.read, found.already_there) == (3, 3)


def test_a_load_of_a_dead_process_is_shown_failed_and_what_it_kept_is_told(load: conftest.Load) -> None:
    found = load(f"m,{AT}Z,5\n")
    assert found.load_id is not None
    OutboxEvent.objects.all().delete()
    Load.objects.filter(pk=found.load_id).update(state=Load.RUNNING, finished_at=None)  # killed before its last step
    folder = get_lake().settings.loads_dir / str(found.load_id)
    (folder / "part-lines.csv").write_text("left behind")
    with (folder / "running").open("w") as mark:
        fcntl.flock(mark, fcntl.LOCK_EX)
        jobs.fail_interrupted_loads(NOW)
        assert Load.objects.get().state == Load.RUNNING, "its process lives"
    jobs.fail_interrupted_loads(LATER)
    row = Load.objects.get()
    assert (row.state, row.finished_at) == (Load.FAILED, LATER)
    assert "again" in row.error
    assert not (folder / "part-lines.csv").exists()
    event = OutboxEvent.objects.get(name="devices.readings_kept")
    assert (event.payload["source"], event.payload["new"]) == (f"load:{row.pk}", 1)
    jobs.fail_interrupted_loads(LATEST)
    told = OutboxEvent.objects.order_by("name").values_list("name", flat=True)
    assert list(told) == ["devices.load_ended", "devices.readings_kept"]
