"""The trade of places: codes and names from a file's properties, which place lies above which, what looks wrong."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from qala.kernel.geometry import distance_km

Kind = Literal["city", "district", "zone", "address"]
USES = ("water", "electricity", "heat", "other")  # of zones
KINDS: tuple[Kind, ...] = ("city", "district", "zone", "address")  # from the root of the tree to its leaves
LANGUAGES = ("kk", "ru", "en")
# Whoever has no text in the first language reads it in the next one.

LONGEST_NAME = 200
LONGEST_CODE = 80
MOST_OVERLAP = 0.05  # of the smaller of two districts: more is no sliver of a rough border
FAR_KM = 1000.0


@dataclass(frozen=True, slots=True)
class Feature:
    """One place as a file has it. ``names`` holds the languages that have a name; nothing else is ever empty text.

    Args:
        owner: code of the organisation that a zone belongs to; ``use`` is what it is for.
    """

    where: str
    code: str
    names: Mapping[str, str]
    geometry: BaseGeometry
    parent: str | None = None
    population: int | None = None
    owner: str | None = None
    use: str | None = None


@dataclass(frozen=True, slots=True)
class Collection:
    """A file's features: the ones that can be read, and a line for each fault of the others."""

    features: tuple[Feature, ...]
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadSummary:
    """What a load of places did, or would do: counts of places, and a line for each fault."""

    read: int
    new: int
    changed: int
    unchanged: int
    refused: tuple[str, ...] = ()


def above(kind: Kind) -> tuple[Kind, ...]:
    """The kinds that may be the parent of ``kind``, nearest first."""
    return tuple(reversed(KINDS[: KINDS.index(kind)]))


def holders(kind: Kind) -> tuple[Kind, ...]:
    """The kinds among which the parent of a place is looked for by where it lies, nearest first.

    Zones are left out: those of utilities reach over districts and over each other, so that none is *the* one above.
    """
    return tuple(one for one in above(kind) if one != "zone")


def slug(text: str) -> str:
    """``text`` as a code: small Latin letters, digits and hyphens; empty where it has letters that are not Latin."""
    plain = unicodedata.normalize("NFKD", text.replace("ı", "i")).lower()
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    if any(letter.isalnum() and not letter.isascii() for letter in plain):
        return ""
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:LONGEST_CODE].strip("-")


def code_of(properties: Mapping[str, Any], names: Mapping[str, str], feature_id: object) -> str:
    """The code of a place: the first usable of ``code``, ``ref``, ``wikidata``, the English name, the feature's id.

    Keys come before the name, so that a place that is renamed stays the same place.
    """
    for value in (*(properties.get(key) for key in ("code", "ref", "wikidata")), names.get("en"), feature_id):
        if isinstance(value, (str, int)) and not isinstance(value, bool) and (found := slug(str(value))):
            return found
    return ""


def names_of(properties: Mapping[str, Any], language: str) -> dict[str, str]:
    """The names of a place by language, from ``name:kk`` or ``name_kk`` and so on.

    A plain ``name`` that repeats none of them is taken to be in ``language``, the city's own, where that one lacks; an
    address without a name is called by its street and number.

    Raises:
        ValueError: a name is not text, is too long or holds characters that cannot be written.
    """
    names = {}
    for each in LANGUAGES:
        if text := _text(properties, f"name:{each}") or _text(properties, f"name_{each}"):
            names[each] = text
    plain = _text(properties, "name")
    if not plain and not names:
        plain = ", ".join(filter(None, (_text(properties, "addr:street"), _text(properties, "addr:housenumber"))))
    if plain and plain not in names.values():
        names.setdefault(language, plain)
    return names


def _text(properties: Mapping[str, Any], key: str) -> str:
    value = properties.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(key)
    text = " ".join(value.split())
    if len(text) > LONGEST_NAME or not text.isprintable():
        raise ValueError(key)
    return text


def population_of(properties: Mapping[str, Any]) -> int | None:
    """The number of people, where ``population`` says one.

    Raises:
        ValueError: it is not a whole number of people.
    """
    value = properties.get("population")
    if value is None or value == "":
        return None
    if isinstance(value, str):
        value = "".join(value.split())
        value = int(value) if value.isascii() and value.isdigit() and len(value) <= 10 else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**31:
        raise ValueError("population")
    return value


def looks_swapped(lon: float, lat: float, near: tuple[float, float]) -> bool:
    """Whether a point is probably (latitude, longitude): far from where the city is, and much nearer when swapped."""
    if abs(lon) > 90:
        return False
    given, swapped = distance_km([lon, lat], [lat, lon], *near)
    return bool(given > FAR_KM and swapped < given / 2)


def overlapping(areas: Sequence[BaseGeometry]) -> list[tuple[int, int, float]]:
    """Pairs of areas that cover each other by more than a sliver: (index, larger index, share of the smaller area)."""
    outlines = np.array(areas, dtype=object)
    first, second = shapely.STRtree(outlines).query(outlines, predicate="intersects")
    first, second = first[first < second], second[first < second]
    common = shapely.area(shapely.intersection(outlines[first], outlines[second]))
    share = common / np.minimum(shapely.area(outlines[first]), shapely.area(outlines[second]))
    return [
        (int(i), int(j), float(part))
        for i, j, part in sorted(zip(first, second, share, strict=True), key=lambda row: (row[0], row[1]))
        if part > MOST_OVERLAP
    ]


def random_points(
    area: BaseGeometry, n: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """``n`` points evenly spread inside an area: (longitudes, latitudes).

    Raises:
        ValueError: the area is empty.
    """
    if area.area == 0:
        raise ValueError("no point lies in an empty area")
    west, south, east, north = area.bounds
    share = area.area / ((east - west) * (north - south))
    shapely.prepare(area)
    lon, lat = np.empty(0), np.empty(0)
    while len(lon) < n:
        draw = int((n - len(lon)) / share * 1.1) + 16
        x, y = rng.uniform(west, east, draw), rng.uniform(south, north, draw)
        inside = shapely.contains_xy(area, x, y)
        lon, lat = np.append(lon, x[inside]), np.append(lat, y[inside])
    return lon[:n], lat[:n]


# ---- A border that moves --------------------------------------------------------------------------------------------

SLIVER = 1e-10  # square degrees, about a square metre: what rounding leaves, not what a person drew
TOUCHING = 2e-5  # degrees, about 2 m: neighbours of rough borders lie so far apart at most


def give_way(old: BaseGeometry, new: BaseGeometry, peers: Sequence[BaseGeometry]) -> dict[int, BaseGeometry]:
    """What the neighbours of an area become where they follow its border: index of the neighbour → its new outline.

    They lose what the area takes, and each piece that it leaves goes to the neighbour that it lies along most. A piece
    that lies along none stays free.
    """
    found: dict[int, BaseGeometry] = {}
    taken, left = shapely.difference(new, old), shapely.difference(old, new)
    for i, peer in enumerate(peers):
        if shapely.area(shapely.intersection(peer, taken)) > SLIVER:
            found[i] = areas_of(shapely.difference(peer, taken))
    for piece in shapely.get_parts(areas_of(left)):
        if piece.area <= SLIVER:
            continue
        near = shapely.buffer(piece, TOUCHING)
        along = [float(shapely.area(shapely.intersection(near, peer))) for peer in peers]
        best = int(np.argmax(along)) if along else -1
        if best >= 0 and along[best] > 0:
            # the strip between rough neighbours is closed, so that the piece and its new holder become one
            joined = shapely.union_all([found.get(best, peers[best]), piece])
            found[best] = areas_of(joined)
    return found


def areas_of(shape: BaseGeometry) -> BaseGeometry:
    """The areas of a geometry, without the stray lines and points that cutting leaves, and without slivers."""
    parts = shapely.get_parts(shape)
    if shape.geom_type == "GeometryCollection":
        parts = shapely.get_parts(parts)
    kept = [part for part in parts if part.geom_type == "Polygon" and part.area > SLIVER]
    return shapely.normalize(shapely.union_all(kept)) if kept else shapely.Polygon()


def uncovered(old: BaseGeometry, new: BaseGeometry, peers: Sequence[BaseGeometry]) -> BaseGeometry:
    """What an area left and nobody of its neighbours holds."""
    return areas_of(shapely.difference(shapely.difference(old, new), shapely.union_all(list(peers))))


def new_overlaps(old: BaseGeometry, new: BaseGeometry, peers: Sequence[BaseGeometry]) -> list[tuple[int, BaseGeometry]]:
    """Neighbours that an area would cover more than it did: (index, what of them it takes)."""
    taken = shapely.difference(new, old)
    found = [(i, areas_of(shapely.intersection(taken, peer))) for i, peer in enumerate(peers)]
    return [(i, part) for i, part in found if part.area > SLIVER]


# ---- The base map ---------------------------------------------------------------------------------------------------

MAJOR = {"motorway", "trunk", "primary", "motorway_link", "trunk_link", "primary_link"}
MIDDLE = {"secondary", "tertiary", "secondary_link", "tertiary_link"}
GREEN = {
    "park",
    "forest",
    "wood",
    "grass",
    "garden",
    "cemetery",
    "nature_reserve",
    "meadow",
    "recreation_ground",
    "scrub",
}
OWN_KINDS = {"water", "green", "building", "major", "middle", "street", "rail"}


def base_kind(properties: Mapping[str, Any]) -> str:
    """What a feature of a base map is drawn as, from the tags of OpenStreetMap or a ``kind`` of our own; empty where it
    is not drawn."""

    def tag(key: str) -> str:
        value = properties.get(key)
        return value if isinstance(value, str) else ""

    if tag("kind") in OWN_KINDS:
        return tag("kind")
    if tag("waterway") or tag("natural") in ("water", "bay", "coastline") or tag("landuse") == "reservoir":
        return "water"
    if highway := tag("highway"):
        return "major" if highway in MAJOR else "middle" if highway in MIDDLE else "street"
    if tag("railway") in ("rail", "light_rail", "subway", "tram", "narrow_gauge"):
        return "rail"
    if GREEN & {tag("leisure"), tag("landuse"), tag("natural")}:
        return "green"
    return "building" if tag("building") not in ("", "no") else ""
