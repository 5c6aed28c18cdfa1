"""Who a device proves to be."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q, QuerySet

from qala.kernel.secret import secret_hash

from ..models import Device, DeviceCredential
from ..rules import is_serial


def credentials_good_at(instant: datetime) -> QuerySet[DeviceCredential]:
    """The credentials that a door takes at an instant."""
    return DeviceCredential.objects.filter(Q(ends_at__isnull=True) | Q(ends_at__gt=instant), made_at__lte=instant)


def list_credentials(device: Device) -> list[DeviceCredential]:
    """The credentials that a device had, latest first; twenty at most."""
    return list(DeviceCredential.objects.filter(device=device).order_by("-made_at")[:20])


def find_by_credential(serial: str, secret: str, *, now: datetime) -> Device | None:
    """The device that proves with a secret to be this one, ``None`` where it does not: unknown, retired, another's
    secret and one that ended are told apart by nobody."""
    if not is_serial(serial):
        return None
    good = credentials_good_at(now).filter(sha256=secret_hash(secret), device__serial=serial)
    found = good.exclude(device__state=Device.RETIRED).select_related("device").first()
    return found.device if found is not None else None
