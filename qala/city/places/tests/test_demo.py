from __future__ import annotations

import json
from datetime import timedelta
from itertools import combinations

import numpy as np
import pytest
import shapely
from shapely.geometry.base import BaseGeometry

from qala.city.places import demo, store
from qala.city.places.demo import draw
from qala.city.places.models import Place
from qala.kernel import geometry
from qala.kernel.console import Progress
from qala.kernel.lists import Asked, Look
from qala.kernel.models import AuditEntry
from tests import factories

from .conftest import NOW, WHO
from .facts import DISTRICTS

FEATURES = store.schematic()["features"]


def drawn(kind: str) -> dict[str, BaseGeometry]:
    return {
        f["properties"]["code"]: shapely.from_geojson(json.dumps(f["geometry"]))
        for f in FEATURES
        if f["properties"]["kind"] == kind
    }


def test_the_file_is_what_the_program_draws() -> None:
    made = draw.draw()["features"]
    assert [one["properties"] for one in made] == [one["properties"] for one in FEATURES]
    for one, kept in zip(made, FEATURES, strict=True):
        new, old = (shapely.from_geojson(json.dumps(each["geometry"])) for each in (one, kept))
        assert shapely.hausdorff_distance(new, old) < 1e-4, one["properties"]["code"]


def test_districts_agree_with_the_public_facts() -> None:
    districts = drawn("district")
    assert set(districts) == set(DISTRICTS)
    for code, fact in DISTRICTS.items():
        assert geometry.area_km2(districts[code]) == pytest.approx(fact.area_km2, rel=0.02)
        assert shapely.contains_xy(districts[code], *fact.point)
    west, south, east, north = drawn("city")["almaty"].bounds
    assert west > 76.74 and south > 43.03 and east < 77.17 and north < 43.40


def test_neighbours_share_their_borders_exactly() -> None:
    districts = drawn("district")
    for one, other in combinations(sorted(districts), 2):
        common = shapely.intersection(districts[one], districts[other])
        assert common.area == 0
        assert (common.length > 0) == (other in DISTRICTS[one].neighbours), (one, other)
    assert all(area.is_valid for area in districts.values())
    assert shapely.coverage_is_valid(np.array(list(districts.values())))
    union = shapely.union_all(list(districts.values()))
    assert union.area == pytest.approx(sum(area.area for area in districts.values()), rel=1e-12)
    assert union.geom_type == "Polygon" and len(union.interiors) == 0
    assert union.equals(drawn("city")["almaty"])


def test_zones_divide_their_districts() -> None:
    districts, zones = drawn("district"), drawn("zone")
    assert len(zones) == 24
    for code, district in districts.items():
        own = [zones[f"{code}-{number}"] for number in (1, 2, 3)]
        assert all(zone.geom_type == "Polygon" and zone.is_valid for zone in own)
        assert sum(zone.area for zone in own) == pytest.approx(district.area, rel=1e-4)
        assert shapely.symmetric_difference(shapely.union_all(own), district).area < district.area * 1e-4


def test_rivers_run_down_to_the_north_and_streets_stay_in_the_city() -> None:
    city = drawn("city")["almaty"].buffer(1e-5)
    rivers, streets = drawn("river"), drawn("street")
    assert len(rivers) == 4 and len(streets) > 40
    for river in rivers.values():
        lat = shapely.get_coordinates(river)[:, 1]
        assert lat[-1] - lat[0] > 0.15
    assert all(city.contains(line) for line in (*rivers.values(), *streets.values()))


@pytest.mark.django_db
def test_the_demo_loads_once_and_again() -> None:
    progress = Progress("demo")
    demo.load(who=WHO, now=NOW, progress=progress)
    assert progress.done == progress.total == 33
    counted = store.count_by_kind()
    assert (
        counted == {"city": 1, "district": 8, "zone": 24, "address": counted["address"]} and counted["address"] > 1000
    )
    moved = [place.code for place in store.list_places("district", who=WHO) if len(store.history(place)) == 2]
    assert moved == ["alatau", "auezov"], "one border moved last year"
    demo.load(who=WHO, now=NOW, progress=Progress("demo"))
    assert store.count_by_kind() == counted
    assert Place.objects.filter(is_demo=False).count() == 0
    root, medeu = store.city(), Place.objects.get(code="medeu")
    assert (root.name_kk, root.name_en) == ("Алматы", "Almaty")
    assert medeu.names == {"kk": "Медеу ауданы", "ru": "Медеуский район", "en": "Medeu"}
    assert medeu.population == 242_100
    assert [one.code for one in store.children(medeu, who=WHO) if one.kind == "zone"] == [
        "medeu-1",
        "medeu-2",
        "medeu-3",
    ]
    # the history of devices begins before the demo is made
    long_ago = NOW - timedelta(days=1000)
    assert store.locate_points(*DISTRICTS["medeu"].arrays, at=long_ago).tolist() == [medeu.pk]
    entries = AuditEntry.objects.count()
    demo.load(who=WHO, now=NOW, progress=progress)
    assert AuditEntry.objects.count() == entries


@pytest.mark.django_db
def test_points_of_the_demo_lie_where_it_is_built_up() -> None:
    demo.load(who=WHO, now=NOW, progress=Progress("demo"))
    built = drawn("built")["built-up"]
    ids = {place.code: place.pk for place in Place.objects.filter(kind="district")}
    for code in DISTRICTS:
        lon, lat = store.random_points_in(code, 2500, np.random.default_rng(3), at=NOW)
        assert set(store.locate_points(lon, lat, at=NOW)) == {ids[code]}
        assert shapely.contains_xy(built, lon, lat).all()
        zones = store.locate_points(lon, lat, kind="zone", at=NOW)
        _codes, shares = np.unique([str(zone) for zone in zones if zone is not None], return_counts=True)
        assert len(shares) == 3 and shares.min() > 2500 / 6


@pytest.mark.django_db
def test_the_schematic_is_for_the_demo_only() -> None:
    assert store.schematic_lines()["features"] == []
    demo.load(who=WHO, now=NOW, progress=Progress("demo"))
    lines = store.schematic_lines()["features"]
    assert {one["properties"]["kind"] for one in lines} == {"water", "street"}
    assert len(lines) == len(drawn("river")) + len(drawn("street"))


@pytest.mark.django_db
def test_utilities_have_zones_of_their_own_that_reach_over_districts() -> None:
    for code in ("demo-water", "demo-power", "demo-heat"):
        factories.organisation(code)
    demo.load(who=WHO, now=NOW, progress=Progress("demo"))
    for owner, use, count in (("demo-water", "water", 12), ("demo-power", "electricity", 9), ("demo-heat", "heat", 6)):
        found = list(store.PLACES.every(Asked(values={"owner": owner, "use": use}), Look(WHO, NOW)))
        assert (len(found), all(one.is_demo for one in found)) == (count, True)
    assert store.count_by_kind()["zone"] == 24 + 27
