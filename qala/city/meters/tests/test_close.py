"""Registers to hours: exact, telescoping, honest about what is not known."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qala.city.meters.rules import (
    FALL,
    HOUR_US,
    JUMP,
    MAX_GAP_US,
    MISSING,
    Intervals,
    close,
    flag_names,
    happenings,
    quality_and_method,
)

Series = list[tuple[int, int]]
Row = tuple[int, int, int, int]
MINUTE = 60_000_000


def ints(values: object) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def closed(*series: Series, limit: int = -1) -> dict[int, list[Row]]:
    """(start, end, value, flags) of each series by its number, from 1."""
    rows = [(number, *reading) for number, readings in enumerate(series, 1) for reading in readings]
    table = ints(rows).reshape(-1, 3)
    found = close(table[:, 0], table[:, 1], table[:, 2], np.full(len(rows), limit, dtype=np.int64))
    return {number: rows_of(found, number) for number in range(1, len(series) + 1)}


def rows_of(found: Intervals, number: int) -> list[Row]:
    here = found.series == number
    columns = (found.start, found.end, found.value, found.flags)
    return [(int(a), int(b), int(c), int(d)) for a, b, c, d in zip(*(column[here] for column in columns), strict=True)]


def by_hand(readings: Series, limit: int) -> list[Row]:
    """The same in plain Python and fractions, hour by hour."""

    def flags_of(before: tuple[int, int], after: tuple[int, int]) -> int:
        dt, dv = after[0] - before[0], after[1] - before[1]
        flags = MISSING if dt > MAX_GAP_US else 0
        flags |= FALL if dv < 0 else 0
        if limit >= 0 and dv > limit * max(Fraction(dt, HOUR_US), Fraction(1)):
            flags |= JUMP
        return flags

    known: dict[int, int] = {}
    for before, after in pairwise(readings):
        faulty = flags_of(before, after)
        hour = -(-before[0] // HOUR_US) * HOUR_US
        while hour <= after[0]:
            if hour in (before[0], after[0]):
                known[hour] = before[1] if hour == before[0] else after[1]
            elif not faulty:
                along = Fraction((after[1] - before[1]) * (hour - before[0]), after[0] - before[0])
                known[hour] = before[1] + floor(along + Fraction(1, 2))
            hour += HOUR_US
    rows = []
    for start, end in pairwise(sorted(known)):
        flags = 0
        for before, after in pairwise(readings):
            if before[0] < end and after[0] > start:
                flags |= flags_of(before, after)
        rows.append((start, end, known[end] - known[start], flags))
    return rows


def series_of(largest: int, *, most: int = 30) -> st.SearchStrategy[Series]:
    steps = st.tuples(
        st.sampled_from([1, MINUTE, 10 * MINUTE, 37 * MINUTE + 1, HOUR_US, HOUR_US, HOUR_US, MAX_GAP_US, MAX_GAP_US + 1,
                         5 * HOUR_US, 90 * HOUR_US]),
        st.one_of(st.integers(0, 200), st.integers(-largest, largest)),
    )  # fmt: skip

    def laid(start: int, value: int, taken: list[tuple[int, int]]) -> Series:
        found = [(start, value)]
        for dt, dv in taken:
            found.append((found[-1][0] + dt, max(-largest, min(largest, found[-1][1] + dv))))
        return found

    begin = st.sampled_from([0, 1, 30 * MINUTE, -HOUR_US, 1_700_000_000_000_000])
    return st.builds(laid, begin, st.integers(0, largest), st.lists(steps, max_size=most))


@settings(deadline=None)
@given(st.lists(series_of(10**6), min_size=1, max_size=4), st.sampled_from([-1, 0, 150, 10**5]))
def test_each_interval_is_what_plain_arithmetic_gives(series: list[Series], limit: int) -> None:
    found = closed(*series, limit=limit)
    for number, readings in enumerate(series, 1):
        assert found[number] == by_hand(readings, limit)


@settings(deadline=None)
@given(series_of(10**18 - 1))
def test_intervals_of_large_registers_telescope_and_do_not_overlap(readings: Series) -> None:
    rows = closed(readings)[1]
    assert rows == by_hand(readings, -1), "exact beyond 2**53"
    for before, after in pairwise(rows):
        assert before[1] == after[0]
    for start, end, _, flags in rows:
        assert start % HOUR_US == end % HOUR_US == 0
        assert end - start == HOUR_US or flags
    on_the_hour = {t: value for t, value in readings if t % HOUR_US == 0}
    if rows:
        edges = [rows[0][0], *(row[1] for row in rows)]
        for low, high in pairwise([edge for edge in edges if edge in on_the_hour]):
            total = sum(row[2] for row in rows if low <= row[0] < high)
            assert total == on_the_hour[high] - on_the_hour[low]


@settings(deadline=None)
@given(st.data())
def test_readings_on_the_line_change_nothing_but_flags(data: st.DataObject) -> None:
    """What is between two readings on the straight line between them tells nothing new."""
    slope = data.draw(st.integers(-3, 1000))
    minutes = sorted(data.draw(st.sets(st.integers(0, 3000), min_size=2, max_size=12)))
    more = sorted({*minutes, *data.draw(st.sets(st.integers(minutes[0], minutes[-1]), max_size=20))})
    few = closed([(minute * MINUTE, 50_000 + slope * minute) for minute in minutes])[1]
    many = closed([(minute * MINUTE, 50_000 + slope * minute) for minute in more])[1]
    register = {few[0][0]: 0} if few else {}
    for _, end, value, _ in many:
        register[end] = register.get(end, 0) + value
    known = {many[0][0]: 0} if many else {}
    total = 0
    for _, end, value, _ in many:
        total += value
        known[end] = total
    for start, end, value, _ in few:
        assert known[end] - known[start] == value
    assert {row[0] for row in few} <= {row[0] for row in many} | {many[-1][1] if many else 0}


def test_nothing_and_one_reading_give_no_interval() -> None:
    assert closed([]) == {1: []}
    assert closed([(0, 5)], [], [(HOUR_US, 7)]) == {1: [], 2: [], 3: []}
    assert closed([(1, 5), (MINUTE, 7)])[1] == []


def test_the_register_is_rounded_half_up_and_never_the_interval() -> None:
    # 1 litre in two hours: half a litre at the hour between is one
    assert closed([(0, 10), (2 * HOUR_US, 11)])[1] == [(0, HOUR_US, 1, 0), (HOUR_US, 2 * HOUR_US, 0, 0)]
    assert [row[2] for row in closed([(0, 0), (90 * MINUTE, 2), (3 * HOUR_US, 3)])[1]] == [1, 1, 1]


@pytest.mark.parametrize(
    ("readings", "flags"),
    [
        ([(0, 0), (HOUR_US, 5)], [0]),
        ([(0, 0), (2 * HOUR_US, 5)], [0, 0]),
        ([(0, 0), (2 * HOUR_US + 1, 5), (3 * HOUR_US, 5)], [MISSING]),
        ([(0, 9), (HOUR_US, 5)], [FALL]),
        ([(0, 0), (HOUR_US, 101)], [JUMP]),
        ([(0, 0), (2 * HOUR_US, 200)], [0, 0]),
        ([(0, 0), (2 * HOUR_US, 201)], [JUMP]),
        ([(0, 0), (30 * MINUTE, 101), (HOUR_US, 101)], [JUMP]),
        ([(0, 0), (30 * MINUTE, 100), (HOUR_US, 200)], [0]),
        ([(0, 0), (5 * HOUR_US, 501)], [MISSING | JUMP]),
        ([(0, 9), (5 * HOUR_US, 1)], [MISSING | FALL]),
    ],
)
def test_flags(readings: Series, flags: list[int]) -> None:
    assert [row[3] for row in closed(readings, limit=100)[1]] == flags


def test_a_fall_spoils_only_its_own_hours() -> None:
    readings = [(hour * HOUR_US + 30 * MINUTE, value) for hour, value in enumerate([100, 110, 120, 4, 14, 24])]
    rows = closed(readings)[1]
    assert [(row[0] // HOUR_US, row[1] // HOUR_US, row[3]) for row in rows] == [
        (1, 2, 0),
        (2, 4, FALL),
        (4, 5, 0),
    ]
    assert sum(row[2] for row in rows) == 19 - 105
    assert [quality_and_method(row[3])[0] for row in rows] == ["A", "N", "A"]


def test_what_flags_mean() -> None:
    assert quality_and_method(0) == ("A", "interpolated")
    assert quality_and_method(MISSING) == ("E", "gap_total")
    for flags in (FALL, JUMP, FALL | MISSING, JUMP | MISSING):
        assert quality_and_method(flags) == ("N", "register_fault")
    assert flag_names(MISSING | JUMP) == ["missing", "jump"]


def test_happenings_name_what_befell_a_register() -> None:
    readings = [(0, 10), (HOUR_US, 20), (2 * HOUR_US, 5), (9 * HOUR_US, 6), (10 * HOUR_US, 900)]
    table = ints(readings)
    found = happenings(table[:, 0], table[:, 1], 100)
    assert [(one.kind, one.start // HOUR_US, one.end // HOUR_US, one.before, one.after) for one in found] == [
        ("fall", 1, 2, 20, 5),
        ("missing", 2, 9, 5, 6),
        ("jump", 9, 10, 6, 900),
    ]
    assert happenings(ints([]), ints([]), 100) == []


@pytest.mark.parametrize("readings", [[(1, 0, 0), (1, 0, 1)], [(1, 5, 0), (1, 4, 1)], [(2, 0, 0), (1, 1, 1)]])
def test_unsorted_readings_are_refused(readings: list[tuple[int, int, int]]) -> None:
    table = ints(readings)
    with pytest.raises(ValueError, match="not sorted"):
        close(table[:, 0], table[:, 1], table[:, 2], ints([-1, -1]))
