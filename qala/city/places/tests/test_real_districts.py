"""The real districts of Almaty, from OpenStreetMap; they are not part of the repository."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import shapely
from django.utils import translation

from qala.city.places import store
from qala.city.places.actions import read_features
from qala.city.places.models import Place, PlaceShape
from qala.kernel import geometry

from .conftest import NOW, WHO, Load
from .facts import DISTRICTS

pytestmark = pytest.mark.django_db
CODES = {fact.wikidata: code for code, fact in DISTRICTS.items()}


@pytest.fixture
def loaded(load: Load, real_districts: bytes, settings: Any) -> None:
    settings.LANGUAGE_CODE = "kk"  # the city's own, which plain names are in
    summary = load(real_districts)
    assert (summary.read, summary.new, summary.refused) == (8, 8, ())


def test_areas_points_and_neighbours(loaded: None) -> None:
    found = store.borders("district", at=NOW)
    assert set(found.codes) == set(CODES)
    areas = {CODES[code]: area for code, area in zip(found.codes, found.areas, strict=True)}
    for code, fact in DISTRICTS.items():
        assert geometry.area_km2(areas[code]) == pytest.approx(fact.area_km2, rel=0.02)
        (located,) = store.locate_points(*fact.arrays, at=NOW)
        assert located == Place.objects.get(code=fact.wikidata).pk
    for one, other in combinations(areas, 2):
        # the map leaves strips of up to 15 m between some neighbours
        meet = shapely.distance(areas[one], areas[other]) < 0.0003
        assert meet == (other in DISTRICTS[one].neighbours), (one, other)
    assert geometry.area_km2(store.borders("city", at=NOW).areas[0]) == pytest.approx(704, rel=0.01)


def test_names_in_three_languages(loaded: None) -> None:
    turksib, jetisu, almaly = (
        Place.objects.get(code=DISTRICTS[code].wikidata) for code in ("turksib", "jetisu", "almaly")
    )
    assert turksib.names == {"kk": "Түрксіб ауданы", "ru": "Турксибский район", "en": "Türksib District"}
    assert jetisu.names["kk"] == "Жетісу ауданы"  # from the plain name, which is in the city's own language
    with translation.override("kk"):  # its plain name is the Russian one
        assert (almaly.name, almaly.is_translated()) == ("Алмалинский район", False)


def test_loading_again_and_a_moved_border(load: Load, loaded: None, real_districts: bytes) -> None:
    again = load(real_districts, now=NOW + timedelta(days=1))
    assert (again.new, again.changed, again.unchanged) == (0, 0, 8)
    # Jetisu gives its southern third to Almaly
    file = json.loads(real_districts)
    by_code = {f["properties"]["wikidata"].lower(): f for f in file["features"]}
    jetisu, almaly = (by_code[DISTRICTS[code].wikidata] for code in ("jetisu", "almaly"))
    whole = shapely.from_geojson(json.dumps(jetisu["geometry"]))
    south = shapely.intersection(whole, shapely.box(76, 43, 78, 43.29))
    jetisu["geometry"] = shapely.geometry.mapping(shapely.difference(whole, south))
    joined = shapely.union_all([shapely.from_geojson(json.dumps(almaly["geometry"])), south])
    almaly["geometry"] = shapely.geometry.mapping(joined)
    since = datetime(2026, 7, 1, tzinfo=UTC)
    summary = load(json.dumps(file).encode(), now=NOW + timedelta(days=2), valid_from=since)
    assert (summary.changed, summary.unchanged) == (2, 6)
    assert PlaceShape.objects.count() == 10
    point = geometry.label_point(south)
    before, after = (store.locate_points([point[0]], [point[1]], at=at)[0] for at in (since - timedelta(days=1), since))
    assert before == Place.objects.get(code=DISTRICTS["jetisu"].wikidata).pk
    assert after == Place.objects.get(code=DISTRICTS["almaly"].wikidata).pk


def test_swapped_coordinates_are_seen(real_districts: bytes) -> None:
    file = json.loads(real_districts)
    for feature in file["features"]:
        shape = shapely.from_geojson(json.dumps(feature["geometry"]))
        feature["geometry"] = shapely.geometry.mapping(shapely.transform(shape, lambda points: points[:, ::-1]))
    near = store.reference_point("Asia/Almaty")
    refused = read_features(json.dumps(file).encode(), kind="district", near=near).refused
    assert len(refused) == 8 and all("look swapped" in line for line in refused)


def test_a_million_points_in_seconds(loaded: None) -> None:
    found = store.borders("district", at=NOW)
    west, south, east, north = shapely.union_all(list(found.areas)).bounds
    rng = np.random.default_rng(8)
    lon, lat = rng.uniform(west, east, 1_000_000), rng.uniform(south, north, 1_000_000)
    started = time.process_time()
    located = store.locate_points(lon, lat, at=NOW)
    assert time.process_time() - started < 3.0
    for place_id, area in zip(found.ids, found.areas, strict=False):
        assert np.array_equal(located == place_id, shapely.contains_xy(area, lon, lat))
    # close to borders, where it is hard
    near = np.vstack([shapely.get_coordinates(area) for area in found.areas])
    near = near + rng.normal(0, 1e-6, near.shape)
    expected = np.full(len(near), -1)
    for index, area in reversed(list(enumerate(found.areas))):
        expected[shapely.intersects_xy(area, near)] = index
    assert np.array_equal(found.index.locate(near[:, 0], near[:, 1]), expected)


def test_what_the_map_gets_is_small_and_without_gaps(loaded: None) -> None:
    drawn = store.geojson_of("district", at=NOW, who=WHO)
    text = json.dumps(drawn)
    assert len(text) < 60_000
    shapes = [shapely.from_geojson(json.dumps(one["geometry"])) for one in drawn["features"]]
    assert all(shape.is_valid for shape in shapes)
    union = shapely.union_all(shapes)
    assert sum(shape.area for shape in shapes) == pytest.approx(union.area, rel=1e-4)
    assert geometry.area_km2(union) == pytest.approx(704, rel=0.01)
