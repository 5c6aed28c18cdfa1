"""Borders as each process keeps them: which place a point lies in, and the outlines that maps draw."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray
from shapely.geometry.base import BaseGeometry

from qala.kernel import geometry
from qala.kernel.access import Who

from ..models import BordersVersion, Place, PlaceShape
from ..rules import Kind
from .places import find_city, find_shape, valid_at, visible_to

MAP_TOLERANCE = 0.0003  # degrees: what is cut off a border for the map is about 30 m

Bounds = tuple[float, float, float, float]


@dataclass(frozen=True)
class Borders:
    """The areas of one kind at one time, in order of their codes, ready to be asked which of them a point lies in."""

    kind: Kind
    ids: NDArray[np.object_]  # place ids and, last, None: index -1 of ``index`` finds it
    codes: tuple[str, ...]
    areas: tuple[BaseGeometry, ...]
    valid_from: datetime | None  # none of these areas changed in [valid_from, valid_to)
    valid_to: datetime | None

    @cached_property
    def index(self) -> geometry.BorderIndex:
        return geometry.BorderIndex(list(zip(self.codes, self.areas, strict=True)))

    @cached_property
    def simplified(self) -> tuple[BaseGeometry, ...]:
        """The areas with fewer vertices for a map; neighbours keep sharing their borders."""
        return tuple(shapely.coverage_simplify(np.array(self.areas, dtype=object), MAP_TOLERANCE)) if self.areas else ()

    def holds(self, at: datetime) -> bool:
        return (self.valid_from is None or self.valid_from <= at) and (self.valid_to is None or at < self.valid_to)


_kept: dict[tuple[UUID, Kind], list[Borders]] = {}
_keeping = threading.Lock()
MOST_KEPT = 8  # times of one kind


def borders(kind: Kind, *, at: datetime) -> Borders:
    """The borders of all places of one kind at an instant, kept by the process until any border changes.

    Raises:
        ValueError: address points have no borders.
    """
    if kind == "address":
        raise ValueError("address points have no borders")
    token = BordersVersion.objects.filter(id=1).values_list("token", flat=True).first()
    if token is None:
        return _read_borders(kind, at)
    with _keeping:
        kept = _kept.get((token, kind), [])
        for one in kept:
            if one.holds(at):
                return one
    read = _read_borders(kind, at)
    with _keeping:
        for stale in [key for key in _kept if key[0] != token]:
            del _kept[stale]
        _kept[token, kind] = [read, *_kept.get((token, kind), [])][:MOST_KEPT]
    return read


def _read_borders(kind: Kind, at: datetime) -> Borders:
    of_kind = PlaceShape.objects.filter(place__kind=kind)
    rows = list(
        of_kind.filter(valid_at(at)).order_by("place__code").values_list("place_id", "place__code", "geometry_wkb")
    )
    changes = {moment for pair in of_kind.values_list("valid_from", "valid_to").distinct() for moment in pair}
    areas = [geometry.from_wkb(wkb) for _id, _code, wkb in rows]
    found = [(place_id, code) for place_id, code, _wkb in rows]
    if kind == "city" and not rows and (root := find_city()) is not None:
        districts = borders("district", at=at)  # a city without an outline of its own is the union of them
        changes |= {districts.valid_from, districts.valid_to}
        if districts.areas:
            areas = [shapely.normalize(shapely.union_all(np.array(districts.areas, dtype=object)))]
            found = [(root.pk, root.code)]
    ids = np.empty(len(found) + 1, dtype=object)
    ids[:-1] = [place_id for place_id, _code in found]
    return Borders(
        kind=kind,
        ids=ids,
        codes=tuple(code for _id, code in found),
        areas=tuple(areas),
        valid_from=max((moment for moment in changes if moment is not None and moment <= at), default=None),
        valid_to=min((moment for moment in changes if moment is not None and moment > at), default=None),
    )


def locate_points(lon: ArrayLike, lat: ArrayLike, *, kind: Kind = "district", at: datetime) -> NDArray[np.object_]:
    """For each point the id of the place of ``kind`` that held it at an instant, ``None`` where none did.

    Args:
        lon, lat: degrees, of equal shape. A point on a border belongs to the neighbour whose code comes first.
    """
    found = borders(kind, at=at)
    return found.ids[found.index.locate(lon, lat)]


def geojson_of(kind: Kind, *, at: datetime, who: Who, bounds: Bounds | None = None) -> dict[str, Any]:
    """The places of one kind that the asker may see, as GeoJSON for a map: borders simplified, names in the page's language.

    Args:
        bounds: (west, south, east, north); places that lie wholly elsewhere are left out.
    """
    if kind == "address":
        return _addresses_geojson(who, bounds)
    found = borders(kind, at=at)
    places = {place.pk: place for place in visible_to(who).filter(kind=kind)}
    features = []
    for place_id, area in zip(found.ids[:-1], found.simplified, strict=True):
        west, south, east, north = area.bounds
        if place_id not in places:
            continue
        if bounds is None or (west <= bounds[2] and east >= bounds[0] and south <= bounds[3] and north >= bounds[1]):
            features.append(_feature(places[place_id], geometry.to_geojson(area, digits=5)))
    return {"type": "FeatureCollection", "features": features}


MOST_POINTS = 20_000  # that a map draws at once


def _addresses_geojson(who: Who, bounds: Bounds | None) -> dict[str, Any]:
    found = visible_to(who).filter(kind="address").order_by("code")
    if bounds is not None:
        west, south, east, north = bounds
        found = found.filter(label_lon__range=(west, east), label_lat__range=(south, north))
    features = [
        _feature(place, {"type": "Point", "coordinates": [place.label_lon, place.label_lat]})
        for place in found[:MOST_POINTS]
    ]
    return {"type": "FeatureCollection", "features": features}


def _feature(place: Place, drawn: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "type": "Feature",
        "id": place.code,
        "geometry": drawn,
        "properties": {
            "key": place.code,
            "kind": place.kind,
            "name": place.name,
            "translated": place.is_translated(),
            "label": [place.label_lon, place.label_lat],
        },
    }


def outline_at(place: Place, *, at: datetime) -> tuple[BaseGeometry | None, datetime | None, datetime | None]:
    """The outline (or point) that a place had at an instant, since when and until when; the city's may be the union
    of its districts."""
    shape = find_shape(place, at=at)
    if shape is not None:
        return geometry.from_wkb(shape.geometry_wkb), shape.valid_from, shape.valid_to
    united = borders("city", at=at) if place.kind == "city" else None
    if united is not None and united.areas:
        return united.areas[0], united.valid_from, united.valid_to
    return None, None, None


def area_at(place: Place, *, at: datetime) -> float | None:
    """The area of a place at an instant, km²; ``None`` for points and where it had no outline."""
    outline, _since, _until = outline_at(place, at=at)
    return None if outline is None or outline.area == 0 else geometry.area_km2(outline)


def district_at(place: Place, *, at: datetime) -> Place | None:
    """The district that held an address point or a zone (by its label point) at an instant."""
    if place.kind not in ("address", "zone"):
        return None
    (found,) = locate_points([place.label_lon], [place.label_lat], at=at)
    return None if found is None else Place.objects.get(pk=found)


MOST_AROUND = 60
NEAR = 0.01  # degrees: what lies beside a place belongs to its map


def around(place: Place, *, at: datetime, who: Who) -> dict[str, Any]:
    """The other places of a kind near a place (of an address point: the districts) at an instant, exactly drawn, as
    GeoJSON; of zones those that the asker may see."""
    kind: Kind = "district" if place.kind in ("address", "city") else place.kind  # type: ignore[assignment]
    near = visible_to(who).filter(kind=kind).exclude(pk=place.pk)
    if place.owner_id is not None:
        near = near.filter(owner=place.owner_id, use=place.use)
    shapes = PlaceShape.objects.filter(valid_at(at), place__in=near).select_related("place", "place__parent")
    own = find_shape(place, at=at)
    if own is not None and place.kind not in ("address", "city"):
        shapes = shapes.filter(
            min_lon__lte=own.max_lon + NEAR,
            max_lon__gte=own.min_lon - NEAR,
            min_lat__lte=own.max_lat + NEAR,
            max_lat__gte=own.min_lat - NEAR,
        )
    features = [
        _feature(shape.place, geometry.to_geojson(geometry.from_wkb(shape.geometry_wkb), digits=7))
        for shape in shapes.order_by("place__code")[:MOST_AROUND]
    ]
    return {"type": "FeatureCollection", "features": features}


def place_geojson(place: Place, *, at: datetime) -> dict[str, Any]:
    """One place with its exact outline at an instant; its geometry is ``None`` where it had none then."""
    return feature_of(place, *outline_at(place, at=at))


def feature_of(
    place: Place, outline: BaseGeometry | None, since: datetime | None, until: datetime | None, *, digits: int = 7
) -> dict[str, Any]:
    """A place with an outline as GeoJSON, with all that is known of it; ``digits`` of degrees."""
    feature = _feature(place, None if outline is None else geometry.to_geojson(outline, digits=digits))
    feature["properties"] |= {
        "code": place.code,
        "names": place.names,
        "parent": place.parent.code if place.parent else None,
        "owner": place.owner.code if place.owner else None,
        "use": place.use or None,
        "population": place.population,
        "is_demo": place.is_demo,
        "area_km2": None if outline is None or outline.area == 0 else geometry.area_km2(outline),
        "valid_from": since,
        "valid_to": until,
    }
    return feature
