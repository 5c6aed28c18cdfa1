from __future__ import annotations

import itertools
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from qala.kernel import publish
from qala.kernel.access import system
from qala.kernel.errors import BadInput, Conflict
from qala.kernel.models import AuditEntry, PublishedValue
from qala.kernel.publish import Cell, Publication, PublishedCell, suppress

ALMATY = ZoneInfo("Asia/Almaty")
DAY = datetime(2026, 3, 4, 19, tzinfo=UTC)  # the 5th of March begins in Almaty
NOW = datetime(2026, 4, 2, 9, tzinfo=UTC)
WHO = system("test")


def tree(*rows: tuple[str, str | None, int]) -> list[Cell]:
    return [Cell(key, parent, n * 1.5, n) for key, parent, n in rows]


def shown(cells: Sequence[Cell], minimum: int) -> set[str]:
    return {cell.key for cell in suppress(cells, minimum) if not cell.reason}


# --- what is suppressed


@pytest.mark.parametrize(
    ("what", "cells", "expected"),
    [
        ("nothing small", [("city", None, 60), ("a", "city", 20), ("b", "city", 40)], {"city", "a", "b"}),
        ("the small one and the smallest other", [("city", None, 93), ("a", "city", 3), ("b", "city", 50), ("c", "city", 40)],
         {"city", "b"}),
        ("two small ones that hide each other", [("city", None, 52), ("a", "city", 6), ("b", "city", 6), ("c", "city", 40)],
         {"city", "c"}),
        ("two small ones that are few together", [("city", None, 85), ("a", "city", 3), ("b", "city", 2),
         ("c", "city", 30), ("d", "city", 50)], {"city", "d"}),
        ("all", [("city", None, 13), ("a", "city", 3), ("b", "city", 10)], {"city"}),
        ("a small city", [("city", None, 9), ("a", "city", 9)], set()),
        ("an empty child is no secret", [("city", None, 93), ("a", "city", 3), ("b", "city", 50), ("c", "city", 40),
         ("d", "city", 0)], {"city", "b", "d"}),
        ("a large rest hides a small child", [("city", None, 73), ("a", "city", 3), ("b", "city", 50)], {"city", "b"}),
        ("a small rest is hidden as a child is", [("city", None, 55), ("a", "city", 20), ("b", "city", 30)], {"city", "b"}),
        ("a large rest is no secret", [("city", None, 70), ("a", "city", 20), ("b", "city", 30)], {"city", "a", "b"}),
        ("a small rest hides nobody", [("city", None, 89), ("a", "city", 9), ("b", "city", 30), ("c", "city", 48)],
         {"city", "c"}),
        ("below a suppressed cell everything is", [("city", None, 93), ("a", "city", 3), ("b", "city", 50), ("c", "city", 40),
         ("c1", "c", 20), ("c2", "c", 20), ("c3", "c", 0), ("b1", "b", 25), ("b2", "b", 25)], {"city", "b", "b1", "b2"}),
        ("roots have no sum", [("a", None, 3), ("b", None, 30)], {"b"}),
    ],
)  # fmt: skip
def test_suppression(what: str, cells: list[tuple[str, str | None, int]], expected: set[str]) -> None:
    assert shown(tree(*cells), 10) == expected, what
    assert shown(tree(*reversed(cells)), 10) == expected, what


def test_a_suppressed_cell_tells_nothing_and_a_published_one_all() -> None:
    cells = [Cell("city", None, 7.5, 40, 7.0, 8.0), Cell("a", "city", 1.0, 4), Cell("b", "city", 2.0, 36, 1.0, 3.0)]
    assert suppress(cells, 10) == [
        PublishedCell("city", 7.5, 40, "", 7.0, 8.0),
        PublishedCell("a", None, None, "suppressed"),
        PublishedCell("b", None, None, "suppressed"),
    ]
    assert [cell.reason for cell in suppress(cells, 1)] == ["", "", ""]


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ([Cell("a", None, 1.0, 5), Cell("a", None, 1.0, 5)], "twice"),
        ([Cell("a", "city", 1.0, 5)], "not among the cells"),
        ([Cell("a", "b", 1.0, 5), Cell("b", "a", 1.0, 5)], "circle"),
        ([Cell("a", "a", 1.0, 5)], "circle"),
        ([Cell("a", None, 1.0, -1)], "counts -1"),
        ([Cell("a", None, 1.0, 5), Cell("b", "a", 1.0, 6)], "fewer than its children"),
        ([Cell("a", None, float("nan"), 5)], "finite"),
        ([Cell("a", None, 1.0, 5, None, float("inf"))], "finite"),
    ],
)
def test_what_is_no_tree_is_refused(cells: list[Cell], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        suppress(cells, 10)
    with pytest.raises(BadInput, match="protects nobody"):
        suppress(cells, 0)


# --- the attacker


@st.composite
def trees(draw: st.DrawFn) -> list[Cell]:
    """Trees of up to ten cells; each holds things of its own (a leaf's all, another cell's unlocated ones)."""
    size = draw(st.integers(1, 10))
    parents = [draw(st.none() | st.integers(0, n - 1)) if n else None for n in range(size)]
    count = [draw(st.integers(0, 12)) for _ in range(size)]
    for n in reversed(range(size)):
        parent = parents[n]
        if parent is not None:
            count[parent] += count[n]
    return [
        Cell(f"c{n}", None if parent is None else f"c{parent}", float(count[n]), count[n])
        for n, parent in enumerate(parents)
    ]


def atoms_of(cells: Sequence[Cell]) -> tuple[list[int], dict[str, np.ndarray]]:
    """Counts of the smallest disjoint groups (leaves and rests, but empty ones), and each cell as a sum of them."""
    below: dict[str, int] = defaultdict(int)
    for cell in cells:
        if cell.parent is not None:
            below[cell.parent] += cell.n
    own = [cell.n - below[cell.key] for cell in cells]
    places = {cell.key: n for n, cell in enumerate(cells)}
    parts = {cell.key: np.zeros(len(cells), dtype=int) for cell in cells}
    for n, cell in enumerate(cells):
        up: str | None = cell.key
        while up is not None:
            parts[up][n] = 1
            up = cells[places[up]].parent
    filled = [n for n, count in enumerate(own) if count]
    return [own[n] for n in filled], {key: row[filled] for key, row in parts.items()}


def knowable(rows: Sequence[np.ndarray], width: int) -> Callable[[np.ndarray], np.ndarray]:
    """Which sums of atoms follow from the known sums ``rows``: those that lie in the space that the rows span."""
    known = np.array(rows, dtype=float).reshape(-1, width)
    project = np.linalg.pinv(known) @ known if len(rows) else np.zeros((width, width))
    return lambda wanted: np.isclose(wanted @ project, wanted, atol=1e-6).all(axis=-1)


@given(trees(), st.integers(1, 14))
@settings(max_examples=300, deadline=None)
def test_subtraction_finds_no_suppressed_cell_and_no_small_group(cells: list[Cell], minimum: int) -> None:
    out = {cell.key: cell for cell in suppress(cells, minimum)}
    counts, parts = atoms_of(cells)
    if not counts:
        return
    follows = knowable([parts[key] for key, cell in out.items() if not cell.reason], len(counts))
    for cell in cells:
        if out[cell.key].reason:
            assert (out[cell.key].value, out[cell.key].n) == (None, None)
            assert cell.n == 0 or not follows(parts[cell.key]), f"{cell.key} can be worked out"
    groups = np.array(list(itertools.product((0, 1), repeat=len(counts))))
    sizes = groups @ np.array(counts)
    small = groups[(sizes > 0) & (sizes < minimum)]
    assert not len(small) or not follows(small).any()


@given(trees(), st.integers(1, 14))
@settings(deadline=None)
def test_no_more_is_suppressed_than_needed(cells: list[Cell], minimum: int) -> None:
    out = {cell.key: cell for cell in suppress(cells, minimum)}
    for cell in cells:
        if cell.parent is None:
            assert bool(out[cell.key].reason) == (0 < cell.n < minimum)
    counts, _ = atoms_of(cells)
    if all(count >= minimum for count in counts):
        assert not any(cell.reason for cell in out.values())
    for parent in cells:  # a family with nothing small in it is shown
        children = [cell for cell in cells if cell.parent == parent.key]
        rest = parent.n - sum(child.n for child in children)
        if not out[parent.key].reason and all(n == 0 or n >= minimum for n in [rest, *(child.n for child in children)]):
            assert not any(out[child.key].reason for child in children)


def test_the_attacker_is_able() -> None:
    """The test of the test: without complementary suppression the attacker wins."""
    cells = tree(("city", None, 63), ("a", "city", 3), ("b", "city", 60))
    counts, parts = atoms_of(cells)
    follows = knowable([parts["city"], parts["b"]], len(counts))
    assert follows(parts["a"])
    assert not knowable([parts["city"]], len(counts))(parts["a"])


# --- what is kept

FAMILY = tree(("city", None, 93), ("a", "city", 3), ("b", "city", 50), ("c", "city", 40))


def put_out(cells: Sequence[Cell] = FAMILY, **changes: Any) -> Publication:
    arguments: dict[str, Any] = {
        "measure_name": "meters.water_m3", "grain": "day", "period_start": DAY, "cells": cells, "minimum": 10,
        "allowed_grains": ("day", "month"), "who": WHO, "now": NOW, "zone": ALMATY,
    }  # fmt: skip
    return publish.publish_period(**arguments | changes)


@pytest.mark.django_db
class TestPublishing:
    def test_a_family_is_published_once(self) -> None:
        assert put_out() == Publication(new=4, frozen=0, differs=0)
        rows = {row.subject: row for row in publish.published("meters.water_m3")}
        assert (rows["city"].value, rows["city"].n, rows["city"].reason) == (139.5, 93, "")
        assert (rows["a"].value, rows["a"].n, rows["a"].reason) == (None, None, "suppressed")
        assert (rows["b"].period_start, rows["b"].period_end) == (DAY, DAY + timedelta(days=1))
        assert (rows["b"].published_at, rows["b"].measure_version, rows["b"].dimensions) == (NOW, "1", "{}")
        audited = AuditEntry.objects.get(verb="kernel.publish_period")
        assert audited.after == {"cells": 4, "suppressed": 2, "minimum": 10}

        assert put_out() == Publication(new=0, frozen=4, differs=0)
        assert AuditEntry.objects.count() == 1

    def test_what_changes_later_changes_nothing(self) -> None:
        put_out()
        before = list(PublishedValue.objects.order_by("subject").values())
        later = tree(("city", None, 140), ("a", "city", 33), ("b", "city", 50), ("c", "city", 41), ("d", "city", 16))
        assert put_out(later, now=NOW + timedelta(days=1)) == Publication(new=0, frozen=4, differs=4)
        assert list(PublishedValue.objects.order_by("subject").values()) == before

    def test_families_of_one_form_stand_side_by_side(self) -> None:
        assert put_out(dimensions={"category": "flat"}).new == 4
        assert put_out(dimensions={"category": "house"}).new == 4
        assert put_out(dimensions={"category": "flat"}).frozen == 4
        assert put_out(dimensions={"category": "flat"}, period_start=DAY + timedelta(days=1)).new == 4
        assert put_out(measure_name="meters.heat_kwh").new == 4

    def test_another_grain_or_margin_would_let_subtract(self) -> None:
        put_out()
        month = datetime(2026, 2, 28, 19, tzinfo=UTC)
        with pytest.raises(Conflict, match="published by day"):
            put_out(grain="month", period_start=month)
        with pytest.raises(Conflict, match="other dimensions"):
            put_out(dimensions={"category": "flat"})
        put_out(grain="month", period_start=month, measure_name="meters.heat_kwh")
        with pytest.raises(Conflict, match="published by month"):
            put_out(measure_name="meters.heat_kwh")
        assert put_out(grain="month", period_start=datetime(2026, 1, 31, 19, tzinfo=UTC)).new == 4
        assert AuditEntry.objects.count() == 3

    @pytest.mark.parametrize(
        ("changes", "error", "why"),
        [
            ({"grain": "hour"}, BadInput, "by day, month, not by hour"),
            ({"allowed_grains": ()}, BadInput, "no grain"),
            ({"cells": []}, BadInput, "nothing"),
            ({"period_start": DAY + timedelta(hours=1)}, BadInput, "No day begins"),
            ({"grain": "month"}, BadInput, "No month begins"),
            ({"now": DAY + timedelta(hours=23)}, Conflict, "not over"),
            ({"cells": [Cell("a", "nowhere", 1.0, 20)]}, BadInput, "nowhere"),
        ],
    )
    def test_what_is_refused(self, changes: dict[str, Any], error: type[Exception], why: str) -> None:
        with pytest.raises(error, match=why):
            put_out(**changes)
        assert not PublishedValue.objects.exists()

    def test_reading(self) -> None:
        for days in range(3):
            put_out(period_start=DAY + timedelta(days=days))
        put_out(measure_name="meters.heat_kwh")
        read = publish.published
        assert len(read("meters.water_m3")) == 12
        assert len(read("meters.water_m3", start=DAY + timedelta(days=1), end=DAY + timedelta(days=2))) == 4
        assert [row.period_start for row in read("meters.water_m3", subject="b")] == [
            DAY + timedelta(days=days) for days in range(3)
        ]
        assert read("meters.water_m3", "hour") == read("meters.gas_m3") == []

    def test_the_database_freezes_what_is_published(self) -> None:
        put_out()
        row = PublishedValue.objects.get(subject="b")
        row.value = 1.0
        copy = PublishedValue.objects.get(subject="b")
        copy.pk = None
        for change in (row.save, row.delete, PublishedValue.objects.all().delete, lambda: copy.save(force_insert=True)):
            with pytest.raises(IntegrityError), transaction.atomic():
                change()
        if connection.vendor == "sqlite":
            statement = "INSERT OR REPLACE INTO kernel_publishedvalue SELECT * FROM kernel_publishedvalue"
            with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(statement)
        assert PublishedValue.objects.get(subject="b").value == 75.0

    def test_the_database_refuses_half_a_suppression(self) -> None:
        put_out()
        for changes in ({"n": 3}, {"value": 4.5}, {"lower": 1.0}, {"reason": ""}):
            row = PublishedValue.objects.get(subject="a")
            row.pk, row.subject = None, "x"
            for name, value in changes.items():
                setattr(row, name, value)
            with pytest.raises(IntegrityError), transaction.atomic():
                row.save(force_insert=True)


@pytest.mark.django_db(transaction=True)
def test_two_at_once_publish_one_family() -> None:
    other = tree(("town", None, 30), ("x", "town", 30))
    gate, outcomes = threading.Barrier(2), []

    def work(cells: list[Cell]) -> None:
        try:
            gate.wait()
            outcomes.append(put_out(cells))
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(cells,)) for cells in (FAMILY, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one.new > 0 for one in outcomes) == [False, True]
    assert {row.subject for row in publish.published("meters.water_m3")} in ({"city", "a", "b", "c"}, {"town", "x"})


@pytest.mark.parametrize(
    ("grain", "start", "end"),
    [
        ("hour", "2026-03-04T19:00Z", "2026-03-04T20:00Z"),
        ("day", "2024-02-28T18:00Z", "2024-02-29T19:00Z"),  # 25 hours
        ("week", "2026-03-01T19:00Z", "2026-03-08T19:00Z"),
        ("month", "2024-01-31T18:00Z", "2024-02-29T19:00Z"),
        ("month", "2025-11-30T19:00Z", "2025-12-31T19:00Z"),
        ("year", "2023-12-31T18:00Z", "2024-12-31T19:00Z"),
    ],
)
def test_periods_of_the_city(grain: Any, start: str, end: str) -> None:
    first, last = datetime.fromisoformat(start), datetime.fromisoformat(end)
    assert publish.period_of(grain, first, ALMATY) == (first, last)
    with pytest.raises(BadInput, match=f"No {grain} begins"):
        publish.period_of(grain, first + timedelta(minutes=30), ALMATY)
