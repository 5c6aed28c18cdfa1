"""Registering devices and their series."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from qala import drivers
from qala.kernel import audit, outbox, search
from qala.kernel.access import Who
from qala.kernel.errors import BadInput, Conflict, NotAllowed
from qala.kernel.geometry import cell_of

from ..models import Device, Series
from ..rules import SERIAL, is_serial


@dataclass(frozen=True, slots=True)
class NewDevice:
    """A device to register; coordinates in degrees (WGS 84)."""

    serial: str
    model: str
    owner_id: UUID | None = None
    place_id: UUID | None = None
    district_id: UUID | None = None
    lon: float | None = None
    lat: float | None = None
    digits: int | None = None
    multiplier: Decimal = Decimal(1)
    installed_at: datetime | None = None
    is_demo: bool = False


def register_devices(devices: Sequence[NewDevice], *, who: Who, now: datetime, why: str = "") -> list[Device]:
    """Register devices with the series that their models have; all of them or none.

    Raises:
        NotAllowed: not for the owners' devices.
        BadInput: serials that no device may have, or twice in the list; every bad one is named.
        Conflict: serials that are registered already.
        NotFound: a model that there is no driver for.
    """
    for owner in {one.owner_id for one in devices}:
        require_for(who, "devices.manage", owner)
    bad = [f"{one.serial!r} is no serial ({SERIAL})" for one in devices if not is_serial(one.serial)]
    often = Counter(one.serial for one in devices)
    bad += [f"{serial} stands {times} times in the list" for serial, times in often.items() if times > 1]
    if bad:
        raise BadInput("Devices can't be registered.", rows=bad)
    rows = [
        Device(
            serial=one.serial, model=one.model, owner_id=one.owner_id, place_id=one.place_id,
            district_id=one.district_id, lon=one.lon, lat=one.lat,
            h3_cell="" if one.lon is None or one.lat is None else cell_of(one.lon, one.lat),
            digits=one.digits or drivers.driver(one.model).digits, multiplier=one.multiplier,
            installed_at=one.installed_at, is_demo=one.is_demo,
        )
        for one in devices
    ]  # fmt: skip
    with transaction.atomic():
        taken = [
            serial
            for chunk in _chunks([row.serial for row in rows], 5000)
            for serial in Device.objects.filter(serial__in=chunk).values_list("serial", flat=True)
        ]
        if taken:
            raise Conflict(f"{len(taken)} serials are registered already.", rows=taken[:100])
        Device.objects.bulk_create(rows, batch_size=2000)
        Series.objects.bulk_create(
            (
                Series(device=row, property=one.name, kind=one.kind, unit=one.unit, exponent=one.exponent)
                for row in rows
                for one in drivers.driver(row.model).property
            ),
            batch_size=2000,
        )
        search.put("device", ((str(row.pk), f"{row.serial} {row.model}") for row in rows))
        audit.record(
            who=who, now=now, verb="devices.register_devices", thing="device",
            key=rows[0].pk if len(rows) == 1 else f"{len(rows)} devices", why=why,
            after={"count": len(rows), "serials": [row.serial for row in rows[:100]]},
        )  # fmt: skip
        outbox.tell("devices.registered", {"count": len(rows), "devices": [str(row.pk) for row in rows[:100]]}, now=now)
    return rows


def require_for(who: Who, permission: str, owner: UUID | None) -> None:
    """Require a permission for an owner's devices; those without owner want it for the whole city."""
    scope = who.require(permission, owner)
    if owner is None and not scope.everything:
        raise NotAllowed(f"{who.name} may not do this for devices that have no owner.", fix="Name the owner.")


def _chunks(values: list[str], size: int) -> Iterable[list[str]]:
    return (values[start : start + size] for start in range(0, len(values), size))
