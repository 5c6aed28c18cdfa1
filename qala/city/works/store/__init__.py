from .assets import (
    AssetFilter,
    Bounds,
    assets_by_code,
    changes_of,
    count_assets,
    district_of,
    get_asset,
    list_assets,
    places_by_code,
    shapes_in,
    status,
    visible_to,
)
from .export import FORMS, Form, export_assets
from .kinds import list_kinds, read_kinds, read_kinds_file, shipped_kinds

__all__ = [
    "FORMS",
    "AssetFilter",
    "Bounds",
    "Form",
    "assets_by_code",
    "changes_of",
    "count_assets",
    "district_of",
    "export_assets",
    "get_asset",
    "list_assets",
    "list_kinds",
    "places_by_code",
    "read_kinds",
    "read_kinds_file",
    "shapes_in",
    "shipped_kinds",
    "status",
    "visible_to",
]
