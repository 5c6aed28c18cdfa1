"""What the city takes on disk: now, by part, table and month; day by day; and when the disk will be full at that growth."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.conf import settings as django_settings
from django.db import transaction
from django.utils import timezone

from qala.kernel import lake, plug
from qala.kernel.access import Who
from qala.kernel.config import Settings
from qala.kernel.lake.held import Held, by_month, row_counts
from qala.kernel.models import StorageDay
from qala.kernel.work import OPERATE

from .status import disk_free, sizes

WEEKS = 6
KEPT = timedelta(days=800)  # two years, so that a year can be compared with the one before
SOON = timedelta(days=90)  # a disk that is full by then is told of


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the city: its bytes now, and how many come a day, ``None`` until two days were measured."""

    name: str
    bytes: int
    growth_bytes_per_day: float | None


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the lake.

    Args:
        rows: in all; ``waiting`` of them lie in the catalogue until they are enough for a file.
    """

    name: str
    rows: int
    waiting: int
    bytes: int
    files: int
    months: tuple[Held, ...]


@dataclass(frozen=True, slots=True)
class Storage:
    """All of it.

    Args:
        days: bytes of all parts together by day of the city, the last weeks, as measured.
        growth_bytes_per_day: over those days, of what lies on the data folder's disk.
        full_on: the day when nothing is free any more at this growth; ``None`` where it does not grow, or is not known yet.
    """

    parts: tuple[Part, ...]
    tables: tuple[Table, ...]
    free_bytes: int
    days: tuple[tuple[date, int], ...]
    growth_bytes_per_day: float | None
    full_on: date | None


def measure(*, now: datetime) -> None:
    """Keep what each part takes today; again on the same day the later measure counts."""
    settings: Settings = django_settings.QALA
    day = timezone.localdate(now)
    with transaction.atomic():
        StorageDay.objects.bulk_create(
            [StorageDay(day=day, part=name, bytes=size, measured_at=now) for name, size in sizes(settings).items()],
            update_conflicts=True, unique_fields=["day", "part"], update_fields=["bytes", "measured_at"],
        )  # fmt: skip
        StorageDay.objects.filter(day__lt=day - KEPT).delete()


def look(*, who: Who, now: datetime) -> Storage:
    """What the city takes on disk.

    Raises:
        SignInNeeded, NotAllowed: the asker may not operate the city.
        Unavailable: the lake does not answer.
    """
    who.require(OPERATE)
    settings: Settings = django_settings.QALA
    today = timezone.localdate(now)
    measured: dict[str, dict[date, int]] = {}
    for part, day, size in StorageDay.objects.filter(day__gt=today - timedelta(weeks=WEEKS)).values_list(
        "part", "day", "bytes"
    ):
        measured.setdefault(part, {})[day] = size
    parts = tuple(
        Part(name, size, growth_per_day({**measured.get(name, {}), today: size}))
        for name, size in sizes(settings).items()
    )
    days: dict[date, int] = {}
    for held in measured.values():
        for day, size in held.items():
            days[day] = days.get(day, 0) + size
    days[today] = sum(part.bytes for part in parts)
    # of the parts, as one that is measured only lately is no growth
    known = [
        part.growth_bytes_per_day
        for part in parts
        if part.growth_bytes_per_day is not None and (part.name != "backups" or _beside(settings))
    ]
    growth = sum(known) if known else None
    free = disk_free(settings)
    return Storage(parts, _tables(), free, tuple(sorted(days.items())), growth, full_on(free, growth, today))


def _beside(settings: Settings) -> bool:
    """Whether the back-ups lie on the data folder's disk."""
    try:
        return settings.backup_dir is not None and settings.backup_dir.stat().st_dev == settings.data_dir.stat().st_dev
    except OSError:
        return False


def growth_per_day(days: dict[date, int]) -> float | None:
    """Bytes that came a day: the slope of the straight line that fits the measured days best; ``None`` for a single one."""
    if len(days) < 2:
        return None
    first = min(days)
    points = [((day - first).days, size) for day, size in days.items()]
    middle, mean = (sum(one[axis] for one in points) / len(points) for axis in (0, 1))
    spread = sum((x - middle) ** 2 for x, _y in points)
    return sum((x - middle) * (y - mean) for x, y in points) / spread


def full_on(free_bytes: int, growth_bytes_per_day: float | None, today: date) -> date | None:
    """The day when the free bytes are used up; ``None`` where that is not in sight (or beyond a hundred years)."""
    if growth_bytes_per_day is None or growth_bytes_per_day <= 0:
        return None
    days = free_bytes / growth_bytes_per_day
    return today + timedelta(days=int(days)) if days < 36_525 else None


def _tables() -> tuple[Table, ...]:
    names = sorted(table.name for table in plug.declared("lake_tables"))
    held, counts = by_month(lake.get_lake()), row_counts(lake.get_lake(), names)
    found = []
    for name in names:
        months = tuple(one for one in held if one.table == name)
        in_files = sum(one.rows for one in months)
        found.append(
            Table(
                name, counts[name], max(counts[name] - in_files, 0), sum(one.bytes for one in months),
                sum(one.files for one in months), months,
            )
        )  # fmt: skip
    return tuple(found)
