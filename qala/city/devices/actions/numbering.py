"""Numbers as a file writes them → whole numbers of a series' last digit, exactly, or the reason why not."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pyarrow as pa

from qala.kernel.lake.connection import Cursor, quoted

from ..models import RefusalReason
from ..rules import Profile, exact_number
from .aged import Aged
from .matching import Matching

EXACT_DIGITS = 15  # of a number that a double keeps exactly
LONG = "long"  # in place of a reason: still to be read exactly


def number(cursor: Cursor, matching: Matching, profile: Profile, aged: Aged) -> pa.Table:
    """``parsed`` → ``numbered`` (series and exact whole numbers, or a reason); returns the readings among them."""
    pairs = cursor.execute("SELECT DISTINCT serial, property, unit FROM parsed WHERE reason IS NULL").fetchall()
    names = ("serial", "property", "unit", "series", "num", "den", "most", "fault")
    out: dict[str, list[Any]] = {name: [] for name in names}
    for serial, wanted, unit in pairs:
        series, ratio, fault = matching.match(serial, wanted, unit)
        num, den = ratio.numerator, ratio.denominator
        most = EXACT_DIGITS - (len(str(num - 1)) if num > 1 else 0)
        for name, value in zip(names, (serial, wanted, unit, series, num, den, most, fault), strict=True):
            out[name].append(value)
    kinds = (pa.string(), pa.string(), pa.string(), pa.int64(), pa.int64(), pa.int64(), pa.int64(), pa.string())
    cursor.register(
        "matched", pa.table({name: pa.array(out[name], kind) for name, kind in zip(names, kinds, strict=True)})
    )
    kind = next(row[1] for row in cursor.execute("DESCRIBE parsed").fetchall() if row[0] == "value")
    text, double = _as_number(kind, profile.decimal)
    R = RefusalReason
    # A text of ``most`` characters is exact as a double: the nearest whole number, put back, must give the same
    # double. Two fractions that differ, one of so few digits, differ by more than doubles of their size do.
    # Others are left to ``exact_number``, which is slow and rarely needed.
    cursor.execute(
        f"""CREATE OR REPLACE TEMP TABLE numbered AS
            SELECT line, content, serial, t, time_text, quality, series, value_text, num, den,
              CASE WHEN is_short AND (round(approx * num / den) * den) / num = approx
                   THEN round(approx * num / den)::BIGINT END AS number,
              CASE WHEN reason IS NOT NULL THEN reason
                   WHEN fault IS NOT NULL THEN fault
                   WHEN approx IS NULL OR NOT isfinite(approx) THEN {quoted(R.NOT_A_NUMBER.value)}
                   WHEN NOT is_short THEN '{LONG}'
                   WHEN (round(approx * num / den) * den) / num <> approx THEN {quoted(R.TOO_FINE.value)} END AS reason
            FROM (SELECT *, length(value_text) <= most AND abs(approx) * num <= 1e{EXACT_DIGITS}
                           AND (approx <> 0 OR NOT regexp_matches(value_text, '[1-9]')) AS is_short
                  FROM (SELECT p.*, CAST(value AS VARCHAR) AS value_text, m.series, m.fault, m.num, m.den, m.most,
                               {double.format(text=text)} AS approx
                        FROM parsed p LEFT JOIN matched m ON p.serial = m.serial
                          AND p.property IS NOT DISTINCT FROM m.property AND p.unit IS NOT DISTINCT FROM m.unit))"""
    )
    cursor.unregister("matched")
    _number_long(cursor, "." if kind != "VARCHAR" else profile.decimal)
    aged.refuse(cursor)
    return cursor.execute(
        """SELECT line, series::INTEGER AS series, t, number AS value, quality FROM numbered WHERE reason IS NULL
           ORDER BY line"""
    ).to_arrow_table()


def _number_long(cursor: Cursor, decimal: str) -> None:
    """Values that a double is not exact for."""
    rows = cursor.execute(f"SELECT line, value_text, num, den FROM numbered WHERE reason = '{LONG}'")
    longs: list[pa.Table] = []
    while chunk := rows.fetchmany(100_000):
        found = [exact_number(text, Fraction(num, den), decimal=decimal) for _, text, num, den in chunk]
        table = pa.table(
            {
                "line": pa.array([row[0] for row in chunk], pa.int64()),
                "number": pa.array([one if isinstance(one, int) else None for one in found], pa.int64()),
                "fault": pa.array([None if isinstance(one, int) else one for one in found], pa.string()),
            }
        )
        longs.append(table)
    if longs:
        cursor.register("longs", pa.concat_tables(longs))
        cursor.execute(
            """UPDATE numbered SET number = longs.number, reason = longs.fault FROM longs
               WHERE numbered.line = longs.line"""
        )
        cursor.unregister("longs")


def _as_number(kind: str, decimal: str) -> tuple[str, str]:
    """SQL for ``value`` as a text with a decimal point, and, with ``{text}`` for that, as a double or NULL."""
    if kind == "DOUBLE":
        return "value", "value"
    if kind != "VARCHAR":
        return "CAST(value AS VARCHAR)", "TRY_CAST({text} AS DOUBLE)"
    # DuckDB takes 1_000 for a number; a point beside a decimal comma separates thousands
    odd, text = ("'_.'", "replace(value, ',', '.')") if decimal == "," else ("'_'", "value")
    return text, f"CASE WHEN value = translate(value, {odd}, '') THEN TRY_CAST({{text}} AS DOUBLE) END"
