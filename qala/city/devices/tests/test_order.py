"""The order of readings in the lake, against plain sorting in Python."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qala.city.devices.rules import order as rule
from qala.city.devices.rules import reading_order, repeated

MAY = 1_777_593_600_000_000  # 2026-05-01, in microseconds
INSTANTS = st.one_of(
    st.integers(0, 50).map(lambda hour: MAY + hour * 3_600_000_000),
    st.integers(MAY, MAY + 5),
    st.integers(-(1 << 60), 1 << 60),  # so far apart that no key of 63 bits tells them apart
)
READINGS = st.lists(st.tuples(st.integers(-3, 40), INSTANTS, st.integers(-2, 3)), max_size=60)


def arrays(rows: list[tuple[int, int, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    series, t, value = zip(*rows, strict=True) if rows else ((), (), ())
    return np.array(series, np.int32), np.array(t, np.int64), np.array(value, np.int64)


@given(READINGS)
def test_order(rows: list[tuple[int, int, int]]) -> None:
    series, t, _ = arrays(rows)
    order, single = reading_order(series, t)
    assert order.tolist() == sorted(range(len(rows)), key=lambda at: (rows[at][:2], at))
    assert single == (len({row[:2] for row in rows}) == len(rows))


@pytest.mark.parametrize("spread", [1, 1_000_000, 1 << 50])
def test_order_of_many(spread: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """On two threads, by packed keys, by keys alone and by both columns."""
    monkeypatch.setattr(rule, "WORTH_A_THREAD", 1000)
    drawn = np.random.default_rng(5)
    series = drawn.integers(0, 3000, 50_000).astype(np.int32)
    t = drawn.integers(0, 40, 50_000) * spread
    order, single = reading_order(series, t)
    assert order.tolist() == np.lexsort((t, series)).tolist()
    assert not single


@given(READINGS)
def test_a_value_comes_once_and_another_is_the_next_version(rows: list[tuple[int, int, int]]) -> None:
    series, t, value = arrays(rows)
    order, _ = reading_order(series, t)
    again, version = repeated(series[order], t[order], value[order])
    seen: dict[tuple[int, int], list[int]] = {}
    for at, is_again, rank in zip(order.tolist(), again.tolist(), version.tolist(), strict=True):
        values = seen.setdefault(rows[at][:2], [])
        assert is_again == (rows[at][2] in values)
        if not is_again:
            assert rank == len(values)
            values.append(rows[at][2])
