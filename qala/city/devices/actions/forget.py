"""Deleting what is older than it is kept. ``qala.kernel.retention`` alone calls it, and writes the audit."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

from qala.kernel.lake import get_lake
from qala.kernel.lake.connection import Cursor

from .. import store


def forget_readings(kind: str, before: datetime, keep_from: dict[int, int] | None = None) -> Iterator[tuple[str, int]]:
    """Delete the readings of a kind of series of before an instant, month by month, each in a commit of its own.

    A month's files go as a whole; what stays of it is written anew, so that its space is given back with the next rounds
    of the lake's upkeep.

    Args:
        keep_from: series → instant (microseconds since 1970) from which its readings stay, though older.

    Yields:
        the month, and how many readings went.
    """
    for month, _count in store.aged_months(kind, before, keep_from):
        yield f"{month:%Y-%m}", _forget_month(kind, month, before, keep_from)


def _forget_month(kind: str, month: date, before: datetime, keep_from: dict[int, int] | None) -> int:
    lake = get_lake()
    cursor = lake.cursor()
    span = {"first": _first(month), "last": _next(month)}
    within = "r.t >= $first AND r.t < $last"

    def work(held: Cursor) -> int:
        going = {**span, "before": before.astimezone(UTC).replace(tzinfo=None)}
        held.execute(
            f"""CREATE OR REPLACE TEMP TABLE stays AS
                SELECT r.* FROM lake.readings r LEFT JOIN aged a ON a.series = r.series
                WHERE {within} AND NOT coalesce({store.GOES} AND a.series IS NOT NULL, false)""",
            going,
        )
        gone = held.execute(f"DELETE FROM lake.readings r WHERE {within}", span).fetchone()
        stays = held.execute("SELECT count(*) FROM stays").fetchone()
        assert gone is not None and stays is not None
        held.execute("INSERT INTO lake.readings SELECT * FROM stays ORDER BY series, t, received_at; DROP TABLE stays")
        return int(gone[0]) - int(stays[0])

    try:
        with store.aged_series(cursor, kind, keep_from):
            return lake.commit(work, cursor=cursor)
    finally:
        cursor.close()


def _first(month: date) -> datetime:
    """As the lake keeps instants: UTC without saying so."""
    return datetime.combine(month, time())


def _next(month: date) -> datetime:
    return (_first(month) + timedelta(days=32)).replace(day=1)


def forget_intervals(before: datetime, now: datetime) -> Iterator[tuple[str, int]]:
    """Delete readings of series of the kind ``interval``."""
    yield from forget_readings("interval", before)


def forget_instants(before: datetime, now: datetime) -> Iterator[tuple[str, int]]:
    """Delete readings of series of the kind ``instant``."""
    yield from forget_readings("instant", before)


def forget_refusals(before: datetime, now: datetime) -> Iterator[tuple[str, int]]:
    """Delete refused rows that were received before an instant, month by month."""
    for month, _count in store.aged_refusals(before):
        span = {
            "first": _first(month),
            "last": min(_next(month), before.astimezone(UTC).replace(tzinfo=None)),
        }
        gone = get_lake().commit(
            lambda held, span=span: held.execute(  # type: ignore[misc]
                "DELETE FROM lake.refusals WHERE received_at >= $first AND received_at < $last", span
            ).fetchone()
        )
        yield f"{month:%Y-%m}", int(gone[0])


def forget_files(before: datetime, now: datetime) -> Iterator[tuple[str, int]]:
    """Delete files of refused rows whose load ended before an instant."""
    for path in store.aged_files(before):
        path.unlink(missing_ok=True)
        yield "files", 1
