"""Draws the demo's schematic city into ``demo_almaty.geojson``; to draw it anew, with Qala's settings in place:

    python -m django shell -c "from qala.city.places.demo.draw import main; main()"

The shapes are our own. They were drawn by hand in kilometres, from nothing but public facts of Almaty's eight districts
(a point inside each, its area, its neighbours, the bounds of the city), then nudged until the areas were right; no data
set was traced. Rivers, streets and zones are made up: rivers run from the mountains in the south down to the plain in
the north, streets are a grid where it is flat.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import shapely
import shapely.ops
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from qala.kernel.geometry import to_geojson

from .. import rules
from ..store import SCHEMATIC_FILE

WEST, SOUTH = 76.74, 43.03  # the corner that kilometres count from
KM_A_DEGREE = np.array([81.3, 111.1])  # at the latitude of the city

# code: Kazakh, Russian, English name, people
DISTRICTS: dict[str, tuple[str, str, str, int]] = {
    "alatau": ("Алатау ауданы", "Алатауский район", "Alatau", 317_700),
    "almaly": ("Алмалы ауданы", "Алмалинский район", "Almaly", 224_600),
    "auezov": ("Әуезов ауданы", "Ауэзовский район", "Auezov", 358_000),
    "bostandyk": ("Бостандық ауданы", "Бостандыкский район", "Bostandyk", 362_200),
    "jetisu": ("Жетісу ауданы", "Жетысуский район", "Jetisu", 173_972),
    "medeu": ("Медеу ауданы", "Медеуский район", "Medeu", 242_100),
    "nauryzbay": ("Наурызбай ауданы", "Наурызбайский район", "Nauryzbay", 220_187),
    "turksib": ("Түрксіб ауданы", "Турксибский район", "Turksib", 267_000),
}

# Where three districts meet, and where two meet the edge of the city; km east and north of the corner.
NODES: dict[str, tuple[float, float]] = {
    "ala-jet-alm": (12.6, 26.6),
    "ala-alm-aue": (11.8, 24.4),
    "ala-aue-nau": (7.4, 21.8),
    "aue-alm-bos": (13.0, 22.0),
    "aue-bos-nau": (11.2, 18.6),
    "alm-bos-med": (16.3, 22.2),
    "alm-med-jet": (16.2, 26.4),
    "jet-med-tur": (17.5, 29.0),
    "ala-jet": (13.2, 34.0),
    "jet-tur": (16.9, 35.2),
    "tur-med": (23.6, 30.9),
    "med-bos": (17.8, 3.3),
    "bos-nau": (12.1, 9.5),
    "nau-ala": (3.2, 21.9),
}
# (from, to, points between, how far the border wanders in km): 0 is a border along streets.
ARCS: dict[str, tuple[str, str, list[tuple[float, float]], float]] = {
    "alatau|jetisu": ("ala-jet", "ala-jet-alm", [(12.7, 31.3), (11.9, 29.3)], 0.06),
    "jetisu|turksib": ("jet-tur", "jet-med-tur", [(17.4, 33.0), (16.8, 30.8)], 0.06),
    "medeu|turksib": ("jet-med-tur", "tur-med", [(19.6, 29.8), (21.5, 29.2)], 0.1),
    "jetisu|medeu": ("alm-med-jet", "jet-med-tur", [(17.0, 27.5)], 0.03),
    "almaly|jetisu": ("ala-jet-alm", "alm-med-jet", [(14.2, 26.7)], 0.0),
    "almaly|medeu": ("alm-med-jet", "alm-bos-med", [(16.4, 24.2)], 0.0),
    "alatau|almaly": ("ala-jet-alm", "ala-alm-aue", [(12.1, 25.6)], 0.0),
    "alatau|auezov": ("ala-alm-aue", "ala-aue-nau", [(9.8, 24.2), (8.5, 23.6)], 0.0),
    "almaly|auezov": ("ala-alm-aue", "aue-alm-bos", [(12.5, 23.3)], 0.0),
    "almaly|bostandyk": ("aue-alm-bos", "alm-bos-med", [(14.6, 22.1)], 0.0),
    "auezov|bostandyk": ("aue-alm-bos", "aue-bos-nau", [(12.9, 20.6), (12.1, 19.0)], 0.03),
    "auezov|nauryzbay": ("aue-bos-nau", "ala-aue-nau", [(9.8, 19.0), (8.1, 20.0)], 0.03),
    "bostandyk|nauryzbay": ("aue-bos-nau", "bos-nau", [(11.8, 15.3), (11.4, 12.4)], 0.12),
    "alatau|nauryzbay": ("ala-aue-nau", "nau-ala", [(5.6, 21.5)], 0.06),
    "bostandyk|medeu": ("alm-bos-med", "med-bos", [(16.6, 18.9), (18.1, 14.9), (17.8, 10.4), (18.4, 7.1)], 0.14),
    "alatau": (
        "nau-ala", "ala-jet", [(1.9, 24.0), (3.4, 27.1), (2.6, 30.2), (4.4, 33.1), (7.5, 33.1), (9.7, 35.9)], 0.14,
    ),
    "jetisu": ("ala-jet", "jet-tur", [(14.9, 35.5)], 0.08),
    "turksib": (
        "jet-tur", "tur-med",
        [(17.5, 38.3), (20.0, 39.7), (23.0, 39.1), (25.4, 37.9), (24.7, 34.8), (26.1, 33.0)],
        0.14,
    ),
    "medeu": (
        "tur-med", "med-bos",
        [
            (23.7, 27.5), (25.7, 24.3), (26.2, 20.4), (29.2, 18.7), (33.2, 16.9), (31.0, 13.6), (30.6, 9.8),
            (27.3, 7.3), (23.6, 5.4), (20.6, 1.5),
        ],
        0.25,
    ),
    "bostandyk": ("med-bos", "bos-nau", [(15.8, 2.6), (14.2, 5.3), (13.2, 7.7)], 0.22),
    "nauryzbay": ("bos-nau", "nau-ala", [(8.8, 9.1), (6.5, 10.7), (6.3, 13.8), (3.9, 16.1), (4.7, 19.0)], 0.18),
}  # fmt: skip

# code: Kazakh, Russian, English name, course from the mountains down
RIVERS: dict[str, tuple[str, str, str, list[tuple[float, float]]]] = {
    "aksai": ("Ақсай", "Аксай", "Aksai", [(9.6, 6.0), (8.6, 12.0), (8.9, 17.0), (7.4, 21.0), (6.0, 27.0), (5.6, 40.0)]),
    "ulken-almaty": (
        "Үлкен Алматы", "Большая Алматинка", "Ulken Almaty",
        [(16.9, 0.0), (15.6, 6.0), (14.2, 11.0), (13.7, 16.5), (11.6, 21.5), (10.2, 26.0), (10.8, 31.0), (9.8, 40.0)],
    ),
    "esentai": (
        "Есентай", "Есентай", "Esentai",
        [(16.2, 11.5), (15.4, 17.5), (14.7, 22.0), (14.4, 27.0), (15.2, 32.0), (14.8, 41.0)],
    ),
    "kishi-almaty": (
        "Кіші Алматы", "Малая Алматинка", "Kishi Almaty",
        [(25.6, 3.0), (24.6, 8.0), (22.4, 12.0), (20.6, 17.0), (18.4, 22.0), (17.9, 26.0), (19.8, 32.0), (19.2, 42.0)],
    ),
}  # fmt: skip

# Where people live: the plain, and a little way up the valleys.
BUILT_UP = [
    (-1.0, 20.0), (4.0, 18.4), (6.4, 15.6), (8.2, 13.6), (10.4, 14.2), (12.0, 16.2), (13.4, 14.6),
    (14.4, 12.6), (15.8, 15.4), (17.6, 17.0), (20.0, 15.4), (21.6, 13.6), (22.0, 15.2), (20.9, 18.4),
    (22.0, 21.5), (23.4, 25.0), (26.0, 28.5), (30.0, 34.0), (28.0, 42.0), (-1.0, 42.0),
]  # fmt: skip
ZONES_A_DISTRICT = 3


def curve(points: list[tuple[float, float]], wander: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """A line through ``points``: a Catmull-Rom curve that wanders off by about ``wander`` km between them."""
    given = np.array(points)
    if wander == 0:
        return given
    ends = np.vstack([2 * given[0] - given[1], given, 2 * given[-1] - given[-2]])
    drawn = [given[:1]]
    for before, start, stop, after in zip(ends, ends[1:], ends[2:], ends[3:], strict=False):
        steps = max(4, int(np.hypot(*(stop - start)) / 0.35))
        t = np.linspace(0, 1, steps + 1)[1:, None]
        drawn.append(
            0.5
            * (
                2 * start
                + (stop - before) * t
                + (2 * before - 5 * start + 4 * stop - after) * t**2
                + (3 * start - before - 3 * stop + after) * t**3
            )
        )
    line = np.vstack(drawn)
    # noise that is smooth along the line and nothing at its ends, so that three borders still meet in one point
    noise = rng.normal(0, 1, line.shape)
    for _ in range(2):
        noise[1:-1] = (noise[:-2] + noise[1:-1] + noise[2:]) / 3
    fade = np.minimum(1, np.minimum(np.arange(len(line)), np.arange(len(line))[::-1]) / 3)[:, None]
    line += wander * 1.8 * noise * fade
    line[-1] = given[-1]  # rounding has moved it
    return line


def degrees(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Kilometres from the corner as longitude and latitude, to 6 digits (0.1 m)."""
    return np.asarray(np.round(points / KM_A_DEGREE + [WEST, SOUTH], 6))


def districts(rng: np.random.Generator) -> dict[str, shapely.Polygon]:
    """The districts in kilometres. Neighbours are put together from the same arcs, so their border is the same."""
    arcs = {
        name: curve([NODES[start], *between, NODES[end]], wander, rng)
        for name, (start, end, between, wander) in ARCS.items()
    }
    found = {}
    for code in DISTRICTS:
        own = [shapely.LineString(arc) for name, arc in arcs.items() if code in name.split("|")]
        (found[code],) = shapely.get_parts(shapely.polygonize(own))
    return found


def zones(district: shapely.Polygon, built: BaseGeometry, count: int, rng: np.random.Generator) -> list[BaseGeometry]:
    """A district cut into ``count`` parts with about as much built-up land each, from the north to the south."""
    x, y = rules.random_points(shapely.intersection(district, built), 3000, rng)
    points = np.column_stack([x, y])
    middles = points[np.argsort(y)[:: len(y) // count][:count]]
    for _ in range(60):
        nearest = np.argmin(((points[:, None] - middles) ** 2).sum(axis=2), axis=1)
        middles = np.array([points[nearest == i].mean(axis=0) for i in range(count)])
    reach = shapely.buffer(shapely.envelope(district), 5)
    cuts = shapely.voronoi_polygons(shapely.MultiPoint(middles), extend_to=reach, only_edges=True)
    faces = shapely.get_parts(shapely.polygonize(shapely.get_parts(shapely.union_all([district.boundary, cuts]))))
    inner = [shapely.get_coordinates(face.representative_point())[0] for face in faces]
    owners = [int(np.argmin(((middles - point) ** 2).sum(axis=1))) for point in inner]
    whole = [
        shapely.union_all(
            [
                face
                for face, point, owner in zip(faces, inner, owners, strict=True)
                if owner == zone and shapely.contains_xy(district, *point)
            ]
        )
        for zone in range(count)
    ]
    return sorted(whole, key=lambda zone: -zone.centroid.y)


def streets(built: BaseGeometry, rng: np.random.Generator) -> list[BaseGeometry]:
    """Main streets: a close grid in the middle of the city, a wide one around, a ring and the roads out of the city."""
    centre = shapely.box(8.2, 18.4, 18.8, 28.9)
    lines: list[BaseGeometry] = []
    for spacing, inside in ((1.05, centre), (2.5, shapely.difference(built, centre))):
        for offset in np.arange(0.4, 45, spacing):
            shift = rng.normal(0, 0.08)
            tilt = 0.9  # over the whole city: the grid is turned by about a degree
            across = shapely.LineString([(-2, offset + shift), (38, offset + shift + tilt)])
            along = shapely.LineString([(offset + shift + tilt, 0), (offset + shift, 42)])
            for line in (across, along):
                parts = shapely.get_parts(shapely.intersection(line, shapely.intersection(inside, built)))
                lines += [_trimmed(part, rng.uniform(0, 0.9, 2)) for part in parts if part.length > 2 * spacing]
    ring = [
        (5.6, 24.2), (6.8, 28.4), (10.0, 31.0), (14.4, 31.6), (18.6, 30.2), (20.4, 26.2), (19.8, 21.4), (17.4, 18.2),
        (13.6, 17.4), (10.2, 17.6), (7.0, 19.8), (5.6, 24.2),
    ]  # fmt: skip
    roads = [
        [(1.0, 23.6), (5.6, 24.2), (8.6, 24.6)], [(4.0, 33.6), (7.6, 29.4), (10.2, 26.6)],
        [(25.6, 37.4), (21.0, 32.4), (17.6, 28.4)], [(24.6, 28.6), (20.4, 26.2), (17.0, 25.2)],
        [(24.2, 9.0), (21.9, 13.2), (20.0, 17.4), (17.6, 21.0)], [(14.4, 31.6), (13.9, 35.8)],
        [(15.2, 8.2), (14.5, 13.0), (14.0, 17.4)],
    ]  # fmt: skip
    lines += [shapely.LineString(curve(points, 0.02, rng)) for points in (ring, *roads)]
    return lines


def _trimmed(line: BaseGeometry, ends: NDArray[np.float64]) -> BaseGeometry:
    return shapely.ops.substring(line, ends[0], line.length - ends[1])


def draw() -> dict[str, Any]:
    """The whole city as a GeoJSON FeatureCollection; properties: kind, code, names, parent, population."""
    rng = np.random.default_rng(2026)
    parts = districts(rng)
    city = shapely.union_all(list(parts.values()))
    built = shapely.intersection(shapely.Polygon(curve([*BUILT_UP, BUILT_UP[0]], 0.05, rng)), city)
    features = [
        _feature(
            shapely.union_all([_on_earth(part) for part in parts.values()]),
            "city",
            "almaty",
            ("Алматы", "Алматы", "Almaty"),
        )
    ]
    for code, (kk, ru, en, people) in DISTRICTS.items():
        features.append(_feature(_on_earth(parts[code]), "district", code, (kk, ru, en), population=people))
    for code, (kk, ru, en, _people) in DISTRICTS.items():
        for number, zone in enumerate(zones(parts[code], built, ZONES_A_DISTRICT, rng), start=1):
            names = (f"{kk}, {number}-аймақ", f"{ru}, зона {number}", f"{en}, zone {number}")
            features.append(_feature(_on_earth(zone), "zone", f"{code}-{number}", names, parent=code))
    features.append(_feature(_on_earth(built), "built", "built-up", ("", "", "")))
    for code, (kk, ru, en, course) in RIVERS.items():
        river = shapely.intersection(shapely.LineString(curve(course, 0.12, rng)), city)
        features.append(_feature(_on_earth(river), "river", code, (kk, ru, en)))
    for number, street in enumerate(streets(built, rng), start=1):
        kept = _on_earth(shapely.intersection(street, city))
        features.append(_feature(kept, "street", f"street-{number}", ("", "", "")))
    return {"type": "FeatureCollection", "features": features}


def _on_earth(shape: BaseGeometry) -> BaseGeometry:
    return shapely.transform(shape, degrees)


def _feature(shape: BaseGeometry, kind: str, code: str, names: tuple[str, str, str], **more: Any) -> dict[str, Any]:
    named = {f"name_{language}": name for language, name in zip(rules.LANGUAGES, names, strict=True) if name}
    return {
        "type": "Feature",
        "properties": {"kind": kind, "code": code, **named, **more},
        "geometry": to_geojson(shape),
    }


def main() -> None:
    """Write the file beside this package."""
    lines = [json.dumps(feature, ensure_ascii=False, separators=(",", ":")) for feature in draw()["features"]]
    text = '{"type":"FeatureCollection","features":[\n' + ",\n".join(lines) + "\n]}\n"
    Path(__file__).resolve().parent.parent.joinpath(SCHEMATIC_FILE).write_text(text, encoding="utf-8")
