"""Public facts of Almaty's districts, for tests: area of the OpenStreetMap outlines, a point inside, neighbours."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fact:
    wikidata: str
    area_km2: float
    point: tuple[float, float]  # longitude, latitude
    neighbours: frozenset[str]

    @property
    def arrays(self) -> tuple[list[float], list[float]]:
        return [self.point[0]], [self.point[1]]


def _fact(wikidata: str, area_km2: float, lon: float, lat: float, neighbours: str) -> Fact:
    return Fact(wikidata, area_km2, (lon, lat), frozenset(neighbours.split()))


DISTRICTS = {
    "alatau": _fact("q16533408", 106, 76.829, 43.293, "jetisu almaly auezov nauryzbay"),
    "almaly": _fact("q16533574", 18, 76.906, 43.252, "jetisu alatau medeu auezov bostandyk"),
    "auezov": _fact("q16534658", 24, 76.851, 43.225, "alatau almaly bostandyk nauryzbay"),
    "bostandyk": _fact("q16627789", 98, 76.927, 43.138, "medeu almaly auezov nauryzbay"),
    "jetisu": _fact("q16651870", 39, 76.918, 43.320, "turksib alatau medeu almaly"),
    "medeu": _fact("q4287636", 273, 77.029, 43.176, "turksib jetisu almaly bostandyk"),
    "nauryzbay": _fact("q18405618", 70, 76.831, 43.180, "alatau auezov bostandyk"),
    "turksib": _fact("q4466184", 75, 76.985, 43.348, "jetisu medeu"),
}
