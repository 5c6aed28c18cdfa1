"""From registers in the lake to intervals and the measures of districts: late data, faults, days of 23 and 25 hours."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from django.db.models import F

from qala.city.devices.models import Device, Series
from qala.city.meters.actions import close, close_source, compute_days
from qala.city.meters.rules import day_use, whole_multiplier
from qala.city.meters.store import list_intervals
from qala.city.places.models import Place
from qala.kernel.lake import Lake, get_lake
from qala.kernel.measures import ask
from qala.kernel.models import OutboxEvent
from qala.kernel.ranges import TimeRange, day_range
from tests import factories

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
WATER = "meters.water_m3"


def put(serial: str, readings: list[tuple[datetime, int]], *, now: datetime = NOW, source: str = "test") -> int:
    """Readings of a water meter, in litres, straight into the lake; returns its series."""
    series = Series.objects.get(device__serial=serial).pk
    rows = pa.table(
        {
            "series": pa.array([series] * len(readings), pa.int32()),
            "t": pa.array([at.astimezone(UTC).replace(tzinfo=None) for at, _ in readings], pa.timestamp("us")),
            "value": pa.array([value for _, value in readings], pa.int64()),
            "quality": ["A"] * len(readings),
            "received_at": pa.array([now.replace(tzinfo=None)] * len(readings), pa.timestamp("us")),
            "source": [source] * len(readings),
        }
    )
    lake = get_lake()
    cursor = lake.cursor()
    cursor.register("rows", rows)
    lake.commit(lambda held: held.execute("INSERT INTO lake.readings SELECT * FROM rows"), cursor=cursor)
    cursor.close()
    return int(series)


def meter(serial: str, district: Place | None = None, **more: Any) -> Device:
    return factories.device(serial, "daiad-swm", district_id=None if district is None else district.pk, **more)


@pytest.fixture
def places(db: None) -> dict[str, Place]:
    city = Place.objects.create(kind="city", code="almaty", name_en="Almaty", label_lon=76.9, label_lat=43.2)
    found = {"city": city}
    for code in ("north", "south"):
        found[code] = Place.objects.create(
            kind="district", code=code, name_en=code, parent=city, label_lon=76.9, label_lat=43.2
        )
    return found


def intervals(series: int, as_of: datetime | None = None) -> list[tuple[datetime, datetime, int | None, str]]:
    return [(row[0], row[1], row[2], row[5]) for row in list_intervals(series, span=TimeRange(), as_of=as_of)]


START = datetime(2026, 5, 1, tzinfo=UTC)


def at(hour: float) -> datetime:
    return START + timedelta(hours=hour)


def test_closing_again_writes_nothing(lake: Lake, places: dict[str, Place]) -> None:
    meter("m", places["north"])
    series = put("m", [(at(hour), 10 * hour) for hour in range(30)])
    first = close([series], now=NOW)
    assert (first.series, first.written, first.withdrawn) == (1, 29, 0)
    assert first.values > 0
    told = OutboxEvent.objects.filter(name="meters.closed")
    assert told.count() == 1 and told.get().payload["written"] == 29
    again = close([series], now=NOW + HOUR)
    assert (again.written, again.withdrawn, again.values, told.count()) == (0, 0, 0, 1)


def test_late_data_takes_the_place_of_a_gap(lake: Lake, places: dict[str, Place]) -> None:
    meter("m", places["north"])
    known = [(at(hour), 10 * hour) for hour in (0, 1, 2, 7, 8)]
    series = put("m", known)
    close([series], now=NOW)
    assert intervals(series) == [
        (at(0), at(1), 10, "interpolated"), (at(1), at(2), 10, "interpolated"), (at(2), at(7), 50, "gap_total"),
        (at(7), at(8), 10, "interpolated"),
    ]  # fmt: skip
    put("m", [(at(hour), 10 * hour) for hour in (3, 4, 5, 6)], now=NOW + HOUR)
    done = close([series], now=NOW + HOUR)
    assert (done.written, done.withdrawn) == (5, 0)
    assert intervals(series) == [(at(hour), at(hour + 1), 10, "interpolated") for hour in range(8)]
    assert len(intervals(series, as_of=NOW)) == 4


def test_a_reading_that_merges_hours_withdraws_them(lake: Lake, places: dict[str, Place]) -> None:
    meter("m", places["north"])
    series = put("m", [(at(hour + 0.5), 100 + 10 * hour) for hour in range(8)])
    close([series], now=NOW)
    before = intervals(series)
    assert len(before) == 6
    put("m", [(at(4.5), 3)], now=NOW + HOUR, source="correction")  # the register fell: nothing is known at hour 4
    then = at(4.5).isoformat()
    done = close_source(source="correction", first=then, last=then, since=(NOW + HOUR).isoformat(), now=NOW + HOUR)
    assert (done.written, done.withdrawn) == (2, 1), "3 to 5 and 5 to 6 anew; what began at 4 is no more"
    after = intervals(series)
    assert [(row[0], row[1]) for row in after if row[3] == "register_fault"] == [(at(3), at(5))]
    assert {row[0] for row in before} - {row[0] for row in after} == {at(4)}
    assert sum(row[2] or 0 for row in after) == sum(row[2] or 0 for row in before)
    assert intervals(series, as_of=NOW) == before, "what was known stays known"
    put("m", [(at(4.5), 140)], now=NOW + 2 * HOUR)
    close([series], now=NOW + 2 * HOUR)
    assert intervals(series) == before
    assert intervals(series, as_of=NOW + HOUR) == after


def test_the_last_version_of_a_reading_counts(lake: Lake, places: dict[str, Place]) -> None:
    meter("m")
    series = put("m", [(at(0), 0), (at(1), 10)])
    put("m", [(at(1), 25)], now=NOW + HOUR)
    close([series], now=NOW + 2 * HOUR)
    assert intervals(series) == [(at(0), at(1), 25, "interpolated")]


@pytest.mark.parametrize("multiplier", ["1", "10", "0.5", "1.25"])
def test_a_multiplier_is_exact(lake: Lake, multiplier: str) -> None:
    meter("m", multiplier=Decimal(multiplier))
    series = put("m", [(at(0), 1), (at(1), 8)])
    close([series], now=NOW)
    _, _, value, exponent, *_ = list_intervals(series, span=TimeRange())[0]
    assert Decimal(value).scaleb(exponent) == Decimal(multiplier) * 7 / 1000
    factor, power = whole_multiplier(Decimal(multiplier), -3)
    assert Decimal(factor).scaleb(power) == Decimal(multiplier) / 1000


def measured(subject: Place, day: datetime) -> tuple[float, float, float, int] | None:
    found = ask(WATER, grain="day", subjects=[str(subject.pk)], start=day, end=day + HOUR)
    return (found[0].value or 0, found[0].lower or 0, found[0].upper or 0, found[0].n) if found else None


def test_city_is_its_districts_and_those_without(lake: Lake, places: dict[str, Place], settings: object) -> None:
    """Against a sum in plain Python over the intervals, day by local day."""
    zone = ZoneInfo("Asia/Almaty")
    rng = np.random.default_rng(5)
    series = []
    where = [places["north"], places["north"], places["south"], None, None]
    for number, district in enumerate(where):
        meter(f"m{number}", district)
        steps = rng.integers(0, 40, 24 * 5)
        readings = list(zip((at(hour + 0.3) for hour in range(24 * 5)), np.cumsum(steps).tolist(), strict=True))
        series.append(put(f"m{number}", readings))
    close(series, now=NOW)
    wanted: dict[tuple[object, date], int] = defaultdict(int)
    for one, district in zip(series, where, strict=True):
        for start, _, value, _ in intervals(one):
            day = start.astimezone(zone).date()
            wanted[places["city"].pk, day] += value or 0
            if district is not None:
                wanted[district.pk, day] += value or 0
    found = {(one.subject, one.period_start.astimezone(zone).date()): one for one in ask(WATER, grain="day", end=NOW)}
    assert {(str(key), day) for key, day in wanted} == set(found)
    for (key, on), litres in wanted.items():
        use = found[str(key), on]
        assert use.value == pytest.approx(litres / 1000)
        assert use.lower == pytest.approx(litres / 1000) == use.upper
    assert {one.n for (key, _), one in found.items() if key == str(places["city"].pk)} == {5}
    assert {one.n for (key, _), one in found.items() if key == str(places["north"].pk)} == {2}


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [("Europe/Madrid", datetime(2024, 3, 31), 23), ("Europe/Madrid", datetime(2024, 10, 27), 25),
     ("Asia/Almaty", datetime(2024, 2, 29), 25), ("Asia/Almaty", datetime(2024, 3, 1), 24)],
)  # fmt: skip
def test_days_of_other_lengths(
    lake: Lake, places: dict[str, Place], settings: Any, zone: str, day: datetime, hours: int
) -> None:
    settings.TIME_ZONE = zone
    meter("m", places["north"])
    span = day_range(day.date(), ZoneInfo(zone))
    assert span.start and span.end and span.end - span.start == hours * HOUR
    series = put("m", [(span.start + hour * HOUR, 7 * hour) for hour in range(-3, hours + 4)])
    close([series], now=NOW)
    value = measured(places["north"], span.start)
    assert value is not None
    assert value[0] == pytest.approx(7 * hours / 1000)
    after = measured(places["north"], span.end)
    assert after is not None and after[0] == pytest.approx(3 * 7 / 1000)


def test_a_gap_over_midnight_is_shared_with_bounds(lake: Lake, places: dict[str, Place], settings) -> None:  # type: ignore[no-untyped-def]
    settings.TIME_ZONE = "UTC"
    meter("m", places["north"])
    readings = [(at(hour), 10 * hour) for hour in range(22)]  # until 21:00, then nothing for 12 hours
    readings += [(at(33 + hour), 210 + 120 + 10 * hour) for hour in range(6)]
    close([put("m", readings)], now=NOW)
    first, second = measured(places["north"], at(0)), measured(places["north"], at(24))
    assert first == pytest.approx((0.210 + 0.030, 0.210, 0.330, 1))
    assert second == pytest.approx((0.090 + 0.050, 0.050, 0.170, 1))


def test_a_fault_is_no_consumption(lake: Lake, places: dict[str, Place], settings) -> None:  # type: ignore[no-untyped-def]
    settings.TIME_ZONE = "UTC"
    meter("m", places["north"])
    close([put("m", [(at(hour), 10 * hour if hour < 5 else 2 + 10 * hour - 50) for hour in range(10)])], now=NOW)
    value = measured(places["north"], at(0))
    assert value is not None and value[0] == pytest.approx(8 * 10 / 1000)


def test_a_meter_that_moved_counts_where_it_is(lake: Lake, places: dict[str, Place], settings) -> None:  # type: ignore[no-untyped-def]
    settings.TIME_ZONE = "UTC"
    meter("m", places["north"])
    meter("n", places["south"])
    series = [put(serial, [(at(hour), 10 * hour) for hour in range(10)]) for serial in "mn"]
    close(series, now=NOW)
    Device.objects.filter(serial="m").update(district=places["south"])
    compute_days(WATER, span=TimeRange(at(0), at(9)), now=NOW + HOUR)
    assert measured(places["north"], at(0)) is None
    south, city = measured(places["south"], at(0)), measured(places["city"], at(0))
    assert south == city == pytest.approx((0.18, 0.18, 0.18, 2))
    assert Series.objects.filter(device__district=F("device__district")).exists()


def test_day_use_shares_only_what_reaches_over() -> None:
    day = 86_400
    edges = np.array([0, day, 2 * day, 3 * day], dtype=np.int64)

    def ints(*values: int) -> np.ndarray:
        return np.array(values, dtype=np.int64)

    found = day_use(
        ints(0, 0, 1, -1, 0), ints(1, 2, 3, 4, 1), ints(0, day // 2, -day, 0, 3 * day), ints(day, 5 * day // 2, day, day, 4 * day),
        np.array([5.0, 8.0, 6.0, 9.0, 99.0]), edges,
    )  # fmt: skip
    assert {key: (use.value, use.lower, use.upper, use.meters) for key, use in found.items()} == {
        (0, 0): (5 + 2, 5, 13, 2), (0, 1): (4, 0, 8, 1), (0, 2): (2, 0, 8, 1), (1, 0): (3, 0, 6, 1),
    }  # fmt: skip
    assert day_use(ints(), ints(), ints(), ints(), np.array([]), edges) == {}
