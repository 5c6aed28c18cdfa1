"""Geometry on the Earth: GeoJSON in and out, WKB, areas and lengths, and which shape a point lies in.

Coordinates are longitude and latitude in degrees, WGS 84, in this order, as GeoJSON (RFC 7946) has them; an edge is a
straight line between its ends in these coordinates. Shapes that cross the 180th meridian are to be cut there (RFC 7946,
section 3.1.9).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any

import h3
import numpy as np
import shapely
from django.utils.translation import gettext as _
from numpy.typing import ArrayLike, NDArray
from shapely.geometry.base import BaseGeometry

from .errors import BadInput

SEMI_MAJOR_M = 6378137.0  # WGS 84
FLATTENING = 1 / 298.257223563
E2 = FLATTENING * (2 - FLATTENING)

H3_RESOLUTION = 9  # cells of about 0.1 km²
MOST_VERTICES = 500_000

POINT = ("Point",)
LINE = ("LineString", "MultiLineString")
AREA = ("Polygon", "MultiPolygon")

_DEPTH = {"Point": 0, "MultiPoint": 1, "LineString": 1, "MultiLineString": 2, "Polygon": 2, "MultiPolygon": 3}


# ---- GeoJSON and WKB ------------------------------------------------------------------------------------------------


def from_geojson(
    geometry: object, *, where: str, kinds: Sequence[str] = AREA, most_vertices: int = MOST_VERTICES
) -> BaseGeometry:
    """A checked geometry from a GeoJSON geometry object (already parsed from JSON).

    An outline that crosses itself is repaired (``make_valid``); heights are dropped; rings and parts are put into one
    order and direction, so that two files that draw the same outline give equal geometries.

    Args:
        geometry: the value of a feature's ``geometry``.
        where: names the place of the geometry in its file, for the error, e.g. ``feature 3``.
        kinds: GeoJSON types that are welcome.
        most_vertices: a geometry with more is refused.

    Raises:
        BadInput: it is no such geometry, or a coordinate is not finite or not on the Earth; says what and where.
    """
    if not isinstance(geometry, dict):
        raise BadInput(_("{where}: has no geometry.").format(where=where), fix=_("Give every feature a geometry."))
    kind = geometry.get("type")
    if not isinstance(kind, str) or kind not in kinds:
        raise BadInput(
            _("{where}: geometry is {found}, wanted {wanted}.").format(
                where=where, found=_shown(kind), wanted=" / ".join(kinds)
            )
        )
    parts = _nested(geometry.get("coordinates"), _DEPTH[kind], where, most_vertices)
    made = _build(kind, parts, where)
    if not made.is_valid:
        made = _only(shapely.make_valid(made), kinds)
    if made.is_empty or (kind in AREA and made.area == 0.0):
        raise BadInput(_("{where}: geometry is empty.").format(where=where))
    if made.bounds[2] - made.bounds[0] > 180:
        raise BadInput(
            _("{where}: geometry spans more than half the Earth.").format(where=where),
            fix=_("Cut shapes at the 180th meridian (RFC 7946)."),
        )
    return shapely.normalize(made)


def _shown(value: object) -> str:
    """A value from outside, short enough to print (it may be large, or nested deeper than ``repr`` goes)."""
    if isinstance(value, (list, dict)):
        if all(isinstance(inner, (int, float, str, bool, type(None))) for inner in value) and 0 < len(value) <= 4:
            return "[" + ", ".join(_shown(inner) for inner in value) + "]"
        return f"a list of {len(value)}" if isinstance(value, list) else "an object"
    text = f"a number of {value.bit_length()} bits" if isinstance(value, int) and abs(value) >= 2**64 else repr(value)
    return text if len(text) <= 40 else text[:37] + "…"


def _nested(value: object, depth: int, where: str, most_vertices: int) -> Any:
    """``value``, checked to be lists nested ``depth`` deep around positions, with (n, 2) arrays innermost."""
    left = most_vertices

    def positions(rows: list[object], path: str) -> NDArray[np.float64]:
        nonlocal left
        left -= len(rows)
        if left < 0:
            raise BadInput(
                _("{where}: geometry has more than {most} vertices.").format(where=where, most=most_vertices),
                fix=_("Simplify it first."),
            )
        numbers = np.empty((len(rows), 2))
        for i, row in enumerate(rows):
            if (
                not isinstance(row, list)
                or not 2 <= len(row) <= 4
                or not all(isinstance(x, (int, float)) and not isinstance(x, bool) for x in row)
            ):
                raise BadInput(
                    _("{where}: {path} is {found}, wanted [longitude, latitude].").format(
                        where=where, path=f"{path}[{i}]", found=_shown(row)
                    )
                )
            try:
                numbers[i] = row[:2]
            except OverflowError:
                numbers[i] = math.inf
        _on_earth(numbers, where, path)
        return numbers

    def walk(part: object, level: int, path: str) -> Any:
        if not isinstance(part, list) or not part:
            raise BadInput(
                _("{where}: {path} is {found}, wanted a list of coordinates.").format(
                    where=where, path=path, found=_shown(part)
                )
            )
        if level == 0:
            return positions([part], path)
        if level == 1:
            return positions(part, path)
        return [walk(inner, level - 1, f"{path}[{i}]") for i, inner in enumerate(part)]

    return walk(value, depth, "coordinates")


def _on_earth(points: NDArray[np.float64], where: str, path: str) -> None:
    """Refuse positions that are not finite or not on the Earth, and say what they look like."""
    lon, lat = np.abs(points[:, 0]), np.abs(points[:, 1])
    bad = ~((lon <= 180) & (lat <= 90))  # not-a-number is bad too
    if not bad.any():
        return
    i = int(np.argmax(bad))
    x, y = points[i]
    at = f"{where}: {path}[{i}] = [{x:.10g}, {y:.10g}]"
    if not (math.isfinite(x) and math.isfinite(y)):
        raise BadInput(_("{at}: not a finite number.").format(at=at))
    if abs(y) <= 180 and abs(x) <= 90:
        raise BadInput(
            _("{at}: latitude is beyond 90°; longitude and latitude look swapped.").format(at=at),
            fix=_("GeoJSON has longitude first."),
        )
    if max(abs(x), abs(y)) > 360:
        raise BadInput(
            _("{at}: this looks like metres of a projection, not degrees.").format(at=at),
            fix=_("Convert the file to WGS 84 (EPSG:4326)."),
        )
    raise BadInput(_("{at}: not on the Earth (longitude ±180°, latitude ±90°).").format(at=at))


def _build(kind: str, parts: Any, where: str) -> BaseGeometry:
    def polygon(rings: list[NDArray[np.float64]]) -> shapely.Polygon:
        for i, ring in enumerate(rings):
            if len(ring) < 4 or not np.array_equal(ring[0], ring[-1]):
                raise BadInput(
                    _("{where}: ring {number} is not closed or has fewer than 4 positions.").format(
                        where=where, number=i + 1
                    )
                )
        return shapely.Polygon(rings[0], rings[1:])

    try:
        if kind == "Point":
            return shapely.Point(parts[0])
        if kind == "MultiPoint":
            return shapely.MultiPoint(parts)
        if kind == "LineString":
            return shapely.LineString(parts)
        if kind == "MultiLineString":
            return shapely.MultiLineString(parts)
        if kind == "Polygon":
            return polygon(parts)
        return shapely.MultiPolygon([polygon(rings) for rings in parts])
    except (ValueError, shapely.errors.GEOSException) as error:
        raise BadInput(_("{where}: geometry cannot be read: {error}.").format(where=where, error=error)) from None


def _only(geometry: BaseGeometry, kinds: Sequence[str]) -> BaseGeometry:
    """The parts of a repaired geometry that are of a welcome kind (a crossing outline may leave stray lines)."""
    parts = shapely.get_parts(geometry)
    if geometry.geom_type == "GeometryCollection":
        parts = shapely.get_parts(parts)
    singles = {kind.removeprefix("Multi") for kind in kinds}
    kept = [part for part in parts if part.geom_type in singles]
    return shapely.union_all(kept) if kept else shapely.Polygon()


def to_geojson(geometry: BaseGeometry, *, digits: int = 6) -> dict[str, Any]:
    """The geometry as a GeoJSON object; 6 digits are 0.1 m."""

    def rounded(part: Any) -> Any:
        return round(part, digits) if isinstance(part, float) else [rounded(inner) for inner in part]

    mapping = shapely.geometry.mapping(geometry)
    return {"type": mapping["type"], "coordinates": rounded(mapping["coordinates"])}


def to_wkb(geometry: BaseGeometry) -> bytes:
    """Well-known binary, little endian, two dimensions: equal geometries give equal bytes."""
    made: bytes = shapely.to_wkb(geometry, output_dimension=2, byte_order=1)
    return made


def from_wkb(data: bytes | memoryview) -> BaseGeometry:
    """A geometry that ``to_wkb`` wrote."""
    return shapely.from_wkb(bytes(data))


def bbox(geometry: BaseGeometry) -> tuple[float, float, float, float]:
    """(min longitude, min latitude, max longitude, max latitude) in degrees."""
    min_lon, min_lat, max_lon, max_lat = geometry.bounds
    return float(min_lon), float(min_lat), float(max_lon), float(max_lat)


# ---- Measures -------------------------------------------------------------------------------------------------------


def area_km2(geometry: BaseGeometry) -> float:
    """Area on the WGS 84 ellipsoid, in km².

    By the ellipsoid's cylindrical equal-area projection x = a·λ, y = a·q(φ)/2 (Snyder, Map Projections, USGS PP 1395,
    eq. 3-12 and chapter 10), which keeps areas exactly. What is left is that pieces of an edge are straight in the
    projection instead of in longitude and latitude: they are 0.01° long at most, which costs under 1e-5 of the area.
    """
    projected = shapely.transform(shapely.segmentize(geometry, 0.01), _equal_area_m)
    return float(projected.area) / 1e6


def _equal_area_m(points: NDArray[np.float64]) -> NDArray[np.float64]:
    e = math.sqrt(E2)
    sine = np.sin(np.radians(points[:, 1]))
    q = (1 - E2) * (sine / (1 - E2 * sine**2) - np.log((1 - e * sine) / (1 + e * sine)) / (2 * e))
    return np.column_stack([SEMI_MAJOR_M * np.radians(points[:, 0]), SEMI_MAJOR_M * q / 2])


def length_km(geometry: BaseGeometry) -> float:
    """Length of lines (of outlines, for areas) on the WGS 84 ellipsoid, in km.

    Each edge by the radii of curvature at its middle latitude; below 1e-5 of an edge shorter than 100 km.
    """
    lines = shapely.boundary(geometry) if geometry.geom_type in AREA else geometry
    total = 0.0
    for line in shapely.get_parts(lines):
        lon, lat = np.radians(shapely.get_coordinates(line)).T
        total += float(np.hypot(*_steps_m(np.diff(lon), np.diff(lat), (lat[1:] + lat[:-1]) / 2)).sum())
    return total / 1000


def _steps_m(dlon: Any, dlat: Any, lat: Any) -> tuple[Any, Any]:
    """Metres east and north of small steps in radians at latitude ``lat`` in radians."""
    w2 = 1 - E2 * np.sin(lat) ** 2
    prime_vertical = SEMI_MAJOR_M / np.sqrt(w2)
    meridian = SEMI_MAJOR_M * (1 - E2) / w2**1.5
    return prime_vertical * np.cos(lat) * dlon, meridian * dlat


def distance_km(lon: ArrayLike, lat: ArrayLike, to_lon: float, to_lat: float) -> NDArray[np.float64]:
    """Great-circle distance of points from one point on a sphere, in km; within 0.6 % of the ellipsoid's."""
    a, b = np.radians(np.asarray(lat, dtype=np.float64)), math.radians(to_lat)
    half = np.sin(np.radians(np.asarray(lon, dtype=np.float64) - to_lon) / 2) ** 2
    h = np.sin((a - b) / 2) ** 2 + np.cos(a) * math.cos(b) * half
    return np.asarray(2 * 6371.0088 * np.arcsin(np.sqrt(np.clip(h, 0, 1))))


def cell_of(lon: float, lat: float, resolution: int = H3_RESOLUTION) -> str:
    """The H3 cell of a point, 15 hexadecimal digits."""
    cell: str = h3.latlng_to_cell(lat, lon, resolution)
    return cell


def label_point(geometry: BaseGeometry) -> tuple[float, float]:
    """A point well inside an area, to write its name at: the centre of its largest inscribed circle.

    Returns (longitude, latitude). For a point the point itself, for a line a point on it.
    """
    if geometry.geom_type in AREA:
        # one degree of longitude is drawn as wide as it is on the ground, so that the circle is one
        squeeze = math.cos(math.radians((geometry.bounds[1] + geometry.bounds[3]) / 2))
        drawn = shapely.transform(geometry, lambda points: points * [squeeze, 1.0])
        side = max(drawn.bounds[2] - drawn.bounds[0], drawn.bounds[3] - drawn.bounds[1])
        circle = shapely.maximum_inscribed_circle(drawn, tolerance=side / 500)
        x, y = shapely.get_coordinates(circle)[0]
        if shapely.contains_xy(geometry, x / squeeze, y):
            return float(x / squeeze), float(y)
    point = geometry.representative_point()
    return float(point.x), float(point.y)


# ---- Point → shape --------------------------------------------------------------------------------------------------

_BORDER = np.int32(-2)
_FIRST_LEVEL, _LAST_LEVEL = 3, 9  # 8 × 8 cells, refined where borders run down to 512 × 512


class BorderIndex:
    """Answers which of some areas points lie in: a million points a second, exactly.

    The areas' bounding box is cut into cells. A cell that lies wholly inside one area (or outside all) answers by
    lookup; only points in cells that a border runs through are tested against the areas themselves. A point on a border
    belongs to each area that it touches; of several areas the first in the order given wins, overlaps included.
    """

    def __init__(self, shapes: Sequence[tuple[Hashable, BaseGeometry]]) -> None:
        """``shapes``: (key, polygon or multipolygon) in order of precedence; ``keys`` keeps the keys in this order."""
        for key, area in shapes:
            if area.geom_type not in AREA:
                raise ValueError(f"{key!r} is a {area.geom_type}, not an area")
        self.keys: tuple[Hashable, ...] = tuple(key for key, _ in shapes)
        self._areas = np.array([area for _, area in shapes], dtype=object)
        shapely.prepare(self._areas)
        self._bounds: NDArray[np.float64] = shapely.bounds(self._areas).reshape(-1, 4)
        if shapes:
            self._min, self._max = self._bounds[:, :2].min(axis=0), self._bounds[:, 2:].max(axis=0)
            self._grid = self._classify()

    def __len__(self) -> int:
        return len(self.keys)

    def _classify(self) -> NDArray[np.int32]:
        """Rows from the south, cells from the west: an area's index, -1 for none, -2 where a border decides."""
        borders = shapely.boundary(self._areas)
        shapely.prepare(borders)
        grid = np.full((2**_FIRST_LEVEL, 2**_FIRST_LEVEL), _BORDER, dtype=np.int32)
        for level in range(_FIRST_LEVEL, _LAST_LEVEL + 1):
            rows, columns = np.nonzero(grid == _BORDER)
            size = (self._max - self._min) / 2**level
            low = self._min + np.column_stack([columns, rows]) * size
            slack = size * 1e-6  # rounding may put a point of the cell's edge into its neighbour
            boxes = shapely.box(*(low - slack).T, *(low + size + slack).T)
            grid[rows, columns] = self._label(boxes, low + size / 2, borders)
            if level < _LAST_LEVEL:
                grid = grid.repeat(2, axis=0).repeat(2, axis=1)
        return grid

    def _label(
        self, boxes: NDArray[np.object_], middles: NDArray[np.float64], borders: NDArray[np.object_]
    ) -> NDArray[np.int32]:
        labels = np.full(len(boxes), -1, dtype=np.int32)
        for index, (area, border) in enumerate(zip(self._areas, borders, strict=True)):
            open_cells = np.nonzero(labels == -1)[0]
            crossed = shapely.intersects(border, boxes[open_cells])
            labels[open_cells[crossed]] = _BORDER  # an earlier area's border decides before any later area
            clear = open_cells[~crossed]
            labels[clear[shapely.contains_xy(area, middles[clear])]] = index
        return labels

    def locate(self, lon: ArrayLike, lat: ArrayLike) -> NDArray[np.int32]:
        """For each point the index of the first area that holds it (its border included), else -1.

        Args:
            lon, lat: degrees, of equal shape; a value that is not a number lies nowhere.
        """
        x, y = np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
        if x.shape != y.shape:
            raise ValueError(f"{x.shape} longitudes and {y.shape} latitudes")
        shape, x, y = x.shape, x.ravel(), y.ravel()
        found = np.full(len(x), -1, dtype=np.int32)
        if not len(self):
            return found.reshape(shape)
        within = (x >= self._min[0]) & (x <= self._max[0]) & (y >= self._min[1]) & (y <= self._max[1])
        inside = np.nonzero(within)[0]
        cells = len(self._grid)
        column, row = (
            np.minimum((values[inside] - low) * (cells / (high - low)), cells - 1).astype(np.int32)
            for values, low, high in zip((x, y), self._min, self._max, strict=True)
        )
        found[inside] = self._grid[row, column]
        unsure = inside[found[inside] == _BORDER]
        found[unsure] = -1
        for index, (area, (west, south, east, north)) in enumerate(zip(self._areas, self._bounds, strict=True)):
            if not len(unsure):
                break
            ux, uy = x[unsure], y[unsure]
            near = np.nonzero((ux >= west) & (ux <= east) & (uy >= south) & (uy <= north))[0]
            hit = near[shapely.intersects_xy(area, ux[near], uy[near])]
            found[unsure[hit]] = index
            unsure = np.delete(unsure, hit)
        return found.reshape(shape)
