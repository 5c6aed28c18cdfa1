"""What follows from readings that were kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from qala.kernel import outbox

from ..models import Device, Series

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ROWS_AT_ONCE = 5000  # two parameters each; SQLite takes 32,766


def tell_kept(*, source: str, first: datetime | None, last: datetime | None, now: datetime, **counts: int) -> None:
    """News that readings of a source are in the lake."""
    assert first is not None and last is not None
    payload = {"source": source, "first": first.isoformat(), "last": last.isoformat(), "at": now.isoformat(), **counts}
    outbox.tell("devices.readings_kept", payload, now=now)


def mark_seen(series: NDArray[np.int32], latest_us: NDArray[np.int64]) -> None:
    """Move ``last_seen_at`` of the devices of these series forward to a measurement time.

    Args:
        series: shape (n,).
        latest_us: shape (n,), microseconds since 1970 in UTC.
    """
    device, table = Device._meta.db_table, Series._meta.db_table
    number, instant = ("%s::integer", "%s::timestamptz") if connection.vendor == "postgresql" else ("%s", "%s")
    texts = cache(lambda at: connection.ops.adapt_datetimefield_value(EPOCH + timedelta(microseconds=at)))
    known = series > 0
    rows = zip(series[known].tolist(), latest_us[known].tolist(), strict=True)
    with connection.cursor() as cursor:
        while some := list(islice(rows, ROWS_AT_ONCE)):
            values = ", ".join([f"({number}, {instant})"] * len(some))
            cursor.execute(
                f"""UPDATE {device} SET last_seen_at = seen.at,
                           state = CASE state WHEN 'registered' THEN 'active' ELSE state END
                    FROM (SELECT s.device_id AS device_id, max(given.column2) AS at
                          FROM (VALUES {values}) AS given JOIN {table} s ON s.id = given.column1 GROUP BY s.device_id) AS seen
                    WHERE {device}.id = seen.device_id AND ({device}.last_seen_at IS NULL OR {device}.last_seen_at < seen.at)""",
                [value for one, at in some for value in (one, texts(at))],
            )
