"""What happened to devices, and where they stood when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from qala.kernel.access import Who

from ..models import Device, DeviceChange, DeviceStay
from .registry import visible_to


def list_changes(device: Device) -> list[DeviceChange]:
    """What happened to a device, latest first."""
    return list(DeviceChange.objects.filter(device=device).order_by("-at", "-recorded_at"))


def list_stays(device: Device) -> list[DeviceStay]:
    """Where a device stood before, latest first, with places and districts."""
    return list(DeviceStay.objects.filter(device=device).select_related("place", "district").order_by("-valid_to"))


def past_districts() -> list[tuple[UUID, UUID | None, datetime | None, datetime]]:
    """(device, district, from, until) of all devices that were moved, for each stay before the present one."""
    found = DeviceStay.objects.order_by("device", "valid_to")
    return list(found.values_list("device", "district", "valid_from", "valid_to"))


def count_moved(shapes: Sequence[tuple[BaseGeometry, BaseGeometry]], *, who: Who) -> int:
    """How many of the devices that the asker may see lie in one of two outlines but not in both, for each pair; a device counts once.

    Args:
        shapes: pairs of areas, before and after.
    """
    moved = shapely.union_all([shapely.symmetric_difference(before, after) for before, after in shapes])
    if moved.is_empty:
        return 0
    west, south, east, north = moved.bounds
    near = visible_to(who).filter(lon__range=(west, east), lat__range=(south, north)).exclude(state=Device.RETIRED)
    points = np.array(list(near.values_list("lon", "lat")), dtype=np.float64).reshape(-1, 2)
    shapely.prepare(moved)
    return int(np.count_nonzero(shapely.contains_xy(moved, points[:, 0], points[:, 1])))
