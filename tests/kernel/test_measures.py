"""Measures: storing is idempotent, what vanishes is withdrawn, and what was known stays known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.apps import apps

from qala.kernel import measures
from qala.kernel.errors import BadInput, NotFound
from qala.kernel.lake import Lake
from qala.kernel.measures import Measure, Value, ask, store

DAY = timedelta(days=1)
START = datetime(2026, 5, 1, tzinfo=UTC)
END = START + 10 * DAY
NOW = datetime(2026, 6, 1, tzinfo=UTC)
NAME, BY_KIND = "test.things_m3", "test.kinds_m3"
DECLARED = (
    Measure(NAME, "Things", "m3", "place", ("day", "month"), "For tests.", minimum_count=3),
    Measure(BY_KIND, "Kinds", "m3", "place", ("day",), "For tests.", dimensions=("kind", "side")),
)


@pytest.fixture(autouse=True)
def declared(lake: Lake) -> Iterator[None]:
    """Two measures of the test's own beside those of the matters."""
    config: Any = apps.get_app_config("kernel")
    before = config.plug
    config.plug = replace(before, measures=(*before.measures, *DECLARED))
    yield
    config.plug = before


def put(*values: Value, now: datetime = NOW, name: str = NAME, **more: Any) -> int:
    return store(name, **{"grain": "day", "start": START, "end": END, "values": values, "now": now, **more})


def value(subject: str, day: int, number: float | None, n: int = 5, **more: Any) -> Value:
    return Value(subject, START + day * DAY, number, n, **more)


def known(**more: Any) -> list[tuple[str, int, float | None]]:
    found = ask(more.pop("name", NAME), **{"grain": "day", **more})
    return [(one.subject, (one.period_start - START).days, one.value) for one in found]


def test_storing_again_writes_nothing() -> None:
    values = (value("a", 0, 1.5, lower=1, upper=2), value("a", 1, 0.1 + 0.2), value("b", 0, None, n=2))
    assert put(*values) == 3
    assert put(*values, now=NOW + DAY) == 0
    assert put(*reversed(values), now=NOW + 2 * DAY) == 0
    assert known() == [("a", 0, 1.5), ("a", 1, 0.1 + 0.2), ("b", 0, None)]


@pytest.mark.parametrize(
    "change", [{"value": 2.0}, {"n": 6}, {"lower": 0.5}, {"provenance": "other"}, {"publishable": False}]
)
def test_any_difference_is_a_new_value(change: dict[str, Any]) -> None:
    put(value("a", 0, 1.0), value("a", 1, 1.0))
    assert put(replace(value("a", 0, 1.0), **change), value("a", 1, 1.0), now=NOW + DAY) == 1
    found = ask(NAME, grain="day", subjects=["a"], end=START + DAY)[0]
    assert getattr(found, next(iter(change))) == next(iter(change.values()))
    assert found.computed_at == NOW + DAY


def test_a_vanished_value_is_withdrawn_once_and_may_return() -> None:
    put(value("a", 0, 1.0), value("a", 1, 2.0))
    assert put(value("a", 1, 2.0), now=NOW + DAY) == 1
    assert known() == [("a", 1, 2.0)]
    assert put(value("a", 1, 2.0), now=NOW + 2 * DAY) == 0
    assert put(value("a", 0, 1.0), value("a", 1, 2.0), now=NOW + 3 * DAY) == 1
    assert known() == [("a", 0, 1.0), ("a", 1, 2.0)]


def test_only_the_range_and_the_subjects_asked_for_are_withdrawn() -> None:
    put(value("a", 0, 1.0), value("a", 5, 2.0), value("b", 0, 3.0))
    assert put(end=START + DAY, now=NOW + DAY, subjects=["a"]) == 1
    assert known() == [("a", 5, 2.0), ("b", 0, 3.0)]
    assert put(end=START + DAY, now=NOW + DAY) == 1
    assert known() == [("a", 5, 2.0)]


def test_as_it_was_known() -> None:
    put(value("a", 0, 1.0))
    put(value("a", 0, 2.0), now=NOW + DAY)
    put(now=NOW + 2 * DAY)
    assert known(as_of=NOW - timedelta(seconds=1)) == []
    assert known(as_of=NOW) == known(as_of=NOW + DAY - timedelta(seconds=1)) == [("a", 0, 1.0)]
    assert known(as_of=NOW + DAY) == [("a", 0, 2.0)]
    assert known(as_of=NOW + 2 * DAY) == known() == []


def test_what_is_computed_last_is_current_also_after_the_clock_was_set_back() -> None:
    put(value("a", 0, 1.0), now=NOW + DAY)
    put(value("a", 0, 2.0), now=NOW)
    put(value("a", 0, 3.0), now=NOW)
    assert known() == [("a", 0, 3.0)]


def test_asking_narrows() -> None:
    put(*(value(subject, day, day) for subject in "abc" for day in range(4)))
    assert known(subjects=["c", "a"], start=START + DAY, end=START + 3 * DAY) == [
        ("a", 1, 1), ("a", 2, 2), ("c", 1, 1), ("c", 2, 2),
    ]  # fmt: skip
    assert known(subjects=[]) == []
    assert ask(NAME, grain="month") == []


def test_dimensions() -> None:
    left, right = {"kind": "pump", "side": "left"}, {"side": "right", "kind": "pump"}
    put(value("a", 0, 1, dimensions=left), value("a", 0, 2, dimensions=right), name=BY_KIND)
    turned = {"side": "left", "kind": "pump"}
    assert (
        put(value("a", 0, 1, dimensions=turned), value("a", 0, 2, dimensions=right), name=BY_KIND, now=NOW + DAY) == 0
    )
    assert [one.value for one in ask(BY_KIND, grain="day", dimensions=turned)] == [1]
    assert {one.dimensions["side"] for one in ask(BY_KIND, grain="day")} == {"left", "right"}


@pytest.mark.parametrize(
    ("values", "more", "said"),
    [
        ([value("a", 0, 1, dimensions={"kind": "pump"})], {}, "dimensions"),
        ([value("a", 0, 1)], {"name": BY_KIND}, "dimensions"),
        ([value("a", 0, 1)], {"grain": "hour"}, "declared for"),
        ([value("a", 10, 1)], {}, "outside"),
        ([value("a", -1, 1)], {}, "outside"),
        ([value("a", 0, 1), value("a", 0, 2)], {}, "same"),
    ],
)
def test_what_was_not_declared_is_refused(values: list[Value], more: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        put(*values, **more)
    assert known() == []


def test_unknown_measures() -> None:
    for act in (lambda: put(name="no.such_m3"), lambda: ask("no.such_m3", grain="day")):
        with pytest.raises(NotFound, match=r"no\.such_m3"):
            act()


def test_too_few_are_not_publishable() -> None:
    put(value("a", 0, 1, n=2), value("a", 1, 1, n=3), value("a", 2, 1, n=3, publishable=False))
    assert [one.publishable for one in ask(NAME, grain="day")] == [False, True, False]


def test_all_that_a_value_says_comes_back() -> None:
    given = value("a", 0, -1.25, n=4, lower=-2.0, upper=float("inf"), provenance="по показаниям")
    put(given)
    found = ask(NAME, grain="day")[0]
    assert found == replace(given, dimensions={}, version="1", computed_at=NOW)
    assert measures.measure_named(NAME) is DECLARED[0]
