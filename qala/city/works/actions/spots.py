"""Where assets and work orders are: geometry, place and district, from what somebody said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
import shapely

from qala.city.places.public import Place, borders, locate_points
from qala.kernel import geometry
from qala.kernel.errors import BadInput

from ..models import AssetRefusal
from ..store import district_of


@dataclass(frozen=True, slots=True)
class Spot:
    """Where something is; ``None`` where nothing is said. ``shape`` is a point or a line in degrees."""

    shape: Any = None
    place: Place | None = None
    district_id: UUID | None = None

    def columns(self) -> dict[str, Any]:
        """The columns of an asset that tell of its geometry."""
        if self.shape is None:
            return {}
        west, south, east, north = geometry.bbox(self.shape)
        x, y = middle(self.shape)
        return {
            "geometry_wkb": geometry.to_wkb(self.shape), "min_lon": west, "min_lat": south, "max_lon": east,
            "max_lat": north, "h3_cell": geometry.cell_of(x, y),
            "length_m": None if self.shape.geom_type == "Point" else round(1000 * geometry.length_km(self.shape), 1),
        }  # fmt: skip


def read_shape(given: object, kinds: tuple[str, ...]) -> tuple[Any, AssetRefusal | None, str]:
    """A checked point or line from a GeoJSON geometry or from WKT: (shape, why not, in which words)."""
    told = given
    if isinstance(given, str):
        try:
            told = shapely.geometry.mapping(shapely.from_wkt(given))
        except (shapely.errors.GEOSException, ValueError, TypeError, AttributeError) as error:
            return None, AssetRefusal.BAD_GEOMETRY, str(error)[:120]
        told = _listed(told)
    kind = told.get("type") if isinstance(told, Mapping) else None
    if kind in (*geometry.POINT, *geometry.LINE, *geometry.AREA, "MultiPoint") and kind not in kinds:
        return None, AssetRefusal.WRONG_GEOMETRY, str(kind)
    try:
        return geometry.from_geojson(told, where="geometry", kinds=kinds), None, ""
    except BadInput as error:
        return None, AssetRefusal.BAD_GEOMETRY, error.what


def middle(shape: Any) -> tuple[float, float]:
    """Longitude and latitude of a point, or of the middle of a line."""
    point = shape if shape.geom_type == "Point" else shape.interpolate(0.5, normalized=True)
    return float(point.x), float(point.y)


def _listed(value: Any) -> Any:
    """A geometry's mapping with lists in place of tuples, as JSON has them."""
    if isinstance(value, Mapping):
        return {key: _listed(one) for key, one in value.items()}
    return [_listed(one) for one in value] if isinstance(value, tuple | list) else value


def locate(
    wanted: Mapping[int, tuple[Any, Place | None]], *, at: datetime
) -> tuple[dict[int, Spot], dict[int, AssetRefusal]]:
    """Where things are, by line, and those whose place or geometry is wrong.

    A geometry finds the district that held its middle at an instant; a place that is or lies in a district gives it. An
    address point gives its own point where no geometry is said. Where a city has no borders yet, geometries are taken as
    they are.

    Args:
        wanted: (shape, place) by line.
    """
    lines = [line for line, (shape, _place) in wanted.items() if shape is not None]
    districts: dict[int, UUID | None] = {}
    outside: set[int] = set()
    if lines and borders("city", at=at).areas:
        lon, lat = np.array([middle(wanted[line][0]) for line in lines], dtype=np.float64).T
        inside = locate_points(lon, lat, kind="city", at=at)
        outside = {line for line, found in zip(lines, inside, strict=True) if found is None}
        districts = dict(zip(lines, locate_points(lon, lat, at=at), strict=True))
    spots: dict[int, Spot] = {}
    wrong: dict[int, AssetRefusal] = {}
    for line, (shape, place) in wanted.items():
        district, own = districts.get(line), district_of(place)
        if line in outside:
            wrong[line] = AssetRefusal.OUTSIDE_CITY
        elif own is not None and district is not None and own != district:
            wrong[line] = AssetRefusal.PLACE_DIFFERS
        else:
            if shape is None and place is not None and place.kind == "address":
                shape = shapely.Point(place.label_lon, place.label_lat)
            spots[line] = Spot(shape, place, own or district)
    return spots, wrong
