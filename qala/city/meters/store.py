"""Reading consumption: intervals as they are known, and what happened to a meter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import numpy as np
import pyarrow as pa
from django.db.models import Q

from qala import drivers
from qala.city.devices.public import (
    RFC3339,
    Device,
    Series,
    copy_out,
    count_aged,
    decimal_sql,
    list_series,
    past_districts,
    register_series,
    visible_to,
)
from qala.city.devices.public import current_sql as readings_sql
from qala.kernel.access import Who
from qala.kernel.lake import get_lake
from qala.kernel.ranges import TimeRange
from qala.kernel.retention import Going

from . import rules

# Which measure each kind of register feeds; all in the measure's own unit already.
MEASURES = {
    "water_volume": "meters.water_m3",
    "active_energy_import": "meters.electricity_kwh",
    "heat_energy": "meters.heat_kwh",
}


BATCH_READINGS = 2_000_000
FAULTS_AT_MOST = 10_000  # series whose devices are looked up for a list of faults


@dataclass(frozen=True, slots=True)
class Interval:
    """Consumption from ``start`` to ``end``: ``value`` in ``unit``, exact; ``version`` counts from 1."""

    serial: str
    property: str
    start: datetime
    end: datetime
    value: Decimal
    unit: str
    quality: str
    method: str
    flags: tuple[str, ...]
    version: int
    received_at: datetime


def current_sql(span: TimeRange, as_of: datetime | None, parameters: dict[str, object], only: str = "") -> str:
    """SQL for (series, start_at, end_at, value, exponent, quality, method, flags, version, computed_at) of the intervals
    that begin in ``span``, as they were known at ``as_of``."""
    where = [only] if only else []
    for column, sign, instant in (
        ("start_at", ">=", span.start),
        ("start_at", "<", span.end),
        ("computed_at", "<=", as_of),
    ):
        if instant is not None:
            key = f"bound{len(parameters)}"
            where.append(f"{column} {sign} ${key}")
            parameters[key] = instant.astimezone(UTC).replace(tzinfo=None)
    condition = f"WHERE {' AND '.join(where)}" if where else ""
    return f"""SELECT series, start_at, unnest(latest), version, computed_at FROM (
                   SELECT series, start_at, count(*) AS version, max(computed_at) AS computed_at,
                          arg_max(struct_pack(end_at := end_at, value := value, exponent := exponent, quality := quality,
                                              method := method, flags := flags), computed_at) AS latest
                   FROM lake.intervals {condition} GROUP BY series, start_at)
               WHERE latest.method <> 'withdrawn'"""


def list_intervals(
    series: int, *, span: TimeRange, as_of: datetime | None = None
) -> list[tuple[datetime, datetime, int, int, str, str, int, int, datetime]]:
    """(start, end, value, exponent, quality, method, flags, version, computed at) of one series, by start."""
    parameters: dict[str, object] = {}
    sql = current_sql(span, as_of, parameters, f"series = {int(series)}")
    with get_lake().question() as cursor:
        rows = cursor.execute(
            f"""SELECT start_at, end_at, value, exponent, quality, method, flags, version, computed_at
                FROM ({sql}) ORDER BY start_at""",
            parameters,
        ).fetchall()
    return [
        (row[0].replace(tzinfo=UTC), row[1].replace(tzinfo=UTC), *row[2:8], row[8].replace(tzinfo=UTC)) for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Fault:
    """The latest fall or jump of a register in a span: intervals with one in it, and the end of the last."""

    serial: str
    at: datetime
    intervals: int


def list_faults(*, who: Who, days: int, limit: int = 8) -> tuple[list[Fault], int]:
    """Devices whose register fell or jumped in the last ``days`` days that have intervals: the latest first, and how many
    devices there are in all."""
    extent = extent_of_all()
    if extent is None:
        return [], 0
    with get_lake().question() as cursor:
        rows = cursor.execute(
            """SELECT series, max(end_at), count(*) FROM (
                   SELECT series, start_at, arg_max(method, computed_at) AS method, arg_max(end_at, computed_at) AS end_at
                   FROM lake.intervals SEMI JOIN (
                       SELECT series, start_at FROM lake.intervals WHERE start_at >= $since AND quality = 'N'
                   ) USING (series, start_at) WHERE start_at >= $since GROUP BY series, start_at)
               WHERE method = 'register_fault' GROUP BY series ORDER BY max(end_at) DESC, series""",
            {"since": (extent[1] - timedelta(days=days)).astimezone(UTC).replace(tzinfo=None)},
        ).fetchall()
    serials = dict(
        Series.objects.filter(pk__in=[row[0] for row in rows[:FAULTS_AT_MOST]], device__in=visible_to(who)).values_list(
            "pk", "device__serial"
        )
    )
    found = [Fault(serials[one], at.replace(tzinfo=UTC), count) for one, at, count in rows if one in serials]
    return found[:limit], len(found)


def extent(series: int) -> tuple[datetime, datetime] | None:
    """First start and last end of a series' intervals; ``None`` where it has none."""
    with get_lake().question() as cursor:
        row = cursor.execute(
            "SELECT min(start_at), max(end_at) FROM lake.intervals WHERE series = ?", [series]
        ).fetchone()
    if row is None or row[0] is None:
        return None
    return row[0].replace(tzinfo=UTC), row[1].replace(tzinfo=UTC)


def extent_of_all() -> tuple[datetime, datetime] | None:
    """First start and last end of all intervals; ``None`` where there are none."""
    with get_lake().question() as cursor:
        row = cursor.execute("SELECT min(start_at), max(end_at) FROM lake.intervals").fetchone()
    if row is None or row[0] is None:
        return None
    return row[0].replace(tzinfo=UTC), row[1].replace(tzinfo=UTC)


def changed_since(since: datetime, series: list[int]) -> dict[int, TimeRange]:
    """For each of the series whose intervals were computed anew at or after ``since``: the span that those lie in."""
    with get_lake().question() as cursor:
        cursor.register("wanted", pa.table({"series": pa.array(series, pa.int32())}))
        rows = cursor.execute(
            """SELECT series, min(start_at), max(end_at) FROM lake.intervals SEMI JOIN wanted USING (series)
               WHERE computed_at >= $since GROUP BY series""",
            {"since": since.astimezone(UTC).replace(tzinfo=None)},
        ).fetchall()
    return {one: TimeRange(low.replace(tzinfo=UTC), high.replace(tzinfo=UTC)) for one, low, high in rows}


def max_step(model: str, property: str, exponent: int, multiplier: Decimal) -> int:
    """The most that a register of this model can go up in an hour, in its last digit; -1: no limit is known."""
    known = drivers.drivers().get(model)  # a driver may be gone after an update; its meters go on
    for one in known.property if known else ():
        if one.name == property and one.max_per_hour is not None:
            return int(one.max_per_hour.scaleb(-exponent) / multiplier)
    return -1


def what_happened(series: Series, device: Device) -> list[rules.Happening]:
    """Falls, jumps and gaps of a meter's register over all time, in order."""
    parameters: dict[str, object] = {}
    sql = readings_sql(TimeRange(), None, parameters, f"series = {series.pk}")
    with get_lake().question() as cursor:
        rows = cursor.execute(f"SELECT epoch_us(t) AS t, value FROM ({sql}) ORDER BY t", parameters).fetchnumpy()
    t, value = (np.asarray(rows[name], dtype=np.int64) for name in ("t", "value"))
    return rules.happenings(t, value, max_step(device.model, series.property, series.exponent, device.multiplier))


def happenings_in(
    series: Series, device: Device, readings: list[tuple[datetime, int, str, int, datetime, str]]
) -> list[rules.Happening]:
    """The same among given readings of a series."""
    t = np.array([int(row[0].timestamp() * 1_000_000) for row in readings], dtype=np.int64)
    value = np.array([row[1] for row in readings], dtype=np.int64)
    return rules.happenings(t, value, max_step(device.model, series.property, series.exponent, device.multiplier))


def find_register(device: Device) -> Series | None:
    """The register that a meter is read for, if the device is one."""
    return Series.objects.filter(device=device, kind="register", property__in=MEASURES).order_by("property").first()


def registers(ids: list[int] | None = None) -> dict[int, tuple[str, str, int, Decimal, object]]:
    """series → (property, model, exponent, multiplier, district) of all meters' registers, or of those named."""
    found = Series.objects.filter(kind="register")
    narrow = Q() if ids is None else Q(pk__in=ids)
    columns = ("pk", "property", "device__model", "exponent", "device__multiplier", "device__district")
    rows = []
    if ids is None or len(ids) <= 5000:
        rows = list(found.filter(narrow).values_list(*columns))
    else:
        wanted = set(ids)
        rows = [row for row in found.values_list(*columns).iterator(5000) if row[0] in wanted]
    return {row[0]: (row[1], row[2], row[3], row[4], row[5]) for row in rows}


def registers_of(devices: Sequence[UUID]) -> list[int]:
    """The registers of some devices, at most some thousands, by number."""
    found = Series.objects.filter(device__in=list(devices), kind="register").order_by("pk")
    return list(found.values_list("pk", flat=True))


@dataclass(frozen=True, slots=True)
class Stay:
    """Where a register's meter stood in ``[start, end)``, microseconds since 1970, before it was moved."""

    series: int
    district: str | None
    start: int
    end: int


def past_stays() -> list[Stay]:
    """Where the registers of moved meters were before, in order of their numbers."""
    stays = past_districts()
    of_device: dict[object, list[int]] = {}
    moved = sorted({device for device, *_rest in stays}, key=str)
    for start in range(0, len(moved), 5000):
        rows = Series.objects.filter(device__in=moved[start : start + 5000], kind="register")
        for number, device in rows.values_list("pk", "device"):
            of_device.setdefault(device, []).append(number)
    found = [
        Stay(number, None if district is None else str(district), _us(since) if since else -(2**62), _us(until))
        for device, district, since, until in stays
        for number in of_device.get(device, [])
    ]
    return sorted(found, key=lambda one: (one.series, one.start))


def _us(instant: datetime) -> int:
    return round(instant.timestamp() * 1_000_000)


def export_intervals(
    path: Path, form: Literal["csv", "parquet"], *, who: Who, span: TimeRange, serial: str | None = None,
    property: str | None = None, as_of: datetime | None = None,
) -> int:  # fmt: skip
    """Write the intervals that the asker may see to a file; returns how many."""
    series = list_series(who=who, serial=serial, property=property)
    parameters: dict[str, object] = {}
    only = f"series = {series[0][0]}" if len(series) == 1 else ""
    sql = current_sql(span, as_of, parameters, only)
    value = decimal_sql(range(-9, 10), exponent="exponent")
    shown, start, end, computed = value, "start_at::TIMESTAMPTZ", "end_at::TIMESTAMPTZ", "computed_at::TIMESTAMPTZ"
    if form == "csv":
        shown = f"rtrim(rtrim(CAST({value} AS VARCHAR), '0'), '.')"
        start, end, computed = (RFC3339.format(column=one) for one in ("start_at", "end_at", "computed_at"))
    with get_lake().question() as cursor:
        register_series(cursor, series)
        return copy_out(
            cursor,
            f"""SELECT serial, property, {start} AS start, {end} AS "end", {shown} AS value, unit, quality, method,
                       {_flags_sql()} AS flags, version, {computed} AS received_at, 'close' AS source
                FROM ({sql}) JOIN (SELECT * EXCLUDE (exponent) FROM named) USING (series) ORDER BY series, start_at""",
            parameters, path, form,
        )  # fmt: skip


def _flags_sql() -> str:
    parts = ", ".join(f"CASE WHEN flags & {bit} > 0 THEN '{name}' END" for bit, name in rules.FLAG_NAMES.items())
    return f"concat_ws(' ', {parts})"


def page_intervals(
    *, who: Who, span: TimeRange, serial: str | None, property: str | None, as_of: datetime | None,
    after: tuple[int, datetime] | None, limit: int,
) -> tuple[list[Interval], tuple[int, datetime] | None]:  # fmt: skip
    """A page of current intervals by (series, start), and where the next begins (``None`` at the end)."""
    series = [row for row in list_series(who=who, serial=serial, property=property) if not after or row[0] >= after[0]]
    named = {row[0]: row for row in series}
    rows: list[tuple[Any, ...]] = []
    taken, width = 0, 20
    with get_lake().question() as cursor:
        while taken < len(series) and len(rows) <= limit:
            some = series[taken : taken + width]
            taken, width = taken + width, width * 4
            parameters: dict[str, object] = {"limit": limit + 1 - len(rows)}
            only = f"series IN ({', '.join(str(row[0]) for row in some)})"
            if after is not None:
                only += " AND (series > $series OR start_at > $t)"
                parameters |= {"series": after[0], "t": after[1].astimezone(UTC).replace(tzinfo=None)}
            sql = current_sql(span, as_of, parameters, only)
            rows += cursor.execute(
                f"""SELECT series, start_at, end_at, value, exponent, quality, method, flags, version, computed_at
                    FROM ({sql}) ORDER BY series, start_at LIMIT $limit""",
                parameters,
            ).fetchall()
    following = None
    if len(rows) > limit:
        rows = rows[:limit]
        following = (rows[-1][0], rows[-1][1].replace(tzinfo=UTC))
    items = []
    for number, start, finish, value, exponent, quality, method, flags, version, computed in rows:
        _number, name, property_name, unit, _exponent = named[number]
        items.append(
            Interval(
                serial=name, property=property_name, start=start.replace(tzinfo=UTC), end=finish.replace(tzinfo=UTC),
                value=Decimal(value).scaleb(exponent), unit=unit, quality=quality, method=method,
                flags=tuple(rules.flag_names(flags)), version=version, received_at=computed.replace(tzinfo=UTC),
            )
        )  # fmt: skip
    return items, following


def status() -> dict[str, int | float | str]:
    """Figures for ``qala status``."""
    with get_lake().question() as cursor:
        row = cursor.execute("SELECT count(*) FROM lake.intervals").fetchone()
    return {"intervals": int(row[0]) if row else 0}


def count_old_registers(before: datetime, now: datetime) -> Going:
    """Readings of registers that may go, as they are of before an instant and no later consumption rests on them."""
    return count_aged("register", before, standing_registers(before))


def standing_registers(before: datetime) -> dict[int, int]:
    """Series → instant (microseconds since 1970) from which its readings must stay, so that consumption from ``before`` on
    is computed as if all of them were there; see ``rules.standing``."""
    held = registers()
    edge = before.astimezone(UTC).replace(tzinfo=None)
    until = edge + timedelta(microseconds=rules.MAX_GAP_US)
    found: dict[int, int] = {}
    with get_lake().question() as cursor:
        counts = cursor.execute(
            "SELECT series, count(*) FROM lake.readings WHERE t < $edge GROUP BY series ORDER BY series", {"edge": edge}
        ).fetchall()
        for low, high in _spans([(one, count) for one, count in counts if one in held]):
            rows = cursor.execute(
                """SELECT series::BIGINT AS series, epoch_us(t) AS t, arg_max(value, received_at) AS value
                   FROM lake.readings WHERE series BETWEEN $low AND $high AND t < $until
                   GROUP BY ALL ORDER BY series, t""",
                {"low": low, "high": high, "until": until},
            ).fetchnumpy()
            series, t, value = (np.asarray(rows[name], dtype=np.int64) for name in ("series", "t", "value"))
            known = np.isin(series, np.fromiter(held, np.int64))
            series, t, value = series[known], t[known], value[known]
            numbers, where = np.unique(series, return_inverse=True)
            steps = [
                max_step(held[int(one)][1], held[int(one)][0], held[int(one)][2], held[int(one)][3]) for one in numbers
            ]
            step = np.array(steps, dtype=np.int64)[where]
            at = int(before.timestamp()) * 1_000_000
            found |= rules.standing(series, t, value, step, at)
    return found


def _spans(counts: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """First and last series of groups of about ``BATCH_READINGS`` readings."""
    spans: list[tuple[int, int]] = []
    size = BATCH_READINGS
    for one, count in counts:
        if size + count > BATCH_READINGS:
            spans.append((one, one))
            size = 0
        spans[-1] = (spans[-1][0], one)
        size += count
    return spans
