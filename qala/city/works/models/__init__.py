from .assets import Asset, AssetChange, AssetRefusal, AssetState, Condition, Kind
from .orders import (
    Crew,
    CrewMember,
    Moment,
    OrderItem,
    OrderNote,
    OrderNumber,
    OrderPhoto,
    OrderState,
    OrderStep,
    Priority,
    WorkOrder,
)

__all__ = [
    "Asset",
    "AssetChange",
    "AssetRefusal",
    "AssetState",
    "Condition",
    "Crew",
    "CrewMember",
    "Kind",
    "Moment",
    "OrderItem",
    "OrderNote",
    "OrderNumber",
    "OrderPhoto",
    "OrderState",
    "OrderStep",
    "Priority",
    "WorkOrder",
]
