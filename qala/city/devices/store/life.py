"""What happened to devices, and where they stood when."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from ..models import Device, DeviceChange, DeviceStay


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
