"""Local wall-clock times to instants: where an hour is repeated or left out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from qala.kernel.ranges import offset_changes


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of local time from ``start`` (naive) up to the next segment's start.

    ``first`` and ``second`` are the offsets from UTC that a local time in it may have: equal where it happens once,
    two where it happens twice, ``None`` where it never happens.
    """

    start: datetime
    first: timedelta | None
    second: timedelta | None

    @property
    def is_repeated(self) -> bool:
        return self.first != self.second


def segments(low: datetime, high: datetime, zone: ZoneInfo) -> list[Segment]:
    """Local time around ``[low, high]`` (naive local) cut into segments, the first beginning before ``low``."""
    begin = (low - timedelta(days=2)).replace(tzinfo=UTC)
    end = (high + timedelta(days=2)).replace(tzinfo=UTC)
    offset = begin.astimezone(zone).utcoffset() or timedelta()
    cut = [Segment(low - timedelta(days=3), offset, offset)]
    for instant, before, after in offset_changes(begin, end, zone):
        wall = instant.replace(tzinfo=None)
        if after < before:  # clocks go back: [wall+after, wall+before) happens twice
            cut.append(Segment(wall + after, before, after))
            cut.append(Segment(wall + before, after, after))
        else:  # clocks go forward: [wall+before, wall+after) never happens
            cut.append(Segment(wall + before, None, None))
            cut.append(Segment(wall + after, after, after))
    return cut
