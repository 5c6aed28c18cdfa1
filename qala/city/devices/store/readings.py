"""Reading readings: current ones, those known at an instant, each version of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Literal

import pyarrow as pa

from qala.kernel.access import Who
from qala.kernel.lake import get_lake
from qala.kernel.lake.connection import Cursor, quoted
from qala.kernel.ranges import TimeRange

from ..models import Load, Series
from .registry import list_series

SeriesRow = tuple[int, str, str, str, int]


@dataclass(frozen=True, slots=True)
class Reading:
    """A reading as it is known: ``value`` in ``unit``, exact; ``version`` counts from 1."""

    serial: str
    property: str
    time: datetime
    value: Decimal
    unit: str
    quality: str
    version: int
    received_at: datetime
    source: str


def current_sql(span: TimeRange, as_of: datetime | None, parameters: dict[str, object], only: str = "") -> str:
    """SQL for (series, t, value, quality, version, received_at, source): the latest received version of each reading."""
    where = [only] if only else []
    for column, sign, instant in (("t", ">=", span.start), ("t", "<", span.end), ("received_at", "<=", as_of)):
        if instant is not None:
            key = f"bound{len(parameters)}"
            where.append(f"{column} {sign} ${key}")
            parameters[key] = instant.astimezone(UTC).replace(tzinfo=None)
    condition = f"WHERE {' AND '.join(where)}" if where else ""
    return f"""SELECT series, t, arg_max(value, received_at) AS value, arg_max(quality, received_at) AS quality,
                      count(*) AS version, max(received_at) AS received_at, arg_max(source, received_at) AS source
               FROM lake.readings {condition} GROUP BY series, t"""


def list_readings(
    series: int, *, span: TimeRange, as_of: datetime | None = None
) -> list[tuple[datetime, int, str, int, datetime, str]]:
    """(time, value in the series' last digit, quality, version, received at, source) of one series, by time."""
    parameters: dict[str, object] = {}
    sql = current_sql(span, as_of, parameters, f"series = {int(series)}")
    with get_lake().question() as cursor:
        rows = cursor.execute(f"SELECT * EXCLUDE (series) FROM ({sql}) ORDER BY t", parameters).fetchall()
    return [
        (at.replace(tzinfo=UTC), value, quality, version, received.replace(tzinfo=UTC), source)
        for at, value, quality, version, received, source in rows
    ]


def extent(series: Sequence[int]) -> tuple[datetime, datetime] | None:
    """First and last time of the readings of some series; ``None`` where there are none."""
    inside = ", ".join(str(int(one)) for one in series) or "-1"
    with get_lake().question() as cursor:
        row = cursor.execute(f"SELECT min(t), max(t) FROM lake.readings WHERE series IN ({inside})").fetchone()
    if row is None or row[0] is None:
        return None
    return row[0].replace(tzinfo=UTC), row[1].replace(tzinfo=UTC)


def serials_of_load(load: Load, *, limit: int) -> list[str]:
    """Serials of some of the devices that a load brought readings for."""
    if load.first_time is None or load.last_time is None:
        return []
    with get_lake().question() as cursor:
        rows = cursor.execute(
            """SELECT DISTINCT series FROM lake.readings WHERE source = $source AND t BETWEEN $low AND $high
               ORDER BY series LIMIT $limit""",
            {
                "source": f"load:{load.pk}", "low": load.first_time.replace(tzinfo=None),
                "high": load.last_time.replace(tzinfo=None), "limit": limit,
            },
        ).fetchall()  # fmt: skip
    found = Series.objects.filter(pk__in=[row[0] for row in rows]).order_by("device__serial")
    return list(found.values_list("device__serial", flat=True))


def list_versions(
    readings: Sequence[tuple[int, datetime]],
) -> dict[tuple[int, datetime], list[tuple[int, str, datetime, str]]]:
    """(value, quality, received at, source) of every version of some readings (series, time), first received first."""
    wanted = pa.table(
        {
            "series": pa.array([series for series, _ in readings], pa.int32()),
            "t": pa.array([at.astimezone(UTC).replace(tzinfo=None) for _, at in readings], pa.timestamp("us")),
        }
    )
    found: dict[tuple[int, datetime], list[tuple[int, str, datetime, str]]] = {one: [] for one in readings}
    if not readings:
        return found
    with get_lake().question() as cursor:
        cursor.register("wanted", wanted)
        rows = cursor.execute(
            """SELECT series, t, value, quality, received_at, source FROM lake.readings SEMI JOIN wanted USING (series, t)
               WHERE series BETWEEN $first AND $last AND t BETWEEN $low AND $high ORDER BY received_at""",
            {
                "first": min(one for one, _ in readings), "last": max(one for one, _ in readings),
                "low": min(at for _, at in readings).astimezone(UTC).replace(tzinfo=None),
                "high": max(at for _, at in readings).astimezone(UTC).replace(tzinfo=None),
            },
        ).fetchall()  # fmt: skip
    for series, at, value, quality, received, source in rows:
        found[series, at.replace(tzinfo=UTC)].append((value, quality, received.replace(tzinfo=UTC), source))
    return found


def list_refusals(serial: str, *, limit: int = 200) -> list[tuple[datetime | None, int, str, str, datetime]]:
    """(time where it could be read, line, content, reason, refused at) of a device's refused rows, latest first."""
    with get_lake().question() as cursor:
        rows = cursor.execute(
            """SELECT t, line, content, reason, received_at FROM lake.refusals WHERE serial = $serial
               ORDER BY received_at DESC, line LIMIT $limit""",
            {"serial": serial, "limit": limit},
        ).fetchall()
    return [
        (at.replace(tzinfo=UTC) if at else None, line, content, reason, received.replace(tzinfo=UTC))
        for at, line, content, reason, received in rows
    ]


def kept_from(source: str) -> tuple[int, datetime | None, datetime | None]:
    """How many readings came from a source, with their first and last time; looks through the whole lake."""
    with get_lake().question() as cursor:
        row = cursor.execute("SELECT count(*), min(t), max(t) FROM lake.readings WHERE source = ?", [source]).fetchone()
    if row is None or row[0] == 0:
        return 0, None, None
    return row[0], row[1].replace(tzinfo=UTC), row[2].replace(tzinfo=UTC)


def touched_series(source: str, *, span: TimeRange) -> list[tuple[int, datetime, datetime]]:
    """(series, first time, last time) of the readings that came from a source within a span of time."""
    with get_lake().question() as cursor:
        rows = cursor.execute(
            """SELECT series, min(t), max(t) FROM lake.readings
               WHERE source = $source AND t >= $low AND t < $high GROUP BY series ORDER BY series""",
            {
                "source": source,
                "low": (span.start or datetime.min.replace(tzinfo=UTC)).replace(tzinfo=None),
                "high": (span.end or datetime.max.replace(tzinfo=UTC)).replace(tzinfo=None),
            },
        ).fetchall()
    return [(series, low.replace(tzinfo=UTC), high.replace(tzinfo=UTC)) for series, low, high in rows]


def decimal_sql(exponents: Sequence[int], value: str = "value", exponent: str = "exponent") -> str:
    """SQL for ``value × 10**exponent`` as an exact DECIMAL(38, 9)."""
    arms = " ".join(
        f"WHEN {e} THEN CAST(CAST({value} AS DECIMAL(19,0)) * {format(Decimal(1).scaleb(e), 'f')} AS DECIMAL(38,9))"
        for e in sorted(set(exponents))
    )
    return f"CASE {exponent} {arms} END" if arms else "CAST(NULL AS DECIMAL(38,9))"


def register_series(cursor: Cursor, series: Sequence[SeriesRow]) -> None:
    """The series as a table ``named(series, serial, property, unit, exponent)`` of the cursor."""
    columns = list(zip(*series, strict=True)) or [()] * 5
    kinds = (pa.int32(), pa.string(), pa.string(), pa.string(), pa.int32())
    names = ("series", "serial", "property", "unit", "exponent")
    cursor.register("named", pa.table({n: pa.array(c, k) for n, c, k in zip(names, columns, kinds, strict=True)}))


RFC3339 = "strftime({column}, '%Y-%m-%dT%H:%M:%S') || CASE WHEN {column} = date_trunc('second', {column}) THEN 'Z' " \
    "ELSE strftime({column}, '.%f') || 'Z' END"  # fmt: skip


def copy_out(
    cursor: Cursor, sql: str, parameters: dict[str, object], path: Path, form: Literal["csv", "parquet"]
) -> int:
    """Write a query's rows to a file, whole or not at all; returns how many."""
    part = path.with_name(path.name + ".part")
    options = "FORMAT csv, HEADER" if form == "csv" else "FORMAT parquet, COMPRESSION zstd"
    try:
        row = cursor.execute(f"COPY ({sql}) TO {quoted(part)} ({options})", parameters).fetchone()
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return int(row[0]) if row else 0


def export_readings(
    path: Path, form: Literal["csv", "parquet"], *, who: Who, span: TimeRange, serial: str | None = None,
    property: str | None = None, as_of: datetime | None = None,
) -> int:  # fmt: skip
    """Write the readings that the asker may see to a file; returns how many.

    CSV has times in RFC 3339 and values as exact decimals; Parquet has timestamps in UTC and DECIMAL(38, 9).
    """
    series = list_series(who=who, serial=serial, property=property)
    parameters: dict[str, object] = {}
    only = f"series = {series[0][0]}" if len(series) == 1 else ""
    sql = current_sql(span, as_of, parameters, only)
    value = decimal_sql([row[4] for row in series])
    shown, time, received = value, "t::TIMESTAMPTZ", "received_at::TIMESTAMPTZ"
    if form == "csv":
        shown = f"rtrim(rtrim(CAST({value} AS VARCHAR), '0'), '.')"
        time, received = RFC3339.format(column="t"), RFC3339.format(column="received_at")
    with get_lake().question() as cursor:
        register_series(cursor, series)
        return copy_out(
            cursor,
            f"""SELECT serial, property, {time} AS time, {shown} AS value, unit, quality, version,
                       {received} AS received_at, source
                FROM ({sql}) JOIN named USING (series) ORDER BY series, t""",
            parameters, path, form,
        )  # fmt: skip


def page_readings(
    *, who: Who, span: TimeRange, serial: str | None, property: str | None, as_of: datetime | None,
    after: tuple[int, datetime] | None, limit: int,
) -> tuple[list[Reading], tuple[int, datetime] | None]:  # fmt: skip
    """A page of current readings by (series, time), and where the next begins (``None`` at the end)."""
    series = [row for row in list_series(who=who, serial=serial, property=property) if not after or row[0] >= after[0]]
    named = {row[0]: row for row in series}
    rows: list[tuple[int, datetime, int, str, int, datetime, str]] = []
    taken, width = 0, 20
    with get_lake().question() as cursor:
        while taken < len(series) and len(rows) <= limit:
            some = series[taken : taken + width]
            taken, width = taken + width, width * 4
            parameters: dict[str, object] = {"limit": limit + 1 - len(rows)}
            inside = ", ".join(str(row[0]) for row in some)
            only = f"series IN ({inside})"
            if after is not None:
                only += " AND (series > $series OR t > $t)"
                parameters |= {"series": after[0], "t": after[1].astimezone(UTC).replace(tzinfo=None)}
            sql = current_sql(span, as_of, parameters, only)
            rows += cursor.execute(f"SELECT * FROM ({sql}) ORDER BY series, t LIMIT $limit", parameters).fetchall()
    following = None
    if len(rows) > limit:
        rows = rows[:limit]
        following = (rows[-1][0], rows[-1][1].replace(tzinfo=UTC))
    return [
        Reading(
            serial=named[number][1], property=named[number][2], time=at.replace(tzinfo=UTC),
            value=Decimal(value).scaleb(named[number][4]), unit=named[number][3], quality=quality, version=version,
            received_at=received.replace(tzinfo=UTC), source=source,
        )
        for number, at, value, quality, version, received, source in rows
    ], following  # fmt: skip
