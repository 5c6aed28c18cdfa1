"""From lines or columns of a file to a staged table of readings, each row either usable or with its reason.

All of it is SQL over whole parts; a part's staged table is
``parsed(line, serial, property, unit, quality, t, value, content, reason)`` with ``t`` in UTC and ``value`` as text.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from qala.kernel.clock import utc
from qala.kernel.errors import BadInput
from qala.kernel.lake.connection import Cursor, quoted

from ..models import RefusalReason
from ..rules import QUALITIES, SERIAL, Profile, segments
from .spool import LONGEST_LINE

TEXT = "VARCHAR"


class Columns:
    """Which column of the file holds which field; found once, from the header."""

    def __init__(self, profile: Profile, names: list[str], where: str) -> None:
        self.count = len(names)
        self.position: dict[str, int] = {}
        missing = []
        for field, column in profile.columns.named().items():
            if isinstance(column, int):
                if 1 <= column <= self.count:
                    self.position[field] = column
                else:
                    missing.append(f"column {column}")
            elif column in names:
                self.position[field] = names.index(column) + 1
            else:
                missing.append(f"“{column}”")
        if missing:
            shown = "; ".join(f"“{name[:40]}”" for name in names[:12])
            raise BadInput(
                f"{where} has no {', '.join(missing)}: its columns are {shown}.",
                fix="Correct the profile's columns or delimiter.",
            )


def read_header(first_line: str, profile: Profile, where: str) -> Columns:
    """The columns of a CSV file by its first line.

    Raises:
        BadInput: the profile's columns are not there.
    """
    cells = next(csv.reader([first_line], delimiter=profile.delimiter), [])
    if not profile.header:
        cells = [str(number + 1) for number in range(len(cells))]
    return Columns(profile, [cell.strip() for cell in cells], where)


def stage_lines(cursor: Cursor, path: Path, line: NDArray[np.int64], columns: Columns, profile: Profile) -> None:
    """Cut lines into cells: temporary table ``cells(line, content, serial, time, value, …, broken)``.

    Args:
        line: shape (n,), the number in the file of each line that stands in ``path``.
    """
    delimiter = quoted(profile.delimiter)
    skip = 1 if profile.header else 0
    cursor.register("numbers", pa.table({"line": line}))
    cursor.execute(
        f"""CREATE OR REPLACE TEMP TABLE lines AS
            SELECT line, content
            FROM numbers POSITIONAL JOIN read_csv({quoted(path)}, columns = {{'content': 'VARCHAR'}}, delim = '\x1f', quote = '', escape = '',
                          header = false, auto_detect = false, strict_mode = false, null_padding = true,
                          new_line = '\\n', max_line_size = {LONGEST_LINE + 1024}, buffer_size = {16 << 20})"""
    )
    cursor.unregister("numbers")
    # Cells are cut at the delimiter; a line with quotes other than around whole plain cells is left to Python's csv.
    cut = f"\\x{{{ord(profile.delimiter):x}}}"
    plain = f'( *"[^"{cut}]*" *|[^"{cut}]*)'
    wholly_plain = quoted(f"{plain}({cut}{plain})*")
    cell = {field: f"trim(parts[{position}], ' \"')" for field, position in columns.position.items()}
    picked = ", ".join(f"{expression} AS {field}" for field, expression in cell.items())
    names = ", ".join(cell)
    cursor.execute(
        f"""CREATE OR REPLACE TEMP TABLE cells AS
            SELECT line, content, {picked}, len(parts) <> {columns.count} AS broken
            FROM (SELECT line, content, string_split(content, {delimiter}) AS parts FROM lines
                  WHERE line > {skip} AND content IS NOT NULL AND content <> '')"""
    )
    odd = cursor.execute(
        f"""SELECT line, content FROM cells
            WHERE contains(content, '"') AND NOT regexp_full_match(content, {wholly_plain})"""
    )
    again = []
    while some := odd.fetchmany(100_000):
        again.append(_by_csv(some, columns, profile))
    if again:
        cursor.register("again", pa.concat_tables(again))
        cursor.execute("DELETE FROM cells WHERE line IN (SELECT line FROM again)")
        cursor.execute(
            f"INSERT INTO cells (line, content, {names}, broken) SELECT line, content, {names}, broken FROM again"
        )
        cursor.unregister("again")
    cursor.execute("DROP TABLE lines")


def _by_csv(rows: Iterable[tuple[int, str]], columns: Columns, profile: Profile) -> pa.Table:
    picked: dict[str, list[str | None]] = {field: [] for field in columns.position}
    numbers, contents, broken = [], [], []
    for number, content in rows:
        try:
            cells = next(csv.reader([content], delimiter=profile.delimiter, strict=True), [])
        except csv.Error:
            cells = []
        numbers.append(number)
        contents.append(content)
        broken.append(len(cells) != columns.count)
        for field, position in columns.position.items():
            picked[field].append(cells[position - 1].strip() if position <= len(cells) else None)
    arrays = {field: pa.array(values, pa.string()) for field, values in picked.items()}
    return pa.table({"line": numbers, "content": contents, **arrays, "broken": broken})


def stage_rows(cursor: Cursor, cells: pa.Table, line: NDArray[np.int64]) -> None:
    """The same table ``cells`` from rows of a Parquet file, columns by field; times and values keep their types."""
    cursor.register("batch", cells.append_column("line", pa.array(line)))
    picked = ", ".join(
        field if field in ("time", "value") else f"CAST({field} AS VARCHAR) AS {field}" for field in cells.column_names
    )
    cursor.execute(
        f"""CREATE OR REPLACE TEMP TABLE cells AS
            SELECT line, NULL::VARCHAR AS content, {picked}, false AS broken FROM batch"""
    )
    cursor.unregister("batch")


def parse_cells(cursor: Cursor, columns: Columns, profile: Profile, *, latest: datetime) -> None:
    """Give each row of ``cells`` its instant and say what is wrong with it: temporary table ``parsed``.

    The session keeps a temporary table ``repeated_hour`` over the parts of one file: where each meter was last seen
    within a repeated hour.
    """
    types = {row[0]: row[1] for row in cursor.execute("DESCRIBE cells").fetchall()}
    time, is_local = time_expression(profile, types["time"])
    has = columns.position

    def cell(field: str, otherwise: str | None) -> str:
        default = "NULL" if otherwise is None else quoted(otherwise)
        return f"CAST({field} AS VARCHAR)" if field in has else default

    cursor.execute(
        f"""CREATE OR REPLACE TEMP TABLE timed AS
            SELECT line, content, serial, {cell("property", profile.property)} AS property,
                   {cell("unit", profile.unit)} AS unit, {cell("quality", profile.quality)} AS quality,
                   time::VARCHAR AS time_text, {time} AS clock, value, broken
            FROM cells"""
    )
    cursor.execute("DROP TABLE cells")
    instant = _resolve_local(cursor, profile) if is_local else "clock"
    R = RefusalReason
    value_text = "CAST(value AS VARCHAR)"
    cursor.execute(
        f"""CREATE OR REPLACE TEMP TABLE parsed AS
            SELECT line, content, serial, property, unit, quality, t, value, time_text,
              CASE
                WHEN broken THEN {quoted(R.COLUMNS.value)}
                WHEN serial IS NULL OR serial = '' THEN {quoted(R.NO_SERIAL.value)}
                WHEN contains(serial, '\ufffd') OR contains({value_text}, '\ufffd') OR contains(time_text, '\ufffd')
                  THEN {quoted(R.ENCODING.value)}
                WHEN NOT regexp_full_match(serial, {quoted(SERIAL)}) THEN {quoted(R.BAD_SERIAL.value)}
                WHEN time_text IS NULL OR time_text = '' THEN {quoted(R.NO_TIME.value)}
                WHEN clock IS NULL THEN {quoted(R.BAD_TIME.value)}
                WHEN t IS NULL THEN {quoted(R.SKIPPED_HOUR.value)}
                WHEN t > $latest THEN {quoted(R.FUTURE.value)}
                WHEN t < $earliest THEN {quoted(R.TOO_OLD.value)}
                WHEN value IS NULL OR {value_text} = '' THEN {quoted(R.NO_VALUE.value)}
                WHEN quality IS NULL OR quality NOT IN ({", ".join(map(quoted, QUALITIES))}) THEN {quoted(R.BAD_QUALITY.value)}
              END AS reason
            FROM (SELECT *, {instant} AS t FROM timed)""",
        {
            "latest": latest.replace(tzinfo=None),
            "earliest": utc(profile.not_before).replace(tzinfo=None),
        },
    )
    cursor.execute("DROP TABLE timed")


def time_expression(profile: Profile, kind: str) -> tuple[str, bool]:
    """SQL for the clock time of a row, and whether it is local (still to be put into UTC)."""
    if kind == "TIMESTAMP WITH TIME ZONE":
        return "CAST(time AS TIMESTAMP)", False
    if kind.startswith("TIMESTAMP"):
        return "CAST(time AS TIMESTAMP)", profile.zone is not None
    if profile.time_format in ("epoch_s", "epoch_ms"):
        factor = 1_000_000 if profile.time_format == "epoch_s" else 1000
        # beyond these the sum would overflow; such a time is no time
        number = "TRY_CAST(time AS DOUBLE)"
        return (
            f"CASE WHEN abs({number} * {factor}) < 1e17 THEN make_timestamp(CAST({number} * {factor} AS BIGINT)) END",
            False,
        )
    text = "CAST(time AS VARCHAR)" if kind != TEXT else "time"
    if profile.time_format == "rfc3339":
        # an instant without offset is no instant
        return (
            f"CASE WHEN regexp_full_match({text}, "
            r"'[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?([Zz]|[+-][0-9]{2}:?[0-9]{2})') "
            f"THEN CAST(TRY_CAST(upper({text}) AS TIMESTAMPTZ) AS TIMESTAMP) END"
        ), False
    return f"CAST(try_strptime({text}, {quoted(profile.time_format)}) AS TIMESTAMP)", "%z" not in profile.time_format


def _resolve_local(cursor: Cursor, profile: Profile) -> str:
    """SQL for the instant of ``clock``, a local time in the profile's zone; NULL in an hour that was left out.

    Within a repeated hour the passes are told apart by order in the file: a meter's row whose local time does not go on
    from its row before belongs to the second pass, and so do all after it.
    """
    assert profile.zone is not None
    low, high = cursor.execute(
        "SELECT min(clock), max(clock) FROM timed WHERE clock BETWEEN TIMESTAMP '1900-01-01' AND TIMESTAMP '2200-01-01'"
    ).fetchone() or (None, None)
    if low is None:
        return "clock"
    cut = segments(low, high, ZoneInfo(profile.zone))
    if any(one.is_repeated for one in cut):
        cursor.execute(
            "CREATE TEMP TABLE IF NOT EXISTS repeated_hour (serial VARCHAR, start TIMESTAMP, clock TIMESTAMP, passed BOOLEAN)"
        )
        ranges = " OR ".join(
            f"(clock >= TIMESTAMP '{one.start}' AND clock < TIMESTAMP '{after.start}')"
            for one, after in pairwise(cut)
            if one.is_repeated
        )
        starts = (
            "CASE "
            + " ".join(
                f"WHEN clock >= TIMESTAMP '{one.start}' AND clock < TIMESTAMP '{after.start}' THEN TIMESTAMP '{one.start}'"
                for one, after in pairwise(cut)
                if one.is_repeated
            )
            + " END"
        )
        cursor.execute(
            f"""CREATE OR REPLACE TEMP TABLE passes AS
                SELECT line, serial, start, clock, bool_or(back) OVER (PARTITION BY serial, start ORDER BY line) AS passed
                FROM (
                    SELECT line, serial, start, clock,
                           coalesce(passed, false)
                           OR coalesce(clock <= lag(clock) OVER (PARTITION BY serial, start ORDER BY line), false) AS back
                    FROM (
                        SELECT line, serial, {starts} AS start, clock, false AS passed FROM timed WHERE {ranges}
                        UNION ALL SELECT 0, serial, start, clock, passed FROM repeated_hour
                    )
                )"""
        )
        cursor.execute("DELETE FROM repeated_hour")
        cursor.execute(
            """INSERT INTO repeated_hour
               SELECT serial, start, arg_max(clock, line), bool_or(passed) FROM passes GROUP BY serial, start"""
        )
        second = "line IN (SELECT line FROM passes WHERE passed)"
    else:
        second = "false"
    arms = []
    for one in reversed(cut):
        if one.first is None:
            offset = "NULL"
        elif one.is_repeated:
            offset = f"CASE WHEN {second} THEN {_interval(one.second)} ELSE {_interval(one.first)} END"
        else:
            offset = _interval(one.first)
        arms.append(f"WHEN clock >= TIMESTAMP '{one.start}' THEN {offset}")
    return f"clock - CASE {' '.join(arms)} ELSE {_interval(cut[0].first)} END"


def _interval(offset: timedelta | None) -> str:
    return f"to_seconds({int(offset.total_seconds()) if offset else 0})"
