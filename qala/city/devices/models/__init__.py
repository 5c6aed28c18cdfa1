from .devices import (
    READINGS,
    REFUSALS,
    Device,
    DeviceChange,
    DeviceLoad,
    DeviceRefusal,
    DeviceStay,
    Load,
    RefusalReason,
    Series,
)
from .occupancy import ClaimAttempt, ClaimCode, DevicePoint, Occupancy, OccupancyRefusal

__all__ = [
    "READINGS",
    "REFUSALS",
    "ClaimAttempt",
    "ClaimCode",
    "Device",
    "DeviceChange",
    "DeviceLoad",
    "DevicePoint",
    "DeviceRefusal",
    "DeviceStay",
    "Load",
    "Occupancy",
    "OccupancyRefusal",
    "RefusalReason",
    "Series",
]
