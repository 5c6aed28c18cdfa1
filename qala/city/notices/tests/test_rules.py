"""Quiet hours, digests and waits, in zones that change their clocks."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qala.city.notices import rules
from qala.city.notices.rules import DAILY, OFF, WEEKLY, Plan

ALMATY, BERLIN = ZoneInfo("Asia/Almaty"), ZoneInfo("Europe/Berlin")
ZONES = st.sampled_from([ALMATY, BERLIN, ZoneInfo("Australia/Lord_Howe"), ZoneInfo("UTC")])
# around the change of Almaty's offset (2024-03-01) and both changes of a European year
INSTANTS = st.datetimes(datetime(2024, 2, 25), datetime(2024, 11, 5), timezones=st.just(UTC))
CLOCK = st.times().map(lambda one: one.replace(second=0, microsecond=0, tzinfo=None))


@given(INSTANTS, CLOCK, CLOCK, ZONES)
def test_quiet_hours_end_at_the_first_instant_that_is_not_quiet(
    now: datetime, start: time, end: time, zone: ZoneInfo
) -> None:
    if start == end:
        return
    found = rules.after_quiet(now, start, end, zone)
    assert found >= now
    assert not rules.is_quiet(found, start, end, zone)
    assert found - now < timedelta(hours=26)
    if found > now:  # quiet all the way
        for share in (0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.999):
            assert rules.is_quiet(now + (found - now) * share, start, end, zone)
    else:
        assert not rules.is_quiet(now, start, end, zone)


@given(INSTANTS, ZONES)
def test_who_has_no_quiet_hours_is_told_at_once(now: datetime, zone: ZoneInfo) -> None:
    assert rules.after_quiet(now, None, None, zone) == now


@pytest.mark.parametrize(
    ("zone", "now", "start", "end", "wanted"),
    [
        (ALMATY, "2026-05-12T18:30+00:00", "22:00", "07:00", "2026-05-13T02:00+00:00"),  # 23:30 in UTC+5
        (ALMATY, "2026-05-12T02:00+00:00", "22:00", "07:00", "2026-05-12T02:00+00:00"),  # 7:00: over
        (ALMATY, "2026-05-12T17:00+00:00", "22:00", "07:00", "2026-05-13T02:00+00:00"),  # 22:00: begun
        # on 2024-03-01 at midnight of UTC+6 the clock went back to 23:00: the night is an hour longer
        (ALMATY, "2024-02-29T17:00+00:00", "22:00", "07:00", "2024-03-01T02:00+00:00"),
        # quiet from 23:30 to 24:00 is over at midnight, and begins again: the hour comes twice
        (ALMATY, "2024-02-29T17:40+00:00", "23:00", "00:00", "2024-02-29T19:00+00:00"),
        (BERLIN, "2024-03-30T22:00+00:00", "22:00", "07:00", "2024-03-31T05:00+00:00"),  # a night of 8 hours
        (BERLIN, "2024-03-31T00:30+00:00", "01:00", "02:30", "2024-03-31T01:00+00:00"),  # 2:30 is skipped: 3:00
        (BERLIN, "2024-10-26T23:30+00:00", "01:00", "02:30", "2024-10-27T00:30+00:00"),  # 2:30, the first time
        (BERLIN, "2024-10-27T01:10+00:00", "01:00", "02:30", "2024-10-27T01:30+00:00"),  # 2:10, the second time
    ],
)
def test_ends_of_quiet_hours(zone: ZoneInfo, now: str, start: str, end: str, wanted: str) -> None:
    found = rules.after_quiet(datetime.fromisoformat(now), time.fromisoformat(start), time.fromisoformat(end), zone)
    assert found == datetime.fromisoformat(wanted)


@given(INSTANTS, st.integers(0, 23), ZONES, st.sampled_from([DAILY, WEEKLY]))
def test_a_digest_comes_once_a_day_or_week_at_its_hour(now: datetime, hour: int, zone: ZoneInfo, digest: str) -> None:
    due = rules.next_digest(now, digest, hour, zone)
    assert now < due <= now + timedelta(days=1 if digest == DAILY else 7, hours=2)
    local = due.astimezone(zone)
    before = (due - timedelta(minutes=1)).astimezone(zone)
    # at its hour, or where that was skipped, right after the skip
    assert local.time() == time(hour) or before.utcoffset() != local.utcoffset()
    if digest == WEEKLY:
        assert local.weekday() == 0
    following = rules.next_digest(due, digest, hour, zone)
    assert timedelta(hours=20) < following - due < timedelta(days=8)


def test_what_is_urgent_waits_for_nothing() -> None:
    night = datetime(2026, 5, 12, 20, tzinfo=UTC)  # 1:00 in the city
    plan = Plan(DAILY, 8, time(22), time(7))
    assert rules.when_to_send(night, plan, ALMATY, urgent=True) == (night, False)
    assert rules.when_to_send(night, plan, ALMATY, urgent=False) == (datetime(2026, 5, 13, 3, tzinfo=UTC), True)
    alone = Plan(OFF, 8, time(22), time(7))
    assert rules.when_to_send(night, alone, ALMATY, urgent=False) == (datetime(2026, 5, 13, 2, tzinfo=UTC), False)
    late = Plan(DAILY, 23, time(22), time(7))  # a digest at a quiet hour comes when that is over
    assert rules.when_to_send(night, late, ALMATY, urgent=False) == (datetime(2026, 5, 14, 2, tzinfo=UTC), True)


@given(st.integers(1, 200), st.floats(0, 1))
def test_waits_double_up_to_four_hours(attempt: int, jitter: float) -> None:
    wait = rules.wait_before(attempt, jitter)
    assert timedelta(seconds=15) <= wait <= rules.LONGEST_WAIT
    assert rules.wait_before(attempt + 1, jitter) >= wait
    assert rules.wait_before(attempt, 0) / 2 <= wait <= rules.wait_before(attempt, 0)


@given(st.integers(1, 72), st.floats(0, 1))
def test_a_mail_is_given_up_in_time_and_after_some_tries(hours: int, jitter: float) -> None:
    first = now = datetime(2026, 5, 12, tzinfo=UTC)
    tries = 1
    while not rules.is_over(first, now + rules.wait_before(tries, jitter), hours):
        now += rules.wait_before(tries, jitter)
        tries += 1
    assert now - first <= timedelta(hours=hours)
    assert 6 < tries < 60
