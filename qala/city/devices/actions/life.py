"""A device's life after it was registered: moved, exchanged, retired. Each is a dated row that says who and why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import structlog
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from qala import drivers
from qala.kernel import audit, outbox
from qala.kernel.access import Who
from qala.kernel.clock import utc
from qala.kernel.errors import BadInput, Conflict
from qala.kernel.geometry import cell_of

from ..models import Device, DeviceChange, DeviceRefusal, DeviceStay, Series
from ..rules import DeviceRow, is_serial
from ..store import devices_by_serial, get_device, series_of
from .aged import Aged
from .borders import follow_devices
from .credentials import end_of
from .keep import keep_readings, reading_table
from .load_devices import tell_changed
from .news import EPOCH, mark_seen, tell_kept
from .registry import NewDevice, device_row, insert_devices, put_words, require_for, tell_registered
from .spots import Spot, find_spots

log = structlog.get_logger(__name__)

Registers = Mapping[str, Decimal]  # property → register in the unit of its series


def move_device(
    *, serial: str, who: Who, now: datetime, at: datetime, place: str = "", lon: float | None = None,
    lat: float | None = None, why: str = "",
) -> DeviceChange:  # fmt: skip
    """A device stands elsewhere from an instant on; what it measured before stays with where it stood before.

    Args:
        at: not after ``now``, and after its installation and its last move.
        place: code of the place; or
        lon, lat: degrees, which find the district.

    Raises:
        NotAllowed: the asker may not change this device.
        NotFound: there is none, or none that the asker may know of.
        BadInput: the place or the time can't be right.
        Conflict: the device was retired.
    """
    spot = _spot(serial, place, lon, lat, who=who, at=_past(at, now))
    with transaction.atomic():
        device = _device_in_use(serial, who)
        since = _last_move(device)
        _after(at, device, since)
        if (device.place_id, device.district_id, device.lon, device.lat) == (
            spot.place_id, spot.district_id, spot.lon, spot.lat,
        ):  # fmt: skip
            raise Conflict(_("{serial} stands there already.").format(serial=serial))
        before = _where(device)
        _end_stay(device, at)
        _put(device, spot)
        device.save(update_fields=["place", "district", "lon", "lat", "h3_cell"])
        after = _where(device)
        made = _note(device, DeviceChange.MOVED, at, who, now, before, after, why)
        if before["district"] != after["district"]:
            tell_changed([(device, ["district_id"])], since=at, now=now)
        follow_devices([device.pk], now=now)  # where a border moved there since
    return made


def retire_device(
    *, serial: str, who: Who, now: datetime, at: datetime, final: Registers | None = None, why: str = ""
) -> DeviceChange:
    """A device measures no more from an instant on. It keeps its readings; they can still come late.

    Args:
        at: not after ``now``, and after its installation and its last move.
        final: its registers at that instant, kept as readings.

    Raises:
        NotAllowed, NotFound, BadInput, Conflict: as ``move_device``.
    """
    _past(at, now)
    with transaction.atomic():
        device = _device_in_use(serial, who)
        _after(at, device, _last_move(device))
        registers = _registers(device, final or {})
        made = _retire(device, DeviceChange.RETIRED, at, who, now, why, registers)
        _tell_registers(made, registers, now)
    return made


def swap_device(
    *, serial: str, new_serial: str, who: Who, now: datetime, at: datetime, final: Registers, first: Registers,
    model: str = "", digits: int | None = None, multiplier: Decimal | None = None, why: str = "",
) -> Device:  # fmt: skip
    """A device is taken down and another hung in its place, at one instant: same owner, place and meter point.

    The new serial is registered, or taken from stock where it is registered and was never in use. The final registers
    of the old one and the first of the new one become readings of that instant, so that nothing is lost between them.

    Args:
        at: not after ``now``, and after the old one's installation and last move.
        final, first: registers that both showed, for each property that is a register.
        model: of the new one; that of the old one by default.
        multiplier: of the new one; that of the old one by default.

    Returns:
        the new device.

    Raises:
        NotAllowed, NotFound, BadInput, Conflict: as ``move_device``; Conflict also where the new serial can't be had.
    """
    _past(at, now)
    if not is_serial(new_serial):
        raise BadInput(str(DeviceRefusal.BAD_SERIAL.label), fix=_("Look at the plate of the new device."))
    try:
        with transaction.atomic():
            old = _device_in_use(serial, who)
            _after(at, old, _last_move(old))
            drivers.driver(model or old.model)
            new = _take(new_serial, old, model or old.model, digits, multiplier, at, who, now)
            last, start = _registers(old, final, all_of_them=True), _registers(new, first, all_of_them=True)
            if {one.property for one, _value in last} != {one.property for one, _value in start}:
                raise BadInput(
                    _("{model} does not measure what {serial} does.").format(model=new.model, serial=serial),
                    fix=_("Choose a model that measures the same."),
                )
            gone = _retire(old, DeviceChange.SWAPPED_OUT, at, who, now, why, last, {"other": new.serial})
            came = _note(new, DeviceChange.SWAPPED_IN, at, who, now, {}, {**_shown(start), "other": old.serial}, why)
            _tell_registers(gone, last, now)
            _tell_registers(came, start, now)
    except IntegrityError:
        raise Conflict(str(DeviceRefusal.UNAVAILABLE.label)) from None
    return new


def keep_registers(*, source: str, at: str, registers: list[tuple[int, int]], now: datetime) -> None:
    """Keep the registers that somebody read off devices, as readings; harmless to repeat.

    Args:
        at: when, RFC 3339.
        registers: (series, value in its last digit).
    """
    instant = utc(datetime.fromisoformat(at))
    micros = (instant - EPOCH).days * 86_400_000_000 + (instant - EPOCH).seconds * 1_000_000 + instant.microsecond
    series = np.array([one for one, _value in registers], dtype=np.int32)
    times = np.full(len(series), micros, dtype=np.int64)
    table = reading_table(
        line=np.arange(len(series)), series=series, t=times,
        value=np.array([value for _one, value in registers], dtype=np.int64), quality=np.zeros(len(series), dtype=np.int8),
    )  # fmt: skip
    if Aged().is_aged("register", instant):  # retention passed it since it was read
        log.warning("registers.not_kept", source=source, at=at)
        return
    kept = keep_readings(table, source=source, now=now)
    with transaction.atomic():
        mark_seen(series, times)
        tell_kept(
            source=source, first=instant, last=instant, now=now, read=len(series), new=kept.new,
            new_versions=kept.new_versions, already_there=kept.already_there, refused=0,
        )  # fmt: skip


def _device_in_use(serial: str, who: Who) -> Device:
    """The device of a serial, held until the transaction ends, where the asker may change it."""
    device = get_device(serial, who=who)
    require_for(who, "devices.fit", device.owner_id)
    device = Device.objects.select_for_update().get(pk=device.pk)
    if device.state == Device.RETIRED:
        raise Conflict(_("{serial} was retired.").format(serial=serial), fix=_("Its readings stay as they are."))
    return device


def _past(at: datetime, now: datetime) -> datetime:
    try:
        instant = utc(at)
    except ValueError as error:
        raise BadInput(_("The time is wrong: {error}.").format(error=error), fix="2026-05-12T10:00:00+05:00") from None
    if instant > now:
        raise BadInput(_("The time lies in the future."), fix=_("Enter it when it has happened."))
    return instant


def _last_move(device: Device) -> datetime | None:
    moves = DeviceChange.objects.filter(device=device, kind=DeviceChange.MOVED)
    found: datetime | None = moves.aggregate(last=Max("at"))["last"]
    return found


def _end_stay(device: Device, at: datetime) -> None:
    """The stay that a device was in at an instant ends there; what borders made of it later is taken away."""
    stays = list(DeviceStay.objects.filter(device=device).order_by("valid_to"))
    late = [one for one in stays if one.valid_to > at]
    since = max((one.valid_to for one in stays if one.valid_to <= at), default=None)
    DeviceStay.objects.filter(pk__in=[one.pk for one in late]).delete()
    place, district = (late[0].place_id, late[0].district_id) if late else (device.place_id, device.district_id)
    if since is None or since < at:
        DeviceStay.objects.create(
            device=device, place_id=place, district_id=district, lon=device.lon, lat=device.lat, valid_from=since,
            valid_to=at,
        )  # fmt: skip


def _after(at: datetime, device: Device, since: datetime | None) -> None:
    for known, told in (
        (device.installed_at, _("{serial} was installed at {instant}, which is later.")),
        (since, _("{serial} was moved there at {instant}, which is later.")),
    ):
        if known is not None and at <= known:
            raise BadInput(
                told.format(serial=device.serial, instant=known.isoformat(timespec="minutes")),
                fix=_("Give a later time."),
            )


def _spot(serial: str, place: str, lon: float | None, lat: float | None, *, who: Who, at: datetime) -> Spot:
    if not place and lon is None and lat is None:
        raise BadInput(
            _("Nothing says where {serial} stands now.").format(serial=serial), fix=_("Name a place or coordinates.")
        )
    on_earth = lon is not None and lat is not None and abs(lon) <= 180 and abs(lat) <= 90
    if (lon is not None or lat is not None) and not on_earth:
        raise BadInput(str(DeviceRefusal.BAD_COORDINATES.label))
    spots, refused = find_spots([DeviceRow(1, "", serial, "", place=place, lon=lon, lat=lat)], who=who, at=at)
    if refused:
        raise BadInput(str(DeviceRefusal(refused[0].reason).label))
    return spots[1]


def _put(device: Device, spot: Spot) -> None:
    device.place_id, device.district_id, device.lon, device.lat = spot.place_id, spot.district_id, spot.lon, spot.lat
    device.h3_cell = "" if spot.lon is None or spot.lat is None else cell_of(spot.lon, spot.lat)


def _where(device: Device) -> dict[str, Any]:
    """Where a device stands, as JSON values."""
    return {
        "place": _id(device.place_id), "district": _id(device.district_id), "lon": device.lon, "lat": device.lat,
    }  # fmt: skip


def _id(key: UUID | None) -> str | None:
    return None if key is None else str(key)


def _registers(device: Device, given: Registers, *, all_of_them: bool = False) -> list[tuple[Series, int]]:
    """Registers in their last digit."""
    series = {one.property: one for one in series_of(device) if one.kind == "register"}
    unknown = sorted(set(given) - set(series))
    if unknown:
        raise BadInput(_("{serial} has no register {name}.").format(serial=device.serial, name=", ".join(unknown)))
    missing = sorted(set(series) - set(given))
    if all_of_them and missing:
        raise BadInput(
            _("The register of {serial} is missing: {name}.").format(serial=device.serial, name=", ".join(missing))
        )
    found = []
    for name, register in sorted(given.items()):
        value = register.scaleb(-series[name].exponent) if register.is_finite() else Decimal(-1)
        most = 10 ** min(device.digits or 18, 18)
        if value < 0 or value != value.to_integral_value() or value >= most:
            raise BadInput(
                _("{register} is no register of {serial}.").format(register=register, serial=device.serial),
                fix=_("It counts in steps of {step} {unit}.").format(
                    step=Decimal(1).scaleb(series[name].exponent), unit=series[name].unit
                ),
            )
        found.append((series[name], int(value)))
    return found


def _shown(registers: list[tuple[Series, int]]) -> dict[str, Any]:
    """Registers as JSON values: exact text with unit, by property."""
    if not registers:
        return {}
    return {
        "registers": {
            one.property: {"value": f"{Decimal(value).scaleb(one.exponent):f}", "unit": one.unit}
            for one, value in registers
        }
    }


def _retire(
    device: Device, kind: str, at: datetime, who: Who, now: datetime, why: str, registers: list[tuple[Series, int]],
    more: dict[str, Any] | None = None,
) -> DeviceChange:  # fmt: skip
    before = {"state": device.state}
    device.state, device.removed_at = Device.RETIRED, at
    device.save(update_fields=["state", "removed_at"])
    end_of([(device.pk, device.serial)], now=now)
    return _note(device, kind, at, who, now, before, {"state": device.state, **_shown(registers), **(more or {})}, why)


def _take(
    serial: str,
    old: Device,
    model: str,
    digits: int | None,
    multiplier: Decimal | None,
    at: datetime,
    who: Who,
    now: datetime,
) -> Device:
    """The device that comes: registered now, or from stock."""
    there = devices_by_serial([serial]).get(serial)
    if there is None:
        new = device_row(
            NewDevice(
                serial=serial, model=model, owner_id=old.owner_id, place_id=old.place_id, district_id=old.district_id,
                lon=old.lon, lat=old.lat, digits=digits, multiplier=multiplier or old.multiplier, installed_at=at,
                meter_point=old.meter_point, address=old.address,
                expected_minutes=old.expected_minutes if model == old.model else None,
            )
        )  # fmt: skip
        insert_devices([new])
        tell_registered([new], now=now)
        return new
    is_in_stock = (
        there.state == Device.REGISTERED
        and there.last_seen_at is None
        and (there.place_id is None and there.district_id is None and there.lon is None)
    )
    mine = there.owner_id == old.owner_id and who.may("devices.fit", there.owner_id)
    if not mine or not is_in_stock or there.pk == old.pk or there.model != model:
        raise Conflict(str(DeviceRefusal.UNAVAILABLE.label), fix=_("Look at the plate of the new device."))
    _put(there, Spot(old.place_id, old.district_id, old.lon, old.lat))
    there.digits = digits or there.digits
    there.multiplier = multiplier or there.multiplier
    there.installed_at, there.meter_point, there.address = at, old.meter_point, old.address
    there.save()
    put_words([there])
    return there


def _note(
    device: Device,
    kind: str,
    at: datetime,
    who: Who,
    now: datetime,
    before: dict[str, Any],
    after: dict[str, Any],
    why: str,
) -> DeviceChange:
    made = DeviceChange.objects.create(
        device=device, kind=kind, at=at, before=before, after=after, who_id=who.id, who_name=who.name[:200],
        recorded_at=now, why=why[:500],
    )  # fmt: skip
    audit.record(
        who=who, now=now, verb=f"devices.{kind}", thing="device", key=device.pk, before=before,
        after={**after, "at": at.isoformat()}, why=why,
    )  # fmt: skip
    return made


def _tell_registers(change: DeviceChange, registers: list[tuple[Series, int]], now: datetime) -> None:
    if registers:
        if Aged().is_aged("register", change.at):
            raise BadInput(
                _("Readings of that time are not kept any more."),
                fix=_("Enter the change without registers, or later."),
            )
        outbox.tell(
            "devices.registers_read",
            {
                "source": f"change:{change.pk}", "at": change.at.isoformat(),
                "registers": [[one.pk, value] for one, value in registers],
            },
            now=now,
        )  # fmt: skip
