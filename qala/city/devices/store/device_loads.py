"""What loading a file of devices reads, and what it left behind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet

from qala.city.places.public import Place
from qala.city.places.public import visible_to as places_visible_to
from qala.kernel.access import Who
from qala.kernel.errors import NotFound

from ..models import Device, DeviceLoad
from .registry import among

CODES_AT_ONCE = 5000


def devices_by_serial(serials: Sequence[str]) -> dict[str, Device]:
    """The devices of these serials, whoever owns them: for actions, which ask what the asker may do with each."""
    return {device.serial: device for device in Device.objects.filter(serial__in=among(serials)).iterator(5000)}


def places_by_code(codes: Iterable[str], *, who: Who) -> dict[str, Place]:
    """The places of these codes that the asker may see, with the three above each."""
    wanted = sorted(set(codes))
    found: dict[str, Place] = {}
    for start in range(0, len(wanted), CODES_AT_ONCE):
        some = places_visible_to(who).filter(code__in=wanted[start : start + CODES_AT_ONCE])
        found.update({place.code: place for place in some.select_related("parent__parent__parent")})
    return found


def district_of(place: Place) -> UUID | None:
    """The district that a place is or lies in."""
    above: Place | None = place
    while above is not None:
        if above.kind == "district":
            return above.pk
        above = above.parent
    return None


def visible_device_loads(who: Who) -> QuerySet[DeviceLoad]:
    """All loads of devices for who manages devices of the whole city, else those of the asker's own."""
    scope = who.require("devices.manage")
    return DeviceLoad.objects.all() if scope.everything else DeviceLoad.objects.filter(who_id=who.id)


def get_device_load(key: UUID, *, who: Who) -> DeviceLoad:
    """One load of devices.

    Raises:
        NotFound: there is none, or none that the asker may know of.
    """
    found = visible_device_loads(who).filter(pk=key).first()
    if found is None:
        raise NotFound("There is no such load.", fix="Look it up in the list of loads.")
    return found


def refused_devices_path(key: UUID) -> Path:
    """Where the refused rows of a load of devices lie: CSV with line, serial, reason, content."""
    return Path(settings.QALA.loads_dir) / str(key) / "refused-devices.csv"
