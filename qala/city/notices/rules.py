"""When a notice goes out: quiet hours, digests, and the waits between tries. Plain functions over plain values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from qala.kernel.clock import utc
from qala.kernel.ranges import local_day, offset_changes

OFF, DAILY, WEEKLY = "off", "daily", "weekly"
MONDAY = 0
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=4)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Plan:
    """When a person wants mails.

    Args:
        digest: ``off``, ``daily`` or ``weekly`` (on Mondays).
        digest_hour: of the day, 0 to 23.
        quiet_from, quiet_to: half-open, by the wall's clock; over midnight where the end lies before the start.
    """

    digest: str = OFF
    digest_hour: int = 8
    quiet_from: time | None = None
    quiet_to: time | None = None


def is_quiet(instant: datetime, start: time | None, end: time | None, zone: ZoneInfo) -> bool:
    """Whether the clock on the city's wall stands within ``[start, end)``; never where there are no quiet hours."""
    if start is None or end is None:
        return False
    wall = utc(instant).astimezone(zone).time()
    return start <= wall < end if start < end else wall >= start or wall < end


def after_quiet(instant: datetime, start: time | None, end: time | None, zone: ZoneInfo) -> datetime:
    """The first instant from ``instant`` on that is not quiet, in UTC.

    An hour that the clock skips or shows twice counts as the wall shows it.
    """
    at = utc(instant)
    while is_quiet(at, start, end, zone):
        assert end is not None
        wall = at.astimezone(zone).replace(tzinfo=None)
        over = datetime.combine(wall.date(), end)
        if over <= wall:
            over += DAY
        then = at + (over - wall)
        # a change of the clock on the way: what the wall shows is looked at anew from there
        changes = offset_changes(at + timedelta(microseconds=1), then, zone)
        at = changes[0][0] if changes else then
    return at


def next_digest(instant: datetime, digest: str, hour: int, zone: ZoneInfo) -> datetime:
    """The first instant after ``instant`` at which a daily or weekly digest is due, in UTC.

    An hour that the clock skips is due when the skip is over; one that it shows twice, the first time.
    """
    at = utc(instant)
    day = local_day(at, zone)
    while True:
        due = _wall(day, hour, zone)
        if due > at and (digest == DAILY or day.weekday() == MONDAY):
            return due
        day += DAY


def _wall(day: date, hour: int, zone: ZoneInfo) -> datetime:
    found = datetime.combine(day, time(hour), tzinfo=zone).astimezone(UTC)
    skips = offset_changes(found - DAY / 2, found, zone)
    if skips and found.astimezone(zone).replace(tzinfo=None) != datetime.combine(day, time(hour)):
        return skips[-1][0]
    return found


def when_to_send(now: datetime, plan: Plan, zone: ZoneInfo, *, urgent: bool) -> tuple[datetime, bool]:
    """When a mail goes out, and whether it waits for a digest; what is urgent goes at once."""
    if urgent:
        return utc(now), False
    if plan.digest != OFF:
        due = next_digest(now, plan.digest, plan.digest_hour, zone)
        return after_quiet(due, plan.quiet_from, plan.quiet_to, zone), True
    return after_quiet(now, plan.quiet_from, plan.quiet_to, zone), False


def wait_before(attempt: int, jitter: float) -> timedelta:
    """How long to wait after a failed attempt: twice as long each time, up to four hours, less up to half of it.

    Args:
        attempt: its number, from 1.
        jitter: 0 to 1, so that many that failed at once are not tried again at once.
    """
    doubled: timedelta = FIRST_WAIT * (1 << min(attempt - 1, 20))
    return min(doubled, LONGEST_WAIT) * (1 - jitter / 2)


def is_over(first_tried_at: datetime, next_try_at: datetime, hours: int) -> bool:
    """Whether a delivery has been tried for so long that it is given up."""
    return next_try_at - first_tried_at > timedelta(hours=hours)
