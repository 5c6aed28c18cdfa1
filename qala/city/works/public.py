"""What other matters and the site may use of works."""

from __future__ import annotations

from .actions import assign_order, move_order, open_order, put_assets
from .models import Asset, AssetState, Condition, Crew, Kind, OrderState, WorkOrder
from .store import (
    find_order_of,
    get_asset,
    get_order,
    list_kinds,
    visible_orders,
    visible_to,
)

__all__ = [
    "Asset",
    "AssetState",
    "Condition",
    "Crew",
    "Kind",
    "OrderState",
    "WorkOrder",
    "assign_order",
    "find_order_of",
    "get_asset",
    "get_order",
    "list_kinds",
    "move_order",
    "open_order",
    "put_assets",
    "visible_orders",
    "visible_to",
]
