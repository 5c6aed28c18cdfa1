"""Publication: the one door through which values leave the house, so that no small group can be read out of them.

Cells form a tree: a city has districts, a district has zones, and what a parent counts its children count too, but for
a rest that none of them holds (meters without an address). A cell that counts fewer than ``minimum`` is suppressed,
and further siblings with it until nobody who subtracts what is published can work out a suppressed cell, or any group
smaller than the minimum. What is published is frozen: a family (one measure, grain, period and set of dimensions) is
published at once and whole, and later computations change nothing in it.

Sums run along time and dimensions as well: a month less its published days is the day that was suppressed, the whole
less its published categories is the category that was. So a measure is published in one form at a time: while a period
is published by day, no month over it is, and values with a dimension and without it are not both.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from . import audit
from .access import Who
from .clock import utc
from .config import get_settings
from .errors import BadInput, Conflict
from .measures import Grain, canonical
from .models import PublishedValue
from .ranges import day_start, local_day

# One word for both kinds of suppression: to tell which cell was small and which covers it would narrow the small one.
SUPPRESSED = "suppressed"


@dataclass(frozen=True, slots=True)
class Cell:
    """A value that may be published.

    Args:
        key: the subject.
        parent: key of the cell whose count holds this one's, among the same cells; ``None`` at the root.
        n: how many things (meters, answers) the value rests on.
        lower, upper: bounds of what it could be.
    """

    key: str
    parent: str | None
    value: float | None
    n: int
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True, slots=True)
class PublishedCell:
    """What everyone may know of a cell: all of it, or nothing but that it is ``suppressed``."""

    key: str
    value: float | None
    n: int | None
    reason: str = ""
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True, slots=True)
class Publication:
    """What a publication did: cells published now, cells that were frozen before, and how many of the cells given now
    differ from what is frozen (or are missing there)."""

    new: int
    frozen: int
    differs: int


def suppress(cells: Sequence[Cell], minimum: int) -> list[PublishedCell]:
    """What may be published of a tree of cells, in the order given.

    Under each published parent, the suppressed children and the rest that no child holds count ``minimum`` or more
    together, and no suppressed child stands alone; below a suppressed cell everything is suppressed. Then the groups
    whose sums can be worked out from what is published are exactly unions of such remainders and published cells.

    Raises:
        BadInput: a key comes twice, a parent is missing, parents go in a circle, a count is negative or smaller than
        its
            children's, or a value is not finite.
    """
    children = _tree(cells, minimum)
    published: set[str] = set()
    open_ = [cell for cell in children[None] if not 0 < cell.n < minimum]
    while open_:
        parent = open_.pop()
        published.add(parent.key)
        open_.extend(_shown(parent, children[parent.key], minimum))
    return [
        PublishedCell(cell.key, cell.value, cell.n, "", cell.lower, cell.upper)
        if cell.key in published
        else PublishedCell(cell.key, None, None, SUPPRESSED)
        for cell in cells
    ]


def _shown(parent: Cell, children: Sequence[Cell], minimum: int) -> list[Cell]:
    """The children of a published cell that may be published."""
    rest = parent.n - sum(child.n for child in children)
    few = [child for child in children if 0 < child.n < minimum]
    spare = sorted((child for child in children if child.n >= minimum), key=lambda child: (child.n, child.key))
    hidden_count = len(few) + (rest >= minimum)  # a large rest hides a small cell as a sibling does
    hidden_n = rest + sum(child.n for child in few)
    taken = 0
    while taken < len(spare) and (0 < hidden_n < minimum or (few and hidden_count < 2)):
        hidden_n += spare[taken].n
        hidden_count += 1
        taken += 1
    return [child for child in children if child.n == 0] + spare[taken:]


def _tree(cells: Sequence[Cell], minimum: int) -> dict[str | None, list[Cell]]:
    """Children by their parent's key; refuses what is no tree."""
    if minimum < 1:
        raise BadInput(f"A minimum count of {minimum} protects nobody.", fix="Give 1 or more.")
    by_key = {cell.key: cell for cell in cells}
    wrong: list[str] = []
    if len(by_key) < len(cells):
        wrong.append("a cell is given twice")
    children: dict[str | None, list[Cell]] = defaultdict(list)
    for cell in by_key.values():
        children[cell.parent].append(cell)
    for cell in by_key.values():
        if cell.parent is not None and cell.parent not in by_key:
            wrong.append(f"{cell.key}: its parent {cell.parent} is not among the cells")
        if cell.n < 0:
            wrong.append(f"{cell.key}: counts {cell.n}")
        if any(number is not None and not math.isfinite(number) for number in (cell.value, cell.lower, cell.upper)):
            wrong.append(f"{cell.key}: a value is not a finite number")
        if sum(child.n for child in children.get(cell.key, ())) > cell.n:
            wrong.append(f"{cell.key}: counts {cell.n}, fewer than its children")
    reached = 0
    level = list(children[None])
    while level:
        reached += len(level)
        level = [child for cell in level for child in children.get(cell.key, ())]
    if not wrong and reached < len(by_key):
        wrong.append("parents go in a circle")
    if wrong:
        raise BadInput(f"These cells cannot be published: {wrong[0]}.", rows=wrong)
    return children


def publish_period(
    *,
    measure_name: str,
    grain: Grain,
    period_start: datetime,
    cells: Sequence[Cell],
    minimum: int,
    allowed_grains: Collection[Grain],
    who: Who,
    now: datetime,
    dimensions: Mapping[str, str] | None = None,
    version: str = "1",
    zone: ZoneInfo | None = None,
) -> Publication:
    """Publish all cells of one family (measure, grain, period, dimensions) at once, and freeze it.

    A family that is published already stays as it is, whatever the cells are now; cells that came later stay out, as
    they could be subtracted. Who may publish is the caller's to check.

    Args:
        cells: the whole tree of subjects.
        minimum: least count of a published cell (``Measure.minimum_count``).
        allowed_grains: grains that the measure is published at.
        version: of the measure's calculation.
        zone: of the city; from the settings by default.

    Raises:
        BadInput: the grain is not allowed, the period does not start where one does in the city's zone, or the cells
        are
            no tree (see ``suppress``).
        Conflict: the period is not over, or it is published already at another grain or with other dimensions.
    """
    if grain not in allowed_grains:
        allowed = ", ".join(sorted(allowed_grains)) or "no grain"
        raise BadInput(f"{measure_name} is published by {allowed}, not by {grain}.")
    if not cells:
        raise BadInput(f"There is nothing to publish of {measure_name}.")
    start, end = period_of(grain, period_start, zone or ZoneInfo(get_settings().city_zone))
    if now < end:
        raise Conflict(f"The {grain} from {start.isoformat()} is not over.", fix="Publish it when it is.")
    shown = suppress(cells, minimum)
    key = canonical(dimensions or {})
    family = {"measure": measure_name, "grain": grain, "period_start": start, "dimensions": key}
    with transaction.atomic():
        if connection.vendor == "postgresql":  # SQLite has one writer anyway
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"publish {measure_name}"])
        held = {row.subject: row for row in PublishedValue.objects.filter(**family)}
        if held:
            return Publication(0, len(held), sum(not _same(cell, held.get(cell.key)) for cell in shown))
        _check_form(measure_name, grain, start, end, dimensions or {})
        PublishedValue.objects.bulk_create(
            [
                PublishedValue(
                    **family, subject=cell.key, period_end=end, value=cell.value, n=cell.n, lower=cell.lower,
                    upper=cell.upper, reason=cell.reason, published_at=now, measure_version=version,
                )
                for cell in shown
            ],
            batch_size=500,
        )  # fmt: skip
        audit.record(
            who=who, now=now, verb="kernel.publish_period", thing="publication",
            key=f"{measure_name} {grain} {start.isoformat()} {key}",
            after={"cells": len(shown), "suppressed": sum(cell.reason != "" for cell in shown), "minimum": minimum},
        )  # fmt: skip
    return Publication(len(shown), 0, 0)


def published(
    measure: str,
    grain: Grain | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    subject: str | None = None,
) -> list[PublishedValue]:
    """What is published of a measure for periods that begin in ``[start, end)``, by time, subject and dimensions.

    It is public: no one is asked who they are. Suppressed cells come with ``reason`` and without value and count.
    """
    rows = PublishedValue.objects.filter(measure=measure)
    if grain is not None:
        rows = rows.filter(grain=grain)
    if start is not None:
        rows = rows.filter(period_start__gte=utc(start))
    if end is not None:
        rows = rows.filter(period_start__lt=utc(end))
    if subject is not None:
        rows = rows.filter(subject=subject)
    return list(rows.order_by("period_start", "grain", "subject", "dimensions"))


def period_of(grain: Grain, start: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Start and end, in UTC, of the city's hour, day, week (from Monday), month or year that begins at ``start``.

    Raises:
        BadInput: none begins there.
    """
    start = utc(start)
    local = start.astimezone(zone)
    first = local_day(start, zone)
    if grain == "hour":
        begins, end = local.replace(minute=0, second=0, microsecond=0) == local, start + timedelta(hours=1)
    else:
        following: dict[str, tuple[bool, date]] = {
            "day": (True, first + timedelta(days=1)),
            "week": (first.weekday() == 0, first + timedelta(days=7)),
            "month": (first.day == 1, (first.replace(day=1) + timedelta(days=32)).replace(day=1)),
            "year": (first.month == first.day == 1, date(first.year + 1, 1, 1)),
        }
        if grain not in following:
            raise BadInput(f"There is no grain {grain!r}.")
        begins, end = following[grain][0] and day_start(first, zone) == start, day_start(following[grain][1], zone)
    if not begins:
        raise BadInput(f"No {grain} begins at {start.isoformat()} in {zone.key}.")
    return start, end


def _check_form(measure: str, grain: Grain, start: datetime, end: datetime, dimensions: Mapping[str, str]) -> None:
    over = PublishedValue.objects.filter(measure=measure, period_start__lt=end, period_end__gt=start)
    for other_grain, other_dimensions in over.values_list("grain", "dimensions").distinct():
        if other_grain != grain:
            raise Conflict(
                f"{measure} is published by {other_grain} already within this {grain}: both together would let "
                "suppressed values be worked out.",
                fix="Publish a measure at one grain.",
            )
        if set(json.loads(other_dimensions)) != set(dimensions):
            raise Conflict(
                f"{measure} is published with other dimensions already for this {grain}: both together would let "
                "suppressed values be worked out.",
                fix="Publish a measure with one set of dimensions.",
            )


def _same(cell: PublishedCell, row: PublishedValue | None) -> bool:
    return row is not None and (cell.value, cell.n, cell.lower, cell.upper, cell.reason) == (
        row.value, row.n, row.lower, row.upper, row.reason,
    )  # fmt: skip
