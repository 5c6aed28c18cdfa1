"""From registers to consumption: plain functions over arrays.

Instants are int64 microseconds since 1970 (UTC), registers int64 in units of their last digit.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

HOUR_US = 3_600_000_000
# A straight line between two registers stands for at most this long (customary rule for interpolation).
MAX_GAP_US = 2 * HOUR_US

MISSING, FALL, JUMP = 1, 2, 4
FLAG_NAMES = {MISSING: "missing", FALL: "fall", JUMP: "jump"}


@dataclass(frozen=True, slots=True)
class Intervals:
    """Intervals of many series, sorted by (series, start).

    Args:
        series: which series, as given.
        start, end: instants on the hour; longer than an hour where the register at the hours between is not known.
        value: register at the end minus register at the start, exact; they telescope.
        flags: bits MISSING, FALL, JUMP of what happened between.
    """

    series: Ints
    start: Ints
    end: Ints
    value: Ints
    flags: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.series)


def close(series: Ints, t: Ints, value: Ints, max_step: Ints) -> Intervals:
    """Cut registers into hours.

    The register at an hour is interpolated between the readings around it and rounded half up: the register is rounded,
    never the interval, so that the intervals of a series add up to the difference of its registers. No register is
    assumed inside a pair of readings that is more than ``MAX_GAP_US`` apart (MISSING), falls (FALL) or steps up by more
    than the meter can pass (JUMP): the hours there become one interval with their exact total and that flag.

    Args:
        series, t, value: current readings sorted by (series, t), no instant twice in a series.
        max_step: for each reading, the most its register can go up in an hour (and in any shorter time); -1: no limit.

    Raises:
        ValueError: not sorted.
    """
    if len(series) < 2:
        return _none()
    same = series[1:] == series[:-1]
    if np.any((series[1:] < series[:-1]) | (same & (t[1:] <= t[:-1]))):
        raise ValueError("readings are not sorted by series and time, or an instant stands twice")
    dt = t[1:] - t[:-1]
    dv = value[1:] - value[:-1]
    flags = np.where(same, pair_flags(dt, dv, max_step[1:]), 0).astype(np.uint8)

    # the hours h with t[i] < h <= t[i+1]; in a flagged pair only one that meets its later reading
    first_hour = t[:-1] // HOUR_US + 1
    last_hour = t[1:] // HOUR_US
    exact_end = t[1:] % HOUR_US == 0
    first_hour = np.where(flags > 0, np.where(exact_end, last_hour, last_hour + 1), first_hour)
    count = np.where(same, np.maximum(last_hour - first_hour + 1, 0), 0)
    pair = np.repeat(np.arange(len(dt)), count)
    offset = np.arange(len(pair)) - np.repeat(np.cumsum(count) - count, count)
    hour = (first_hour[pair] + offset) * HOUR_US
    register = _interpolate(t[pair], value[pair], dt[pair], dv[pair], hour)
    # a series that begins on the hour knows its register there
    begins = np.concatenate(([True], ~same)) & (t % HOUR_US == 0)
    at = np.flatnonzero(begins)
    pair = np.concatenate((pair, at - 1))  # it belongs to no pair: the one before the series' first
    hour = np.concatenate((hour, t[at]))
    register = np.concatenate((register, value[at]))
    owner = np.concatenate((series[1:][pair[: len(pair) - len(at)]], series[at]))
    order = np.lexsort((hour, owner))
    pair, hour, register, owner = pair[order], hour[order], register[order], owner[order]

    joined = owner[1:] == owner[:-1]
    # pairs between two hours: from the one that holds the first (unless the hour is its end) to the one that holds the last
    met = t[pair[:-1] + 1] == hour[:-1]
    low = pair[:-1] + met
    high = pair[1:]
    between = np.zeros(len(low), dtype=np.uint8)
    for bit in FLAG_NAMES:
        seen = np.concatenate(([0], np.cumsum((flags & bit) > 0)))
        between |= np.where(seen[high + 1] > seen[low], bit, 0).astype(np.uint8)
    return Intervals(
        series=owner[:-1][joined],
        start=hour[:-1][joined],
        end=hour[1:][joined],
        value=(register[1:] - register[:-1])[joined],
        flags=between[joined],
    )


def standing(series: Ints, t: Ints, value: Ints, max_step: Ints, horizon: int) -> dict[int, int]:
    """From which instant on readings of each series must stay when those before ``horizon`` go.

    Readings from there on give the same intervals as all of them do, from the last hour on at which the register is known
    by the horizon; and the last reading before the horizon stays in any case.

    Args:
        series, t, value, max_step: as of ``close``, up to ``MAX_GAP_US`` beyond the horizon at least.
        horizon: on the hour.

    Returns:
        series that have readings before the horizon → instant.
    """
    found: dict[int, int] = {}
    if len(series) == 0:
        return found
    never = np.iinfo(np.int64).min
    known = np.where((t % HOUR_US == 0) & (t <= horizon), t, never)
    if len(series) > 1:
        flags = pair_flags(t[1:] - t[:-1], value[1:] - value[:-1], max_step[1:])
        hour = np.minimum(t[1:], horizon) // HOUR_US * HOUR_US
        between = (series[1:] == series[:-1]) & (flags == 0) & (t[:-1] < horizon) & (hour > t[:-1])
        known[:-1] = np.maximum(known[:-1], np.where(between, t[:-1], never))
    begin = np.flatnonzero(np.concatenate(([True], series[1:] != series[:-1])))
    hours = np.maximum.reduceat(known, begin)
    last = np.maximum.reduceat(np.where(t < horizon, t, never), begin)
    for one, from_hour, from_last in zip(series[begin], hours, last, strict=True):
        if from_last != never:
            found[int(one)] = int(from_last if from_hour == never else min(from_hour, from_last))
    return found


def pair_flags(dt: Ints, dv: Ints, max_step: Ints) -> NDArray[np.uint8]:
    """What is wrong between two readings that follow each other, ``dt`` microseconds and ``dv`` last digits apart."""
    flags = np.where(dt > MAX_GAP_US, MISSING, 0).astype(np.uint8)
    flags |= np.where(dv < 0, FALL, 0).astype(np.uint8)
    # in float64: a product of a register and an hour count may pass 2**63
    most = max_step.astype(np.float64) * np.maximum(dt / HOUR_US, 1.0)
    flags |= np.where((max_step >= 0) & (dv > most), JUMP, 0).astype(np.uint8)
    return flags


@dataclass(frozen=True, slots=True)
class Happening:
    """Something between two readings that an engineer wants to know of."""

    kind: str
    start: int
    end: int
    before: int
    after: int


def happenings(t: Ints, value: Ints, max_step: int) -> list[Happening]:
    """Falls, jumps and gaps of one series, in order of time."""
    if len(t) < 2:
        return []
    flags = pair_flags(np.diff(t), np.diff(value), np.full(len(t) - 1, max_step, dtype=np.int64))
    return [
        Happening(kind, int(t[i]), int(t[i + 1]), int(value[i]), int(value[i + 1]))
        for i in np.flatnonzero(flags)
        for kind in flag_names(int(flags[i]))
    ]


def _interpolate(t: Ints, value: Ints, dt: Ints, dv: Ints, at: Ints) -> Ints:
    """Register at ``at`` on the line from (t, value) to (t + dt, value + dv), rounded half up, exactly."""
    along = at - t
    # 2 · dv · along must stay below 2**63; where it does not, Python's integers do
    safe = np.abs(dv).astype(np.float64) * dt < 2.0**61
    step = np.floor_divide(2 * np.where(safe, dv, 0) * np.where(safe, along, 0) + dt, 2 * dt)
    for index in np.flatnonzero(~safe):
        step[index] = (2 * int(dv[index]) * int(along[index]) + int(dt[index])) // (2 * int(dt[index]))
    return value + step


def _none() -> Intervals:
    empty = np.empty(0, dtype=np.int64)
    return Intervals(empty, empty, empty, empty, np.empty(0, dtype=np.uint8))


def whole_multiplier(multiplier: Decimal, exponent: int) -> tuple[int, int]:
    """A multiplier as a whole factor and the exponent that results with the register's own: 1.5 at -3 is (15, -4)."""
    _, digits, power = multiplier.normalize().as_tuple()
    if not isinstance(power, int):
        raise ValueError(f"{multiplier} is no multiplier")
    factor = int("".join(map(str, digits))) * (10**power if power > 0 else 1)
    return factor, exponent + min(power, 0)


def multiplied(value: Ints, factor: Ints, flags: NDArray[np.uint8]) -> tuple[Ints, Ints]:
    """(value × factor, flags); what 64 bits do not hold is no consumption that a meter passed: 0, flagged as a jump."""
    fits = np.abs(value.astype(np.float64)) * factor < 2.0**62
    return np.where(fits, value, 0) * factor, np.where(fits, flags, flags | JUMP).astype(np.int64)


def quality_and_method(flags: int) -> tuple[str, str]:
    """Quality letter and method of an interval: actual by interpolation; estimated where only the total of some missing
    hours is known; null where a fall or a jump means that the difference is no consumption."""
    if flags & (FALL | JUMP):
        return "N", "register_fault"
    return ("E", "gap_total") if flags & MISSING else ("A", "interpolated")


def flag_names(flags: int) -> list[str]:
    return [name for bit, name in FLAG_NAMES.items() if flags & bit]


@dataclass(frozen=True, slots=True)
class DayUse:
    """Consumption of a group of meters on a day, in the unit of the values given.

    ``lower`` counts of an interval that reaches over the day's edge nothing, ``upper`` all; ``value`` its share by time.
    """

    value: float
    lower: float
    upper: float
    meters: int


def day_use(
    group: Ints, series: Ints, start: Ints, end: Ints, value: NDArray[np.float64], day_starts: Ints
) -> dict[tuple[int, int], DayUse]:
    """Consumption by group and day.

    Args:
        group: group of each interval (e.g. its district), -1: none.
        start, end, value: intervals of usable quality.
        day_starts: instants at which days begin, ascending, with the end of the last; n + 1 for n days.

    Returns:
        (group, index of the day) → use.
    """
    found: dict[tuple[int, int], DayUse] = {}
    days = len(day_starts) - 1
    first = np.searchsorted(day_starts, start, side="right") - 1
    last = np.searchsorted(day_starts, end, side="left") - 1
    usable = (group >= 0) & (last >= 0) & (first < days)
    whole = usable & (first == last)
    parts: list[tuple[Ints, Ints, Ints, NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]] = [
        (group[whole], first[whole], series[whole], value[whole], value[whole], value[whole])
    ]
    over = np.flatnonzero(usable & (first != last))
    if len(over):
        count = np.minimum(last[over], days - 1) - np.maximum(first[over], 0) + 1
        index = np.repeat(over, count)
        day = np.repeat(np.maximum(first[over], 0), count) + (
            np.arange(len(index)) - np.repeat(np.cumsum(count) - count, count)
        )
        inside = np.minimum(end[index], day_starts[day + 1]) - np.maximum(start[index], day_starts[day])
        share = value[index] * (inside / (end[index] - start[index]))
        parts.append((group[index], day, series[index], share, np.zeros(len(index)), value[index]))
    groups, daily, owner, share, low, high = (np.concatenate(column) for column in zip(*parts, strict=True))
    if not len(groups):
        return found
    key = groups * days + daily
    keys, inverse = np.unique(key, return_inverse=True)
    total, lower, upper = (np.bincount(inverse, weights=column) for column in (share, low, high))
    numbers, rank = np.unique(owner, return_inverse=True)
    meters = np.bincount(np.unique(inverse * len(numbers) + rank) // len(numbers), minlength=len(keys))
    for position, one in enumerate(keys):
        found[int(one // days), int(one % days)] = DayUse(
            float(total[position]), float(lower[position]), float(upper[position]), int(meters[position])
        )
    return found
