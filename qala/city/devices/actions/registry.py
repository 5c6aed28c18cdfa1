"""Registering devices and their series."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connections, models, transaction

from qala import drivers
from qala.kernel import audit, outbox, search
from qala.kernel.access import Who
from qala.kernel.errors import BadInput, Conflict, NotAllowed
from qala.kernel.geometry import cell_of

from ..models import Device, DeviceLoad, Load, Series
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
    removed_at: datetime | None = None
    expected_minutes: int | None = None
    meter_point: str = ""
    address: str = ""
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
    rows = [device_row(one) for one in devices]
    with transaction.atomic():
        taken = [
            serial
            for chunk in _chunks([row.serial for row in rows], 5000)
            for serial in Device.objects.filter(serial__in=chunk).values_list("serial", flat=True)
        ]
        if taken:
            raise Conflict(f"{len(taken)} serials are registered already.", rows=taken[:100])
        insert_devices(rows)
        audit.record(
            who=who, now=now, verb="devices.register_devices", thing="device",
            key=rows[0].pk if len(rows) == 1 else f"{len(rows)} devices", why=why,
            after={"count": len(rows), "serials": [row.serial for row in rows[:100]]},
        )  # fmt: skip
        tell_registered(rows, now=now)
    return rows


def device_row(new: NewDevice) -> Device:
    """The row of a device to register.

    Raises:
        NotFound: there is no such model.
    """
    return Device(
        serial=new.serial, model=new.model, owner_id=new.owner_id, place_id=new.place_id, district_id=new.district_id,
        lon=new.lon, lat=new.lat, h3_cell="" if new.lon is None or new.lat is None else cell_of(new.lon, new.lat),
        digits=new.digits or drivers.driver(new.model).digits, multiplier=new.multiplier, installed_at=new.installed_at,
        removed_at=new.removed_at, state=Device.REGISTERED if new.removed_at is None else Device.RETIRED,
        expected_minutes=new.expected_minutes, meter_point=new.meter_point, address=new.address, is_demo=new.is_demo,
    )  # fmt: skip


def insert_devices(rows: Sequence[Device]) -> None:
    """Insert devices with the series of their models, and what finds them; inside the transaction of the change.

    Raises:
        IntegrityError: a serial is registered already.
    """
    _insert(Device, rows)
    _insert(
        Series,
        (
            Series(device_id=row.pk, property=one.name, kind=one.kind, unit=one.unit, exponent=one.exponent)
            for row in rows
            for one in drivers.driver(row.model).property
        ),
    )
    put_words(rows)


def _insert(model: type[models.Model], rows: Iterable[models.Model]) -> None:
    """Insert rows of a model; a third of the time that ``bulk_create`` takes, which compiles each value anew."""
    database = connections[DEFAULT_DB_ALIAS]  # itself: `connection` looks it up at each touch
    fields = [one for one in model._meta.concrete_fields if not isinstance(one, models.AutoField)]
    columns = [one.column for one in fields if one.column is not None]
    prepare = [(one.attname, one.get_db_prep_save) for one in fields]
    rows = list(rows)
    values = [[made(getattr(row, name), database) for name, made in prepare] for row in rows]
    with database.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {database.ops.quote_name(model._meta.db_table)} "
            f"({', '.join(map(database.ops.quote_name, columns))}) VALUES ({', '.join(['%s'] * len(columns))})",
            values,
        )
    for row in rows:
        row._state.adding, row._state.db = False, database.alias


def put_words(rows: Iterable[Device]) -> None:
    """Set the words by which devices are found."""
    search.put(
        "device", ((str(row.pk), f"{row.serial} {row.model} {row.meter_point} {row.address}".rstrip()) for row in rows)
    )


def put_load_words(rows: Sequence[Load | DeviceLoad]) -> None:
    """Set the words by which loads are found."""
    for kind, model in (("load", Load), ("device_load", DeviceLoad)):
        search.put(kind, ((row.pk, f"{row.file_name} {row.who_name}") for row in rows if isinstance(row, model)))


def index_loads() -> None:
    """Have all loads found by search; for a data folder from before they were."""
    if search.count("load") < Load.objects.count():
        with transaction.atomic():
            put_load_words(list(Load.objects.only("pk", "file_name", "who_name")))
    if search.count("device_load") < DeviceLoad.objects.count():
        with transaction.atomic():
            put_load_words(list(DeviceLoad.objects.only("pk", "file_name", "who_name")))


def tell_registered(rows: Sequence[Device], *, now: datetime) -> None:
    """News that devices were registered."""
    outbox.tell("devices.registered", {"count": len(rows), "devices": [str(row.pk) for row in rows[:100]]}, now=now)


def require_for(who: Who, permission: str, owner: UUID | None) -> None:
    """Require a permission for an owner's devices; those without owner want it for the whole city."""
    scope = who.require(permission, owner)
    if owner is None and not scope.everything:
        raise NotAllowed(f"{who.name} may not do this for devices that have no owner.", fix="Name the owner.")


def _chunks(values: list[str], size: int) -> Iterable[list[str]]:
    return (values[start : start + size] for start in range(0, len(values), size))
