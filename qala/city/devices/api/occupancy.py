"""Meter points, who uses them, and claim codes, over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from django.http import HttpRequest
from ninja import Field, File, Form, Query, Router, Schema, Status
from ninja.files import UploadedFile

from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.downloads import uploaded_file
from qala.kernel.list_pages import asked_by_api, look_of, next_cursor

from .. import actions, store
from ..models import ClaimCode, Occupancy

Why = Annotated[str, Field(max_length=500, pattern="^[^\\x00]*$")]
Code = Annotated[str, Field(max_length=64, pattern="^[^\\x00]*$")]
Email = Annotated[str, Field(max_length=254, pattern="^[^\\x00]*$")]
OfOwner = Annotated[str, Query(max_length=64, pattern="^[^\\x00]*$", description="Code of the owner of the meters.")]
OfPoint = Annotated[str, Query(max_length=64, pattern="^[^\\x00]*$", description="Code of the meter point.")]
points = Router(tags=["occupancies"])
occupancies = Router(tags=["occupancies"])
codes = Router(tags=["occupancies"])


class PointOut(Schema):
    meter_point: str
    owner: str | None = Field(description="Code of the organisation whose meters they are.")
    address: str
    devices: int = Field(description="How many devices stand there now, retired ones included.")


class PointPage(Schema):
    items: list[PointOut]
    count: int
    more: bool
    next_cursor: str | None


class OccupancyOut(Schema):
    """`person` (e-mail address) and `organisation` (code) are null after an erasure."""

    id: UUID
    owner: str
    meter_point: str
    person: str | None
    organisation: str | None
    erased: bool
    valid_from: datetime
    valid_to: datetime | None
    source: str = Field(description="`console`, `api`, `file`, `code` or `demo`.")
    entered_at: datetime

    @staticmethod
    def resolve_owner(row: Occupancy) -> str:
        return row.owner.code

    @staticmethod
    def resolve_person(row: Occupancy) -> str | None:
        return row.person.email if row.person is not None else None

    @staticmethod
    def resolve_organisation(row: Occupancy) -> str | None:
        return row.organisation.code if row.organisation is not None else None

    @staticmethod
    def resolve_erased(row: Occupancy) -> bool:
        return row.erased_at is not None


class OccupancyPage(Schema):
    items: list[OccupancyOut]
    count: int
    more: bool
    next_cursor: str | None


class PeriodIn(Schema):
    """Half-open: `valid_to` is the first instant that does not belong to it; null: it has no end yet."""

    valid_from: datetime
    valid_to: datetime | None = None
    why: Why = ""


class OccupancyIn(PeriodIn):
    """A person by e-mail address or an organisation by code."""

    owner: Code
    meter_point: Code
    person: Email = ""
    organisation: Code = ""


class EndIn(Schema):
    at: datetime
    why: Why = ""


class RefusedOccupancyOut(Schema):
    line: int
    meter_point: str = Field(alias="serial")
    reason: str
    content: str


class OccupancyLoadOut(Schema):
    """What became of a file of occupancies; `outcome` is `kept`, `tried` or `refused` (nothing was kept)."""

    outcome: str
    read: int
    new: int
    changed: int
    unchanged: int
    refused: int
    refused_by_reason: dict[str, int]
    rows: list[RefusedOccupancyOut]


class CodesIn(Schema):
    """Codes for meter points of one owner; `valid_from`: when the occupancies begin, null: the day of entering."""

    owner: Code
    meter_points: Annotated[list[Code], Field(min_length=1, max_length=20_000)]
    days: int = Field(60, ge=1, le=400, description="How long the codes are good.")
    valid_from: datetime | None = None


class IssuedOut(Schema):
    """`code` is shown this once."""

    id: UUID
    meter_point: str
    code: str
    expires_at: datetime


class CodeOut(Schema):
    id: UUID
    meter_point: str
    made_at: datetime
    expires_at: datetime
    valid_from: datetime | None
    used_at: datetime | None
    revoked_at: datetime | None


@points.get("", response=PointPage, summary="Meter points of devices that you may see, by code")
def list_points(
    request: HttpRequest, query: Annotated[str, Query(max_length=200, description="Pieces of code, address or serial.")] = "",
    owner: OfOwner = "",
    sort: Annotated[str, Query(description="`point`; `-` before it: the other way round.")] = "point",
    cursor: str | None = None, limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, object]:  # fmt: skip
    """`count` is counted to 10,000; where there are more, `more` says so."""
    asked = asked_by_api(query=query, values={"owner": owner}, sort=sort, cursor=cursor, limit=limit)
    found = store.POINTS.page(asked, look_of(request))
    items = [
        {"meter_point": row.code, "owner": row.owner.code if row.owner else None, "address": row.address, "devices": row.devices}
        for row in found.rows
    ]  # fmt: skip
    return {"items": items, "count": found.total, "more": found.more, "next_cursor": next_cursor(found)}


@occupancies.get("", response=OccupancyPage, summary="Who uses which meter point, the latest begun first")
def list_occupancies(
    request: HttpRequest,
    query: Annotated[str, Query(max_length=200, description="Pieces of a person's name or e-mail address, or how a meter point begins.")] = "",
    owner: OfOwner = "", meter_point: OfPoint = "",
    source: Annotated[str, Query(description="`console`, `api`, `file`, `code` or `demo`.")] = "",
    at: Annotated[datetime | None, Query(description="Only those that hold at that instant.")] = None,
    sort: Annotated[str, Query(description="`from`, `to`, `meter_point` or `entered`; `-` before it: the other way round.")] = "-from",
    cursor: str | None = None, limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, object]:  # fmt: skip
    """`count` is counted to 10,000; where there are more, `more` says so."""
    values = {"owner": owner, "meter_point": meter_point, "source": source, "at": at}
    asked = asked_by_api(query=query, values=values, sort=sort, cursor=cursor, limit=limit)
    found = store.OCCUPANCIES.page(asked, look_of(request))
    return {"items": found.rows, "count": found.total, "more": found.more, "next_cursor": next_cursor(found)}


@occupancies.post("", response={201: OccupancyOut}, summary="Somebody uses a meter point from an instant on")
def begin_occupancy(request: HttpRequest, given: OccupancyIn) -> Status[Occupancy]:
    who = request.who  # type: ignore[attr-defined]
    made = actions.begin_occupancy(who=who, now=SYSTEM_CLOCK.now(), source=Occupancy.API, **given.dict())
    return Status(201, store.get_occupancy(made.pk, who=who))


@occupancies.post("/load", response=OccupancyLoadOut, summary="Load a file of occupancies, CSV or XLSX")
def load_occupancies(
    request: HttpRequest, file: Annotated[UploadedFile, File()], dry_run: Annotated[bool, Form()] = False,
    keep_good: Annotated[bool, Form()] = False,
) -> actions.OccupancySummary:  # fmt: skip
    """All rows are kept, or none where one is bad; `rows` holds the first thousand bad ones. The columns are told of in
    the documentation, *Who uses a meter point*."""
    with uploaded_file(file) as path:
        return actions.load_occupancies(
            path=path, name=file.name or "", who=request.who, now=SYSTEM_CLOCK.now(), dry_run=dry_run,  # type: ignore[attr-defined]
            keep_good=keep_good,
        )  # fmt: skip


@occupancies.post("/{key}/end", response=OccupancyOut, summary="Somebody uses a meter point no more from an instant on")
def end_occupancy(request: HttpRequest, key: UUID, given: EndIn) -> Occupancy:
    who = request.who  # type: ignore[attr-defined]
    actions.end_occupancy(key=key, who=who, now=SYSTEM_CLOCK.now(), **given.dict())
    return store.get_occupancy(key, who=who)


@occupancies.post("/{key}/correct", response=OccupancyOut, summary="Another beginning and end than was entered")
def correct_occupancy(request: HttpRequest, key: UUID, given: PeriodIn) -> Occupancy:
    who = request.who  # type: ignore[attr-defined]
    actions.correct_occupancy(key=key, who=who, now=SYSTEM_CLOCK.now(), **given.dict())
    return store.get_occupancy(key, who=who)


@occupancies.delete("/{key}", response={204: None}, summary="It was entered for the wrong person or meter point")
def withdraw_occupancy(
    request: HttpRequest,
    key: UUID,
    why: Annotated[str, Query(max_length=500, pattern="^[^\\x00]*$", description="Why, for the audit log.")] = "",
) -> Status[None]:
    actions.withdraw_occupancy(key=key, who=request.who, now=SYSTEM_CLOCK.now(), why=why)  # type: ignore[attr-defined]
    return Status(204, None)


@codes.get("", response=list[CodeOut], summary="Claim codes of a meter point, the latest first, without the codes")
def list_codes(request: HttpRequest, owner: OfOwner, meter_point: OfPoint) -> list[ClaimCode]:
    who = request.who  # type: ignore[attr-defined]
    point = store.get_point(owner, meter_point, who=who)
    return store.list_codes(who=who, owner=point.owner.pk, meter_point=point.code) if point.owner else []


@codes.post("", response={201: list[IssuedOut]}, summary="Issue claim codes, shown this once")
def issue_codes(request: HttpRequest, given: CodesIn) -> Status[list[actions.IssuedCode]]:
    return Status(201, actions.issue_codes(who=request.who, now=SYSTEM_CLOCK.now(), **given.dict()))  # type: ignore[attr-defined]


@codes.post("/{key}/revoke", response={204: None}, summary="A claim code is good no more")
def revoke_code(request: HttpRequest, key: UUID) -> Status[None]:
    actions.revoke_code(key=key, who=request.who, now=SYSTEM_CLOCK.now())  # type: ignore[attr-defined]
    return Status(204, None)
