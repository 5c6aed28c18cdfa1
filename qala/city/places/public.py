"""What other matters may use of places."""

from __future__ import annotations

from .actions import (
    BorderPlan,
    load_places,
    move_border,
    plan_border,
    read_features,
    take_back_border,
)
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
    shown_base_map,
    visible_to,
)

__all__ = [
    "BorderPlan",
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
    "move_border",
    "plan_border",
    "random_points",
    "random_points_in",
    "read_features",
    "shown_base_map",
    "take_back_border",
    "visible_to",
]
