from __future__ import annotations

import math
from typing import Any

import h3
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from qala.kernel import geometry
from qala.kernel.errors import BadInput
from qala.kernel.geometry import BorderIndex, from_geojson

SQUARE = [[76.0, 43.0], [77.0, 43.0], [77.0, 44.0], [76.0, 44.0], [76.0, 43.0]]


def polygon(*rings: Any) -> dict[str, object]:
    return {"type": "Polygon", "coordinates": list(rings)}


# ---- GeoJSON --------------------------------------------------------------------------------------------------------


def test_a_polygon_goes_in_and_out() -> None:
    made = from_geojson(polygon(SQUARE), where="here")
    assert shapely.from_wkb(geometry.to_wkb(made)).equals(made)
    assert geometry.from_wkb(memoryview(geometry.to_wkb(made))) == made
    assert from_geojson(geometry.to_geojson(made), where="here") == made
    assert geometry.bbox(made) == (76.0, 43.0, 77.0, 44.0)


def test_the_same_outline_drawn_otherwise_gives_the_same_bytes() -> None:
    other_start_and_direction = [SQUARE[2], SQUARE[1], SQUARE[0], SQUARE[3], SQUARE[2]]
    one = from_geojson(polygon(SQUARE), where="here")
    other = from_geojson(polygon(other_start_and_direction), where="here")
    assert geometry.to_wkb(one) == geometry.to_wkb(other)


def test_heights_are_dropped() -> None:
    made = from_geojson(polygon([[*position, 800.0] for position in SQUARE]), where="here")
    assert not shapely.has_z(made)
    assert geometry.to_wkb(made) == geometry.to_wkb(from_geojson(polygon(SQUARE), where="here"))


def test_an_outline_that_crosses_itself_is_repaired() -> None:
    bow = [[76.0, 43.0], [77.0, 44.0], [77.0, 43.0], [76.0, 44.0], [76.0, 43.0]]
    made = from_geojson(polygon(bow), where="here")
    assert made.is_valid and made.geom_type == "MultiPolygon"
    assert made.area == pytest.approx(0.5)


def test_a_repair_keeps_areas_only() -> None:
    with_spike = [[76.0, 43.0], [77.0, 43.0], [77.0, 45.0], [77.0, 44.0], [76.0, 44.0], [76.0, 43.0]]
    assert from_geojson(polygon(with_spike), where="here").geom_type == "Polygon"


def nested(depth: int) -> object:
    made: object = 1.0
    for _ in range(depth):
        made = [made]
    return made


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "no geometry"),
        ([], "no geometry"),
        ({}, "None, wanted Polygon / MultiPolygon"),
        ({"type": "Point", "coordinates": [76.0, 43.0]}, "'Point', wanted Polygon"),
        ({"type": ["Polygon"], "coordinates": [SQUARE]}, "wanted Polygon"),
        ({"type": "GeometryCollection", "geometries": []}, "wanted Polygon"),
        (polygon(), "coordinates is a list of 0, wanted a list"),
        (polygon([]), "coordinates[0] is a list of 0, wanted a list"),
        ({"type": "Polygon", "coordinates": {"0": 1}}, "wanted a list"),
        ({"type": "Polygon", "coordinates": nested(900)}, "wanted [longitude, latitude]"),
        (polygon(SQUARE[:3]), "ring 1 is not closed"),
        (polygon(SQUARE, SQUARE[:4]), "ring 2 is not closed"),
        (polygon([*SQUARE[:2], ["77", 44], *SQUARE[3:]]), "coordinates[0][2] is ['77', 44], wanted"),
        (polygon([*SQUARE[:2], [77.0], *SQUARE[3:]]), "coordinates[0][2] is [77.0], wanted"),
        (polygon([*SQUARE[:2], [True, False], *SQUARE[3:]]), "is [True, False], wanted"),
        (polygon([*SQUARE[:2], [math.nan, 44.0], *SQUARE[3:]]), "coordinates[0][2] = [nan, 44]: not a finite"),
        (polygon([*SQUARE[:2], [math.inf, 44.0], *SQUARE[3:]]), "not a finite"),
        (polygon([*SQUARE[:2], [10**400, 44], *SQUARE[3:]]), "not a finite"),
        (polygon([[y, x + 60] for x, y in SQUARE]), "latitude is beyond 90°; longitude and latitude look swapped"),
        (polygon([[x * 110_000, y * 110_000] for x, y in SQUARE]), "looks like metres"),
        (polygon([[x + 110, y] for x, y in SQUARE]), "not on the Earth"),
        (polygon([[76.0, 43.0], [77.0, 43.0], [76.5, 43.0], [76.0, 43.0]]), "geometry is empty"),
        (polygon([[-170.0, 0.0], [170.0, 0.0], [170.0, 5.0], [-170.0, 0.0]]), "more than half the Earth"),
    ],
)
def test_a_wrong_geometry_is_refused_with_what_and_where(given: object, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        from_geojson(given, where="feature 3")
    assert caught.value.what.startswith("feature 3: ")
    assert said in caught.value.what
    assert len(caught.value.what) < 200


def test_too_many_vertices_are_refused() -> None:
    with pytest.raises(BadInput, match="more than 4 vertices"):
        from_geojson(polygon(SQUARE), where="here", most_vertices=4)


@given(
    st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5), st.lists, max_leaves=30)
)
def test_whatever_the_coordinates_are_they_are_read_or_refused(coordinates: object) -> None:
    for kind in ("Point", "LineString", "MultiLineString", "Polygon", "MultiPolygon"):
        try:
            made = from_geojson({"type": kind, "coordinates": coordinates}, where="here", kinds=(kind,))
        except BadInput:
            continue
        assert made.is_valid and not made.is_empty


# ---- Measures -------------------------------------------------------------------------------------------------------


def by_integration_km2(south: float, north: float, width: float) -> float:
    """Area between two parallels over a width in degrees: the integral of both radii of curvature, Simpson's rule."""
    e2 = geometry.E2
    phi = np.radians(np.linspace(south, north, 2001))
    element = geometry.SEMI_MAJOR_M**2 * (1 - e2) * np.cos(phi) / (1 - e2 * np.sin(phi) ** 2) ** 2
    weights = np.ones(2001)
    weights[1:-1:2], weights[2:-1:2] = 4, 2
    return float((element * weights).sum() * (phi[1] - phi[0]) / 3 * math.radians(width)) / 1e6


def test_the_area_of_the_earth() -> None:
    assert geometry.area_km2(shapely.box(-180, -90, 180, 90)) == pytest.approx(510_065_621.724, abs=1)


@pytest.mark.parametrize(("south", "north"), [(0, 1), (43, 43.4), (-60, -10), (80, 90)])
def test_areas_between_parallels_are_those_of_the_ellipsoid(south: float, north: float) -> None:
    area = geometry.area_km2(shapely.box(76, south, 77, north))
    assert area == pytest.approx(by_integration_km2(south, north, 1), rel=1e-9)


def test_long_edges_cost_no_more_than_stated() -> None:
    slanted = shapely.Polygon([(76.0, 43.0), (76.1, 43.05), (76.05, 43.1)])  # edges of 7 to 11 km
    close = shapely.segmentize(slanted, 0.0005)
    assert geometry.area_km2(slanted) == pytest.approx(geometry.area_km2(close), rel=3e-6)


def test_holes_do_not_count() -> None:
    ring, hole = shapely.box(76, 43, 77, 44), shapely.box(76.2, 43.2, 76.4, 43.4)
    with_hole = shapely.difference(ring, hole)
    assert geometry.area_km2(with_hole) == pytest.approx(geometry.area_km2(ring) - geometry.area_km2(hole), rel=1e-9)


def test_lengths_are_those_of_the_ellipsoid() -> None:
    meridian = shapely.LineString([(10, degree) for degree in range(91)])
    assert geometry.length_km(meridian) == pytest.approx(10_001.965729, rel=1e-5)
    assert geometry.length_km(shapely.LineString([(10, 0), (11, 0)])) == pytest.approx(111.319491, rel=1e-6)
    assert geometry.length_km(shapely.box(10, 0, 11, 1)) == pytest.approx(111.3195 + 111.3026 + 2 * 110.5744, rel=1e-4)


def test_distances_on_the_sphere() -> None:
    found = geometry.distance_km([76.95, 76.95, 37.62], [43.25, 44.25, 55.75], 76.95, 43.25)
    assert found[0] == 0
    assert found[1] == pytest.approx(111.195, abs=0.001)
    assert found[2] == pytest.approx(3105, rel=0.01)


def test_a_point_has_a_cell() -> None:
    cell = geometry.cell_of(76.906, 43.252)
    assert h3.get_resolution(cell) == 9 and len(cell) == 15
    lat, lon = h3.cell_to_latlng(cell)
    assert geometry.distance_km([lon], [lat], 76.906, 43.252)[0] < 0.25


@pytest.mark.parametrize(
    "area",
    [
        shapely.box(76, 43, 77, 43.1),
        shapely.difference(shapely.box(0, 60, 4, 64), shapely.box(0.2, 60.2, 4, 63.8)),  # a horseshoe
        shapely.difference(shapely.box(0, 0, 4, 4), shapely.box(0.1, 0.1, 3.9, 3.9)),  # a frame
        shapely.MultiPolygon([shapely.box(0, 0, 1, 1), shapely.box(5, 5, 8, 8)]),
    ],
)
def test_a_label_lies_inside(area: BaseGeometry) -> None:
    assert shapely.contains_xy(area, *geometry.label_point(area))


def test_labels_of_points_and_lines() -> None:
    assert geometry.label_point(shapely.Point(76.9, 43.2)) == (76.9, 43.2)
    line = shapely.LineString([(76, 43), (77, 43), (77, 44)])
    assert line.distance(shapely.Point(geometry.label_point(line))) == 0


# ---- Point → shape --------------------------------------------------------------------------------------------------


def first_of(areas: list[BaseGeometry], lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.int32]:
    """The same answer, one area after the other and nothing prepared."""
    expected = np.full(len(lon), -1, dtype=np.int32)
    for index, area in reversed(list(enumerate(areas))):
        expected[shapely.intersects(shapely.from_wkb(shapely.to_wkb(area)), shapely.points(lon, lat))] = index
    return expected


# on a coarse grid, so that areas share corners and edges, overlap and touch
eighths = st.integers(0, 32).map(lambda n: n / 8)


@st.composite
def areas(draw: st.DrawFn) -> BaseGeometry:
    corners = draw(st.lists(st.tuples(eighths, eighths), min_size=3, max_size=8, unique=True))
    repaired = shapely.make_valid(shapely.Polygon(corners))
    parts = [part for part in shapely.get_parts(repaired) if part.geom_type == "Polygon"]
    return shapely.union_all(parts) if parts else shapely.box(0, 0, *draw(st.tuples(eighths, eighths))).buffer(1)


@settings(max_examples=60, deadline=None)
@given(st.lists(areas(), min_size=0, max_size=5), st.integers(0, 2**32 - 1))
def test_the_index_answers_as_shapely_does(shapes: list[BaseGeometry], seed: int) -> None:
    rng = np.random.default_rng(seed)
    corners = [shapely.get_coordinates(area) for area in shapes]
    middles = [(line[1:] + line[:-1]) / 2 for line in corners]
    points = np.vstack(
        [
            *corners,
            *middles,
            rng.integers(-4, 40, (40, 2)) / 8,
            rng.integers(0, 2049, (40, 2)) / 512,
            rng.uniform(-1, 5, (200, 2)),
        ]
    )
    index = BorderIndex(list(enumerate(shapes)))
    found = index.locate(points[:, 0], points[:, 1])
    assert found.dtype == np.int32
    assert found.tolist() == first_of(shapes, points[:, 0], points[:, 1]).tolist()


def test_a_point_on_a_border_belongs_to_the_first() -> None:
    west, east = shapely.box(0, 0, 1, 1), shapely.box(1, 0, 2, 1)
    lon, lat = np.array([1.0, 1.0, 2.0, 0.0]), np.array([0.5, 1.0, 0.5, 0.0])
    assert BorderIndex([("w", west), ("e", east)]).locate(lon, lat).tolist() == [0, 0, 1, 0]
    assert BorderIndex([("e", east), ("w", west)]).locate(lon, lat).tolist() == [0, 0, 0, 1]


def test_what_is_not_a_number_lies_nowhere() -> None:
    index = BorderIndex([("a", shapely.box(0, 0, 1, 1))])
    nan, inf = math.nan, math.inf
    assert index.locate([nan, 0.5, inf, -inf, 0.5], [0.5, nan, 0.5, 0.5, 0.5]).tolist() == [-1, -1, -1, -1, 0]


def test_no_shapes_no_points_and_other_forms() -> None:
    assert BorderIndex([]).locate([1.0], [2.0]).tolist() == [-1]
    index = BorderIndex([("a", shapely.box(0, 0, 1, 1))])
    assert index.keys == ("a",) and len(index) == 1
    assert index.locate([], []).shape == (0,)
    assert index.locate(np.full((2, 3), 0.5), np.full((2, 3), 0.5)).shape == (2, 3)
    with pytest.raises(ValueError, match="longitudes"):
        index.locate([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="not an area"):
        BorderIndex([("p", shapely.Point(0, 0))])
