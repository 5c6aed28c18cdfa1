"""The stretch of whole days that a page shows, from what its address asks for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from qala.kernel.errors import BadInput
from qala.kernel.ranges import TimeRange, day_start, local_day

LONGEST_DAYS = 400
DEFAULT_DAYS = 7


@dataclass(frozen=True, slots=True)
class Period:
    """Whole local days, ``first`` to ``last`` inclusive; ``extent`` is what there is at all; ``zone`` an IANA name."""

    first: date
    last: date
    extent: tuple[date, date] | None
    zone: str

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def span(self) -> TimeRange:
        zone = ZoneInfo(self.zone)
        return TimeRange(day_start(self.first, zone), day_start(self.last + timedelta(days=1), zone))

    @property
    def query(self) -> str:
        return f"from={self.first.isoformat()}&to={self.last.isoformat()}"

    def shifted(self, direction: int) -> Period | None:
        """The period of the same length before (-1) or after (+1), unless nothing is there."""
        by = timedelta(days=self.days * direction)
        moved = Period(self.first + by, self.last + by, self.extent, self.zone)
        if self.extent is None or moved.last < self.extent[0] or moved.first > self.extent[1]:
            return None
        return moved

    @property
    def before(self) -> Period | None:
        return self.shifted(-1)

    @property
    def after(self) -> Period | None:
        return self.shifted(1)

    def of_days(self, days: int) -> Period:
        """The last ``days`` days up to this period's last."""
        return Period(self.last - timedelta(days=days - 1), self.last, self.extent, self.zone)

    @property
    def choices(self) -> list[tuple[int, Period]]:
        return [(days, self.of_days(days)) for days in (1, 7, 31, 366)]


def period_of(
    wanted_from: str, wanted_to: str, *, extent: tuple[datetime, datetime] | None, now: datetime, city_zone: str
) -> Period:
    """The period that an address asks for; the last week that has anything by default.

    Raises:
        BadInput: no dates, the wrong way round, or too long.
    """
    zone = ZoneInfo(city_zone)
    known = (local_day(extent[0], zone), local_day(extent[1], zone)) if extent else None
    last = known[1] if known else local_day(now, zone)
    try:
        end = date.fromisoformat(wanted_to) if wanted_to else last
        start = date.fromisoformat(wanted_from) if wanted_from else end - timedelta(days=DEFAULT_DAYS - 1)
        if wanted_from and not wanted_to:
            end = start + timedelta(days=DEFAULT_DAYS - 1)
        datetime.combine(end, time(), UTC) + timedelta(days=2)
        datetime.combine(start, time(), UTC) - timedelta(days=2)
    except (ValueError, OverflowError):
        raise BadInput(
            f"“{wanted_from[:20]}” to “{wanted_to[:20]}” is no period.", fix="Dates look like 2026-03-01."
        ) from None
    if end < start:
        raise BadInput(f"The period ends on {end}, before it begins on {start}.", fix="Swap the dates.")
    if (end - start).days >= LONGEST_DAYS:
        raise BadInput(f"A page shows {LONGEST_DAYS} days at most.", fix="Choose a shorter period, or export a file.")
    return Period(start, end, known, city_zone)
