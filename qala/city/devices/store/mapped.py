"""Devices on the map: each where there are few, counts by cell where there are many."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from functools import cache

import h3
from django.db.models import Count, QuerySet

from qala.kernel.access import Who

from ..models import Device
from ..rules import allowance
from .registry import visible_to
from .silence import expected_minutes, silent_at

MOST_POINTS = 8_000  # devices of one view that are shown each by itself
MOST_OF_A_CITY = 20_000  # of a whole city, which is then asked for once
MOST_SILENT = 20_000  # beyond, cells do not tell how many of theirs are silent
MOST_CELLS = 600  # of one view
FINEST, COARSEST = 9, 5  # resolutions of H3: a cell of 9 is about 0.1 square kilometres, of 5 about 250

Bounds = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Cell:
    """The devices of one cell of H3: ``silent`` is ``None`` where nobody counted."""

    key: str
    lon: float
    lat: float
    count: int
    silent: int | None


@dataclass(frozen=True, slots=True)
class Point:
    """One device on the map; degrees (WGS 84)."""

    serial: str
    seen: datetime | None
    silent: bool
    lon: float
    lat: float


def find_points(who: Who, bounds: Bounds | None, *, now: datetime) -> list[Point] | None:
    """The devices in use within the bounds (west, south, east, north in degrees); ``None`` where they are too many."""
    found = _within(_placed(who), bounds)
    columns = ("serial", "model", "expected_minutes", "last_seen_at", "lon", "lat")
    most = MOST_OF_A_CITY if bounds is None else MOST_POINTS
    if found.values("lat")[: most + 1].count() > most:
        return None
    after = cache(lambda model, own: allowance(expected_minutes(model, own)))
    return [
        Point(serial, seen, seen is not None and seen < now - after(model, own), lon, lat)
        for serial, model, own, seen, lon, lat in found.values_list(*columns)
        if lon is not None and lat is not None
    ]


def count_by_cell(who: Who, bounds: Bounds | None, *, now: datetime) -> list[Cell]:
    """How many devices in use there are by cell, within the bounds; cells as fine as their number allows."""
    placed = _placed(who)
    counts = _inside(dict(placed.values_list("h3_cell").annotate(n=Count("h3_cell")).order_by()), bounds)
    cells = placed.filter(silent_at(now)).order_by().values_list("h3_cell", flat=True)[: MOST_SILENT + 1]
    mute = list(cells)
    silent = Counter(mute) if len(mute) <= MOST_SILENT else None
    resolution = FINEST
    parents = {cell: cell for cell in counts}
    while len(set(parents.values())) > MOST_CELLS and resolution > COARSEST:
        resolution -= 1
        parents = {cell: h3.cell_to_parent(cell, resolution) for cell in counts}
    sums: Counter[str] = Counter()
    mutes: Counter[str] = Counter()
    for cell, number in counts.items():
        sums[parents[cell]] += number
        if silent is not None:
            mutes[parents[cell]] += silent[cell]
    found = []
    for cell, number in sums.items():
        lat, lon = h3.cell_to_latlng(cell)
        found.append(Cell(cell, lon, lat, number, mutes[cell] if silent is not None else None))
    return found


def _placed(who: Who) -> QuerySet[Device]:
    return visible_to(who).exclude(h3_cell="").exclude(state=Device.RETIRED).order_by()


def _within(found: QuerySet[Device], bounds: Bounds | None) -> QuerySet[Device]:
    if bounds is None:
        return found
    west, south, east, north = bounds
    return found.filter(lat__gte=south, lat__lte=north, lon__gte=west, lon__lte=east)


def _inside(counts: dict[str, int], bounds: Bounds | None) -> dict[str, int]:
    """Those cells whose middle lies within the bounds, and those beside them."""
    if bounds is None:
        return counts
    west, south, east, north = bounds
    edge = 0.003  # degrees, about the size of a cell
    found = {}
    for cell, number in counts.items():
        lat, lon = h3.cell_to_latlng(cell)
        if south - edge <= lat <= north + edge and west - edge <= lon <= east + edge:
            found[cell] = number
    return found
