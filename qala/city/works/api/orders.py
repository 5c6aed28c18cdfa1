"""Work orders and crews over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Field, File, Form, Query, Router, Schema, Status
from ninja.files import UploadedFile

from qala.city.people.public import get_organisation
from qala.kernel import media
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.downloads import picture_answer
from qala.kernel.errors import TooMuch
from qala.kernel.list_pages import asked_by_api, look_of, next_cursor

from .. import actions, store
from ..models import Crew, OrderNote, WorkOrder
from .assets import Code, OfDistrict, OfKind, OfOwner, Text

orders = Router(tags=["works"])
crews = Router(tags=["works"])
Long = Annotated[str, Field(max_length=5000, pattern="^[^\\x00]*$")]


class ItemOut(Schema):
    position: int
    title: str
    ticked_at: datetime | None
    who_name: str


class StepOut(Schema):
    since: str
    to: str
    at: datetime
    who_name: str
    reason: str


class NoteOut(Schema):
    kind: str = Field(description="`comment`, `material` or `time`.")
    text: str
    minutes: int | None
    at: datetime
    who_name: str


class PhotoOut(Schema):
    id: UUID
    moment: str = Field(description="`before` or `after`.")
    at: datetime
    who_name: str


class OrderOut(Schema):
    number: str
    kind: str
    title: str
    text: str
    state: str
    owner: str
    contractor: str | None
    crew: UUID | None
    priority: int = Field(description="1 urgent, 2 high, 3 normal, 4 low.")
    due_at: datetime | None
    asset: str | None
    place: str | None
    district: str | None
    address: str
    lon: float | None
    lat: float | None
    opened_at: datetime
    ordered_at: datetime | None
    done_at: datetime | None


class OrderWhole(OrderOut):
    items: list[ItemOut]
    steps: list[StepOut]
    notes: list[NoteOut]
    photos: list[PhotoOut]


class OrderPage(Schema):
    items: list[OrderOut]
    count: int
    more: bool
    next_cursor: str | None


class OrderIn(Schema):
    """`owner` orders the work, `contractor` does it; where it is say `asset`, `place` or coordinates."""

    kind: Code
    title: Text
    owner: Code
    contractor: Code = ""
    text: Long = ""
    asset: Code = ""
    place: Code = ""
    address: Text = ""
    lon: float | None = None
    lat: float | None = None
    priority: Annotated[int, Field(ge=1, le=4)] = 3
    due_at: datetime | None = None


class StepIn(Schema):
    """`to`: the state that the order is taken to."""

    to: Code
    reason: Annotated[str, Field(max_length=500, pattern="^[^\\x00]*$")] = ""


class AssignIn(Schema):
    crew: UUID | None


class TickIn(Schema):
    position: Annotated[int, Field(ge=1, le=1000)]
    ticked: bool = True


class NoteIn(Schema):
    kind: Code = OrderNote.COMMENT
    text: Annotated[str, Field(max_length=2000, pattern="^[^\\x00]*$")] = ""
    minutes: Annotated[int, Field(ge=1, le=100_000)] | None = None


class CrewIn(Schema):
    organisation: Code
    name_kk: Text = ""
    name_ru: Text = ""
    name_en: Text = ""


class MemberOut(Schema):
    id: UUID
    person: UUID
    name: str


class CrewOut(Schema):
    id: UUID
    organisation: str
    name: str
    members: list[MemberOut]


class MemberIn(Schema):
    email: Annotated[str, Field(max_length=254, pattern="^[^\\x00]*$")]


Found = Annotated[str, Query(description="Pieces of number, title, address, kind or asset.")]
InState = Annotated[str, Query(description="A state, or `open`, or `overdue`.")]
OfContractor = Annotated[str, Query(description="Code of the organisation that does the work.")]
OfAsset = Annotated[str, Query(description="Code of an asset.")]


@orders.get("", response=OrderPage, summary="Work orders that you may see, the newest first")
def list_orders(
    request: HttpRequest, q: Found = "", state: InState = "", kind: OfKind = "", owner: OfOwner = "",
    contractor: OfContractor = "", district: OfDistrict = "", asset: OfAsset = "",
    priority: Annotated[str, Query(description="1 urgent, 2 high, 3 normal, 4 low.")] = "",
    sort: Annotated[
        str, Query(description="`number`, `priority`, `due`, `opened` or `done`; `-` before it: the other way round.")
    ] = "-number",
    cursor: str | None = None, limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, object]:  # fmt: skip
    """Who orders work sees all of theirs; who does it sees what they do, drafts left out.

    `count` is counted to 10,000; where there are more, `more` says so.
    """
    values = {
        "state": state, "kind": kind, "owner": owner, "contractor": contractor, "district": district, "asset": asset,
        "priority": priority,
    }  # fmt: skip
    found = store.ORDERS.page(
        asked_by_api(query=q, values=values, sort=sort, cursor=cursor, limit=limit), look_of(request)
    )
    return {
        "items": [_out(row) for row in found.rows], "count": found.total, "more": found.more,
        "next_cursor": next_cursor(found),
    }  # fmt: skip


@orders.post("", response=OrderWhole, summary="Open a work order as a draft")
def open_order(request: HttpRequest, given: OrderIn) -> dict[str, Any]:
    told = given.dict()
    owner, contractor = told.pop("owner"), told.pop("contractor")
    order = actions.open_order(
        who=request.who, now=SYSTEM_CLOCK.now(), owner=get_organisation(owner),  # type: ignore[attr-defined]
        contractor=get_organisation(contractor) if contractor else None, **told,
    )  # fmt: skip
    return _whole(order)


@orders.get("/{number}", response=OrderWhole, summary="One work order")
def get_order(request: HttpRequest, number: str) -> dict[str, Any]:
    return _whole(store.get_order(number, who=request.who, now=SYSTEM_CLOCK.now()))  # type: ignore[attr-defined]


@orders.post("/{number}/steps", response=OrderOut, summary="Take an order to another state")
def take_step(request: HttpRequest, number: str, given: StepIn) -> dict[str, Any]:
    who, now = request.who, SYSTEM_CLOCK.now()  # type: ignore[attr-defined]
    return _out(actions.move_order(number=number, to=given.to, reason=given.reason, who=who, now=now))


@orders.post("/{number}/crew", response=OrderOut, summary="Give an order to a crew, or take it from one")
def assign_order(request: HttpRequest, number: str, given: AssignIn) -> dict[str, Any]:
    who, now = request.who, SYSTEM_CLOCK.now()  # type: ignore[attr-defined]
    return _out(actions.assign_order(number=number, crew=given.crew, who=who, now=now))


@orders.post("/{number}/ticks", response=ItemOut, summary="Tick a line of the checklist, or take the tick away")
def tick_item(request: HttpRequest, number: str, given: TickIn) -> Any:
    who, now = request.who, SYSTEM_CLOCK.now()  # type: ignore[attr-defined]
    return actions.tick_item(number=number, position=given.position, ticked=given.ticked, who=who, now=now)


@orders.post("/{number}/notes", response=NoteOut, summary="Write a comment, a material or minutes of work")
def add_note(request: HttpRequest, number: str, given: NoteIn) -> OrderNote:
    return actions.add_note(number=number, who=request.who, now=SYSTEM_CLOCK.now(), **given.dict())  # type: ignore[attr-defined]


@orders.post("/{number}/photos", response=PhotoOut, summary="Add a photo: JPEG, PNG or WebP, 20 MiB at most")
def add_photo(request: HttpRequest, number: str, photo: File[UploadedFile], moment: Form[str]) -> Any:
    """It is drawn anew without its place; the same photo again is the one that is there."""
    if (photo.size or 0) > media.MOST_BYTES:
        raise TooMuch("The picture is too large.")
    return actions.add_photo(
        number=number, data=photo.read(), moment=moment, who=request.who, now=SYSTEM_CLOCK.now()  # type: ignore[attr-defined]
    )  # fmt: skip


@orders.get("/photos/{key}", summary="A photo as JPEG", response=None)
def get_photo(
    request: HttpRequest, key: UUID, small: Annotated[bool, Query(description="320 pixels at most.")] = False
) -> Any:
    found = store.get_photo(key, who=request.who, now=SYSTEM_CLOCK.now())  # type: ignore[attr-defined]
    return picture_answer(request, found.media.sha256, thumbnail=small)


@crews.get("", response=list[CrewOut], summary="Crews whose work you give out, and who is in them")
def list_crews(
    request: HttpRequest,
    q: Annotated[str, Query(description="Pieces of the crew, its organisation or who is in it.")] = "",
    organisation: Annotated[str, Query(description="Code of an organisation.")] = "",
    sort: Annotated[
        str, Query(description="`organisation`, `crew` or `people`; `-` before it: the other way round.")
    ] = "organisation",
) -> list[dict[str, Any]]:
    asked = asked_by_api(query=q, values={"organisation": organisation}, sort=sort, limit=1)
    found = store.CREWS.every(asked, look_of(request))
    return [_crew(one, [_member(member) for member in one.present]) for one in found]


@crews.post("", response=CrewOut, summary="Make a crew")
def make_crew(request: HttpRequest, given: CrewIn) -> dict[str, Any]:
    told = given.dict()
    organisation = get_organisation(told.pop("organisation"))
    made = actions.make_crew(organisation=organisation, who=request.who, now=SYSTEM_CLOCK.now(), **told)  # type: ignore[attr-defined]
    return _crew(made, [])


@crews.post("/{key}/members", response=MemberOut, summary="Put a colleague into a crew")
def join_crew(request: HttpRequest, key: UUID, given: MemberIn) -> dict[str, Any]:
    return _member(actions.join_crew(crew=key, email=given.email, who=request.who, now=SYSTEM_CLOCK.now()))  # type: ignore[attr-defined]


@crews.delete("/{key}/members/{member}", response={204: None}, summary="Take somebody out of a crew")
def leave_crew(request: HttpRequest, key: UUID, member: UUID) -> Status[None]:
    actions.leave_crew(crew=key, member=member, who=request.who, now=SYSTEM_CLOCK.now())  # type: ignore[attr-defined]
    return Status(204, None)


def _member(member: Any) -> dict[str, Any]:
    return {"id": member.pk, "person": member.person_id, "name": str(member.person)}


def _crew(crew: Crew, members: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": crew.pk, "organisation": crew.organisation.code, "name": crew.name, "members": members}


def _out(order: WorkOrder) -> dict[str, Any]:
    names = ("number", "title", "text", "state", "priority", "due_at", "address", "lon", "lat", "opened_at",
             "ordered_at", "done_at")  # fmt: skip
    return {
        **{name: getattr(order, name) for name in names}, "kind": order.kind.key, "owner": order.owner.code,
        "contractor": order.contractor.code if order.contractor else None, "crew": order.crew_id,
        "asset": order.asset.code if order.asset else None, "place": order.place.code if order.place else None,
        "district": order.district.code if order.district else None,
    }  # fmt: skip


def _whole(order: WorkOrder) -> dict[str, Any]:
    parts = store.parts_of(order)
    return {**_out(order), "items": parts.items, "steps": parts.steps, "notes": parts.notes, "photos": parts.photos}
