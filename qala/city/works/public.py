"""What other matters and the site may use of works."""

from __future__ import annotations

from .actions import put_assets
from .models import Asset, AssetState, Condition, Kind
from .store import AssetFilter, get_asset, list_assets, list_kinds, visible_to

__all__ = [
    "Asset",
    "AssetFilter",
    "AssetState",
    "Condition",
    "Kind",
    "get_asset",
    "list_assets",
    "list_kinds",
    "put_assets",
    "visible_to",
]
