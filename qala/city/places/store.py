"""Reads of places. Everybody may see the city, its districts and zones; address points are for ``places.view``."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property
from importlib import resources
from typing import Any, cast
from uuid import UUID

import numpy as np
import shapely
from django.db.models import Count, Q, QuerySet
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from numpy.typing import ArrayLike, NDArray
from shapely.geometry.base import BaseGeometry

from qala.kernel import geometry
from qala.kernel.access import Who
from qala.kernel.errors import NotFound
from qala.kernel.languages import pick_text

from . import rules
from .models import BordersVersion, Place, PlaceShape
from .rules import Kind

PUBLIC_KINDS = ("city", "district", "zone")
MAP_TOLERANCE = 0.0003  # degrees: what is cut off a border for the map is about 30 m
SCHEMATIC_FILE = "demo_almaty.geojson"

Bounds = tuple[float, float, float, float]


def visible_to(who: Who) -> QuerySet[Place]:
    """The places that ``who`` may see."""
    places = Place.objects.all()
    return places if who.may("places.view") else places.filter(kind__in=PUBLIC_KINDS)


def city() -> Place:
    """The city's own place, the root of the tree.

    Raises:
        NotFound: no places were loaded yet.
    """
    found = find_city()
    if found is None:
        raise NotFound(_("There are no places yet."), fix=_("Load the districts: qala load places FILE.geojson"))
    return found


def find_city() -> Place | None:
    """The city's own place, once places were loaded."""
    return Place.objects.filter(kind="city").first()


def get_place(code: str, *, who: Who) -> Place:
    """The place of that code.

    Raises:
        NotFound: there is none, or none that ``who`` may see.
    """
    found = visible_to(who).select_related("parent").filter(code=code).first()
    if found is None:
        raise NotFound(_("There is no place with the code {code}.").format(code=code[:100]))
    return found


def list_places(
    kind: Kind | None = None, *, who: Who, parent: str | None = None, after: str = "", limit: int | None = None
) -> list[Place]:
    """Places in order of their codes, with their parents at hand.

    Args:
        kind: places of one kind.
        parent: places directly below the place of this code.
        after: only codes behind this one; with ``limit`` it pages.
    """
    found = visible_to(who).select_related("parent").filter(code__gt=after).order_by("code")
    if kind is not None:
        found = found.filter(kind=kind)
    if parent is not None:
        found = found.filter(parent__code=parent)
    return list(found if limit is None else found[:limit])


def children(place: Place, *, who: Who) -> list[Place]:
    """The places directly below one, in order of their codes."""
    return list(visible_to(who).filter(parent=place).order_by("code"))


def valid_at(at: datetime) -> Q:
    """Shapes whose ``[valid_from, valid_to)`` holds the instant."""
    return (Q(valid_from__isnull=True) | Q(valid_from__lte=at)) & (Q(valid_to__isnull=True) | Q(valid_to__gt=at))


def find_shape(place: Place, *, at: datetime) -> PlaceShape | None:
    """The shape of its own that a place had at an instant."""
    return place.shapes.filter(valid_at(at)).first()


def shapes_of(places: Sequence[Place], *, at: datetime) -> dict[UUID, PlaceShape]:
    """The shapes that places had at an instant, by the place's id; without their outlines, which may be large."""
    found = PlaceShape.objects.filter(valid_at(at), place__in=[place.pk for place in places]).defer("geometry_wkb")
    return {shape.place_id: shape for shape in found}


def history(place: Place) -> list[PlaceShape]:
    """All shapes that a place has had, latest first."""
    return sorted(place.shapes.all(), key=lambda shape: (shape.valid_from is not None, shape.valid_from), reverse=True)


# ---- Borders, kept by each process ----------------------------------------------------------------------------------


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
    """The places of one kind as GeoJSON for a map, their borders simplified, their names in the page's language.

    Args:
        bounds: (west, south, east, north); places that lie wholly elsewhere are left out.
    """
    if kind == "address":
        return _addresses_geojson(who, bounds)
    found = borders(kind, at=at)
    places = Place.objects.in_bulk(list(found.ids[:-1]))
    features = []
    for place_id, area in zip(found.ids[:-1], found.simplified, strict=True):
        west, south, east, north = area.bounds
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


def place_geojson(place: Place, *, at: datetime) -> dict[str, Any]:
    """One place with its exact outline at an instant; its geometry is ``None`` where it had none then."""
    shape = find_shape(place, at=at)
    outline = None if shape is None else geometry.from_wkb(shape.geometry_wkb)
    since, until = (None, None) if shape is None else (shape.valid_from, shape.valid_to)
    if shape is None and place.kind == "city":
        united = borders("city", at=at)
        if united.areas:
            outline, since, until = united.areas[0], united.valid_from, united.valid_to
    feature = _feature(place, None if outline is None else geometry.to_geojson(outline, digits=7))
    feature["properties"] |= {
        "names": place.names,
        "parent": place.parent.code if place.parent else None,
        "population": place.population,
        "is_demo": place.is_demo,
        "area_km2": None if outline is None or outline.area == 0 else geometry.area_km2(outline),
        "valid_from": since,
        "valid_to": until,
    }
    return feature


def count_by_kind() -> dict[str, int]:
    """How many places there are of each kind."""
    counted = dict(Place.objects.order_by().values_list("kind").annotate(Count("pk")))
    return {kind: counted.get(kind, 0) for kind in rules.KINDS}


def status() -> dict[str, int | float | str]:
    """The line of places in ``qala status``."""
    counted = count_by_kind()
    return {"districts": counted["district"], "zones": counted["zone"], "addresses": counted["address"]}


# ---- Where the city is, and how its schematic is drawn --------------------------------------------------------------


def reference_point(zone: str) -> tuple[float, float] | None:
    """Where the city lies: its label point, before there is one the principal town of its time zone, else unknown.

    Args:
        zone: IANA name; its town is that of the time zone database's ``zone.tab``.
    """
    found = find_city()
    return (found.label_lon, found.label_lat) if found is not None else _zone_points().get(zone)


@cache
def _zone_points() -> Mapping[str, tuple[float, float]]:
    def degrees(text: str, whole: int) -> float:
        sign, digits = (-1.0 if text[0] == "-" else 1.0), text[1:]
        minutes, seconds = digits[whole : whole + 2], digits[whole + 2 :] or "0"
        return sign * (int(digits[:whole]) + int(minutes) / 60 + int(seconds) / 3600)

    points = {}
    for line in resources.files("tzdata").joinpath("zoneinfo/zone.tab").read_text().splitlines():
        if line and not line.startswith("#"):
            _country, position, zone = line.split("\t")[:3]
            cut = max(position.rfind("+"), position.rfind("-"))  # ±DDMM±DDDMM or ±DDMMSS±DDDMMSS
            points[zone] = degrees(position[cut:], 3), degrees(position[:cut], 2)
    return points


@cache
def schematic() -> dict[str, Any]:
    """The demo's schematic city as its file draws it: districts, zones, rivers, streets, built-up land."""
    text = resources.files(__package__).joinpath(SCHEMATIC_FILE).read_text("utf-8")
    return cast("dict[str, Any]", json.loads(text))


DRAWN_AS = {"river": "water"}  # as the map names what it draws


def schematic_lines() -> dict[str, Any]:
    """Rivers and streets of the schematic city for the map; nothing where the city is a real one."""
    root = find_city()
    features = []
    if root is not None and root.is_demo:
        for feature in schematic()["features"]:
            names = feature["properties"]
            if names["kind"] in ("river", "street"):
                by_language = {each: names.get(f"name_{each}", "") for each in rules.LANGUAGES}
                shown, _language = pick_text(get_language(), by_language)
                properties = {"key": names["code"], "kind": DRAWN_AS.get(names["kind"], names["kind"]), "name": shown}
                features.append({"type": "Feature", "geometry": feature["geometry"], "properties": properties})
    return {"type": "FeatureCollection", "features": features}


def random_points_in(
    code: str, n: int, rng: np.random.Generator, *, at: datetime
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """``n`` random points inside a place, for demo data: (longitudes, latitudes).

    In a place of the schematic city they lie where it is built up, not on its mountains.

    Raises:
        NotFound: there is no place of that code with an outline at that instant.
    """
    found = PlaceShape.objects.select_related("place").filter(valid_at(at), place__code=code, area_km2__isnull=False)
    shape = found.first()
    if shape is None:
        raise NotFound(_("There is no place with the code {code}.").format(code=code[:100]))
    area = geometry.from_wkb(shape.geometry_wkb)
    if shape.place.is_demo:
        built = shapely.intersection(area, _built_up())
        area = built if built.area > 0 else area
    return rules.random_points(area, n, rng)


@cache
def _built_up() -> BaseGeometry:
    drawn = [f["geometry"] for f in schematic()["features"] if f["properties"]["kind"] == "built"]
    return shapely.union_all([geometry.from_geojson(one, where=SCHEMATIC_FILE) for one in drawn])
