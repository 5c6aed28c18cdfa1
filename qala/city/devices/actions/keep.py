"""Keeping readings: what is new of a staged table goes into the lake, each reading once, a changed one as a new version."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb
import numpy as np

from qala.kernel.lake import get_lake
from qala.kernel.lake.connection import Cursor


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of the rows of a staged table; new + new_versions + already_there = its rows."""

    new: int
    new_versions: int
    already_there: int


NOTHING_KEPT = Kept(0, 0, 0)


def keep_staged(cursor: Cursor, *, source: str, now: datetime, dry_run: bool = False) -> Kept:
    """Keep the readings of the temporary table ``staged(line, series, t, value, quality)``, in one commit.

    A reading is (series, t, value): one that is in the lake, or earlier in the table, is already there. Another value
    for the same series and time is a new version, received after those before it. So a value that returns to what it
    was (A, then B, then A again) keeps B as current: sending a file again must never change what is current. Whoever
    means A again edits the reading.

    Args:
        source: where the readings came from, e.g. ``load:<id>``.
        dry_run: count only.
    """
    row = cursor.execute("SELECT count(*), min(t), max(t), min(series), max(series) FROM staged").fetchone()
    if row is None or row[0] == 0:
        return NOTHING_KEPT
    total, low, high, first, last = row
    bounds = {"low": low, "high": high, "first": first, "last": last}

    def work(held: Cursor) -> Kept:
        # Both joins meet only what lies in the staged times and series; the lake's files are sorted and dated by them.
        within = "FROM lake.readings e WHERE e.t BETWEEN $low AND $high AND e.series BETWEEN $first AND $last"
        (near,) = _one(held, f"SELECT count(*) {within}", bounds)
        if near < total // 4:  # readings in order of arrival: next to nothing is there, so that is the side to look up
            held.execute(f"CREATE OR REPLACE TEMP TABLE near AS SELECT series, t, value, received_at {within}", bounds)
            held.execute("CREATE OR REPLACE TEMP TABLE known AS SELECT * FROM near SEMI JOIN staged USING (series, t)")
        else:
            held.execute(
                f"""CREATE OR REPLACE TEMP TABLE known AS
                    SELECT series, t, value, received_at {within} AND (series, t) IN (SELECT (series, t) FROM staged)""",
                bounds,
            )
        single = _is_single(held, first, last, low, high)
        held.execute(
            "CREATE OR REPLACE TEMP VIEW fresh AS FROM staged ANTI JOIN known USING (series, t, value)" if single
            else """CREATE OR REPLACE TEMP TABLE fresh AS
                    SELECT series, t, value, min(line) AS line, arg_min(quality, line) AS quality
                    FROM staged ANTI JOIN known USING (series, t, value) GROUP BY series, t, value"""
        )  # fmt: skip
        fresh, distinct, over = (
            _one(
                held,
                "SELECT count(*), count(*), (SELECT count(*) FROM fresh SEMI JOIN known USING (series, t)) FROM fresh",
            )
            if single
            else _one(
                held,
                """SELECT count(*), count(DISTINCT (series, t)),
                      (SELECT count(*) FROM (SELECT DISTINCT series, t FROM fresh) SEMI JOIN known USING (series, t))
               FROM fresh""",
            )
        )
        if not dry_run and fresh:
            # the latest received is the current one, also where the clock was set back since
            latest = held.execute("SELECT max(received_at) FROM known SEMI JOIN fresh USING (series, t)").fetchone()
            received = now.replace(tzinfo=None)
            if latest and latest[0] is not None and latest[0] >= received:
                received = latest[0] + timedelta(microseconds=1)
            # versions that came together follow each other by a microsecond, in their order in the file
            ranked = (
                "$now" if fresh == distinct
                else "$now + to_microseconds(row_number() OVER (PARTITION BY series, t ORDER BY line) - 1)"
            )  # fmt: skip
            held.execute(
                f"""INSERT INTO lake.readings
                    SELECT series, t, value, quality, {ranked}, $source FROM fresh""",
                {"now": received, "source": source},
            )
        new = distinct - over
        return Kept(new=new, new_versions=fresh - new, already_there=total - fresh)

    try:
        if dry_run:
            return work(cursor)
        return get_lake().commit(work, cursor=cursor)
    finally:
        cursor.execute("DROP TABLE IF EXISTS known; DROP TABLE IF EXISTS near")
        for kind in ("VIEW", "TABLE"):
            with suppress(duckdb.CatalogException):  # it is of the other kind
                cursor.execute(f"DROP {kind} IF EXISTS fresh")


def _is_single(cursor: Cursor, first: int, last: int, low: datetime, high: datetime) -> bool:
    """Whether no two rows of ``staged`` have series and time in common; sorting one whole number a row tells quickly."""
    micros = (high - low) // timedelta(microseconds=1) + 1
    if (last - first + 1) * micros >= 1 << 63:
        row = cursor.execute("SELECT 1 FROM staged GROUP BY series, t HAVING count(*) > 1 LIMIT 1").fetchone()
        return row is None
    found = cursor.execute(
        "SELECT (series::BIGINT - $first) * $micros + (epoch_us(t) - epoch_us($low::TIMESTAMP)) AS key FROM staged",
        {"micros": micros, "low": low, "first": first},
    ).fetchnumpy()
    keys = np.sort(np.asarray(found["key"], dtype=np.int64))
    return not bool((keys[1:] == keys[:-1]).any())


def _one(cursor: Cursor, statement: str, parameters: dict[str, object] | None = None) -> tuple[int, ...]:
    row = cursor.execute(statement, parameters or {}).fetchone()
    assert row is not None
    return tuple(int(value) for value in row)
