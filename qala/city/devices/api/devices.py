"""Devices and readings over HTTP."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Field, File, Form, Query, Router, Schema
from ninja.files import UploadedFile

from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.downloads import uploaded_file
from qala.kernel.list_pages import asked_by_api, next_cursor
from qala.kernel.lists import Look
from qala.kernel.paging import cursor_instant, decode_cursor, encode_cursor, span_of

from .. import actions, store
from ..models import DeviceChange

Why = Annotated[str, Field(max_length=500, pattern="^[^\\x00]*$")]
devices = Router(tags=["devices"])
readings = Router(tags=["readings"])


class DeviceOut(Schema):
    serial: str
    model: str
    state: str
    owner: str | None
    district: str | None
    lon: float | None
    lat: float | None
    digits: int | None
    multiplier: Decimal
    installed_at: datetime | None
    removed_at: datetime | None
    last_seen_at: datetime | None
    expected_minutes: int = Field(description="How often it should report.")
    silent: bool
    meter_point: str
    address: str


class DevicePage(Schema):
    items: list[DeviceOut]
    count: int
    more: bool
    next_cursor: str | None


class RefusedDeviceOut(Schema):
    line: int
    serial: str
    reason: str
    content: str


class DeviceLoadOut(Schema):
    """What became of a file of devices; `outcome` is `kept`, `tried` or `refused` (nothing was kept)."""

    outcome: str
    read: int
    new: int
    changed: int
    unchanged: int
    refused: int
    refused_by_reason: dict[str, int]
    rows: list[RefusedDeviceOut]
    load_id: UUID


class MoveIn(Schema):
    """Where a device stands from `at` on: a place's code, or longitude and latitude."""

    at: datetime
    place: Annotated[str, Field(pattern="^[A-Za-z0-9_-]{0,80}$")] = ""
    lon: float | None = None
    lat: float | None = None
    why: Why = ""


class RetireIn(Schema):
    """`final`: registers at that instant, by property, in the unit of the series."""

    at: datetime
    final: dict[str, Decimal] = {}
    why: Why = ""


class SwapIn(Schema):
    """`final`, `first`: registers of the old and the new device at that instant, by property."""

    at: datetime
    new_serial: str
    final: dict[str, Decimal]
    first: dict[str, Decimal]
    model: str = ""
    digits: Annotated[int, Field(ge=1, le=18)] | None = None
    multiplier: Annotated[Decimal, Field(gt=0, max_digits=12, decimal_places=6)] | None = None
    why: Why = ""


class ChangeOut(Schema):
    """What happened to a device; `kind` is `moved`, `retired`, `swapped_out`, `swapped_in` or `border_moved`."""

    kind: str
    at: datetime
    before: dict[str, Any]
    after: dict[str, Any]
    who_name: str
    recorded_at: datetime
    why: str


class ChosenIn(Schema):
    """Devices by serial; or where there are none all in use of an owner (its code), a model, or both."""

    serials: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=100_000)] = []
    owner: Annotated[str, Field(max_length=80)] = ""
    model: Annotated[str, Field(max_length=64)] = ""
    why: Why = ""

    def chosen(self) -> actions.Chosen:
        return actions.Chosen(tuple(self.serials), self.owner, self.model)


class CredentialsIn(ChosenIn):
    """`renew`: also those that have one, which stays good for `overlap_hours` more."""

    renew: bool = False
    overlap_hours: Annotated[int, Field(ge=0, le=744)] = 0


class SecretOut(Schema):
    serial: str
    secret: str


class CredentialsOut(Schema):
    """`kept`: devices that had a credential and kept it."""

    batch: UUID
    secrets: list[SecretOut]
    kept: int


class EndedOut(Schema):
    ended: int


class ReadingOut(Schema):
    serial: str
    property: str
    time: datetime
    value: Decimal
    unit: str
    quality: str
    version: int
    received_at: datetime
    source: str


class ReadingPage(Schema):
    items: list[ReadingOut]
    next_cursor: str | None


@devices.get("", response=DevicePage, summary="Devices that you may see, by serial")
def list_devices(
    request: HttpRequest, query: str = "", state: str = "", model: str = "", owner: str = "", district: str = "",
    silent: Annotated[bool, Query(description="Only devices that are silent now.")] = False,
    sort: Annotated[str, Query(description="`serial`, `state`, `model`, `last_seen` or `installed`; `-` before it: the other way round.")] = "serial",
    cursor: str | None = None, limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, object]:  # fmt: skip
    """`count` is counted to 10,000; where there are more, `more` says so."""
    now = SYSTEM_CLOCK.now()
    values = {"state": state, "model": model, "owner": owner, "district": district, "silent": silent}
    asked = asked_by_api(query=query, values=values, sort=sort, cursor=cursor, limit=limit)
    found = store.DEVICES.page(asked, Look(request.who, now))  # type: ignore[attr-defined]
    items = [
        {
            "serial": row.serial, "model": row.model, "state": row.state, "owner": row.owner.code if row.owner else None,
            "district": row.district.code if row.district else None, "lon": row.lon, "lat": row.lat,
            "digits": row.digits, "multiplier": row.multiplier, "installed_at": row.installed_at,
            "removed_at": row.removed_at, "last_seen_at": row.last_seen_at,
            "expected_minutes": store.expected_minutes(row.model, row.expected_minutes),
            "silent": store.is_silent(row, now=now), "meter_point": row.meter_point, "address": row.address,
        }
        for row in found.rows
    ]  # fmt: skip
    return {"items": items, "count": found.total, "more": found.more, "next_cursor": next_cursor(found)}


@devices.post("/load", response=DeviceLoadOut, summary="Load a file of devices, CSV or XLSX")
def load_devices(
    request: HttpRequest, file: Annotated[UploadedFile, File()], dry_run: Annotated[bool, Form()] = False,
    keep_good: Annotated[bool, Form()] = False,
) -> actions.DeviceSummary:  # fmt: skip
    """All rows are kept, or none where one is bad; `rows` holds the first thousand bad ones. The columns are told of in
    the documentation, *Load devices from a file*."""
    with uploaded_file(file) as path:
        return actions.load_devices(
            path=path, name=file.name or "", who=request.who, now=SYSTEM_CLOCK.now(), dry_run=dry_run,  # type: ignore[attr-defined]
            keep_good=keep_good,
        )  # fmt: skip


@devices.post(
    "/credentials", response=CredentialsOut, summary="Give devices credentials; the secrets are in the answer alone"
)
def issue_credentials(request: HttpRequest, given: CredentialsIn) -> dict[str, object]:
    """For who is signed in; a token gives no credentials."""
    issued = actions.issue_credentials(
        given.chosen(), who=request.who, now=SYSTEM_CLOCK.now(), renew=given.renew,  # type: ignore[attr-defined]
        overlap_hours=given.overlap_hours, why=given.why,
    )  # fmt: skip
    secrets = [{"serial": serial, "secret": secret} for serial, secret in issued.secrets]
    return {"batch": issued.batch, "secrets": secrets, "kept": issued.kept}


@devices.post("/credentials/end", response=EndedOut, summary="End the credentials of devices at once")
def end_credentials(request: HttpRequest, given: ChosenIn) -> dict[str, int]:
    """For who is signed in; `ended` counts the devices that had one."""
    ended = actions.end_credentials(given.chosen(), who=request.who, now=SYSTEM_CLOCK.now(), why=given.why)  # type: ignore[attr-defined]
    return {"ended": ended}


@devices.get("/{serial}/changes", response=list[ChangeOut], summary="What happened to a device, latest first")
def list_changes(request: HttpRequest, serial: str) -> list[DeviceChange]:
    return store.list_changes(store.get_device(serial, who=request.who))  # type: ignore[attr-defined]


@devices.post("/{serial}/move", response=ChangeOut, summary="A device stands elsewhere from an instant on")
def move_device(request: HttpRequest, serial: str, given: MoveIn) -> DeviceChange:
    return actions.move_device(serial=serial, who=request.who, now=SYSTEM_CLOCK.now(), **given.dict())  # type: ignore[attr-defined]


@devices.post("/{serial}/retire", response=ChangeOut, summary="A device measures no more from an instant on")
def retire_device(request: HttpRequest, serial: str, given: RetireIn) -> DeviceChange:
    return actions.retire_device(serial=serial, who=request.who, now=SYSTEM_CLOCK.now(), **given.dict())  # type: ignore[attr-defined]


@devices.post("/{serial}/swap", response=list[ChangeOut], summary="Another device hangs in the place of this one")
def swap_device(request: HttpRequest, serial: str, given: SwapIn) -> list[DeviceChange]:
    """Answers with what happened to the new device."""
    new = actions.swap_device(serial=serial, who=request.who, now=SYSTEM_CLOCK.now(), **given.dict())  # type: ignore[attr-defined]
    return store.list_changes(new)


@readings.get("", response=ReadingPage, summary="Current readings, or those known at an instant")
def list_readings(
    request: HttpRequest, serial: str | None = None, property: str | None = None,
    start: Annotated[datetime | None, Query(alias="from")] = None,
    end: Annotated[datetime | None, Query(alias="to")] = None,
    as_of: datetime | None = None, cursor: str | None = None, limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> dict[str, object]:  # fmt: skip
    """Ordered by series and time; `next_cursor` continues where the page ended, `null` at the end."""
    after = decode_cursor(cursor, int, cursor_instant) if cursor else None
    items, following = store.page_readings(
        who=request.who, span=span_of(start, end, as_of), serial=serial, property=property, as_of=as_of,  # type: ignore[attr-defined]
        after=(after[0], after[1]) if after else None, limit=limit,
    )  # fmt: skip
    return {"items": items, "next_cursor": encode_cursor(*following) if following else None}
