"""Half-open ranges of time, and the city's days and hours within them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from .clock import utc

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class TimeRange:
    """``[start, end)`` in UTC; ``None`` leaves a side open.

    Raises:
        ValueError: a bound has no zone, or the end lies before the start.
    """

    start: datetime | None = None
    end: datetime | None = None

    def __post_init__(self) -> None:
        if self.start is not None:
            object.__setattr__(self, "start", utc(self.start))
        if self.end is not None:
            object.__setattr__(self, "end", utc(self.end))
        if self.start is not None and self.end is not None and self.end < self.start:
            raise ValueError(f"the range ends at {self.end.isoformat()}, before its start {self.start.isoformat()}")

    def __contains__(self, instant: datetime) -> bool:
        return (self.start is None or self.start <= instant) and (self.end is None or instant < self.end)

    def overlaps(self, other: TimeRange) -> bool:
        if self.is_empty or other.is_empty:
            return False
        return (self.start is None or other.end is None or self.start < other.end) and (
            other.start is None or self.end is None or other.start < self.end
        )

    @property
    def is_empty(self) -> bool:
        return self.start is not None and self.start == self.end

    @property
    def duration(self) -> timedelta | None:
        return None if self.start is None or self.end is None else self.end - self.start


def day_start(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of a local day, in UTC (midnight; where midnight is skipped, the instant after the skip)."""
    midnight = datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)
    skips = offset_changes(midnight - timedelta(hours=1), midnight, zone)
    # where the skip began before midnight, midnight's reading in the old offset lies behind the skip's end
    if skips and local_day(skips[0][0], zone) >= day:
        return skips[0][0]
    return midnight


def day_range(day: date, zone: ZoneInfo) -> TimeRange:
    """A local day as a range in UTC: 23, 24 or 25 hours long, or what a change of the zone's offset made of it."""
    return TimeRange(day_start(day, zone), day_start(day + timedelta(days=1), zone))


def local_day(instant: datetime, zone: ZoneInfo) -> date:
    """The local day that an instant belongs to."""
    return utc(instant).astimezone(zone).date()


def days_of(span: TimeRange, zone: ZoneInfo) -> Iterator[date]:
    """Every local day that a bounded range touches, in order."""
    if span.start is None or span.end is None:
        raise ValueError("an open range has no end of days")
    if span.is_empty:
        return
    day = local_day(span.start, zone)
    last = local_day(span.end - timedelta(microseconds=1), zone)
    while day <= last:
        yield day
        day += timedelta(days=1)


def offset_changes(start: datetime, end: datetime, zone: ZoneInfo) -> list[tuple[datetime, timedelta, timedelta]]:
    """The instants in ``[start, end)`` at which the zone's offset changes: (UTC instant, offset before, offset after)."""

    def offset(second: int) -> timedelta:
        return (EPOCH + timedelta(seconds=second)).astimezone(zone).utcoffset() or timedelta()

    changes = []
    last = _ceil_second(end) - 1
    low = _ceil_second(start) - 1  # the second before the range: a change at its very start shows against it
    while low < last:
        high = min(low + 86_400, last)  # no zone has changed its offset twice within a day
        before, after = offset(low), offset(high)
        if before != after:
            left, right = low, high
            while right - left > 1:
                middle = (left + right) // 2
                if offset(middle) == before:
                    left = middle
                else:
                    right = middle
            changes.append((EPOCH + timedelta(seconds=right), before, after))
        low = high
    return changes


def _ceil_second(instant: datetime) -> int:
    """Whole seconds since 1970, rounded up; zones change their offset at whole seconds."""
    return -((EPOCH - utc(instant)) // timedelta(seconds=1))
