from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
import shapely
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from qala.city.places import store
from qala.city.places.models import Place
from qala.kernel.access import ANONYMOUS, EVERYTHING, Scope, Who
from qala.kernel.errors import NotFound
from qala.kernel.ids import new_id

from .conftest import NOW, TWO, WHO, Load, feature, square

pytestmark = pytest.mark.django_db
STAFF = Who("person", "engineer", grants={"places.view": EVERYTHING})
RESIDENT = Who("person", "resident", grants={})
OF_AN_ORGANISATION = Who("person", "engineer", grants={"places.view": Scope(organisations=frozenset({new_id()}))})


@pytest.fixture
def tree(load: Load) -> None:
    load(TWO)
    load([feature(square(76.81, 43.21, 0.03), code="z1", name_en="Zone 1")], "zone")
    load([feature(shapely.Point(76.82, 43.22), code="a1", name="Abai 10", parent="z1")], "address")


@pytest.mark.parametrize(
    ("who", "codes"),
    [
        (ANONYMOUS, ["almaty", "east", "west", "z1"]),
        (RESIDENT, ["almaty", "east", "west", "z1"]),
        (OF_AN_ORGANISATION, ["a1", "almaty", "east", "west", "z1"]),
        (STAFF, ["a1", "almaty", "east", "west", "z1"]),
        (WHO, ["a1", "almaty", "east", "west", "z1"]),
    ],
)
def test_who_sees_which_places(tree: None, who: Who, codes: list[str]) -> None:
    assert [place.code for place in store.list_places(who=who)] == codes
    sees_addresses = "a1" in codes
    assert len(store.children(Place.objects.get(code="z1"), who=who)) == sees_addresses
    assert len(store.geojson_of("address", at=NOW, who=who)["features"]) == sees_addresses
    if not sees_addresses:
        with pytest.raises(NotFound):
            store.get_place("a1", who=who)


def test_lists(tree: None) -> None:
    def codes(*given: Any, **more: Any) -> list[str]:
        return [place.code for place in store.list_places(*given, who=WHO, **more)]

    assert codes("district") == ["east", "west"]
    assert codes(parent="almaty") == ["east", "west"]
    assert codes(after="east", limit=1) == ["west"]
    assert codes("zone", parent="west") == ["z1"]
    assert store.status() == {"districts": 2, "zones": 1, "addresses": 1, "base_map": "none"}


def test_no_city_yet() -> None:
    with pytest.raises(NotFound, match="no places yet"):
        store.city()
    assert store.find_city() is None
    assert store.locate_points([76.9], [43.2], at=NOW).tolist() == [None]
    assert store.borders("city", at=NOW).codes == ()
    assert store.geojson_of("district", at=NOW, who=WHO) == {"type": "FeatureCollection", "features": []}
    assert store.schematic_lines() == {"type": "FeatureCollection", "features": []}


def test_points_get_their_places(tree: None) -> None:
    ids = {place.code: place.pk for place in Place.objects.all()}
    lon, lat = np.array([76.85, 76.95, 76.9, 70.0, np.nan]), np.array([43.25, 43.25, 43.25, 43.25, 43.25])
    found = store.locate_points(lon, lat, at=NOW)
    # on the border between them the code that comes first
    assert found.tolist() == [ids["west"], ids["east"], ids["east"], None, None]
    assert store.locate_points([76.82], [43.22], kind="zone", at=NOW).tolist() == [ids["z1"]]
    assert store.locate_points([76.82], [43.22], kind="city", at=NOW).tolist() == [ids["almaty"]]
    with pytest.raises(ValueError, match="no borders"):
        store.borders("address", at=NOW)


def test_borders_are_kept_until_one_changes(load: Load) -> None:
    load(TWO)
    kept = store.borders("district", at=NOW)
    with CaptureQueriesContext(connection) as queries:
        assert store.borders("district", at=NOW + timedelta(days=1)) is kept
    assert len(queries) == 1
    load([feature(square(77.0, 43.2), code="far", name_en="Far")])
    assert store.borders("district", at=NOW).codes == ("east", "far", "west")


def test_kept_borders_end_where_a_change_is_due(load: Load) -> None:
    load(TWO)
    due = NOW + timedelta(days=10)
    load([feature(square(76.8, 43.2, 0.05), code="west", name_en="West")], valid_from=due)
    before, after = store.borders("district", at=NOW), store.borders("district", at=due)
    assert before.valid_to == after.valid_from == due
    assert before is not after
    assert store.borders("city", at=NOW).valid_to == due
    assert store.borders("district", at=due - timedelta(microseconds=1)) is before


def test_geojson_for_the_map(tree: None) -> None:
    with translation.override("kk"):
        found = store.geojson_of("district", at=NOW, who=ANONYMOUS)
    east, west = found["features"]
    assert west["properties"] | {"label": None} == {
        "key": "west", "kind": "district", "name": "Батыс", "translated": True, "label": None,
    }  # fmt: skip
    assert (east["properties"]["name"], east["properties"]["translated"]) == ("East", False)
    assert shapely.from_geojson(json.dumps(west["geometry"])).area == pytest.approx(0.01)
    only = store.geojson_of("district", at=NOW, who=ANONYMOUS, bounds=(76.95, 43.0, 78.0, 44.0))
    assert [one["id"] for one in only["features"]] == ["east"]
    points = store.geojson_of("address", at=NOW, who=WHO, bounds=(76.0, 43.0, 76.83, 44.0))
    assert [one["geometry"]["coordinates"] for one in points["features"]] == [[76.82, 43.22]]
    assert store.geojson_of("address", at=NOW, who=WHO, bounds=(0, 0, 1, 1))["features"] == []


@pytest.mark.parametrize("count", [1, 3])
def test_the_number_of_queries_does_not_grow(load: Load, count: int) -> None:
    load([feature(square(76 + number, 43.2), code=f"d{number}", name_en=f"D{number}") for number in range(count)])
    store.borders("district", at=NOW)
    with CaptureQueriesContext(connection) as queries:
        places = store.list_places("district", who=WHO)
        assert [place.parent.code for place in places if place.parent] == ["almaty"] * count
        assert len(store.shapes_of(places, at=NOW)) == count
    assert len(queries) == 2
    with CaptureQueriesContext(connection) as queries:
        assert len(store.geojson_of("district", at=NOW, who=WHO)["features"]) == count
    assert len(queries) == 2


def test_names_fall_back(load: Load) -> None:
    load(TWO)
    west = Place.objects.get(code="west")
    with translation.override("ru"):
        assert (west.name, west.is_translated(), west.is_translated("en")) == ("Батыс", False, True)
    with translation.override("en-gb"):
        assert (str(west), west.is_translated()) == ("West", True)


def test_random_points_lie_in_their_place(load: Load) -> None:
    load(TWO)
    lon, lat = store.random_points_in("west", 500, np.random.default_rng(1), at=NOW)
    assert set(store.locate_points(lon, lat, at=NOW)) == {Place.objects.get(code="west").pk}
    with pytest.raises(NotFound):
        store.random_points_in("nowhere", 5, np.random.default_rng(1), at=NOW)
