"""The order in which readings lie in the lake: by series, then time, then as they came."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

SECOND = 1_000_000
BITS = 63  # of an int64 that is not negative
WORTH_A_THREAD = 200_000  # numbers; numpy sorts them without the interpreter's lock


def reading_order(series: NDArray[np.int32], t_us: NDArray[np.int64]) -> tuple[NDArray[np.intp], bool]:
    """Positions that put readings in order, and whether no two have series and time in common.

    Args:
        series: shape (n,).
        t_us: shape (n,), microseconds since 1970 in UTC.

    Returns:
        positions of shape (n,), stable; ``True`` where every (series, time) is there once.
    """
    count = len(series)
    if count == 0:
        return np.empty(0, dtype=np.intp), True
    first = int(series.min())
    at = t_us // SECOND
    if not (at * SECOND == t_us).all():
        at = t_us
    low = int(at.min())
    slots = int(at.max()) - low + 1
    largest = (int(series.max()) - first + 1) * slots
    if largest.bit_length() > BITS:
        by_both: NDArray[np.intp] = np.lexsort((t_us, series))
        return by_both, not ((np.diff(series[by_both]) == 0) & (np.diff(t_us[by_both]) == 0)).any()
    key = (series.astype(np.int64) - first) * slots + (at - low)
    bits = count.bit_length()
    if largest.bit_length() + bits > BITS:
        order: NDArray[np.intp] = np.argsort(key, kind="stable")
        key = key[order]
        return order, not (key[1:] == key[:-1]).any()
    # a key and its position in one number: sorting those is several times quicker than sorting positions
    packed = _sorted((key << bits) | np.arange(count, dtype=np.int64))
    order = (packed & ((1 << bits) - 1)).astype(np.intp, copy=False)
    packed >>= bits
    return order, not (packed[1:] == packed[:-1]).any()


def repeated(
    series: NDArray[np.int32], t_us: NDArray[np.int64], value: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Which readings, in order, came before with the same value, and which version of its instant each other one is.

    Args:
        series: shape (n,), as all, in the order of ``reading_order``.

    Returns:
        booleans and versions from 0, shape (n,).
    """
    begins = np.ones(len(series), dtype=np.bool_)
    begins[1:] = (series[1:] != series[:-1]) | (t_us[1:] != t_us[:-1])
    instant = np.cumsum(begins) - 1
    order = np.lexsort((value, instant))  # stable: of equal ones the first in the file comes first
    again = np.zeros(len(series), dtype=np.bool_)
    again[order[1:]] = (value[order[1:]] == value[order[:-1]]) & (instant[order[1:]] == instant[order[:-1]])
    kept = np.cumsum(~again)
    return again, kept - kept[np.flatnonzero(begins)][instant]


def _sorted(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sorted, on two threads where it is worth it."""
    if len(numbers) < WORTH_A_THREAD:
        numbers.sort()
        return numbers
    middle = np.median(numbers[:: len(numbers) // 1000])
    is_low = numbers < middle
    halves = [numbers[is_low], numbers[~is_low]]
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(halves[1].sort)
        halves[0].sort()
        other.result()
    return np.concatenate(halves)
