"""Measures: named series of values that indicators, pilots and decisions read; declared by plugs, kept in the lake.

A value is: measure, subject, period start, grain, dimensions, value, n, lower, upper, version, computed at, provenance,
publishable. Values are never changed: computing again writes what differs under a later ``computed_at``, and the current
value of a period is the one computed last. So computing twice adds nothing, and "as known at T" can be asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import pyarrow as pa

from . import plug
from .clock import utc
from .errors import BadInput, NotFound
from .lake import LakeTable, get_lake

Grain = Literal["hour", "day", "week", "month", "year"]

TABLE = LakeTable(
    "measures",
    columns=(
        ("measure", "VARCHAR"),
        ("subject", "VARCHAR"),
        ("period_start", "TIMESTAMP"),
        ("grain", "VARCHAR"),
        ("dimensions", "VARCHAR"),
        ("value", "DOUBLE"),
        ("n", "BIGINT"),
        ("lower", "DOUBLE"),
        ("upper", "DOUBLE"),
        ("version", "VARCHAR"),
        ("computed_at", "TIMESTAMP"),
        ("provenance", "VARCHAR"),
        ("publishable", "BOOLEAN"),
    ),
    partitioned_by=("measure", "year(period_start)"),
    sorted_by=("subject", "grain", "period_start", "computed_at"),
)


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure as its matter declares it.

    Args:
        name: ends in its unit, e.g. ``meters.water_m3``.
        title: words for people, translatable.
        unit: UCUM code of the values.
        subject: kind of thing that values are about: ``place`` or ``asset``.
        grains: periods that values exist for.
        dimensions: names of further keys, e.g. ``("category",)``.
        version: of the calculation; a new one marks its values.
        additive: whether values of parts add up to the whole's.
        minimum_count: least ``n`` that may be published.
        description: how it is computed, from what.
    """

    name: str
    title: Any
    unit: str
    subject: Literal["place", "asset"]
    grains: tuple[Grain, ...]
    description: Any
    dimensions: tuple[str, ...] = ()
    version: str = "1"
    additive: bool = True
    minimum_count: int = 10


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a measure; ``value`` is ``None`` where nothing could be computed.

    Args:
        subject: the thing's key, e.g. a place's id.
        period_start: first instant of the period, in UTC.
        n: how many things (meters, answers) the value rests on.
        lower, upper: bounds of what it could be.
        provenance: what it was computed from, for people.
    """

    subject: str
    period_start: datetime
    value: float | None
    n: int
    lower: float | None = None
    upper: float | None = None
    dimensions: Mapping[str, str] = ()  # type: ignore[assignment]
    provenance: str = ""
    publishable: bool = True
    version: str = ""
    computed_at: datetime | None = None


def measure_named(name: str) -> Measure:
    """The declared measure.

    Raises:
        NotFound: no plug declares it.
    """
    for measure in plug.declared("measures"):
        if measure.name == name:
            return measure  # type: ignore[no-any-return]
    raise NotFound(f"There is no measure {name}.", fix="The reference of measures lists them.")


def canonical(dimensions: Mapping[str, str]) -> str:
    """Dimensions as one text, equal for equal dimensions."""
    return json.dumps(dict(dimensions), sort_keys=True, ensure_ascii=False) if dimensions else "{}"


_KEY = "subject, period_start, dimensions"
_BODY = ("value", "n", "lower", "upper", "version", "provenance", "publishable")


def store(
    name: str, *, grain: Grain, start: datetime, end: datetime, values: Sequence[Value], now: datetime,
    subjects: Sequence[str] | None = None,
) -> int:  # fmt: skip
    """Store all values of a measure for the periods that begin in ``[start, end)``; returns how many rows were written.

    What is already stored the same is not written again; what is stored there and no longer among ``values`` becomes a
    row without value (n = 0), so that a vanished period is not shown for ever.

    Args:
        subjects: restrict "all values" to these subjects; every subject by default.

    Raises:
        BadInput: the grain or the dimensions are not those declared, a value lies outside ``[start, end)``, or two are about
            the same.
    """
    measure = measure_named(name)
    if grain not in measure.grains:
        raise BadInput(f"{name} is declared for {', '.join(measure.grains)}, not for {grain}.")
    start, end = utc(start), utc(end)
    for value in values:
        if set(value.dimensions) != set(measure.dimensions):
            raise BadInput(f"{name} has the dimensions {measure.dimensions}, got {tuple(value.dimensions)}.")
        if not start <= value.period_start < end:
            raise BadInput(f"A value of {name} for {value.period_start.isoformat()} lies outside the stored range.")
    keys = [(value.subject, utc(value.period_start), canonical(value.dimensions)) for value in values]
    if len(set(keys)) < len(keys):
        raise BadInput(f"Two values of {name} are about the same subject, period and dimensions.")
    staged = pa.table(
        {
            "subject": pa.array([v.subject for v in values], pa.string()),
            "period_start": pa.array([_naive(v.period_start) for v in values], pa.timestamp("us")),
            "dimensions": pa.array([canonical(v.dimensions) for v in values], pa.string()),
            "value": pa.array([v.value for v in values], pa.float64()),
            "n": pa.array([v.n for v in values], pa.int64()),
            "lower": pa.array([v.lower for v in values], pa.float64()),
            "upper": pa.array([v.upper for v in values], pa.float64()),
            "version": pa.array([measure.version] * len(values), pa.string()),
            "provenance": pa.array([v.provenance for v in values], pa.string()),
            "publishable": pa.array([v.publishable and v.n >= measure.minimum_count for v in values], pa.bool_()),
        }
    )
    lake = get_lake()
    cursor = lake.cursor()
    try:
        cursor.register("staged_values", staged)
        parameters: dict[str, object] = {
            "measure": name, "grain": grain, "start": _naive(start), "end": _naive(end), "now": _naive(now),
        }  # fmt: skip
        among = ""
        if subjects is not None:
            cursor.register("staged_subjects", pa.table({"subject": pa.array(list(subjects), pa.string())}))
            among = "AND subject IN (FROM staged_subjects)"
        same = " AND ".join(f"s.{column} IS NOT DISTINCT FROM c.{column}" for column in _BODY)
        columns = ", ".join(column for column, _ in TABLE.columns)
        statement = f"""
            INSERT INTO lake.measures ({columns})
            WITH held AS (
                SELECT {_KEY}, {", ".join(_BODY)}, computed_at FROM lake.measures
                WHERE measure = $measure AND grain = $grain AND period_start >= $start AND period_start < $end {among}
                QUALIFY row_number() OVER (PARTITION BY {_KEY} ORDER BY computed_at DESC) = 1
            ), stamp AS (  -- computed last also where the clock was set back since
                SELECT greatest($now, max(computed_at) + to_microseconds(1)) AS instant FROM held
            )
            SELECT $measure, s.subject, s.period_start, $grain, s.dimensions, s.value, s.n, s.lower, s.upper, s.version,
                   (SELECT instant FROM stamp), s.provenance, s.publishable
            FROM staged_values s LEFT JOIN held c USING ({_KEY})
            WHERE c.subject IS NULL OR NOT ({same})
            UNION ALL
            SELECT $measure, c.subject, c.period_start, $grain, c.dimensions, NULL, 0, NULL, NULL, c.version,
                   (SELECT instant FROM stamp), 'withdrawn', false
            FROM held c ANTI JOIN staged_values s USING ({_KEY}) WHERE c.n > 0 OR c.value IS NOT NULL
        """
        written = lake.commit(lambda held: held.execute(statement, parameters).fetchone(), cursor=cursor)
    finally:
        cursor.close()
    return int(written[0]) if written else 0


def ask(
    name: str, *, grain: Grain, start: datetime | None = None, end: datetime | None = None,
    subjects: Sequence[str] | None = None, dimensions: Mapping[str, str] | None = None, as_of: datetime | None = None,
) -> list[Value]:  # fmt: skip
    """Current values (or those known at ``as_of``) of the periods that begin in ``[start, end)``, by subject and time.

    Raises:
        NotFound: there is no such measure.
    """
    measure_named(name)
    where, parameters = ["measure = $measure", "grain = $grain"], {"measure": name, "grain": grain}
    for column, sign, instant in (
        ("period_start", ">=", start),
        ("period_start", "<", end),
        ("computed_at", "<=", as_of),
    ):
        if instant is not None:
            key = f"p{len(parameters)}"
            where.append(f"{column} {sign} ${key}")
            parameters[key] = _naive(instant)  # type: ignore[assignment]
    if dimensions is not None:
        where.append("dimensions = $dimensions")
        parameters["dimensions"] = canonical(dimensions)
    with get_lake().question() as cursor:
        if subjects is not None:
            cursor.register("asked_subjects", pa.table({"subject": pa.array(list(subjects), pa.string())}))
            where.append("subject IN (FROM asked_subjects)")
        rows = cursor.execute(
            f"""SELECT subject, period_start, value, n, lower, upper, dimensions, provenance, publishable, version,
                       computed_at
                FROM lake.measures WHERE {" AND ".join(where)}
                QUALIFY row_number() OVER (PARTITION BY {_KEY} ORDER BY computed_at DESC) = 1
                ORDER BY subject, period_start, dimensions""",
            parameters,
        ).fetchall()
    return [
        Value(
            subject=row[0], period_start=_aware(row[1]), value=row[2], n=row[3], lower=row[4], upper=row[5],
            dimensions=json.loads(row[6]), provenance=row[7], publishable=row[8], version=row[9],
            computed_at=_aware(row[10]),
        )
        for row in rows
        if row[2] is not None or row[3] > 0
    ]  # fmt: skip


def _naive(instant: datetime) -> datetime:
    """As the lake keeps instants: UTC without saying so."""
    return utc(instant).replace(tzinfo=None)


def _aware(instant: datetime) -> datetime:
    from datetime import UTC

    return instant.replace(tzinfo=UTC)
