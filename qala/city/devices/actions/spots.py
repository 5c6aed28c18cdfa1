"""Where a row or a form says that a device stands: its place, its district, its coordinates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import numpy as np

from qala.city.places.public import Place, borders, locate_points
from qala.kernel.access import Who

from ..models import DeviceRefusal
from ..rules import DeviceRow, RefusedRow
from ..store import district_of, places_by_code


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a device stands; ``None`` where nothing is said."""

    place_id: UUID | None = None
    district_id: UUID | None = None
    lon: float | None = None
    lat: float | None = None


def find_spots(rows: Sequence[DeviceRow], *, who: Who, at: datetime) -> tuple[dict[int, Spot], list[RefusedRow]]:
    """Where each row's device stands, by line, and the rows whose place or coordinates are wrong.

    Coordinates find the district that held them at an instant; a place that is or lies in a district gives it. Where a
    city has no borders yet, coordinates are taken as they are.
    """
    places = places_by_code((row.place for row in rows if row.place), who=who)
    points = [row for row in rows if row.lon is not None]
    lon, lat = (np.array([getattr(row, side) for row in points], dtype=np.float64) for side in ("lon", "lat"))
    districts: Mapping[int, UUID | None] = {}
    outside: set[int] = set()
    swapped: set[int] = set()
    if points and borders("city", at=at).areas:
        lines = [row.line for row in points]
        inside = locate_points(lon, lat, kind="city", at=at)
        turned = locate_points(lat, lon, kind="city", at=at)
        districts = dict(zip(lines, locate_points(lon, lat, at=at), strict=True))
        outside = {line for line, found in zip(lines, inside, strict=True) if found is None}
        swapped = {line for line, found in zip(lines, turned, strict=True) if found is not None} & outside
    spots: dict[int, Spot] = {}
    refused: list[RefusedRow] = []
    for row in rows:
        place = places.get(row.place) if row.place else None
        reason = _wrong_spot(row, place, districts.get(row.line), outside, swapped)
        if reason is not None:
            refused.append(RefusedRow(row.line, row.serial, reason.value, row.content))
            continue
        spot = Spot(None, districts.get(row.line), row.lon, row.lat)
        if place is not None:
            spot = replace(spot, place_id=place.pk, district_id=district_of(place) or spot.district_id)
            if place.kind == "address" and row.lon is None:
                spot = replace(spot, lon=place.label_lon, lat=place.label_lat)
        spots[row.line] = spot
    return spots, refused


def _wrong_spot(
    row: DeviceRow, place: Place | None, district: UUID | None, outside: set[int], swapped: set[int]
) -> DeviceRefusal | None:
    if row.place and place is None:
        return DeviceRefusal.UNKNOWN_PLACE
    if row.line in swapped:
        return DeviceRefusal.SWAPPED
    if row.line in outside:
        return DeviceRefusal.OUTSIDE_CITY
    if place is not None and district is not None and district_of(place) not in (None, district):
        return DeviceRefusal.PLACE_DIFFERS
    return None
