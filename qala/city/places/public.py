"""What other matters may use of places."""

from __future__ import annotations

from .actions import load_places, read_features
from .models import Place
from .rules import Collection, Feature, Kind, LoadSummary, random_points
from .store import (
    Borders,
    borders,
    children,
    city,
    find_city,
    geojson_of,
    get_place,
    list_places,
    locate_points,
    random_points_in,
)

__all__ = [
    "Borders",
    "Collection",
    "Feature",
    "Kind",
    "LoadSummary",
    "Place",
    "borders",
    "children",
    "city",
    "find_city",
    "geojson_of",
    "get_place",
    "list_places",
    "load_places",
    "locate_points",
    "random_points",
    "random_points_in",
    "read_features",
]
