"""Closing: from registers in the lake to hourly consumption, and from that to the measures of districts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
from django.conf import settings
from django.db import transaction

from qala.city.devices.public import forget_readings, touched_series
from qala.city.places.public import find_city
from qala.kernel import measures, outbox
from qala.kernel.lake import get_lake
from qala.kernel.lake.connection import Cursor
from qala.kernel.ranges import TimeRange, day_start, days_of

from . import rules, store

BATCH_INTERVALS = 4_000_000


@dataclass(frozen=True, slots=True)
class Closed:
    """What a close wrote: new or changed intervals, withdrawn ones, and the span of time that they lie in."""

    series: int = 0
    written: int = 0
    withdrawn: int = 0
    values: int = 0
    span: TimeRange | None = None


def close(series: Sequence[int], *, now: datetime, since: datetime | None = None) -> Closed:
    """Compute the hourly consumption of registers anew and store what differs; then the measures of the days touched.

    Idempotent: closing again writes nothing. Series that are no registers are passed over.

    Args:
        since: when the first attempt may have begun, if this is not it: what that one left is finished.
    """
    # of two that close the same registers at once, the one that read less might else have the last word
    with get_lake().alone("meters.close"):
        done = _close(series, now, since or now)
    if done.span is not None:
        with transaction.atomic():
            outbox.tell(
                "meters.closed",
                {
                    "series": done.series, "written": done.written, "withdrawn": done.withdrawn,
                    "first": _iso(done.span, "start"), "last": _iso(done.span, "end"),
                },
                now=now,
            )  # fmt: skip
    return done


def _close(series: Sequence[int], now: datetime, since: datetime) -> Closed:
    held = store.registers(list(series))
    done = Closed(series=len(held))
    for batch in _batches(sorted(held)):
        written, withdrawn = _close_batch(batch, held, now)
        done = replace(done, written=done.written + written, withdrawn=done.withdrawn + withdrawn)
    # asked of the lake rather than remembered: an attempt that died before the measures has changed them too
    spans: dict[str, TimeRange] = {}
    for one, span in store.changed_since(since, sorted(held)).items():
        name = store.MEASURES.get(held[one][0])
        done = replace(done, span=_hull(done.span, span))
        if name is not None:
            spans[name] = _hull(spans.get(name), span) or span
    values = sum(compute_days(name, span=span, now=now) for name, span in sorted(spans.items()))
    return replace(done, values=values)


def close_source(*, source: str, first: str, last: str, since: str, now: datetime) -> Closed:
    """Close the registers that a source's readings touch.

    Args:
        first, last: times of its readings, RFC 3339.
        since: when they were told of, RFC 3339.
    """
    span = TimeRange(datetime.fromisoformat(first), datetime.fromisoformat(last) + timedelta(microseconds=1))
    touched = [series for series, _, _ in touched_series(source, span=span)]
    return close(touched, now=now, since=min(now, datetime.fromisoformat(since)))


def close_devices(devices: Sequence[UUID], *, now: datetime) -> Closed:
    """Close the registers of devices, e.g. after a multiplier changed."""
    return close(store.registers_of(devices), now=now)


def compute_days_of(devices: Sequence[UUID], *, since: str | None, now: datetime) -> int:
    """Compute the measures that these devices count for anew, e.g. after they moved.

    Args:
        since: from the day of that instant on, RFC 3339; ``None``: all days.

    Returns:
        how many values were written.
    """
    whole = store.extent_of_all()
    if whole is None:
        return 0
    start = max(whole[0], datetime.fromisoformat(since)) if since else whole[0]
    if start >= whole[1]:
        return 0
    held = store.registers(store.registers_of(devices))
    names = sorted({store.MEASURES[row[0]] for row in held.values() if row[0] in store.MEASURES})
    return sum(compute_days(name, span=TimeRange(start, whole[1]), now=now) for name in names)


def compute_all_days(*, now: datetime) -> int:
    """Compute every consumption measure for all days that there are intervals of, e.g. after borders changed.

    Returns:
        how many values were written.
    """
    whole = store.extent_of_all()
    if whole is None:
        return 0
    return sum(compute_days(name, span=TimeRange(*whole), now=now) for name in sorted(set(store.MEASURES.values())))


def _iso(span: TimeRange | None, side: str) -> str | None:
    instant = getattr(span, side) if span else None
    return instant.isoformat() if instant else None


def _hull(one: TimeRange | None, other: TimeRange | None) -> TimeRange | None:
    if one is None or other is None:
        return one or other
    assert one.start and one.end and other.start and other.end
    return TimeRange(min(one.start, other.start), max(one.end, other.end))


def _batches(series: list[int]) -> Iterable[list[int]]:
    """Series in groups of about ``BATCH_READINGS`` readings."""
    with get_lake().question() as cursor:
        cursor.register("wanted", pa.table({"series": pa.array(series, pa.int32())}))
        rows = cursor.execute(
            "SELECT series, count(*) FROM lake.readings SEMI JOIN wanted USING (series) GROUP BY series ORDER BY series"
        ).fetchall()
    batch: list[int] = []
    size = 0
    for one, count in rows:
        if batch and size + count > store.BATCH_READINGS:
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += count
    if batch:
        yield batch


def _close_batch(
    batch: list[int], held: dict[int, tuple[str, str, int, Decimal, object]], now: datetime
) -> tuple[int, int]:
    lake = get_lake()
    wanted = pa.table({"series": pa.array(batch, pa.int32())})
    with lake.question() as cursor:
        cursor.register("wanted", wanted)
        rows = cursor.execute(
            """SELECT series::BIGINT AS series, epoch_us(t) AS t, value FROM lake.readings SEMI JOIN wanted USING (series)
               WHERE series BETWEEN $low AND $high ORDER BY series, t, received_at""",
            {"low": batch[0], "high": batch[-1]},
        ).fetchnumpy()
    series, t, value = (np.asarray(rows[name], dtype=np.int64) for name in ("series", "t", "value"))
    latest = np.append((series[1:] != series[:-1]) | (t[1:] != t[:-1]), True)  # the last received of each instant
    series, t, value = series[latest], t[latest], value[latest]
    steps = {one: store.max_step(held[one][1], held[one][0], held[one][2], held[one][3]) for one in batch}
    numbers, first, where = np.unique(series, return_index=True, return_inverse=True)
    begins = pa.table(
        {"series": pa.array(numbers, pa.int32()), "first": pa.array(t[first], pa.int64()).cast("timestamp[us]")}
    )
    step = np.array([steps[int(one)] for one in numbers], dtype=np.int64)[where]
    found = rules.close(series, t, value, step)
    factor, exponent = zip(
        *(rules.whole_multiplier(held[int(one)][3], held[int(one)][2]) for one in numbers), strict=True
    )
    place = np.searchsorted(numbers, found.series)
    value, flags = rules.multiplied(found.value, np.array(factor, dtype=np.int64)[place], found.flags)
    words = [rules.quality_and_method(flags) for flags in range(8)]
    staged = pa.table(
        {
            "series": found.series.astype(np.int32),
            "start_at": pa.array(found.start, pa.timestamp("us")),
            "end_at": pa.array(found.end, pa.timestamp("us")),
            "value": value,
            "exponent": np.array(exponent, dtype=np.int8)[place],
            "quality": pa.DictionaryArray.from_arrays(flags, pa.array([word[0] for word in words])).cast(pa.string()),
            "method": pa.DictionaryArray.from_arrays(flags, pa.array([word[1] for word in words])).cast(pa.string()),
            "flags": flags.astype(np.uint8),
        }
    )
    return _store(staged, begins, batch, now)


def _store(staged: pa.Table, wanted: pa.Table, batch: list[int], now: datetime) -> tuple[int, int]:
    """Insert the staged intervals that differ from the current ones, and withdraw those that are no more.

    Intervals that begin before the first reading of their series (column ``first`` of ``wanted``) were computed from
    readings that retention has deleted: they stay.
    """
    lake = get_lake()
    cursor = lake.cursor()
    same = " AND ".join(
        f"s.{one} IS NOT DISTINCT FROM c.{one}" for one in ("end_at", "value", "exponent", "quality", "method", "flags")
    )
    try:
        cursor.register("staged", staged)
        cursor.register("wanted", wanted)

        def work(held: Cursor) -> tuple[int, int]:
            sql = store.current_sql(TimeRange(), None, {}, f"series BETWEEN {batch[0]} AND {batch[-1]}")
            held.execute(
                f"CREATE OR REPLACE TEMP TABLE current AS SELECT * FROM ({sql}) SEMI JOIN wanted USING (series)"
            )
            held.execute(
                f"""CREATE OR REPLACE TEMP TABLE changed AS
                    SELECT s.* FROM staged s LEFT JOIN current c USING (series, start_at)
                    WHERE c.series IS NULL OR NOT ({same})"""
            )
            held.execute(
                """CREATE OR REPLACE TEMP TABLE gone AS
                   SELECT series, start_at, end_at FROM current JOIN wanted USING (series)
                   ANTI JOIN staged USING (series, start_at) WHERE start_at >= first"""
            )
            counts = held.execute("SELECT (SELECT count(*) FROM changed), (SELECT count(*) FROM gone)").fetchone()
            assert counts is not None
            if counts[0] or counts[1]:
                # computed last also where the clock was set back since
                before = held.execute(
                    f"""SELECT max(computed_at) FROM lake.intervals SEMI JOIN wanted USING (series)
                        WHERE series BETWEEN {batch[0]} AND {batch[-1]}"""
                ).fetchone()
                computed = now.replace(tzinfo=None)
                if before and before[0] is not None and before[0] >= computed:
                    computed = before[0] + timedelta(microseconds=1)
                held.execute(
                    """INSERT INTO lake.intervals
                       SELECT series, start_at, end_at, value, exponent, quality, method, flags, $now FROM changed
                       UNION ALL
                       SELECT series, start_at, end_at, NULL, NULL, 'N', 'withdrawn', 0, $now FROM gone""",
                    {"now": computed},
                )
            return counts[0], counts[1]

        return lake.commit(work, cursor=cursor)
    finally:
        cursor.close()


def forget_registers(before: datetime, now: datetime) -> Iterator[tuple[str, int]]:
    """Delete the readings of registers of before an instant, month by month, but for those that later consumption is
    still computed from. ``qala.kernel.retention`` alone calls it.

    Yields:
        the month, and how many readings went.
    """
    yield from forget_readings("register", before, store.standing_registers(before))


def compute_days(name: str, *, span: TimeRange, now: datetime) -> int:
    """Compute a consumption measure for every local day that ``span`` touches: each district and the whole city.

    A meter that was moved counts where it stood at the start of each interval; one without a known district counts for
    the city alone. Intervals that are no consumption (quality N) are left out;
    one that reaches over midnight because hours are missing is shared by time, with the bounds that this leaves.

    Returns:
        how many values were written.
    """
    assert span.start and span.end
    zone = ZoneInfo(settings.TIME_ZONE)
    city = find_city()
    series = {
        one: row for one, row in store.registers().items() if store.MEASURES.get(row[0]) == name
    }  # fmt: skip
    if not series:
        return 0
    stays = [one for one in store.past_stays() if one.series in series]
    districts = sorted(
        {str(row[4]) for row in series.values() if row[4] is not None} | {one.district for one in stays if one.district}
    )
    number = {key: position for position, key in enumerate(districts)}
    numbers = np.array(sorted(series), dtype=np.int64)
    group_of = np.array([number.get(str(series[int(one)][4]), -1) for one in numbers], dtype=np.int64)
    days = list(days_of(span, zone))
    width = max(1, BATCH_INTERVALS // (24 * len(series)))
    written = 0
    for begin in range(0, len(days), width):
        some = days[begin : begin + width]
        edges = [day_start(day, zone) for day in [*some, some[-1] + timedelta(days=1)]]
        starts = np.array([int(edge.timestamp()) * 1_000_000 for edge in edges], dtype=np.int64)
        owner, start, end, value = _usable(numbers, TimeRange(edges[0], edges[-1]))
        group = group_of[np.searchsorted(numbers, owner)]
        _stand_where_they_were(group, owner, start, stays, number)
        found = [
            (districts[key[0]], key[1], use)
            for key, use in rules.day_use(group, owner, start, end, value, starts).items()
        ]
        if city is not None:
            whole = rules.day_use(np.zeros_like(group), owner, start, end, value, starts)
            found += [(str(city.pk), key[1], use) for key, use in whole.items()]
        values = [
            measures.Value(
                subject=subject, period_start=edges[day], value=use.value, n=use.meters, lower=use.lower,
                upper=use.upper, provenance="intervals of registers, close",
            )
            for subject, day, use in found
        ]  # fmt: skip
        written += measures.store(name, grain="day", start=edges[0], end=edges[-1], values=values, now=now)
    return written


def _stand_where_they_were(
    group: rules.Ints, owner: rules.Ints, start: rules.Ints, stays: Sequence[store.Stay], number: dict[str, int]
) -> None:
    """Give intervals that began before their meter was moved the group of the district that it stood in then."""
    if not stays:
        return
    moved = np.flatnonzero(np.isin(owner, [one.series for one in stays]))
    moved = moved[np.argsort(owner[moved], kind="stable")]
    whose = owner[moved]
    for one in stays:
        low, high = np.searchsorted(whose, [one.series, one.series + 1])
        some = moved[low:high]
        some = some[(start[some] >= one.start) & (start[some] < one.end)]
        group[some] = number.get(one.district or "", -1)


def _usable(numbers: rules.Ints, span: TimeRange) -> tuple[rules.Ints, rules.Ints, rules.Ints, np.ndarray]:
    """(series, start, end, value in the unit) of the current usable intervals that overlap a span, of these series."""
    parameters: dict[str, object] = {}
    assert span.start and span.end
    low, high = (edge.astimezone(UTC).replace(tzinfo=None) for edge in (span.start, span.end))
    # an interval that begins before the span may reach into it; all versions of such a one are looked at
    sql = store.current_sql(
        TimeRange(None, span.end), None, parameters,
        f"""series BETWEEN {numbers[0]} AND {numbers[-1]} AND (start_at >= TIMESTAMP '{low}' OR (series, start_at) IN (
            SELECT (series, start_at) FROM lake.intervals WHERE start_at < TIMESTAMP '{low}' AND end_at > TIMESTAMP '{low}'))""",
    )  # fmt: skip
    with get_lake().question() as cursor:
        cursor.register("wanted", pa.table({"series": pa.array(numbers, pa.int32())}))
        rows = cursor.execute(
            f"""SELECT series::BIGINT AS series, epoch_us(start_at) AS start_us, epoch_us(end_at) AS end_us,
                       value * pow(10.0, exponent) AS value
                FROM ({sql}) SEMI JOIN wanted USING (series)
                WHERE quality <> 'N' AND end_at > TIMESTAMP '{low}' AND start_at < TIMESTAMP '{high}'""",
            parameters,
        ).fetchnumpy()
    return (
        np.asarray(rows["series"], dtype=np.int64), np.asarray(rows["start_us"], dtype=np.int64),
        np.asarray(rows["end_us"], dtype=np.int64), np.asarray(rows["value"], dtype=np.float64),
    )  # fmt: skip
