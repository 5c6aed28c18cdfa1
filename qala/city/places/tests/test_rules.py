from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import shapely

from qala.city.places import rules
from qala.kernel.languages import pick_text

ALMATY = (76.95, 43.25)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Türksib District", "turksib-district"),
        ("Bostandıq", "bostandiq"),
        ("Q4466184", "q4466184"),
        ("  A / 12 ", "a-12"),
        ("node/77", "node-77"),
        ("Алмалинский район", ""),
        ("А12", ""),  # a Cyrillic А: were it dropped, two places would share the code 12
        ("№ 5", "no-5"),
        ("--", ""),
        ("x" * 100, "x" * 80),
    ],
)
def test_codes_are_latin(text: str, code: str) -> None:
    assert rules.slug(text) == code


@pytest.mark.parametrize(
    ("properties", "feature_id", "code"),
    [
        ({"code": "A1", "ref": "R", "wikidata": "Q1"}, "node/1", "a1"),
        ({"ref": 7, "wikidata": "Q1"}, None, "7"),
        ({"code": "", "ref": "Алматы", "wikidata": "Q1"}, None, "q1"),
        ({"code": ["A"], "name:en": "Almaly"}, "node/1", "almaly"),
        ({}, "node/1", "node-1"),
        ({}, None, ""),
        ({"code": True}, None, ""),
    ],
)
def test_where_the_code_comes_from(properties: dict[str, Any], feature_id: object, code: str) -> None:
    assert rules.code_of(properties, rules.names_of(properties, "kk"), feature_id) == code


@pytest.mark.parametrize(
    ("properties", "names"),
    [
        ({"name:kk": "Медеу ауданы", "name_ru": " Медеуский  район "}, {"kk": "Медеу ауданы", "ru": "Медеуский район"}),
        ({"name": "Жетісу ауданы", "name:ru": "Жетысуский район"}, {"kk": "Жетісу ауданы", "ru": "Жетысуский район"}),
        ({"name": "Алмалинский район", "name:ru": "Алмалинский район"}, {"ru": "Алмалинский район"}),
        ({"name": "Other", "name:kk": "Медеу"}, {"kk": "Медеу"}),
        ({"addr:street": "Абай", "addr:housenumber": "10"}, {"kk": "Абай, 10"}),
        ({"name": "  "}, {}),
        ({"name:kk": None}, {}),
    ],
)
def test_names(properties: dict[str, Any], names: dict[str, str]) -> None:
    assert rules.names_of(properties, "kk") == names


@pytest.mark.parametrize("name", [5, ["Медеу"], "x" * 201, "a\x00b", "a\ud800", "a\u202eb"])
def test_names_that_cannot_be(name: object) -> None:
    with pytest.raises(ValueError, match="name:kk"):
        rules.names_of({"name:kk": name}, "kk")


def test_the_name_to_show() -> None:
    names = {"kk": "Медеу ауданы", "ru": "Медеуский район", "en": ""}
    assert pick_text("kk", names) == ("Медеу ауданы", "kk")
    assert pick_text("en-us", names) == ("Медеуский район", "ru")
    assert pick_text("de", names) == ("Медеуский район", "ru")
    assert pick_text(None, {}) == ("", "")


@pytest.mark.parametrize(
    ("value", "people"), [(None, None), ("", None), (317700, 317700), ("317 700", 317700), (5.0, 5), (0, 0)]
)
def test_population(value: object, people: int | None) -> None:
    assert rules.population_of({"population": value}) == people


@pytest.mark.parametrize("value", [-1, 5.5, "about 5", True, 2**31, "9" * 5000, float("nan"), float("inf"), [5], "٣"])
def test_populations_that_cannot_be(value: object) -> None:
    with pytest.raises(ValueError, match="population"):
        rules.population_of({"population": value})


@pytest.mark.parametrize(
    ("lon", "lat", "near", "swapped"),
    [
        (76.95, 43.25, ALMATY, False),
        (43.25, 76.95, ALMATY, True),
        (71.4, 51.1, ALMATY, False),  # Astana
        (51.1, 71.4, ALMATY, True),
        (-71.06, 42.36, ALMATY, False),  # Boston, in a folder whose zone was left at Almaty's
        (-3.7, 40.4, ALMATY, False),
        (13.2, -8.8, (3.4, 6.45), False),  # Luanda, whose zone is that of Lagos
        (121.5, 31.2, (121.47, 31.23), False),
    ],
)
def test_swapped_coordinates(lon: float, lat: float, near: tuple[float, float], swapped: bool) -> None:
    assert rules.looks_swapped(lon, lat, near) is swapped


def test_what_lies_above() -> None:
    assert rules.above("address") == ("zone", "district", "city")
    assert rules.above("city") == ()


def test_overlaps_are_shares_of_the_smaller() -> None:
    big, small, sliver, away = (
        shapely.box(0, 0, 4, 4),
        shapely.box(3, 0, 5, 2),
        shapely.box(3.99, 2, 6, 4),
        shapely.box(8, 8, 9, 9),
    )
    ((one, other, share),) = rules.overlapping([big, small, sliver, away])
    assert (one, other) == (0, 1) and share == pytest.approx(0.5)
    assert rules.overlapping([]) == []


def test_random_points_fill_an_area_evenly() -> None:
    area = shapely.union_all([shapely.box(0, 0, 1, 1), shapely.box(3, 0, 4, 3)])
    lon, lat = rules.random_points(area, 20_000, np.random.default_rng(7))
    assert len(lon) == len(lat) == 20_000
    assert shapely.contains_xy(area, lon, lat).all()
    assert (lon < 1).mean() == pytest.approx(0.25, abs=0.02)
    again, _ = rules.random_points(area, 20_000, np.random.default_rng(7))
    assert np.array_equal(lon, again)
    with pytest.raises(ValueError, match="empty area"):
        rules.random_points(shapely.Polygon(), 1, np.random.default_rng(7))
