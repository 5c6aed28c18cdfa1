"""One's own meters over HTTP."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Field, Query, Router, Schema, Status

from qala.city.people.public import remote_address
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.errors import TooMuch
from qala.kernel.paging import span_of

from .. import actions, store
from ..models import Occupancy

router = Router(tags=["my"])
MOST = 50_000


class OwnMeterOut(Schema):
    """A meter point in the time in which it is yours."""

    id: UUID
    meter_point: str
    owner: str = Field(description="Code of the organisation whose meters they are.")
    valid_from: datetime
    valid_to: datetime | None
    devices: list[str] = Field(description="Serials of the devices that stood there in that time, the latest first.")


class OwnReadingOut(Schema):
    id: UUID = Field(alias="occupancy", description="Of `GET /api/v1/my/meters`.")
    serial: str
    property: str
    time: datetime
    value: Decimal
    unit: str
    quality: str


class ClaimIn(Schema):
    code: Annotated[str, Field(max_length=60, pattern="^[^\\x00]*$")]


def _shown(rows: list[Occupancy]) -> list[dict[str, Any]]:
    parts = store.own_parts(rows)
    return [
        {
            "id": row.pk, "meter_point": row.meter_point, "owner": row.owner.code, "valid_from": row.valid_from,
            "valid_to": row.valid_to, "devices": list(dict.fromkeys(part.device.serial for part in parts[row.pk])),
        }
        for row in rows
    ]  # fmt: skip


@router.get("/meters", response=list[OwnMeterOut], summary="Your own meter points, the latest begun first")
def list_meters(request: HttpRequest) -> list[dict[str, Any]]:
    """Of the person who is signed in; a token has none."""
    return _shown(store.list_own(request.who))  # type: ignore[attr-defined]


@router.post("/meters", response={201: OwnMeterOut}, summary="Enter a claim code: its meter point is yours")
def claim(request: HttpRequest, given: ClaimIn) -> Status[dict[str, Any]]:
    who = request.who  # type: ignore[attr-defined]
    made = actions.claim_meter_point(
        code=given.code, who=who, now=SYSTEM_CLOCK.now(), address=remote_address(request.META)
    )
    return Status(201, _shown([store.get_own(made.pk, who=who)])[0])


@router.get("/readings", response=list[OwnReadingOut], summary="Readings of your own meters in your own time")
def list_readings(
    request: HttpRequest,
    meter: Annotated[UUID | None, Query(description="Only of this one of `GET /api/v1/my/meters`.")] = None,
    start: Annotated[datetime | None, Query(alias="from")] = None,
    end: Annotated[datetime | None, Query(alias="to")] = None,
) -> list[store.OwnReading]:
    """By meter point and time; more than 50,000 want a shorter period."""
    who = request.who  # type: ignore[attr-defined]
    held = [store.get_own(meter, who=who)] if meter is not None else store.list_own(who)
    found = store.own_readings(store.own_parts(held, within=span_of(start, end)), limit=MOST + 1)
    if len(found) > MOST:
        raise TooMuch(f"These are more than {MOST} readings.", fix="Ask for a shorter period.")
    return found
