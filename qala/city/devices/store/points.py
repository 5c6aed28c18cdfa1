"""Meter points: codes among the meters of an owner, with the devices that stood there when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Max, Q
from django.utils.translation import gettext as _

from qala.city.people.public import Organisation
from qala.kernel.access import Who
from qala.kernel.errors import NotFound

from ..models import Device, DevicePoint
from ..rules import common
from .registry import visible_to

NOBODYS = "-"  # in addresses, for the meter points of devices without owner


@dataclass(frozen=True, slots=True)
class MeterPoint:
    """A place of the network at which consumption is measured; ``address`` is that of one of its devices."""

    owner: Organisation | None
    code: str
    address: str = ""

    @property
    def owner_code(self) -> str:
        return self.owner.code if self.owner is not None else NOBODYS


@dataclass(frozen=True, slots=True)
class DeviceThere:
    """A device and the period that it stood at a meter point; ``None`` sides are open."""

    device: Device
    start: datetime | None
    end: datetime | None


def get_point(owner: str, code: str, *, who: Who) -> MeterPoint:
    """One meter point.

    Args:
        owner: code of the organisation whose meters they are; ``-``: of nobody's.

    Raises:
        NotFound: no device stood there ever, or none that the asker may know of.
    """
    who.require("devices.view")
    of_owner = Q(owner__isnull=True) if owner == NOBODYS else Q(owner__code=owner)
    there = Q(meter_point=code) | Q(pk__in=DevicePoint.objects.filter(meter_point=code).values("device_id"))
    device = visible_to(who).filter(of_owner, there).select_related("owner").order_by("serial").first()
    if device is None or not code:
        raise NotFound(
            _("There is no meter point {code}.").format(code=code[:64]),
            fix=_("Look it up in the list of meter points."),
        )
    return MeterPoint(device.owner, code, device.address if device.meter_point == code else "")


def known_points(owner: UUID, codes: Sequence[str]) -> set[str]:
    """Those of the codes that devices of an owner stand or stood at; for actions, which ask who may."""
    now = Device.objects.filter(owner=owner, meter_point__in=codes).values_list("meter_point", flat=True)
    once = DevicePoint.objects.filter(device__owner=owner, meter_point__in=codes).values_list("meter_point", flat=True)
    return set(now) | set(once)


def devices_at(points: Sequence[tuple[UUID | None, str]]) -> dict[tuple[UUID | None, str], list[DeviceThere]]:
    """The devices of each meter point (owner, code) over time, the latest first; three queries however many there are."""
    found: dict[tuple[UUID | None, str], list[DeviceThere]] = {one: [] for one in points}
    codes = {code for _owner, code in points}
    present = list(Device.objects.filter(meter_point__in=codes))
    since = dict(
        DevicePoint.objects.filter(device__in=[one.pk for one in present])
        .values_list("device_id")
        .annotate(last=Max("valid_to"))
        .order_by()
    )
    stays: list[tuple[Device, datetime | None, datetime | None, str]]
    stays = [(one, since.get(one.pk), None, one.meter_point) for one in present]
    past = DevicePoint.objects.filter(meter_point__in=codes).select_related("device")
    stays += [(one.device, one.valid_from, one.valid_to, one.meter_point) for one in past]
    for device, start, end, code in stays:
        shared = common((start, end), (device.installed_at, device.removed_at))
        if shared is not None and (device.owner_id, code) in found:
            found[device.owner_id, code].append(DeviceThere(device, *shared))
    for rows in found.values():
        rows.sort(
            key=lambda one: (one.start.timestamp() if one.start else float("-inf"), one.device.serial), reverse=True
        )
    return found
