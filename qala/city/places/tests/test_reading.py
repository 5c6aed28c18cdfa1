from __future__ import annotations

import json
from typing import Any

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from qala.city.places import store
from qala.city.places.actions import reading
from qala.city.places.actions.reading import read_features
from qala.kernel.errors import BadInput, QalaError, TooMuch

from .conftest import TWO, collection, feature, square

ALMATY = (76.95, 43.25)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not JSON: line 1, column 1"),
        (b'{"type": "FeatureCollection",\n oops', "not JSON: line 2, column 2"),
        ('{"type": "Алматы"}'.encode("cp1251"), "not UTF-8: byte 10"),
        ('{"type": "Алматы"}'.encode("utf-16"), "not UTF-8: byte 0"),
        (b"[" * 200_000 + b"]" * 200_000, "nested too deep"),
        (b'{"a":' * 200_000 + b"1" + b"}" * 200_000, "nested too deep"),
        (b"[" + b"9" * 10_000 + b"]", "thousands of digits"),
        (b"[]", "not a GeoJSON FeatureCollection"),
        (b'{"type": "Feature"}', "not a GeoJSON FeatureCollection"),
        (b'{"type": "Topology", "objects": {}}', "not a GeoJSON FeatureCollection"),
        (b'{"type": "FeatureCollection"}', "holds no features"),
        (b'{"type": "FeatureCollection", "features": []}', "holds no features"),
        (b'{"type": "FeatureCollection", "features": {"0": 1}}', "holds no features"),
        (collection(*TWO, crs={"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32643"}}), "EPSG::32643"),
        (collection(*TWO, crs="EPSG:4326 or so"), "reference system None"),
    ],
)
def test_files_that_are_no_such_files(data: bytes, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        read_features(data, kind="district")
    assert said in caught.value.what


@pytest.mark.parametrize(
    "name", ["urn:ogc:def:crs:OGC:1.3:CRS84", "urn:ogc:def:crs:EPSG::4326", "EPSG:4326", "epsg:4326"]
)
def test_wgs_84_may_be_named(name: str) -> None:
    read = read_features(collection(*TWO, crs={"type": "name", "properties": {"name": name}}), kind="district")
    assert [one.code for one in read.features] == ["west", "east"]


def test_a_byte_order_mark_is_skipped() -> None:
    assert len(read_features(b"\xef\xbb\xbf" + collection(*TWO), kind="district").features) == 2


def test_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_FEATURES", 1)
    with pytest.raises(TooMuch, match="2 features, more than 1"):
        read_features(collection(*TWO), kind="district")
    monkeypatch.setattr(reading, "MOST_BYTES", 1024)
    with pytest.raises(TooMuch, match="larger than"):
        read_features(b" " * 1025, kind="district")


def swap(shape: shapely.Geometry) -> shapely.Geometry:
    return shapely.transform(shape, lambda points: points[:, ::-1])


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        (feature(swap(square(76.8, 43.2)), code="a", name_en="A"), "district", "they look swapped"),
        (feature(swap(square(116.3, 39.9)), code="a", name_en="A"), "district", "longitude and latitude look swapped"),
        (feature(square(655_000, 4_790_000, 900), code="a", name_en="A"), "district", "looks like metres"),
        (feature(shapely.Point(76.9, 43.2), code="a", name_en="A"), "zone", "geometry is 'Point', wanted Polygon"),
        (feature(square(76.8, 43.2), code="a", name_en="A"), "address", "geometry is 'Polygon', wanted Point"),
        (feature(square(76.8, 43.2), code="a", name_en=5), "district", "name_en is not text"),
        (feature(square(76.8, 43.2), code="a", name_en="x\x00"), "district", "name_en is not text"),
    ],
)
def test_wrong_features_are_named(given: dict[str, Any], kind: Any, said: str) -> None:
    read = read_features(collection(given), kind=kind, near=ALMATY)
    assert read.features == ()
    (line,) = read.refused
    assert line.startswith("feature 1") and said in line


def test_not_a_number_in_json() -> None:
    for value in ("NaN", "Infinity", "1e999"):
        point = {"type": "Point", "coordinates": [float("nan"), 43.2]}
        data = collection(feature(point, code="a")).replace(b"NaN", value.encode())
        (line,) = read_features(data, kind="address").refused
        assert "not a finite number" in line


def test_a_city_is_one() -> None:
    assert read_features(collection(*TWO), kind="city").refused[-1] == "The file holds 2 features; a city is one."


def test_progress_is_told() -> None:
    told: list[int] = []
    points = [feature(shapely.Point(76.9, 43.2), code=str(number)) for number in range(1200)]
    read = read_features(collection(*points), kind="address", advance=told.append)
    assert len(read.features) == 1200 and told == [500, 500]


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
def test_whatever_comes_is_read_or_refused(data: bytes) -> None:
    with pytest.raises(QalaError):
        read_features(data, kind="district")


@given(
    st.lists(
        st.fixed_dictionaries(
            {"type": st.just("Feature")},
            optional={"properties": json_values, "geometry": json_values, "id": json_values},
        ),
        min_size=1,
        max_size=3,
    )
)
def test_whatever_features_come_every_one_is_accounted_for(features: list[Any]) -> None:
    read = read_features(collection(*features), kind="address")
    assert len(read.features) + len(read.refused) == len(features)


@pytest.mark.django_db
def test_where_a_city_lies_before_it_is_loaded() -> None:
    almaty = store.reference_point("Asia/Almaty")
    assert almaty == pytest.approx((76.95, 43.25))
    assert store.reference_point("America/Indiana/Knox") == pytest.approx((-86.625, 41.2958), abs=1e-4)
    assert store.reference_point("UTC") is None
