"""Local times of a file become instants: repeated hours by order in the file, hours left out refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qala.city.devices.rules import segments
from qala.kernel.lake import get_lake

from . import conftest
from .seen import current, reasons

LOCAL = "%Y-%m-%d %H:%M:%S"
MADRID = {"time_format": LOCAL, "zone": "Europe/Madrid"}
ALMATY = {"time_format": LOCAL, "zone": "Asia/Almaty"}


def rows(serial: str, *times: str) -> str:
    return "".join(f"{serial},{time},{number}\n" for number, time in enumerate(times))


def test_summer_and_winter_of_madrid(load: conftest.Load) -> None:
    load(rows("m", "2024-01-15 12:00:00", "2024-07-15 12:00:00"), **MADRID)
    assert list(current("m")) == ["2024-01-15T11:00:00", "2024-07-15T10:00:00"]


def test_the_repeated_hour_is_told_apart_by_order(load: conftest.Load) -> None:
    found = load(
        rows("m", "2024-10-27 01:30:00", "2024-10-27 02:00:00", "2024-10-27 02:30:00", "2024-10-27 02:00:00",
             "2024-10-27 02:30:00", "2024-10-27 03:00:00"),
        **MADRID,
    )  # fmt: skip
    assert found.new == 6
    assert current("m") == {
        "2024-10-26T23:30:00": 0, "2024-10-27T00:00:00": 1, "2024-10-27T00:30:00": 2, "2024-10-27T01:00:00": 3,
        "2024-10-27T01:30:00": 4, "2024-10-27T02:00:00": 5,
    }  # fmt: skip


def test_the_order_is_each_meters_own(load: conftest.Load) -> None:
    first = rows("m", "2024-10-27 02:10:00") + rows("n", "2024-10-27 02:40:00")
    load(first + first + rows("o", "2024-10-27 02:59:00"), **MADRID)
    assert list(current("m")) == ["2024-10-27T00:10:00", "2024-10-27T01:10:00"]
    assert list(current("n")) == ["2024-10-27T00:40:00", "2024-10-27T01:40:00"]
    assert list(current("o")) == ["2024-10-27T00:59:00"]


def test_a_jittered_hour(load: conftest.Load) -> None:
    """Hourly readings with wandering minutes: the second pass begins where time does not go on."""
    load(
        rows("m", "2016-10-30 01:59:58", "2016-10-30 02:59:51", "2016-10-30 02:59:47", "2016-10-30 03:59:40"), **MADRID
    )
    assert list(current("m")) == [
        "2016-10-29T23:59:58",
        "2016-10-30T00:59:51",
        "2016-10-30T01:59:47",
        "2016-10-30T02:59:40",
    ]


def test_the_repeated_hour_over_two_parts_of_a_file(load: conftest.Load, settings) -> None:  # type: ignore[no-untyped-def]
    settings.QALA = settings.QALA.model_copy(update={"load_part_mib": 1})
    filler = "".join(f"f,2024-06-01 00:00:00,1 {'.' * 80}\n" for _ in range(60_000))  # a chunk and more, all refused
    found = load(rows("m", "2024-10-27 02:30:00") + filler + "m,2024-10-27 02:30:00,9\n", **MADRID)
    assert (found.new, found.refused) == (2, 60_000)
    assert current("m") == {"2024-10-27T00:30:00": 0, "2024-10-27T01:30:00": 9}


def test_loading_the_repeated_hour_again_adds_nothing(load: conftest.Load) -> None:
    text = rows("m", "2024-10-27 02:00:00", "2024-10-27 02:30:00", "2024-10-27 02:00:00", "2024-10-27 02:30:00")
    load(text, **MADRID)
    found = load(text, **MADRID, at=conftest.NOW + timedelta(hours=1))
    assert (found.new, found.new_versions, found.already_there) == (0, 0, 4)


def test_the_hour_that_is_left_out_is_refused(load: conftest.Load) -> None:
    found = load(
        rows("m", "2024-03-31 01:59:59", "2024-03-31 02:00:00", "2024-03-31 02:59:59", "2024-03-31 03:00:00"), **MADRID
    )
    assert reasons(found) == [(3, "skipped_hour"), (4, "skipped_hour")]
    assert list(current("m")) == ["2024-03-31T00:59:59", "2024-03-31T01:00:00"]


def test_the_day_almaty_changed_its_offset(load: conftest.Load) -> None:
    """On 2024-03-01 at midnight clocks went from UTC+6 to UTC+5: 23:00 to 24:00 of 29 February happened twice."""
    found = load(
        rows("m", "2024-02-29 22:30:00", "2024-02-29 23:00:00", "2024-02-29 23:30:00", "2024-02-29 23:00:00",
             "2024-02-29 23:30:00", "2024-03-01 00:00:00", "2024-03-01 12:00:00"),
        **ALMATY,
    )  # fmt: skip
    assert found.refused == 0
    assert current("m") == {
        "2024-02-29T16:30:00": 0, "2024-02-29T17:00:00": 1, "2024-02-29T17:30:00": 2, "2024-02-29T18:00:00": 3,
        "2024-02-29T18:30:00": 4, "2024-02-29T19:00:00": 5, "2024-03-01T07:00:00": 6,
    }  # fmt: skip


@settings(deadline=None)
@given(
    st.sampled_from(["Europe/Madrid", "Asia/Almaty", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu"]),
    st.datetimes(datetime(2001, 1, 1), datetime(2030, 1, 1)),
)
def test_segments_agree_with_the_zone(name: str, wall: datetime) -> None:
    zone = ZoneInfo(name)
    cut = segments(wall - timedelta(days=200), wall + timedelta(days=200), zone)
    here = [one for one in cut if one.start <= wall][-1]
    instants = set()
    for fold in (0, 1):
        instant = wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)
        if instant.astimezone(zone).replace(tzinfo=None) == wall:
            instants.add(instant)
    offsets = {one for one in (here.first, here.second) if one is not None}
    assert {wall.replace(tzinfo=UTC) - offset for offset in offsets} == instants
    assert here.is_repeated == (len(instants) == 2)


@pytest.mark.parametrize(
    ("time_format", "time", "instant"),
    [
        ("rfc3339", "2026-05-01T10:00:00Z", "2026-05-01T10:00:00"),
        ("rfc3339", "2026-05-01t10:00:00z", "2026-05-01T10:00:00"),
        ("rfc3339", "2026-05-01 10:00:00+05:30", "2026-05-01T04:30:00"),
        ("rfc3339", "2026-05-01T10:00:00.75-01:00", "2026-05-01T11:00:00"),
        ("rfc3339", "2026-05-01T10:00Z", None),  # RFC 3339 wants seconds
        ("rfc3339", "2026-05-01T10:00:00", None),
        ("rfc3339", "2026-05-01", None),
        ("rfc3339", "2026-02-30T10:00:00Z", None),
        ("rfc3339", "2026-05-01T25:00:00Z", None),
        ("epoch_s", "1777600000", "2026-05-01T01:46:40"),
        ("epoch_s", "1777600000.5", "2026-05-01T01:46:40"),
        ("epoch_ms", "1777600000000", "2026-05-01T01:46:40"),
        ("epoch_s", "9500000000000", None),
        ("epoch_s", "1e30", None),
        ("epoch_s", "nan", None),
        ("epoch_ms", "9223372036854775807", None),
        ("%d.%m.%Y %H:%M %z", "01.05.2026 10:00 +0500", "2026-05-01T05:00:00"),
        ("%d.%m.%Y %H:%M %z", "32.05.2026 10:00 +0500", None),
    ],
)
def test_forms_of_times(load: conftest.Load, time_format: str, time: str, instant: str | None) -> None:
    """Of a device that is made and of one that is known: both ways of reading."""
    for number in range(2):
        found = load(f"m,{time},{number}\nm,2026-04-0{number + 1}T00:00:00Z,0\n", time_format=time_format)
        if instant is None:
            assert (2, "bad_time") in reasons(found)
        else:
            assert current("m")[instant] == number


@pytest.mark.parametrize(
    ("time", "reason"),
    [("1900-01-01T00:00:00Z", "too_old"), ("2100-01-01T00:00:00Z", "future"), ("1999-12-31T23:59:59Z", "too_old"),
     ("9999-12-31T23:59:59Z", "future"), ("0001-01-01T00:00:00Z", "too_old"), ("2026-05-12T06:10:01Z", "future"),
     ("", "no_time")],
)  # fmt: skip
def test_absurd_times(load: conftest.Load, time: str, reason: str) -> None:
    assert reasons(load(f"m,2026-05-12T06:10:00Z,1\nm,{time},5\n")) == [(3, reason)]
    assert reasons(load(f"m,{time},5\n")) == [(2, reason)]


@pytest.mark.parametrize(("time", "reason"), [("1900-01-01 00:00:00", "too_old"), ("2100-01-01 00:00:00", "future")])
def test_absurd_local_times(load: conftest.Load, time: str, reason: str) -> None:
    found = load(f"m,{time},5\nm,2024-10-27 02:30:00,6\n", **MADRID)
    assert reasons(found) == [(2, reason)]
    assert list(current("m")) == ["2024-10-27T00:30:00"]


def test_times_of_parquet_files(load: conftest.Load) -> None:
    wall = datetime(2024, 10, 27, 2, 30)
    at = datetime(2024, 10, 27, 0, 30, tzinfo=UTC)
    path = get_lake().settings.temp_dir / "times.parquet"

    def stored(times: pa.Array, **profile: object) -> list[str]:
        pq.write_table(pa.table({"serial": ["m"] * len(times), "time": times, "value": list(range(len(times)))}), path)
        get_lake().commit(lambda cursor: cursor.execute("DELETE FROM lake.readings"))
        load(path, format="parquet", **profile)
        return list(current("m"))

    for unit in ("s", "ms", "us", "ns"):
        for _ in range(2):
            assert stored(pa.array([at], pa.timestamp(unit, "Europe/Madrid"))) == ["2024-10-27T00:30:00"]
    naive = pa.array([wall, wall], pa.timestamp("us"))
    assert stored(naive, zone="Europe/Madrid", time_format=LOCAL) == ["2024-10-27T00:30:00", "2024-10-27T01:30:00"]
    assert stored(pa.array(["2024-10-27T00:30:00Z"])) == ["2024-10-27T00:30:00"]
    assert stored(pa.array([int(at.timestamp())], pa.int64()), time_format="epoch_s") == ["2024-10-27T00:30:00"]
    assert stored(pa.array([float(at.timestamp())], pa.float64()), time_format="epoch_s") == ["2024-10-27T00:30:00"]
