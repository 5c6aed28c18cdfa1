"""Loading a file of devices: what is new is registered, what differs is brought up to date, what is equal stays."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from qala import drivers
from qala.city.people.public import list_organisations
from qala.kernel import audit, outbox
from qala.kernel.access import Scope, Who
from qala.kernel.errors import BadInput, Conflict
from qala.kernel.geometry import cell_of
from qala.kernel.ids import new_id
from qala.kernel.ranges import day_start, local_day

from ..models import Device, DeviceChange, DeviceLoad, DevicePoint, DeviceRefusal
from ..rules import DeviceRow, RefusedRow
from ..store import devices_by_serial, refused_devices_path
from .device_file import read_devices
from .registry import NewDevice, device_row, insert_devices, put_load_words, put_words, tell_registered
from .run import writable
from .spool import digest
from .spots import Spot, find_spots

SERIALS_AT_ONCE = 10_000
NEWS_AT_ONCE = 5000  # ids in one event
SHOWN = 1000  # refused rows that a summary holds
FIELDS = ("digits", "multiplier", "expected_minutes", "installed_at", "removed_at", "state", "owner_id", "place_id", "district_id", "lon", "lat",
          "h3_cell", "meter_point", "address")  # fmt: skip


@dataclass(slots=True)
class DeviceSummary:
    """What became of a file of devices; read = new + changed + unchanged + refused.

    Args:
        outcome: ``kept``, ``tried`` (dry run) or ``refused``: nothing was kept, as rows are bad.
        rows: the first refused rows.
        refused_file: where all of them lie.
    """

    outcome: str
    read: int
    new: int
    changed: int
    unchanged: int
    refused: int
    refused_by_reason: dict[str, int] = field(default_factory=dict)
    rows: list[RefusedRow] = field(default_factory=list)
    refused_file: Path | None = None
    load_id: UUID | None = None


@dataclass(slots=True)
class _Change:
    """A device that a row brings up to date: its fields before and after."""

    row: DeviceRow
    device: Device
    before: dict[str, Any]
    after: dict[str, Any]


@dataclass(slots=True)
class _Plan:
    new: list[NewDevice] = field(default_factory=list)
    changes: list[_Change] = field(default_factory=list)
    unchanged: int = 0
    refused: list[RefusedRow] = field(default_factory=list)


def load_devices(
    *, path: Path, name: str, who: Who, now: datetime, dry_run: bool = False, keep_good: bool = False
) -> DeviceSummary:
    """Register the devices of a file, or bring those that are there up to date: all of them, or none where a row is bad.

    Loading a file again changes nothing. An empty cell leaves what is known. A device that stood nowhere gets its place;
    one that stands in another district is not moved by a file, as a move has a date. A serial that the asker may not
    manage is refused in the same words, whoever has it.

    Args:
        name: how the file is called to people.
        dry_run: read, check and count; register and change nothing.
        keep_good: keep the good rows although others are bad.

    Raises:
        NotAllowed, SignInNeeded: the asker may not manage devices.
        BadInput, TooMuch: the file as a whole is wrong.
        Conflict: somebody registered one of its serials in the meantime; nothing was kept.
    """
    scope = who.require("devices.manage")
    rows = read_devices(path, name=name, today=local_day(now, ZoneInfo(settings.TIME_ZONE)))
    plan = _plan(rows, scope, who, now)
    keep = not dry_run and (keep_good or not plan.refused)
    outcome = DeviceLoad.KEPT if keep else DeviceLoad.TRIED if dry_run else DeviceLoad.REFUSED
    key = new_id()
    summary = DeviceSummary(
        outcome=outcome, read=len(rows), new=len(plan.new), changed=len(plan.changes), unchanged=plan.unchanged,
        refused=len(plan.refused), rows=plan.refused[:SHOWN], load_id=key,
        refused_by_reason=dict(Counter(one.reason for one in plan.refused).most_common()),
    )  # fmt: skip
    if plan.refused:
        summary.refused_file = _write_refused(key, plan.refused)
    made = [device_row(one) for one in plan.new] if keep else []
    load = DeviceLoad(
        id=key, file_name=writable(name)[:255], file_sha256=digest(path), at=now, who_id=who.id, who_name=who.name[:200],
        outcome=outcome, rows_read=summary.read, rows_new=summary.new, rows_changed=summary.changed,
        rows_unchanged=summary.unchanged, rows_refused=summary.refused, refused_by_reason=summary.refused_by_reason,
    )  # fmt: skip
    try:
        with transaction.atomic():
            load.save(force_insert=True)
            put_load_words([load])
            if keep:
                _keep(made, plan.changes, load, who, now)
    except IntegrityError:
        raise Conflict(
            _("Somebody registered a device of this file in the meantime; nothing was kept."), fix=_("Load it again.")
        ) from None
    return summary


def refusal(summary: DeviceSummary, *, name: str) -> BadInput:
    """The error that says which rows of a file kept the rest from being loaded."""
    labels = dict(DeviceRefusal.choices)
    return BadInput(
        _("{file} has {count} bad rows; nothing of it was kept.").format(file=name, count=summary.refused),
        rows=[
            _("line {line}: {serial}: {reason}").format(line=row.line, serial=row.serial[:64], reason=labels[row.reason])
            for row in summary.rows
        ],
        fix=_("Correct them, or keep the good rows alone: --keep-good. All bad rows: {file}").format(
            file=summary.refused_file
        ),
    )  # fmt: skip


def _keep(made: list[Device], changes: list[_Change], load: DeviceLoad, who: Who, now: datetime) -> None:
    if made:
        insert_devices(made)
        tell_registered(made, now=now)
    if changes:
        changed = [change.device for change in changes]
        Device.objects.bulk_update(changed, FIELDS, batch_size=500)
        _keep_points(changes, now)
        put_words(changed)
        for change in changes:
            audit.record(
                who=who, now=now, verb="devices.load_devices", thing="device", key=change.device.pk,
                before=change.before, after=change.after, why=f"file {load.file_name}",
            )  # fmt: skip
        DeviceChange.objects.bulk_create(
            DeviceChange(
                device=change.device, kind=DeviceChange.RETIRED, at=change.device.removed_at or now,
                before={"state": change.before["state"]}, after={"state": Device.RETIRED}, who_id=who.id,
                who_name=who.name[:200], recorded_at=now, why=f"file {load.file_name}"[:500],
            )
            for change in changes
            if "state" in change.after
        )  # fmt: skip
        tell_changed([(change.device, list(change.after)) for change in changes], since=None, now=now)
    audit.record(
        who=who, now=now, verb="devices.load_devices", thing="device_load", key=load.pk,
        after={
            "file": load.file_name, "read": load.rows_read, "new": load.rows_new, "changed": load.rows_changed,
            "unchanged": load.rows_unchanged, "refused": load.rows_refused,
        },
    )  # fmt: skip


def _keep_points(changes: list[_Change], now: datetime) -> None:
    """Whose meter point became another one keep when: what they measured before is not of the new one's people."""
    moved = {
        change.device.pk: change.before["meter_point"]
        for change in changes
        if change.before.get("meter_point") and "meter_point" in change.after
    }
    keys = list(moved)
    since: dict[UUID, datetime] = {}
    for start in range(0, len(keys), NEWS_AT_ONCE):
        held = DevicePoint.objects.filter(device__in=keys[start : start + NEWS_AT_ONCE]).values_list("device_id")
        since.update(held.annotate(last=Max("valid_to")).order_by())
    DevicePoint.objects.bulk_create(
        DevicePoint(device_id=key, meter_point=point, valid_from=since.get(key), valid_to=now)
        for key, point in moved.items()
    )


def tell_changed(changed: Sequence[tuple[Device, Iterable[str]]], *, since: datetime | None, now: datetime) -> None:
    """News that fields of devices changed, since an instant or since ever (``None``), some thousands in one event."""
    for start in range(0, len(changed), NEWS_AT_ONCE):
        some = changed[start : start + NEWS_AT_ONCE]
        outbox.tell(
            "devices.changed",
            {
                "count": len(some), "devices": [str(device.pk) for device, _ in some],
                "fields": sorted({name for _, names in some for name in names}),
                "since": since.isoformat() if since else None,
            },
            now=now,
        )  # fmt: skip


def _plan(rows: Sequence[DeviceRow | RefusedRow], scope: Scope, who: Who, now: datetime) -> _Plan:
    """What keeping each row would do."""
    plan = _Plan()
    good: list[DeviceRow] = []
    owners = {one.code: one.pk for one in list_organisations() if scope.covers(one.pk)}
    own = next(iter(scope.organisations)) if not scope.everything and len(scope.organisations) == 1 else None
    known = drivers.drivers()
    for row in rows:
        if isinstance(row, RefusedRow):
            plan.refused.append(row)
        elif row.model not in known:
            plan.refused.append(_refused(row, DeviceRefusal.UNKNOWN_MODEL))
        elif row.owner and row.owner not in owners:
            plan.refused.append(_refused(row, DeviceRefusal.UNKNOWN_OWNER))
        else:
            good.append(row)
    spots, misplaced = find_spots(good, who=who, at=now)
    plan.refused += misplaced
    there: dict[str, Device] = {}
    serials = [row.serial for row in good]
    for start in range(0, len(serials), SERIALS_AT_ONCE):
        there.update(devices_by_serial(serials[start : start + SERIALS_AT_ONCE]))
    zone = ZoneInfo(settings.TIME_ZONE)
    starts: dict[date, datetime] = {}

    def instant(day: date | None) -> datetime | None:
        if day is not None and day not in starts:
            starts[day] = day_start(day, zone)
        return None if day is None else starts[day]

    for row in good:
        spot = spots.get(row.line)
        if spot is None:
            continue
        device = there.get(row.serial)
        owner = owners[row.owner] if row.owner else None
        if device is None:
            owner = owner or own
            if owner is None and not scope.everything:
                plan.refused.append(_refused(row, DeviceRefusal.NO_OWNER))
                continue
            plan.new.append(
                NewDevice(
                    serial=row.serial, model=row.model, owner_id=owner, place_id=spot.place_id,
                    district_id=spot.district_id, lon=spot.lon, lat=spot.lat, digits=row.digits,
                    multiplier=row.multiplier or Decimal(1), expected_minutes=row.expected_minutes, installed_at=instant(row.installed_on),
                    removed_at=instant(row.removed_on), meter_point=row.meter_point, address=row.address,
                )
            )  # fmt: skip
        elif not scope.covers(device.owner_id):
            plan.refused.append(_refused(row, DeviceRefusal.UNAVAILABLE))
        else:
            found = _wanted(row, device, spot, owner, instant(row.installed_on), instant(row.removed_on))
            if isinstance(found, DeviceRefusal):
                plan.refused.append(_refused(row, found))
                continue
            before = {name: getattr(device, name) for name in found if getattr(device, name) != found[name]}
            if not before:
                plan.unchanged += 1
                continue
            after = {name: found[name] for name in before}
            for name, value in after.items():
                setattr(device, name, value)
            plan.changes.append(_Change(row, device, _plain(before), _plain(after)))
    plan.refused.sort(key=lambda one: one.line)
    return plan


def _refused(row: DeviceRow, reason: DeviceRefusal) -> RefusedRow:
    return RefusedRow(row.line, row.serial, reason.value, row.content)


def _wanted(
    row: DeviceRow, device: Device, spot: Spot, owner: UUID | None, installed: datetime | None, removed: datetime | None
) -> dict[str, Any] | DeviceRefusal:
    """The fields that a row says of a device that is there, or why it can't be so."""
    if row.model != device.model:
        return DeviceRefusal.MODEL_DIFFERS
    if owner is not None and device.owner_id not in (None, owner):
        return DeviceRefusal.OWNER_DIFFERS
    if spot.district_id is not None and device.district_id not in (None, spot.district_id):
        return DeviceRefusal.ELSEWHERE
    start, end = installed or device.installed_at, removed or device.removed_at
    if start is not None and end is not None and end <= start:
        return DeviceRefusal.DATES_ORDER
    found: dict[str, Any] = {
        "digits": row.digits, "multiplier": row.multiplier, "expected_minutes": row.expected_minutes,
        "installed_at": _same_day(device.installed_at, installed),
        "removed_at": _same_day(device.removed_at, removed), "owner_id": owner, "place_id": spot.place_id,
        "district_id": spot.district_id, "lon": spot.lon, "lat": spot.lat, "meter_point": row.meter_point or None,
        "address": row.address or None,
    }  # fmt: skip
    if removed is not None:
        found["state"] = Device.RETIRED
    if spot.lon is not None and spot.lat is not None:
        found["h3_cell"] = cell_of(spot.lon, spot.lat)
    return {name: value for name, value in found.items() if value is not None}


def _same_day(held: datetime | None, given: datetime | None) -> datetime | None:
    """The instant given, or the one held where it lies on that day: a file knows days alone."""
    zone = ZoneInfo(settings.TIME_ZONE)
    if held is not None and given is not None and local_day(held, zone) == local_day(given, zone):
        return held
    return given


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields as JSON values."""
    return {
        name: value.isoformat()
        if isinstance(value, datetime)
        else str(value)
        if isinstance(value, UUID | Decimal)
        else value
        for name, value in fields.items()
    }


def _write_refused(key: UUID, refused: Sequence[RefusedRow]) -> Path:
    path = refused_devices_path(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    labels = dict(DeviceRefusal.choices)
    with path.open("w", encoding="utf-8", newline="") as file:
        written = csv.writer(file)
        written.writerow(["line", "serial", "reason", "what", "content"])
        written.writerows(
            [one.line, _harmless(one.serial), one.reason, labels[one.reason], _harmless(one.content)] for one in refused
        )
    return path


def _harmless(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
