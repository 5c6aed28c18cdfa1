"""Reads of places."""

from __future__ import annotations

from .basemap import NOTE, BaseMap, find_base_map, find_tile, note_of, shown_base_map, status, unpacked
from .basemap import folder as base_map_folder
from .borders import (
    Borders,
    Bounds,
    area_at,
    around,
    borders,
    district_at,
    geojson_of,
    locate_points,
    outline_at,
    place_geojson,
)
from .exporting import CSV_COLUMNS, export_addresses, export_geojson
from .lists import PLACES
from .places import (
    SEARCH,
    children,
    city,
    count_below,
    count_by_kind,
    find_city,
    find_shape,
    get_place,
    history,
    list_places,
    shapes_of,
    unfound,
    valid_at,
    visible_to,
    words_of,
)
from .schematic import SCHEMATIC_FILE, random_points_in, reference_point, schematic, schematic_lines

__all__ = [
    "CSV_COLUMNS",
    "NOTE",
    "PLACES",
    "SCHEMATIC_FILE",
    "SEARCH",
    "BaseMap",
    "Borders",
    "Bounds",
    "area_at",
    "around",
    "base_map_folder",
    "borders",
    "children",
    "city",
    "count_below",
    "count_by_kind",
    "district_at",
    "export_addresses",
    "export_geojson",
    "find_base_map",
    "find_city",
    "find_shape",
    "find_tile",
    "geojson_of",
    "get_place",
    "history",
    "list_places",
    "locate_points",
    "note_of",
    "outline_at",
    "place_geojson",
    "random_points_in",
    "reference_point",
    "schematic",
    "schematic_lines",
    "shapes_of",
    "shown_base_map",
    "status",
    "unfound",
    "unpacked",
    "valid_at",
    "visible_to",
    "words_of",
]
