"""Demo works: lamps, pipes, valves, manholes, road sections, trees and benches of the demo city; invented, marked so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from qala.city.places.public import Place, list_places, locate_points, random_points_in
from qala.kernel.access import Who

from . import actions
from .models import Asset

# kind, prefix of codes, code of the owner, how many
POINTS = (
    ("lamp", "SL", "demo-power", 2400),
    ("valve", "V", "demo-water", 300),
    ("manhole", "M", "demo-water", 400),
    ("tree", "T", "demo-city", 500),
    ("bench", "B", "demo-city", 150),
)
LINES = (("pipe", "WP", "demo-water", 220), ("pipe", "HP", "demo-heat", 90), ("road_section", "R", "demo-city", 160))
CONDITIONS = np.array(["good", "fair", "poor", "bad"])
SPECIES = ("Apple", "Elm", "Oak", "Birch", "Pine", "Poplar")
ROW_STEP = 0.0004  # degrees between lamps of a row, about 35 m


def load(*, who: Who, now: datetime, progress: Any) -> None:
    """Make what is missing of the demo's assets; each kind is spread over the districts by population."""
    rng = np.random.default_rng(20260202)
    districts = [place for place in list_places("district", who=who) if place.is_demo]
    if not districts or Asset.objects.filter(is_demo=True).exists():
        return
    rows = _inside([*_points(districts, rng, now), *_lines(districts, rng, now)], now)
    progress.update(total=len(rows))
    actions.put_assets(rows=rows, who=who, now=now, why="demo city", is_demo=True)
    progress.advance(len(rows))


def _inside(rows: list[dict[str, Any]], now: datetime) -> list[dict[str, Any]]:
    """The rows that lie in the city with both ends: rows of lamps and lines near its border may leave it."""
    ends = np.array(
        [
            row["geometry"]["coordinates"] if "geometry" in row else [[float(row["lon"]), float(row["lat"])]] * 2
            for row in rows
        ]
    )  # shape (n, 2, 2)
    found = locate_points(ends[:, :, 0], ends[:, :, 1], kind="city", at=now)
    return [row for row, places in zip(rows, found, strict=True) if all(place is not None for place in places)]


def _spread(districts: list[Place], rng: np.random.Generator, count: int) -> Iterator[tuple[Place, int]]:
    people = np.array([place.population or 200_000 for place in districts], dtype=float)
    yield from zip(districts, rng.multinomial(count, people / people.sum()).tolist(), strict=True)


def _points(districts: list[Place], rng: np.random.Generator, now: datetime) -> Iterator[dict[str, object]]:
    for kind, prefix, owner, count in POINTS:
        number = 0
        for place, many in _spread(districts, rng, count):
            # lamps stand in rows along a street, the others anywhere
            seeds = -(-many // 12) if kind == "lamp" else many
            lon, lat = random_points_in(place.code, seeds, rng, at=now)
            for i in range(many):
                number += 1
                row, step = (i // 12, i % 12) if kind == "lamp" else (i, 0)
                along = ROW_STEP * step
                spot = {
                    "lon": f"{lon[row] + (along if row % 2 else 0):.6f}",
                    "lat": f"{lat[row] + (0 if row % 2 else along):.6f}",
                }
                yield {**_common(kind, f"{prefix}-{number:05d}", owner, rng, now), **_of_kind(kind, rng), **spot}


def _lines(districts: list[Place], rng: np.random.Generator, now: datetime) -> Iterator[dict[str, object]]:
    for kind, prefix, owner, count in LINES:
        number = 0
        for place, many in _spread(districts, rng, count):
            lon, lat = random_points_in(place.code, many, rng, at=now)
            for x, y in zip(lon.tolist(), lat.tolist(), strict=True):
                number += 1
                # streets run along the compass; what is under or on them does too
                length, is_north = float(rng.uniform(0.001, 0.004)), bool(rng.integers(2))
                end = [x, y - length] if is_north else [x - length, y]
                yield {
                    **_common(kind, f"{prefix}-{number:05d}", owner, rng, now), **_of_kind(kind, rng, prefix),
                    "geometry": {"type": "LineString", "coordinates": [[round(x, 6), round(y, 6)], [round(end[0], 6), round(end[1], 6)]]},
                }  # fmt: skip


def _common(kind: str, code: str, owner: str, rng: np.random.Generator, now: datetime) -> dict[str, object]:
    share = (0.55, 0.3, 0.12, 0.03) if kind in ("lamp", "bench", "tree") else (0.3, 0.4, 0.22, 0.08)
    condition = str(rng.choice(CONDITIONS, p=share))
    installed = now - timedelta(days=int(rng.integers(100, 14_000)))
    state = "out_of_order" if condition == "bad" and rng.random() < 0.5 else "in_use"
    return {
        "code": code, "kind": kind, "owner": owner, "condition": condition, "state": state,
        "installed_on": installed.date().isoformat(),
    }  # fmt: skip


def _of_kind(kind: str, rng: np.random.Generator, prefix: str = "") -> dict[str, object]:
    if kind == "lamp":
        is_led = rng.random() < 0.7
        return {"light_source": "led" if is_led else "sodium", "power_w": int(rng.choice([40, 70, 100])) if is_led else 150,
                "pole_height_m": int(rng.choice([6, 8, 10]))}  # fmt: skip
    if kind == "pipe":
        sizes = [100, 150, 200, 300] if prefix == "WP" else [80, 150, 250, 400]
        return {"material": str(rng.choice(["PE", "steel", "cast iron"])), "diameter_mm": int(rng.choice(sizes))}
    if kind == "valve":
        return {"diameter_mm": int(rng.choice([100, 150, 200])), "normally_open": bool(rng.random() < 0.9)}
    if kind == "manhole":
        return {"depth_m": round(float(rng.uniform(1.2, 4.5)), 1)}
    if kind == "road_section":
        return {"surface": str(rng.choice(["asphalt", "concrete"])), "lanes": int(rng.choice([2, 2, 4, 6]))}
    if kind == "tree":
        return {"species": str(rng.choice(SPECIES)), "planted_in": int(rng.integers(1950, 2024))}
    return {"seats": int(rng.choice([2, 3, 4]))}
