"""Old registers go, and nothing that was computed from them changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from qala.city.devices.actions import load_readings, move_device, swap_device
from qala.city.devices.models import Load, Series
from qala.city.devices.public import tell_kept
from qala.city.devices.rules import parse_profile
from qala.city.meters.actions import close, close_devices, compute_all_days
from qala.city.meters.rules import HOUR_US, standing
from qala.city.meters.tests.test_close import closed, ints, series_of
from qala.city.meters.tests.test_measures import WATER, intervals, meter, places, put  # noqa: F401
from qala.city.places.models import Place
from qala.kernel import retention
from qala.kernel.access import system
from qala.kernel.clock import SetClock
from qala.kernel.errors import BadInput
from qala.kernel.lake import Lake, maintain
from qala.kernel.measures import ask
from qala.kernel.models import AuditEntry, OutboxDelivery

pytestmark = pytest.mark.django_db
US = system("test")
NOW = datetime(2026, 6, 1, tzinfo=UTC)
HORIZON = datetime(2026, 4, 1, tzinfo=UTC)  # 45 days before NOW is 17 April
HOUR = timedelta(hours=1)
KEY = "readings.register"
Rows = list[tuple[datetime, int]]


def at(hours: float) -> datetime:
    return HORIZON + timedelta(hours=hours)


def run(*, dry_run: bool = False, now: datetime = NOW) -> dict[str, tuple[str, int]]:
    return {one.key: (one.state, one.rows) for one in retention.run(who=US, now=now, dry_run=dry_run)}


def times(lake: Lake, series: int) -> list[datetime]:
    with lake.question() as cursor:
        rows = cursor.execute("SELECT t FROM lake.readings WHERE series = ? ORDER BY t", [series]).fetchall()
    return [row[0].replace(tzinfo=UTC) for row in rows]


def use() -> dict[tuple[str, datetime], float]:
    return {(one.subject, one.period_start): round(one.value or 0, 9) for one in ask(WATER, grain="day")}


@given(series_of(10**6), st.integers(-50, 300), series_of(10**6, most=6), st.sampled_from([-1, 150]))
def test_what_stays_gives_the_same_hours(
    readings: list[tuple[int, int]], hour: int, later: list[tuple[int, int]], limit: int
) -> None:
    horizon = (readings[0][0] // HOUR_US + hour) * HOUR_US
    table = ints(readings).reshape(-1, 2)
    found = standing(np.ones(len(table), np.int64), table[:, 0], table[:, 1], np.full(len(table), limit), horizon)
    keep_from = found.get(1, readings[0][0])
    kept = [one for one in readings if one[0] >= keep_from]
    before = [one[0] for one in readings if one[0] < horizon]
    assert not before or before[-1] in [one[0] for one in kept], "the last reading before the horizon stays"
    frozen = [row for row in closed(readings, limit=limit)[1] if row[0] < keep_from]
    begin = max(readings[-1][0] + 1, horizon)
    later = [(begin + at_ - later[0][0], value) for at_, value in later]
    for more in ([], later):
        assert frozen + closed(kept + more, limit=limit)[1] == closed(readings + more, limit=limit)[1]


@pytest.fixture
def city(lake: Lake, places: dict[str, Place]) -> dict[str, int]:  # noqa: F811
    """Meters with readings of two months before the horizon and a month after, all closed: series by serial."""
    hours = range(-1000, 700)
    laid: dict[str, Rows] = {
        "half": [(at(hour + 0.5), 10_000 + 10 * hour) for hour in hours],
        "even": [(at(hour), 20_000 + 7 * hour) for hour in hours],
        "gap": [(at(hour + 0.5), 30_000 + 5 * hour) for hour in hours if not -6 < hour < 5],
        "gone": [(at(hour + 0.5), 40_000 + 3 * hour) for hour in hours if hour < -500],
        "fell": [(at(hour + 0.25), 50_000 + (hour if hour < -1 else 0)) for hour in hours],
        "new": [(at(hour), hour) for hour in hours if hour > 5],
    }
    found = {}
    for serial, rows in laid.items():
        meter(serial, places["north"])
        found[serial] = put(serial, rows)
    close(list(found.values()), now=NOW - HOUR)
    retention.set_retention(KEY, days=45, who=US, now=NOW)
    return found


def test_old_rows_go_and_sums_stay(lake: Lake, city: dict[str, int], places: dict[str, Place]) -> None:  # noqa: F811
    maintain(lake=lake, keep=timedelta(0))
    before, used = {one: intervals(one) for one in city.values()}, use()
    files = sum(path.stat().st_size for path in Path(settings.QALA.lake_dir).rglob("*.parquet"))
    counted = run(dry_run=True)
    assert counted[KEY][0] == "dry_run" and retention.horizon(KEY) is None
    with lake.question() as cursor:
        assert cursor.execute("SELECT count(*) FROM lake.readings").fetchone() == (1700 * 3 + 1690 + 500 + 694,)
    done = run()
    assert done == {KEY: ("done", counted[KEY][1])}
    assert retention.horizon(KEY) == HORIZON
    old = {serial: [one for one in times(lake, number) if one < HORIZON] for serial, number in city.items()}
    assert old["half"] == [at(-0.5)]
    assert old["even"] == [at(-1)]
    assert old["gap"] == [at(-6.5), at(-5.5)], "also what the hour is known from at which the gap begins"
    assert old["gone"] == [at(-501.5), at(-500.5)]
    assert old["fell"][-1] == at(-0.75) and old["fell"][0] >= at(-3)
    assert old["new"] == []
    maintain(lake=lake, now=datetime.now(UTC) + timedelta(days=1), keep=timedelta(0))
    assert sum(path.stat().st_size for path in Path(settings.QALA.lake_dir).rglob("*.parquet")) < files
    told = AuditEntry.objects.filter(verb="city.forget", thing_key=KEY)
    assert sum(one.after["rows"] for one in told if one.after) == done[KEY][1]
    assert AuditEntry.objects.filter(verb="city.move_horizon", thing_key=KEY).count() == 1

    assert run() == {}, "again deletes nothing"
    again = close(list(city.values()), now=NOW + HOUR)
    assert (again.written, again.withdrawn, again.values) == (0, 0, 0)
    compute_all_days(now=NOW + HOUR)
    assert {one: intervals(one) for one in city.values()} == before and use() == used

    # readings go on, one comes late into the gap, a meter is moved: nothing of before is touched
    put("gone", [(at(702), 42_106)], now=NOW + HOUR)
    put("half", [(at(701.5), 18_000)], now=NOW + HOUR)
    put("gap", [(at(hour + 0.5), 30_000 + 5 * hour) for hour in range(5)], now=NOW + HOUR)
    close(list(city.values()), now=NOW + 2 * HOUR)
    for serial, number in city.items():
        held = [row for row in intervals(number) if row[1] <= HORIZON]
        assert held == [row for row in before[number] if row[1] <= HORIZON], serial
        for one, other in zip(intervals(number), intervals(number)[1:], strict=False):
            assert one[1] <= other[0], f"{serial}: two intervals lie over each other"
    gap = [row for row in intervals(city["gap"]) if row[1] > HORIZON]
    assert gap[:2] == [(at(-6), at(1), 35, "gap_total"), (at(1), at(2), 5, "interpolated")]
    gone = intervals(city["gone"])[-1]
    assert gone == (at(-501), at(702), 3610, "gap_total"), "also of a meter that was silent over the horizon"
    move_device(serial="even", who=US, now=NOW, at=at(100), place="south")
    close_devices([Series.objects.get(pk=city["even"]).device_id], now=NOW + 3 * HOUR)
    compute_all_days(now=NOW + 3 * HOUR)
    for (subject, day), value in use().items():
        if day < at(-501) - timedelta(days=1):  # since then the silent meter's total is shared by time
            assert value == used[subject, day]
    assert sum(row[2] or 0 for row in intervals(city["even"])) == 7 * 1699


def test_a_row_of_before_the_horizon_is_refused(lake: Lake, city: dict[str, int], tmp_path: Path) -> None:
    run()
    local = """unit = "L"\nproperty = "water_volume"\n{more}[columns]\nserial = "s"\ntime = "t"\nvalue = "v"\n"""
    file = tmp_path / "late.csv"
    file.write_text("s,t,v\nhalf,2026-03-20 10:00:00,1\nhalf,2026-04-20 10:00:01,2\n")
    careful = parse_profile(local.format(more='time_format = "%Y-%m-%d %H:%M:%S"\nzone = "UTC"\n'), "test")
    found = load_readings(path=file, profile=careful, profile_name="test", who=US, clock=SetClock(NOW))
    assert (found.new, found.refused_by_reason) == (1, {"not_kept": 1})
    file.write_text("s,t,v\nhalf,2026-03-31T23:59:59Z,1\nhalf,2026-04-01T00:00:00Z,2\nnew,2026-03-01T00:00:00Z,2\n")
    for dry_run in (True, False):
        found = load_readings(
            path=file, profile=parse_profile(local.format(more=""), "test"), profile_name="test", who=US,
            clock=SetClock(NOW), dry_run=dry_run,
        )  # fmt: skip
        assert (found.read, found.new, found.refused_by_reason) == (3, 1, {"not_kept": 2})
    with pytest.raises(BadInput, match="not kept"):
        swap_device(
            serial="half", new_serial="other", who=US, now=NOW, at=at(-50), final={"water_volume": Decimal(1)},
            first={"water_volume": Decimal(0)},
        )  # fmt: skip


def test_it_waits_for_news_and_loads(lake: Lake, city: dict[str, int]) -> None:
    with transaction.atomic():
        tell_kept(source="x", first=at(-100), last=at(-99), now=NOW)
        tell_kept(source="y", first=at(5), last=at(6), now=NOW)
    for state in (OutboxDelivery.DUE, OutboxDelivery.CLAIMED, OutboxDelivery.FAILED):
        OutboxDelivery.objects.filter(event__payload__source="x").update(state=state)
        assert run()[KEY][0] == run(dry_run=True)[KEY][0] == "waits"
        assert retention.horizon(KEY) is None and len(times(lake, city["half"])) == 1700
    OutboxDelivery.objects.filter(event__payload__source="x").update(state=OutboxDelivery.DONE)
    load = Load.objects.create(file_name="f", profile="p", profile_text={}, started_at=NOW, who_name="w")
    assert run()[KEY][0] == "waits"
    load.delete()
    assert run()[KEY][0] == "done", "what lies after the horizon is not waited for"


def test_kept_longer_later_brings_nothing_back(lake: Lake, city: dict[str, int]) -> None:
    run()
    retention.set_retention(KEY, days=None, who=US, now=NOW)
    assert run(now=NOW + timedelta(days=400)) == {}
    assert retention.horizon(KEY) == HORIZON
    retention.set_retention(KEY, days=31, who=US, now=NOW)
    assert run()[KEY][0] == "done"
    assert retention.horizon(KEY) == datetime(2026, 5, 1, tzinfo=UTC)


def test_other_kinds_go_by_their_own_class(lake: Lake, city: dict[str, int]) -> None:
    Series.objects.filter(pk=city["even"]).update(kind="instant")
    retention.set_retention(KEY, days=None, who=US, now=NOW)
    retention.set_retention("readings.instant", days=45, who=US, now=NOW)
    assert run() == {"readings.instant": ("done", 1000)}
    assert times(lake, city["even"])[0] == HORIZON and len(times(lake, city["half"])) == 1700


def test_a_run_stops_in_time_and_goes_on(lake: Lake, city: dict[str, int]) -> None:
    counted = run(dry_run=True)[KEY][1]
    first = retention.run(who=US, now=NOW, patience=timedelta(0))
    assert [(one.key, one.state) for one in first] == [(KEY, "unfinished")]
    close(list(city.values()), now=NOW)
    assert first[0].rows + run()[KEY][1] == counted
