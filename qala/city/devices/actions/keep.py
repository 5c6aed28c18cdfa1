"""Keeping readings: what is new of some goes into the lake, each reading once, a changed one as a new version."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from qala.kernel.lake import get_lake
from qala.kernel.lake.connection import Cursor

from ..rules import QUALITIES, reading_order, repeated

WORTH_ORDERING = 100_000  # rows, from which on not sorting again is worth two words with the catalogue
BATCH = 122_880  # rows that one thread of the lake takes at once
READING = pa.schema(
    [
        ("line", pa.int64()),
        ("series", pa.int32()),
        ("t", pa.timestamp("us")),
        ("value", pa.int64()),
        ("quality", pa.dictionary(pa.int8(), pa.string())),
    ]
)


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of some readings; new + new_versions + already_there = their number."""

    new: int
    new_versions: int
    already_there: int


NOTHING_KEPT = Kept(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Ordered:
    """Readings by series, time and line, each value of one instant once.

    Args:
        staged: of schema ``READING``.
        rank: shape (n,), which version of its instant each is, from 0; ``None`` where all are the first.
        total: how many there were, with those that came twice.
    """

    staged: pa.Table
    rank: NDArray[np.int64] | None
    total: int


def keep_readings(readings: pa.Table, *, source: str, now: datetime, dry_run: bool = False) -> Kept:
    """Keep readings in one commit.

    A reading is (series, t, value): one that is in the lake, or earlier in the table, is already there. Another value
    for the same series and time is a new version, received after those before it. So a value that returns to what it
    was (A, then B, then A again) keeps B as current: sending a file again must never change what is current. Whoever
    means A again edits the reading.

    Args:
        readings: of schema ``READING``: ``line`` tells their order, ``t`` is in UTC, ``value`` in the series' last digit.
        source: where the readings came from, e.g. ``load:<id>``.
        dry_run: count only.
    """
    return keep_ordered(in_order(readings), source=source, now=now, dry_run=dry_run)


def keep_ordered(ordered: Ordered, *, source: str, now: datetime, dry_run: bool = False) -> Kept:
    """Keep readings that ``in_order`` prepared: what holds the lake's lock is short."""
    if ordered.staged.num_rows == 0:
        return NOTHING_KEPT
    lake = get_lake()
    cursor = lake.cursor()

    def work(held: Cursor) -> Kept:
        return _keep(held, ordered, source=source, now=now, dry_run=dry_run)

    try:
        return work(cursor) if dry_run else lake.commit(work, cursor=cursor)
    finally:
        cursor.close()


def reading_table(**columns: object) -> pa.Table:
    """A table of schema ``READING`` from arrays of one length: ``t`` in microseconds, ``quality`` as number in ``QUALITIES``."""
    letters = pa.DictionaryArray.from_arrays(columns.pop("quality"), pa.array(list(QUALITIES)))
    t = pa.array(columns.pop("t")).cast(pa.timestamp("us"))
    return pa.table({**columns, "t": t, "quality": letters}).select(READING.names).cast(READING)


def in_order(readings: pa.Table) -> Ordered:
    """Readings of schema ``READING`` as they lie in the lake."""
    series, value = readings["series"].to_numpy(), readings["value"].to_numpy()
    t = pc.cast(readings["t"], pa.int64()).to_numpy()
    order, single = reading_order(series, t)
    rank = None
    if not single:
        again, version = repeated(series[order], t[order], value[order])
        order, rank = order[~again], version[~again]
    quality = readings["quality"].unify_dictionaries().combine_chunks()
    table = pa.Table.from_arrays(
        [
            pa.array(readings["line"].to_numpy()[order]),
            pa.array(series[order]),
            pa.array(t[order]).cast(pa.timestamp("us")),
            pa.array(value[order]),
            pa.DictionaryArray.from_arrays(quality.indices.to_numpy()[order], quality.dictionary),
        ],
        schema=READING,
    )
    return Ordered(_in_batches(table), rank, readings.num_rows)


def _in_batches(table: pa.Table) -> pa.Table:
    """So that all threads of the lake scan it."""
    return pa.Table.from_batches(table.to_batches(max_chunksize=BATCH), schema=table.schema)


def _keep(held: Cursor, ordered: Ordered, *, source: str, now: datetime, dry_run: bool) -> Kept:
    staged, rank, total = ordered.staged, ordered.rank, ordered.total
    bounds = {
        "first": staged["series"][0].as_py(), "last": staged["series"][-1].as_py(),
        **dict(zip(("low", "high"), pc.min_max(staged["t"]).as_py().values(), strict=True)),
    }  # fmt: skip
    held.register("staged", staged)
    received, over = now.replace(tzinfo=None), 0
    fresh = staged if rank is None else staged.append_column("rank", pa.array(rank))
    if _look_up(held, staged.num_rows, bounds):
        (lines,) = held.execute("SELECT line FROM staged SEMI JOIN known USING (series, t, value)").to_arrow_table()
        if len(lines) == staged.num_rows:
            return Kept(new=0, new_versions=0, already_there=total)
        fresh = _without(fresh, lines.to_numpy())
        held.register("fresh", fresh)
        row = held.execute(
            """SELECT count(DISTINCT (series, t)), (SELECT max(received_at) FROM known SEMI JOIN fresh USING (series, t))
               FROM fresh SEMI JOIN known USING (series, t)"""
        ).fetchone()
        assert row is not None
        over = row[0]
        # the latest received is the current one, also where the clock was set back since
        if row[1] is not None and row[1] >= received:
            received = row[1] + timedelta(microseconds=1)
    instants = fresh.num_rows
    # versions that came together follow each other by a microsecond, in their order in the file
    at = "$now"
    if rank is not None:
        instants = len(fresh.select(["series", "t"]).group_by(["series", "t"]).aggregate([]))
        at = "$now + to_microseconds(rank)"
    if fresh.num_rows and not dry_run:
        held.register("fresh", fresh)
        with get_lake().in_order(held, "readings") if fresh.num_rows >= WORTH_ORDERING else nullcontext():
            held.execute(
                f"INSERT INTO lake.readings SELECT series, t, value, quality, {at}, $source FROM fresh",
                {"now": received, "source": source},
            )
    new = instants - over
    return Kept(new=new, new_versions=fresh.num_rows - new, already_there=total - fresh.num_rows)


def _without(table: pa.Table, lines: NDArray[np.int64]) -> pa.Table:
    if len(lines) == 0:
        return table
    line = table["line"].to_numpy()
    first = line.min()
    is_left = np.ones(line.max() - first + 1, dtype=np.bool_)  # lines of one part of a file lie close together
    is_left[lines - first] = False
    return _in_batches(table.filter(pa.array(is_left[line - first])).combine_chunks())


def _look_up(held: Cursor, count: int, bounds: dict[str, object]) -> bool:
    """Find the lake's readings of the series and times in ``staged``: table ``known``; ``False`` where there are none."""
    # Both joins meet only what lies in the staged times and series; the lake's files are sorted and dated by them.
    within = "FROM lake.readings e WHERE e.t BETWEEN $low AND $high AND e.series BETWEEN $first AND $last"
    (near,) = _one(held, f"SELECT count(*) {within}", bounds)
    if near == 0:
        return False
    if near < count // 4:  # readings in order of arrival: next to nothing is there, so that is the side to look up
        held.execute(f"CREATE OR REPLACE TEMP TABLE near AS SELECT series, t, value, received_at {within}", bounds)
        (found,) = _one(
            held, "CREATE OR REPLACE TEMP TABLE known AS SELECT * FROM near SEMI JOIN staged USING (series, t)"
        )
    else:
        (found,) = _one(
            held,
            f"""CREATE OR REPLACE TEMP TABLE known AS
                SELECT series, t, value, received_at {within} AND (series, t) IN (SELECT (series, t) FROM staged)""",
            bounds,
        )
    return found > 0


def _one(cursor: Cursor, statement: str, parameters: dict[str, object] | None = None) -> tuple[int, ...]:
    row = cursor.execute(statement, parameters or {}).fetchone()
    assert row is not None
    return tuple(int(value) for value in row)
