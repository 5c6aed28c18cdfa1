"""A small map around one thing, drawn on the server: it comes with the page, also on a slow line and without scripts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import shapely

from qala.kernel.access import Who
from qala.kernel.plug import declared, load

WIDTH, HEIGHT = 640, 320
LEAST_KM = 1.2  # from west to east
KM_A_DEGREE = 111.32


@dataclass(frozen=True, slots=True)
class Drawn:
    """A line or a dot of the map, its numbers as texts that no language groups; ``kind`` is a class of the style sheet."""

    kind: str
    path: str = ""
    x: str = ""
    y: str = ""


@dataclass(frozen=True, slots=True)
class MiniMap:
    """What is drawn, and how wide it is on the ground."""

    drawn: list[Drawn]
    label: str
    km: float
    size: str = f"{WIDTH} {HEIGHT}"


def minimap(shape: Any, *, who: Who, label: str, near: Sequence[Any] = ()) -> MiniMap:
    """The surroundings of a point or a line: the ground that other matters draw, things near it, and itself.

    Args:
        shape: of the thing, in degrees; ``near``: those of its neighbours.
        label: what the map says to who does not see it.
    """
    box = bounds_around(shape)
    west, south, east, north = box
    across, up = WIDTH / (east - west), HEIGHT / (north - south)

    def drawn(one: Any, kind: str) -> list[Drawn]:
        found = []
        for part in shapely.get_parts(shapely.clip_by_rect(one, west, south, east, north)):
            points = [
                (round((x - west) * across, 1), round((north - y) * up, 1)) for x, y in shapely.get_coordinates(part)
            ]
            if not points:
                continue
            if part.geom_type == "Point":
                found.append(Drawn(kind, x=f"{points[0][0]:g}", y=f"{points[0][1]:g}"))
            else:
                found.append(Drawn(kind, path="M" + "L".join(f"{x:g} {y:g}" for x, y in points)))
        return found

    found: list[Drawn] = []
    for layer in sorted((one for one in declared("layers") if one.ground), key=lambda one: one.order):
        if who.may(layer.permission):
            for feature in load(layer.source)(who, box)["features"]:
                if feature.get("geometry"):
                    ground = shapely.geometry.shape(feature["geometry"])
                    is_area = ground.geom_type.endswith("Polygon")
                    kind = "border" if is_area else feature["properties"].get("kind", "street")
                    found += drawn(shapely.boundary(ground) if is_area else ground, kind)
    for one in near:
        found += drawn(one, "near")
    return MiniMap([*found, *drawn(shape, "thing")], label, (east - west) * _km(north))


def bounds_around(shape: Any) -> tuple[float, float, float, float]:
    """West, south, east, north of what a map of a point or a line shows, in the proportions of the drawing."""
    west, south, east, north = shape.bounds
    middle_x, middle_y = (west + east) / 2, (south + north) / 2
    km = max(LEAST_KM, 1.5 * (east - west) * _km(middle_y), 1.5 * (north - south) * KM_A_DEGREE * WIDTH / HEIGHT)
    half_x, half_y = km / _km(middle_y) / 2, km * HEIGHT / WIDTH / KM_A_DEGREE / 2
    return middle_x - half_x, middle_y - half_y, middle_x + half_x, middle_y + half_y


def _km(lat: float) -> float:
    """Kilometres in a degree of longitude."""
    return KM_A_DEGREE * max(math.cos(math.radians(lat)), 0.01)
