"""The short way for plain rows: a known serial, a clear instant in UTC, a whole or short number, a good quality.

Nearly all rows of nearly all files are plain, and one pass over them gives their readings. What this way does not take
(unknown devices, local times, long or faulty numbers) is left in ``cells`` for the careful way, which alone refuses.
A row taken here becomes the same reading that the careful way would make of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import duckdb
import pyarrow as pa

from qala.kernel.clock import utc
from qala.kernel.lake.connection import Cursor, quoted

from ..rules import Profile
from .spool import LONGEST_LINE, Part
from .staging import TEXT, Columns

INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
EXACT_DIGITS = 15  # of a number that a double keeps exactly

# (serial, property, unit) → (series, num, den) with number = value * num / den; those that are not known are missing
Matches = Callable[[Iterable[tuple[str, str | None, str | None]]], list[tuple[int, int, int] | None]]


def may_be_plain(profile: Profile) -> bool:
    """Whether rows of a CSV file of this profile can be plain at all: its times say their instant by themselves."""
    return profile.time_format in ("rfc3339", "epoch_s", "epoch_ms")


def read_regular(cursor: Cursor, part: Part, columns: Columns, profile: Profile) -> bool:
    """Read a part in which each line is one row of as many cells as the header: view ``cells`` without contents.

    Returns:
        ``False`` where it is not so, or where a quote makes it unclear; then nothing is there.
    """
    skip = 1 if profile.header and part.first_line == 1 else 0
    names = ", ".join(f"'c{number}': 'VARCHAR'" for number in range(1, columns.count + 1))
    picked = ", ".join(f"c{position} AS {field}" for field, position in columns.position.items())
    try:
        row = cursor.execute(
            f"""CREATE OR REPLACE TEMP TABLE regular AS SELECT {picked}
                FROM read_csv({quoted(part.path)}, columns = {{{names}}}, delim = {quoted(profile.delimiter)}, quote = '',
                              escape = '', header = false, skip = {skip}, auto_detect = false, strict_mode = true,
                              null_padding = false, new_line = '\\n', max_line_size = {LONGEST_LINE + 1024},
                              buffer_size = {16 << 20})"""
        ).fetchone()
    except duckdb.Error:
        return False
    if row is None or row[0] != part.lines - skip:
        cursor.execute("DROP TABLE regular")
        return False
    # rows lie there in the order of the file, so a row's number tells its line
    cursor.execute(
        f"CREATE OR REPLACE TEMP VIEW cells AS SELECT rowid + {part.first_line + skip} AS line, * FROM regular"
    )
    return True


def stage_plain(
    cursor: Cursor, columns: Columns, profile: Profile, matches: Matches, *, now: datetime
) -> tuple[int, int]:
    """Take the plain rows of ``cells``: temporary table ``plain(line, series, t, value, quality)``.

    Returns:
        (rows in ``cells``, rows taken); (0, 0) where the profile's times are never plain: then there is no table.
    """
    types = {row[0]: row[1] for row in cursor.execute("DESCRIBE cells").fetchall()}
    bounds = utc(profile.not_before), now + timedelta(minutes=10)
    time = _instant(profile, types["time"], *bounds)
    number = _number(types["value"], profile.decimal)
    if time is None or number is None:
        return 0, 0
    has = columns.position
    keys = [field for field in ("serial", "property", "unit") if field in has]
    given = {"property": profile.property, "unit": profile.unit}
    pairs = [
        (row[0], *(row[keys.index(field)] if field in has else given[field] for field in ("property", "unit")))
        for row in cursor.execute(f"SELECT DISTINCT {', '.join(keys)} FROM cells").fetchall()
        if row[0]
    ]
    found = [(pair, match) for pair, match in zip(pairs, matches(pairs), strict=True) if match is not None]
    fields = {
        "serial": pa.array([pair[0] for pair, _ in found], pa.string()),
        "property": pa.array([pair[1] for pair, _ in found], pa.string()),
        "unit": pa.array([pair[2] for pair, _ in found], pa.string()),
        "series": pa.array([match[0] for _, match in found], pa.int32()),
        "num": pa.array([match[1] for _, match in found], pa.int64()),
        "den": pa.array([match[2] for _, match in found], pa.int64()),
        "most": pa.array(
            [EXACT_DIGITS - (len(str(match[1] - 1)) if match[1] > 1 else 0) for _, match in found], pa.int64()
        ),
    }
    cursor.register("matched", pa.table(fields))
    good = "quality IN ('A', 'S', 'E', 'F', 'N')" if "quality" in has else "true"
    quality = "quality" if "quality" in has else quoted(profile.quality)
    joined = " AND ".join(f"c.{field} IS NOT DISTINCT FROM m.{field}" for field in keys[1:])
    taken = cursor.execute(
        f"""CREATE OR REPLACE TEMP TABLE plain AS
            SELECT line, series, t, number AS value, {quality} AS quality
            FROM (SELECT c.*, m.series, {time} AS t, {number} AS number FROM cells c
                  JOIN matched m ON c.serial = m.serial {"AND " + joined if joined else ""})
            WHERE t IS NOT NULL AND number IS NOT NULL AND {good}"""
    ).fetchone()
    cursor.unregister("matched")
    rows = cursor.execute("SELECT count(*) FROM cells").fetchone()
    assert rows is not None and taken is not None
    return int(rows[0]), int(taken[0])


def _instant(profile: Profile, kind: str, earliest: datetime, latest: datetime) -> str | None:
    """SQL for the instant of ``time``, NULL where it is not plain; ``None`` where it never is."""
    if kind == "TIMESTAMP WITH TIME ZONE":
        # a cast would go through the calendar of a zone, row by row
        return (
            f"CASE WHEN time BETWEEN TIMESTAMPTZ '{earliest.isoformat()}' AND TIMESTAMPTZ '{latest.isoformat()}' "
            "THEN make_timestamp(epoch_us(time)) END"
        )
    low, high = (f"TIMESTAMP '{utc(edge).replace(tzinfo=None)}'" for edge in (earliest, latest))
    if kind.startswith("TIMESTAMP"):
        if profile.zone is not None:
            return None
        instant = "CAST(time AS TIMESTAMP)"
    elif profile.time_format in ("epoch_s", "epoch_ms"):
        factor = 1_000_000 if profile.time_format == "epoch_s" else 1000
        whole = _whole("time", kind)
        if whole is None:
            return None
        edges = (int(edge.timestamp()) * 1_000_000 // factor for edge in (earliest + timedelta(seconds=1), latest))
        return f"CASE WHEN {whole} BETWEEN {' AND '.join(map(str, edges))} THEN make_timestamp({whole} * {factor}) END"
    elif profile.time_format == "rfc3339" and kind == TEXT:
        instant = "CASE WHEN time LIKE '____-__-__T__:__:__Z' THEN TRY_CAST(time AS TIMESTAMP) END"
    else:
        return None
    return f"CASE WHEN {instant} BETWEEN {low} AND {high} THEN {instant} END"


def _whole(column: str, kind: str) -> str | None:
    """SQL for a whole number that is written as one and in no other way, else NULL."""
    if kind in INTEGERS:
        return f"CAST({column} AS BIGINT)"
    whole = f"TRY_CAST({column} AS BIGINT)"
    return f"CASE WHEN {whole}::VARCHAR = {column} THEN {whole} END" if kind == TEXT else None


def _number(kind: str, decimal: str) -> str | None:
    """SQL for ``value`` × num / den as a whole number, NULL where it is not plain; ``None`` where it never is."""
    whole = _whole("value", kind)
    arms = []
    if whole is not None:
        arms.append(f"WHEN den = 1 AND abs({whole}) <= 1000000000000000 // num THEN {whole} * num")
    if (kind == TEXT and decimal == ".") or kind == "DOUBLE":
        # a text of ``most`` characters is exact as a double, see the careful way
        short = "length(CAST(value AS VARCHAR)) <= most"
        clean = " AND value = translate(value, '_', '')" if kind == TEXT else ""
        double = "TRY_CAST(value AS DOUBLE)" if kind == TEXT else "value"
        arms.append(
            f"WHEN {short}{clean} AND {double} <> 0 AND isfinite({double}) AND abs({double}) * num <= 1e{EXACT_DIGITS} "
            f"AND (round({double} * num / den) * den) / num = {double} THEN round({double} * num / den)::BIGINT"
        )
    return f"CASE {' '.join(arms)} END" if arms else None
