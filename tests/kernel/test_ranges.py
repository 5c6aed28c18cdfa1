from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qala.kernel.ranges import TimeRange, day_range, day_start, days_of, local_day, offset_changes

MADRID, ALMATY = ZoneInfo("Europe/Madrid"), ZoneInfo("Asia/Almaty")
HOUR = timedelta(hours=1)
# midnight skipped or repeated, offsets of half and three quarters of an hour, a day left out
ZONES = [
    ZoneInfo(name)
    for name in (
        "UTC", "Europe/Madrid", "Asia/Almaty", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Beirut",
        "America/Havana", "Atlantic/Azores", "America/Sao_Paulo", "America/Nuuk", "Africa/Casablanca",
    )
]  # fmt: skip
zones = st.sampled_from(ZONES)
instants = st.integers(0, 40 * 366 * 86_400).map(lambda s: datetime(1995, 1, 1, tzinfo=UTC) + timedelta(seconds=s))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("zone", "day", "start", "hours"),
    [
        (MADRID, date(2017, 3, 26), "2017-03-25T23:00Z", 23),
        (MADRID, date(2017, 10, 29), "2017-10-28T22:00Z", 25),
        (MADRID, date(2017, 6, 1), "2017-05-31T22:00Z", 24),
        # at 2024-03-01 00:00 Almaty's clocks went back to 23:00: the hour is the last of February twice
        (ALMATY, date(2024, 2, 28), "2024-02-27T18:00Z", 24),
        (ALMATY, date(2024, 2, 29), "2024-02-28T18:00Z", 25),
        (ALMATY, date(2024, 3, 1), "2024-02-29T19:00Z", 24),
        (ZoneInfo("Asia/Beirut"), date(2022, 3, 27), "2022-03-26T22:00Z", 23),  # midnight is skipped
        (ZoneInfo("America/Havana"), date(2022, 11, 6), "2022-11-06T04:00Z", 25),  # midnight comes twice
        (ZoneInfo("Pacific/Apia"), date(2011, 12, 30), "2011-12-30T10:00Z", 0),  # the day was left out
        (ZoneInfo("America/Toronto"), date(1919, 3, 31), "1919-03-31T04:30Z", 23.5),  # 23:30 was followed by 00:30
    ],
)
def test_days(zone: ZoneInfo, day: date, start: str, hours: float) -> None:
    span = day_range(day, zone)
    assert span.start == at(start)
    assert span.duration == hours * HOUR


@given(instants, zones)
def test_every_instant_lies_in_its_own_day_and_in_no_other(instant: datetime, zone: ZoneInfo) -> None:
    day = local_day(instant, zone)
    assert instant in day_range(day, zone)
    assert instant not in day_range(day - timedelta(days=1), zone)
    assert instant not in day_range(day + timedelta(days=1), zone)


@given(instants, st.integers(0, 40 * 24 * 3600), zones)
def test_days_tile_a_range(start: datetime, seconds: int, zone: ZoneInfo) -> None:
    end = start + timedelta(seconds=seconds)
    span = TimeRange(start, end)
    days = [day_range(day, zone) for day in days_of(span, zone)]
    if not seconds:
        assert not days
        return
    assert start in days[0] and end - timedelta(microseconds=1) in days[-1]
    assert all(one.end == other.start for one, other in pairwise(days))
    assert all(day.overlaps(span) for day in days if not day.is_empty)


def test_offset_changes() -> None:
    assert offset_changes(at("2024-01-01T00:00Z"), at("2025-01-01T00:00Z"), ALMATY) == [
        (at("2024-02-29T18:00Z"), 6 * HOUR, 5 * HOUR)
    ]
    assert offset_changes(at("2017-01-01T00:00Z"), at("2018-01-01T00:00Z"), MADRID) == [
        (at("2017-03-26T01:00Z"), HOUR, 2 * HOUR),
        (at("2017-10-29T01:00Z"), 2 * HOUR, HOUR),
    ]


def test_offset_changes_of_a_half_open_range() -> None:
    change = (at("2024-02-29T18:00Z"), 6 * HOUR, 5 * HOUR)
    instant, tick = change[0], timedelta(microseconds=1)
    assert offset_changes(instant, instant + HOUR, ALMATY) == [change]
    assert offset_changes(instant - HOUR, instant, ALMATY) == []
    assert offset_changes(instant - tick, instant + tick, ALMATY) == [change]
    assert offset_changes(instant + tick, instant + HOUR, ALMATY) == []
    assert offset_changes(instant, instant, ALMATY) == []


@given(instants, st.integers(0, 400), zones)
def test_offsets_change_where_the_changes_say(start: datetime, days: int, zone: ZoneInfo) -> None:
    end = start + timedelta(days=days)
    changes = offset_changes(start, end, zone)
    for instant, before, after in changes:
        assert start <= instant < end
        assert (instant - timedelta(seconds=1)).astimezone(zone).utcoffset() == before != after
        assert instant.astimezone(zone).utcoffset() == after
    for step in range(days):
        moment = start + timedelta(days=step, hours=3)
        past = [after for instant, _, after in changes if instant <= moment]
        expected = past[-1] if past else start.astimezone(zone).utcoffset()
        assert moment.astimezone(zone).utcoffset() == expected


def test_ranges_are_half_open() -> None:
    noon, later = at("2026-01-01T12:00Z"), at("2026-01-01T13:00Z")
    span = TimeRange(noon, later)
    assert noon in span and later not in span
    assert span.overlaps(TimeRange(noon, None)) and TimeRange(None, later).overlaps(span)
    assert not span.overlaps(TimeRange(later, None)) and not span.overlaps(TimeRange(None, noon))
    assert span.overlaps(TimeRange()) and noon in TimeRange()
    empty = TimeRange(noon, noon)
    assert empty.is_empty and noon not in empty and not empty.overlaps(TimeRange()) and not TimeRange().overlaps(empty)
    assert (span.duration, TimeRange(noon, None).duration) == (HOUR, None)


def test_ranges_are_in_utc_and_in_order() -> None:
    local = datetime(2026, 1, 1, 17, tzinfo=ALMATY)
    start = TimeRange(local).start
    assert start is not None and start.tzinfo is UTC and start == local
    with pytest.raises(ValueError, match="before its start"):
        TimeRange(local, local - HOUR)
    with pytest.raises(ValueError, match="no time zone"):
        TimeRange(local.replace(tzinfo=None))
    with pytest.raises(ValueError, match="open range"):
        list(days_of(TimeRange(local), ALMATY))


def test_day_starts_rise() -> None:
    for zone in ZONES:
        starts = [day_start(date(2011, 1, 1) + timedelta(days=n), zone) for n in range(5000)]
        assert all(one <= other for one, other in pairwise(starts))
