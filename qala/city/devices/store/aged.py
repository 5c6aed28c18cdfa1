"""What is older than it is kept: readings by kind, refused rows, files of refused rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from django.conf import settings
from django.utils.translation import gettext as _

from qala.kernel.lake import get_lake
from qala.kernel.lake.connection import Cursor
from qala.kernel.lake.held import by_month
from qala.kernel.models import OutboxDelivery
from qala.kernel.retention import Going

from ..models import DeviceLoad, Load, Series

# News of what a close of registers has still to see.
NEWS = ("devices.readings_kept", "devices.registers_read", "devices.changed")
GOES = "r.t < least(coalesce(a.keep_from, $before), $before)"
AGED = "lake.readings r JOIN aged a ON a.series = r.series WHERE " + GOES


@contextmanager
def aged_series(cursor: Cursor, kind: str, keep_from: dict[int, int] | None = None) -> Iterator[None]:
    """The series of a kind as the table ``aged(series, keep_from)`` of the cursor.

    Args:
        keep_from: series → instant (microseconds since 1970) from which its readings stay, though older.
    """
    numbers = np.fromiter(
        Series.objects.filter(kind=kind).order_by("pk").values_list("pk", flat=True).iterator(5000), np.int64
    )
    kept = keep_from or {}
    start = pa.array([kept.get(one) for one in numbers.tolist()], pa.int64()).cast(pa.timestamp("us"))
    cursor.register("aged", pa.table({"series": pa.array(numbers, pa.int32()), "keep_from": start}))
    try:
        yield
    finally:
        cursor.unregister("aged")


def aged_months(kind: str, before: datetime, keep_from: dict[int, int] | None = None) -> list[tuple[date, int]]:
    """Months (UTC) that hold readings of a kind of before an instant, and how many of those go; the oldest first."""
    with get_lake().question() as cursor, aged_series(cursor, kind, keep_from):
        rows = cursor.execute(
            f"SELECT date_trunc('month', r.t)::DATE AS month, count(*) FROM {AGED} GROUP BY month ORDER BY month",
            {"before": _naive(before)},
        ).fetchall()
    return [(month, int(count)) for month, count in rows]


def count_aged(kind: str, before: datetime, keep_from: dict[int, int] | None = None) -> Going:
    """Readings of a kind of before an instant, and their share of the bytes of their months."""
    months = aged_months(kind, before, keep_from)
    return Going(sum(count for _month, count in months), _bytes("readings", dict(months)))


def count_intervals(before: datetime, now: datetime) -> Going:
    """Readings of the kind ``interval``, as ``count_aged``."""
    return count_aged("interval", before)


def count_instants(before: datetime, now: datetime) -> Going:
    """Readings of the kind ``instant``, as ``count_aged``."""
    return count_aged("instant", before)


def count_refusals(before: datetime, now: datetime) -> Going:
    """Refused rows that were received before an instant."""
    months = aged_refusals(before)
    return Going(sum(count for _month, count in months), _bytes("refusals", dict(months)))


def aged_refusals(before: datetime) -> list[tuple[date, int]]:
    """Months (UTC) in which refused rows were received before an instant, and how many; the oldest first."""
    with get_lake().question() as cursor:
        rows = cursor.execute(
            """SELECT date_trunc('month', received_at)::DATE AS month, count(*) FROM lake.refusals
               WHERE received_at < $before GROUP BY month ORDER BY month""",
            {"before": _naive(before)},
        ).fetchall()
    return [(month, int(count)) for month, count in rows]


def aged_files(before: datetime) -> list[Path]:
    """Files of refused rows whose load ended before an instant."""
    loads = Load.objects.filter(finished_at__lt=before).values_list("pk", flat=True)
    of_devices = DeviceLoad.objects.filter(at__lt=before).values_list("pk", flat=True)
    folder = Path(settings.QALA.loads_dir)
    aged = {str(key) for key in (*loads, *of_devices)}
    return sorted(path for path in folder.glob("*/refused*.csv") if path.parent.name in aged)


def count_files(before: datetime, now: datetime) -> Going:
    """How many files of refused rows are that old, and their bytes."""
    sizes = [path.stat().st_size for path in aged_files(before)]
    return Going(len(sizes), sum(sizes))


def what_waits(before: datetime) -> str:
    """Why no readings may be deleted now, in words; ``""``: nothing waits for them."""
    if Load.objects.filter(state=Load.RUNNING).exists():
        return _("A file is being loaded.")
    waiting = OutboxDelivery.objects.filter(event__name__in=NEWS).exclude(state=OutboxDelivery.DONE)
    given_up = False
    for state, name, payload in waiting.values_list("state", "event__name", "event__payload").iterator(2000):
        if name == "devices.readings_kept" and datetime.fromisoformat(payload["first"]) >= before:
            continue
        given_up = given_up or state == OutboxDelivery.FAILED
        if state != OutboxDelivery.FAILED:
            return _("News of readings is still to be delivered.")
    return _("The delivery of news of readings was given up: repeat it on the page “How it runs”.") if given_up else ""


def _bytes(table: str, going: dict[date, int]) -> int:
    held = [one for one in by_month(get_lake()) if one.table == table and one.month in going]
    return round(sum(one.bytes * min(1.0, going[one.month] / max(one.rows, 1)) for one in held if one.month))


def _naive(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(tzinfo=None)
