"""Where the city is, and how the demo's schematic city is drawn."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any, cast

import numpy as np
import shapely
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from qala.kernel import geometry
from qala.kernel.errors import NotFound
from qala.kernel.languages import pick_text

from .. import rules
from ..models import PlaceShape
from .places import find_city, valid_at

SCHEMATIC_FILE = "demo_almaty.geojson"
MATTER = "qala.city.places"


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
    text = resources.files(MATTER).joinpath(SCHEMATIC_FILE).read_text("utf-8")
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
