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
KINDS: tuple[Kind, ...] = ("city", "district", "zone", "address")  # from the root of the tree to its leaves
LANGUAGES = ("kk", "ru", "en")
# Whoever has no text in the first language reads it in the next one.

LONGEST_NAME = 200
LONGEST_CODE = 80
MOST_OVERLAP = 0.05  # of the smaller of two districts: more is no sliver of a rough border
FAR_KM = 1000.0


@dataclass(frozen=True, slots=True)
class Feature:
    """One place as a file has it. ``names`` holds the languages that have a name; nothing else is ever empty text."""

    where: str
    code: str
    names: Mapping[str, str]
    geometry: BaseGeometry
    parent: str | None = None
    population: int | None = None


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
