"""The short way for plain rows: a known serial, a clear instant, a whole or short number, a good quality.

Nearly all rows of nearly all files are plain, and whole columns give their readings: a serial or a time that comes a
million times is looked at once. What this way does not take (unknown devices, local times, long or faulty numbers) is
left to the careful way, which alone refuses. A row taken here becomes the same reading that the careful way makes of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from qala.kernel.lake.connection import Cursor

from ..rules import QUALITIES, Profile
from .keep import READING, reading_table
from .matching import Match
from .spool import Part
from .staging import TEXT, Columns, time_expression

EXACT = 10**15  # whole numbers up to it, and so many digits, are exact as doubles
LARGEST = 10**18  # of a register, see ``exact_number``
WHOLE_DIGITS, FRACTION_DIGITS = 12, 6  # of a decimal number in a text that is plain: together an int64
KEYS = ("serial", "property", "unit")
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Matches = Callable[[list[str], str | None, str | None], list[Match | None]]  # see ``Matching.matches``


@dataclass(frozen=True, slots=True)
class Plain:
    """The readings of plain rows (of schema ``READING``), and of shape (n,) which rows were taken."""

    readings: pa.Table
    taken: Bools


def may_be_plain(profile: Profile) -> bool:
    """Whether rows of a CSV file of this profile can be plain at all: its times say their instant by themselves."""
    return profile.time_format in ("rfc3339", "epoch_s", "epoch_ms")


def read_cells(part: Part, columns: Columns, profile: Profile) -> pa.Table | None:
    """The cells of a part, a row for each of its lines; ``None`` where its lines are not all of as many cells.

    Quotes are left as they are, so that cells with quotes are not plain.
    """
    skip = 1 if profile.header and part.first_line == 1 else 0
    if part.lines == skip:
        return None
    words = pa.dictionary(pa.int32(), pa.string())
    types: dict[str, pa.DataType] = dict.fromkeys(columns.position, words)
    kinds = [pa.int64(), pa.string()]
    if profile.time_format != "rfc3339":
        types["time"] = pa.int64()
    if b"0x" in part.data or b"0X" in part.data:  # Arrow takes 0x10 for a whole number
        del kinds[0]
        if profile.time_format != "rfc3339":
            return None
    for kind in kinds:
        types["value"] = kind
        try:
            table = pa_csv.read_csv(
                pa.BufferReader(part.data),
                pa_csv.ReadOptions(
                    column_names=[f"c{number}" for number in range(1, columns.count + 1)], skip_rows=skip, block_size=4 << 20
                ),
                pa_csv.ParseOptions(delimiter=profile.delimiter, quote_char=False, newlines_in_values=False),
                pa_csv.ConvertOptions(
                    include_columns=sorted({f"c{position}" for position in columns.position.values()}),
                    column_types={f"c{position}": types[field] for field, position in columns.position.items()},
                    null_values=[""], strings_can_be_null=False, check_utf8=False,
                ),
            )  # fmt: skip
        except pa.ArrowInvalid:
            continue
        if table.num_rows != part.lines - skip:
            return None
        return pa.table({field: table[f"c{position}"] for field, position in columns.position.items()})
    return None


def take_plain(
    cursor: Cursor,
    cells: pa.Table,
    line: Ints,
    profile: Profile,
    matches: Matches,
    *,
    earliest: datetime,
    latest: datetime,
) -> Plain:
    """The readings of the plain rows.

    Args:
        cells: columns by field name; words as dictionaries.
        line: shape (n,), where each row stands in the file.
    """
    none = Plain(READING.empty_table(), np.zeros(cells.num_rows, dtype=np.bool_))
    instants = _instants(cursor, cells["time"], profile, earliest, latest)
    if instants is None or cells.num_rows == 0:
        return none
    t, taken = instants
    series, num, den = _series(cells, profile, matches)
    numbers = _numbers(cursor, cells["value"], profile.decimal, num, den)
    if numbers is None:
        return none
    value, is_number = numbers
    taken &= is_number & (series >= 0)
    if "quality" in cells.column_names:
        codes, words = _codes(cells["quality"])
        number = {letter: at for at, letter in enumerate(QUALITIES)}
        letter = np.array([number.get(word, -1) for word in [*words.to_pylist(), None]], dtype=np.int8)
        quality = letter[codes]
        taken &= quality >= 0
    else:
        quality = np.full(cells.num_rows, QUALITIES.index(profile.quality), dtype=np.int8)
    if not taken.all():
        line, t, value = line[taken], t[taken], value[taken]
        series, quality = series[taken], quality[taken]
    return Plain(reading_table(line=line, series=series, t=t, value=value, quality=quality), taken)


def _codes(column: pa.ChunkedArray) -> tuple[NDArray[np.int32], pa.Array]:
    """Which of the words each row holds, -1 for none, and the words."""
    if not pa.types.is_dictionary(column.type):
        if not (pa.types.is_integer(column.type) or pa.types.is_string(column.type)):
            return np.full(len(column), -1, dtype=np.int32), pa.array([], pa.string())
        column = pc.cast(column, pa.string()).dictionary_encode()
    held = column.unify_dictionaries().combine_chunks()
    codes = held.indices if held.null_count == 0 else held.indices.fill_null(-1)
    return codes.to_numpy(zero_copy_only=False).astype(np.int32, copy=False), held.dictionary


def _series(cells: pa.Table, profile: Profile, matches: Matches) -> tuple[NDArray[np.int32], Ints, Ints]:
    """Each row's series (-1: not known) and the ratio to its last digit; ratios of shape (1,) where all have the same."""
    given: dict[str, str | None] = {"property": profile.property, "unit": profile.unit}
    fields = [field for field in KEYS if field in cells.column_names]
    held = [(codes, words.to_pylist()) for codes, words in (_codes(cells[field]) for field in fields)]
    combined, words = held[0]
    if len(held) > 1:
        wide = combined.astype(np.int64)
        for codes, more in held[1:]:
            wide = np.where((wide < 0) | (codes < 0), -1, wide * len(more) + codes)
        distinct, inverse = np.unique(wide, return_inverse=True)
        combined = inverse.astype(np.int32)
        parts = []
        for _, more in reversed(held[1:]):
            parts.append([more[at] for at in distinct % len(more)])
            distinct = np.where(distinct < 0, -1, distinct // len(more))
        rows = [[words[at] if at >= 0 else "" for at in distinct], *reversed(parts)]
    else:
        rows = [[*words, ""]]
    named = dict(zip(fields, rows, strict=True))
    serials = named.pop("serial")
    if not named:
        found = matches(serials, given["property"], given["unit"])
    else:
        found = [None] * len(serials)
        pairs: dict[tuple[str | None, str | None], list[int]] = {}
        others = [named.get(field) or [given[field]] * len(serials) for field in ("property", "unit")]
        for at, pair in enumerate(zip(*others, strict=True)):
            pairs.setdefault(pair, []).append(at)
        for (name, unit), places in pairs.items():
            for at, match in zip(places, matches([serials[at] for at in places], name, unit), strict=True):
                found[at] = match
    series = np.array([match[0] if match else -1 for match in found], dtype=np.int32)[combined]
    ratios = {match[1:] for match in found if match}
    if len(ratios) <= 1:
        num, den = next(iter(ratios), (1, 1))
        return series, np.array([num], dtype=np.int64), np.array([den], dtype=np.int64)
    ratio = np.array([match[1:] if match else (1, 1) for match in found], dtype=np.int64)
    return series, ratio[:, 0][combined], ratio[:, 1][combined]


def _instants(
    cursor: Cursor, column: pa.ChunkedArray, profile: Profile, earliest: datetime, latest: datetime
) -> tuple[Ints, Bools] | None:
    """Microseconds since 1970 and where they are plain; ``None`` where such times never are."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        if kind.tz is None and profile.zone is not None:
            return None
        if kind.unit == "ns":
            column, kind = pc.cast(column, pa.timestamp("us", kind.tz), safe=False), pa.timestamp("us")
        per_unit = {"s": 1_000_000, "ms": 1000, "us": 1}[kind.unit]
    elif profile.time_format in ("epoch_s", "epoch_ms"):
        if not pa.types.is_integer(kind) or pa.types.is_uint64(kind):
            return None
        per_unit = 1_000_000 if profile.time_format == "epoch_s" else 1000
    elif profile.time_format == "rfc3339" and pa.types.is_dictionary(kind):
        codes, words = _codes(column)
        micros, is_time = _parsed(cursor, words, profile, earliest, latest)
        return micros[codes], is_time[codes]
    else:
        return None
    numbers, there = _filled(column)
    low, high = (_micros(edge) for edge in (earliest, latest))
    there &= (numbers >= -(-low // per_unit)) & (numbers <= high // per_unit)
    return (numbers * per_unit if per_unit > 1 else numbers), there


def _parsed(
    cursor: Cursor, words: pa.Array, profile: Profile, earliest: datetime, latest: datetime
) -> tuple[Ints, Bools]:
    """Instants of texts, and of no text (-1) at the end."""
    expression, _ = time_expression(profile, TEXT)
    texts = pa.chunked_array([words, pa.nulls(1, words.type)])
    cursor.register("words", pa.table({"time": texts}))
    try:
        table = cursor.execute(f"SELECT epoch_us({expression}) AS t FROM words").to_arrow_table()
    finally:
        cursor.unregister("words")
    numbers, there = _filled(table["t"])
    return numbers, there & (numbers >= _micros(earliest)) & (numbers <= _micros(latest))


def _micros(instant: datetime) -> int:
    delta = instant - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def _filled(column: pa.ChunkedArray) -> tuple[Ints, Bools]:
    """A column as int64 with 0 where there is nothing, and where there is something."""
    there = pc.is_valid(column).to_numpy() if column.null_count else np.ones(len(column), dtype=np.bool_)
    numbers = pc.cast(column, pa.int64())
    if column.null_count:
        numbers = numbers.fill_null(0)
    return numbers.to_numpy(), np.array(there, dtype=np.bool_)


def _numbers(cursor: Cursor, column: pa.ChunkedArray, decimal: str, num: Ints, den: Ints) -> tuple[Ints, Bools] | None:
    """``value`` × num / den as whole numbers and where they are plain; ``None`` where such values never are."""
    kind = column.type
    if pa.types.is_floating(kind):
        return _short(column, num, den)
    if pa.types.is_string(kind):
        sign, point = (",", "replace(value, ',', '.')") if decimal == "," else ("[.]", "value")
        pattern = f"-?[0-9]{{1,{WHOLE_DIGITS}}}({sign}[0-9]{{1,{FRACTION_DIGITS}}})?"
        exact = f"TRY_CAST({point} AS DECIMAL({WHOLE_DIGITS + FRACTION_DIGITS}, {FRACTION_DIGITS}))"
        cursor.register("texts", pa.table({"value": column}))
        try:  # in units of the last digit that a plain text may have
            column = cursor.execute(
                f"""SELECT CASE WHEN regexp_full_match(value, '{pattern}')
                           THEN (({exact})::DECIMAL(30, {FRACTION_DIGITS}) * {10**FRACTION_DIGITS})::BIGINT END AS value
                    FROM texts"""
            ).to_arrow_table()["value"]
        finally:
            cursor.unregister("texts")
        den = den * 10**FRACTION_DIGITS
    elif not pa.types.is_integer(kind) or pa.types.is_uint64(kind):
        return None
    numbers, there = _filled(column)
    there &= (numbers <= (1 << 62) // num) & (numbers >= -(1 << 62) // num)  # no product runs over
    numbers = numbers * num
    if not (den == 1).all():
        whole = numbers // den
        there &= whole * den == numbers
        numbers = whole
    return numbers, there & (numbers < LARGEST) & (numbers > -LARGEST)


def _short(column: pa.ChunkedArray, num: Ints, den: Ints) -> tuple[Ints, Bools] | None:
    """Doubles: short decimal fractions of which no two are the same double."""
    if any(str(ratio).strip("0") != "1" for ratio in {*np.unique(num).tolist(), *np.unique(den).tolist()}):
        return None
    numbers = pc.cast(column, pa.float64()).fill_null(np.nan).to_numpy()
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = np.rint(numbers * num / den)
        there = (np.abs(scaled) <= EXACT) & (np.abs(numbers) * num <= EXACT) & (scaled * den / num == numbers)
        return np.where(there, scaled, 0).astype(np.int64), there
