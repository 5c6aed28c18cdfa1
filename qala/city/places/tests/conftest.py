from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import shapely

from qala.city.places.actions import load_places, read_features
from qala.city.places.rules import Kind, LoadSummary
from qala.kernel.access import system

WHO = system("test")
NOW = datetime(2026, 5, 12, 6, 0, tzinfo=UTC)
REAL_DISTRICTS = Path(__file__).resolve().parents[4].parent / "shared" / "data" / "almaty" / "districts.geojson"


def feature(shape: shapely.Geometry | dict[str, Any] | None, **properties: Any) -> dict[str, Any]:
    geometry = shapely.geometry.mapping(shape) if isinstance(shape, shapely.Geometry) else shape
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def collection(*features: Any, **more: Any) -> bytes:
    return json.dumps({"type": "FeatureCollection", "features": list(features), **more}).encode()


def square(west: float, south: float, size: float = 0.1) -> shapely.Polygon:
    return shapely.box(west, south, west + size, south + size)


TWO = [
    feature(square(76.8, 43.2), code="west", name_en="West", name_kk="Батыс"),
    feature(square(76.9, 43.2), code="east", name_en="East", population=1000),
]
Load = Callable[..., LoadSummary]


@pytest.fixture
def load(db: None) -> Load:
    """Load features, or the bytes of a file; returns the summary."""

    def load_it(given: bytes | list[dict[str, Any]], kind: Kind = "district", **more: Any) -> LoadSummary:
        data = given if isinstance(given, bytes) else collection(*given)
        more = {"who": WHO, "now": NOW, **more}
        return load_places(collection=read_features(data, kind=kind), kind=kind, **more)

    return load_it


@pytest.fixture(scope="session")
def real_districts() -> bytes:
    if not REAL_DISTRICTS.exists():
        pytest.skip("../shared/data/almaty/districts.geojson is missing")
    return REAL_DISTRICTS.read_bytes()
