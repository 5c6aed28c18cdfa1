"""What the demo city has beside its districts: zones of utilities, address points, a border that moved last year. All of
it is invented and marked as demo."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import shapely
from django.conf import settings
from shapely.geometry.base import BaseGeometry

from qala.kernel.ranges import day_start, local_day

from .. import store

# code, use, code of the owner, how many, seed, names in Kazakh, Russian, English
ZONES = (
    ("dma", "water", "demo-water", 12, 7, "Су есепке алу аймағы {n} (демо)", "Зона учёта воды {n} (демо)", "DMA {n} (demo)"),
    ("feeder", "electricity", "demo-power", 9, 11, "Фидер {n} (демо)", "Фидер {n} (демо)", "Feeder {n} (demo)"),
    ("heat-zone", "heat", "demo-heat", 6, 13, "Жылу аймағы {n} (демо)", "Зона теплоснабжения {n} (демо)",
     "Heat zone {n} (demo)"),
)  # fmt: skip
MOVED = ("alatau", "auezov")  # last year the second gave a piece to the first
PIECE_DEGREES = 0.011
HOUSE_EVERY_DEGREES = 0.004


def moved_on(now: datetime) -> datetime:
    """The first of July of last year, in the city."""
    zone = ZoneInfo(settings.TIME_ZONE)
    day = local_day(now, zone)
    return day_start(day.replace(year=day.year - 1, month=7, day=1), zone)


def districts_before() -> list[dict[str, Any]]:
    """The districts as they were until last year's change."""
    found = {f["properties"]["code"]: f for f in store.schematic()["features"] if f["properties"]["kind"] == "district"}
    gained, gave = (shapely.geometry.shape(found[code]["geometry"]) for code in MOVED)
    along = shapely.intersection(shapely.buffer(gave, 1e-6), shapely.boundary(gained))
    piece = shapely.intersection(gained, shapely.buffer(shapely.line_interpolate_point(
        max(shapely.get_parts(shapely.line_merge(along)), key=shapely.length), 0.5, normalized=True), PIECE_DEGREES))  # fmt: skip
    old = {MOVED[0]: shapely.difference(gained, piece), MOVED[1]: shapely.union(gave, piece)}
    return [
        {**feature, "geometry": shapely.geometry.mapping(old[code])} if code in old else feature
        for code, feature in found.items()
    ]


def zones(prefix: str, count: int, seed: int, names: tuple[str, str, str]) -> list[dict[str, Any]]:
    """Zones that divide the built-up city, whatever its districts are."""
    area = _built_up()
    rng = np.random.default_rng(seed)
    west, south, east, north = area.bounds
    points: list[tuple[float, float]] = []
    while len(points) < count:
        x, y = float(rng.uniform(west, east)), float(rng.uniform(south, north))
        apart = all(np.hypot(x - px, y - py) > 0.5 * np.sqrt(area.area / count) for px, py in points)
        if apart and shapely.contains_xy(area, x, y):
            points.append((x, y))
    cells = shapely.get_parts(shapely.voronoi_polygons(shapely.MultiPoint(points), extend_to=area))
    order = sorted(cells, key=lambda cell: (-cell.centroid.y, cell.centroid.x))
    found = []
    for number, cell in enumerate(order, 1):
        inside = [part for part in shapely.get_parts(shapely.intersection(cell, area)) if part.geom_type == "Polygon"]
        found.append({
            "type": "Feature", "geometry": shapely.geometry.mapping(shapely.union_all(inside)),
            "properties": {
                "code": f"{prefix}-{number:02d}", **{
                    f"name_{language}": name.format(n=number) for language, name in zip(("kk", "ru", "en"), names, strict=True)
                },
            },
        })  # fmt: skip
    return found


def addresses() -> list[dict[str, Any]]:
    """Houses along the streets of the schematic city."""
    area = _built_up()
    found = []
    for feature in store.schematic()["features"]:
        told = feature["properties"]
        if told["kind"] != "street":
            continue
        line = shapely.geometry.shape(feature["geometry"])
        number = 0
        for along in np.arange(HOUSE_EVERY_DEGREES / 2, line.length, HOUSE_EVERY_DEGREES):
            point = shapely.line_interpolate_point(line, along)
            if not shapely.contains(area, point):
                continue
            number += 1
            names = {
                key: f"{told[key]}, {number}" for key in ("name_kk", "name_ru", "name_en") if told.get(key)
            } or {"name_en": f"{told['code']}, {number}"}  # fmt: skip
            found.append({
                "type": "Feature",
                "geometry": {"type": "Point", "coordinates": [round(point.x, 6), round(point.y + 0.0002, 6)]},
                "properties": {"code": f"{told['code']}-{number}", **names},
            })  # fmt: skip
    return found


def _built_up() -> BaseGeometry:
    drawn = [f["geometry"] for f in store.schematic()["features"] if f["properties"]["kind"] == "built"]
    return shapely.union_all([shapely.geometry.shape(one) for one in drawn])
