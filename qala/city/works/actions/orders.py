"""The life of a work order: opened, changed, given to a crew, taken from state to state."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from qala.city.people.public import Organisation
from qala.kernel import audit, outbox, search
from qala.kernel.access import Who
from qala.kernel.errors import BadInput, Conflict, NotAllowed, NotFound
from qala.kernel.geometry import cell_of

from ..models import Asset, AssetRefusal, Crew, Kind, OrderItem, OrderNumber, OrderState, OrderStep, Priority, WorkOrder
from ..rules import (
    CHECKED,
    DONE,
    DRAFT,
    EDITABLE,
    ENDED,
    ORDERED,
    TRANSITIONS,
    Standing,
    obstacle,
)  # fmt: skip
from ..store import find_order_of, get_asset, list_kinds, persons_of, places_by_code, visible_orders
from .spots import locate, middle, read_shape

ORDER, ASSIGN = "works.order", "works.assign"
OBSTACLES = {
    "no_such_step": lambda: _("The order can't take this step from where it stands."),
    "no_reason": lambda: _("Say why."),
    "no_contractor": lambda: _("Say first who is to do the work."),
    "unticked": lambda: _("Tick every line of the checklist first."),
}
TOLD = {DONE: "works.order_done", CHECKED: "works.order_checked", "returned": "works.order_returned",
        "cancelled": "works.order_cancelled"}  # fmt: skip


@transaction.atomic
def open_order(
    *, who: Who, now: datetime, kind: str, title: str, owner: Organisation, text: str = "",
    contractor: Organisation | None = None, asset: str = "", place: str = "", address: str = "",
    lon: float | None = None, lat: float | None = None, priority: int = Priority.NORMAL, due_at: datetime | None = None,
    source: str = "", source_key: str = "", is_demo: bool = False,
) -> WorkOrder:  # fmt: skip
    """Open a work order as a draft. Under a source and key that there is an order of already, it is that order.

    Args:
        kind: key of a kind of orders; its checklist becomes the order's, its days say when it is due unless ``due_at`` does.
        asset, place: codes; the order is where the asset is unless coordinates (degrees, WGS 84) say otherwise.
        source, source_key: the matter that opens it, and the thing there that it is for.

    Raises:
        NotAllowed, SignInNeeded: the asker may not order work for the owner.
        BadInput: something is missing or wrong. NotFound: there is no such kind or asset.
    """
    who.require(ORDER, owner.pk)
    if source and (there := find_order_of(source, source_key)) is not None:
        return there
    of_kind = _kind(kind)
    spec = of_kind.as_order
    spot = _where(asset, place, lon, lat, who=who, now=now)
    order = WorkOrder(
        number=_number(now), kind=of_kind, title=_text(title, 200, _("title"), needed=True),
        text=_text(text, 5000, _("text")), owner=owner, contractor=contractor,
        address=_text(address, 200, _("address")) or (spot["asset"].address if spot["asset"] else ""),
        priority=_priority(priority), due_at=due_at or now + timedelta(days=spec.days), state=DRAFT, state_at=now,
        opened_at=now, source=source, source_key=source_key, is_demo=is_demo, **spot,
    )  # fmt: skip
    order.save(force_insert=True)
    OrderItem.objects.bulk_create(
        OrderItem(order=order, position=position, title_kk=one.kk, title_ru=one.ru, title_en=one.en)
        for position, one in enumerate(spec.step, 1)
    )
    _note_step(order, "", DRAFT, who=who, now=now, reason="")
    _put_words(order)
    audit.record(
        who=who, now=now, verb="works.open_order", thing="work_order", key=order.pk,
        after={"number": order.number, "kind": kind, "title": order.title, "owner": owner.code, "asset": asset},
    )  # fmt: skip
    outbox.tell("works.order_opened", _payload(order), now=now)
    return order


@transaction.atomic
def change_order(
    *, number: str, who: Who, now: datetime, title: str, text: str, contractor: Organisation | None, priority: int,
    due_at: datetime | None,
) -> WorkOrder:  # fmt: skip
    """Change what is told of an order that nobody accepted yet. Another contractor takes it from its crew.

    Raises:
        NotAllowed, SignInNeeded, NotFound: the asker may not order work for the owner, or not know of it.
        Conflict: somebody accepted it already. BadInput: something is missing or wrong.
    """
    order = take(number, who=who, now=now)
    who.require(ORDER, order.owner_id)
    if order.state not in EDITABLE:
        raise Conflict(
            _("Somebody accepted this order already."), fix=_("Cancel it and order anew, or write a comment.")
        )
    if order.state == ORDERED and contractor is None:
        raise BadInput(OBSTACLES["no_contractor"]())
    wanted: dict[str, Any] = {
        "title": _text(title, 200, _("title"), needed=True), "text": _text(text, 5000, _("text")),
        "contractor_id": contractor.pk if contractor is not None else None, "priority": _priority(priority),
        "due_at": due_at,
    }  # fmt: skip
    if wanted["contractor_id"] != order.contractor_id:
        wanted["crew_id"] = None
    before = {name: getattr(order, name) for name in wanted if getattr(order, name) != wanted[name]}
    if not before:
        return order
    for name in before:
        setattr(order, name, wanted[name])
    order.save(update_fields=[name.removesuffix("_id") for name in before])
    _put_words(order)
    audit.record(
        who=who, now=now, verb="works.change_order", thing="work_order", key=order.pk, before=_plain(before),
        after=_plain({name: wanted[name] for name in before}),
    )  # fmt: skip
    return order


@transaction.atomic
def move_order(*, number: str, to: str, who: Who, now: datetime, reason: str = "") -> WorkOrder:
    """Take an order to another state; where it stands there already, nothing happens.

    Raises:
        NotFound: the asker may not know of it. NotAllowed, SignInNeeded: the step is not theirs.
        Conflict: it can't take this step now. BadInput: there is no such state, or the step wants a reason.
    """
    if to not in OrderState.values:
        raise BadInput(_("There is no state {state}.").format(state=to[:20]))
    order = take(number, who=who, now=now)
    reason = _text(reason, 500, _("reason"))
    step = TRANSITIONS.get((order.state, to))
    if step is not None:
        side = order.owner_id if step.side == "owner" else order.contractor_id
        if not any(who.may(permission, side) for permission in step.permissions):
            raise NotAllowed(_("This step is not yours to take."), fix=_("Ask whoever gives out the work."))
    elif order.state == to:
        return order  # a button pressed twice on a slow line
    standing = Standing(
        order.state, order.contractor_id is not None, order.items.filter(ticked_at__isnull=True).count()
    )
    found = obstacle(standing, to, reason=reason)
    if found is not None:
        raise (BadInput if found in ("no_reason", "no_contractor") else Conflict)(OBSTACLES[found]())
    before, order.state, order.state_at = order.state, to, now
    if to == ORDERED:
        order.ordered_at = now
    if to == DRAFT:
        order.contractor_id = order.crew_id = order.ordered_at = None
    if to == DONE:
        order.done_at = now
    order.save(update_fields=["state", "state_at", "ordered_at", "done_at", "contractor", "crew"])
    _note_step(order, before, to, who=who, now=now, reason=reason)
    audit.record(
        who=who, now=now, verb="works.move_order", thing="work_order", key=order.pk, before={"state": before},
        after={"state": to}, why=reason,
    )  # fmt: skip
    if to in TOLD:
        outbox.tell(TOLD[to], _payload(order), now=now)
    if to == ORDERED and order.crew is not None:
        _tell_assigned(order, order.crew, now)
    return order


@transaction.atomic
def assign_order(*, number: str, crew: UUID | None, who: Who, now: datetime) -> WorkOrder:
    """Give an order to a crew of the organisation that does it, or take it from one.

    Raises:
        NotFound: the asker may not know of the order, or there is no such crew of that organisation.
        NotAllowed, SignInNeeded: the asker may not give out that organisation's work. Conflict: the order has ended.
    """
    order = take(number, who=who, now=now)
    if order.contractor_id is None:
        raise Conflict(OBSTACLES["no_contractor"]())
    who.require(ASSIGN, order.contractor_id)
    if order.state in (*ENDED, DONE):
        raise Conflict(_("This work is done or cancelled."))
    found = None
    if crew is not None:
        found = Crew.objects.filter(pk=crew, organisation=order.contractor_id, closed_at__isnull=True).first()
        if found is None:
            raise NotFound(_("There is no such crew."))
    if order.crew_id == crew:
        return order
    before, order.crew = order.crew_id, found
    order.save(update_fields=["crew"])
    audit.record(
        who=who, now=now, verb="works.assign_order", thing="work_order", key=order.pk,
        before={"crew": str(before) if before else None}, after={"crew": str(crew) if crew else None},
    )  # fmt: skip
    if found is not None and order.state != DRAFT:
        _tell_assigned(order, found, now)
    return order


def take(number: str, *, who: Who, now: datetime) -> WorkOrder:
    """An order that the asker may see, held until the transaction ends.

    Raises:
        NotFound: there is none, or none that the asker may know of.
    """
    found = visible_orders(who, now).select_for_update().filter(number=number).first() if _is_number(number) else None
    if found is None:
        raise NotFound(_("There is no work order {number}.").format(number=number[:20]))
    return found


def _is_number(text: str) -> bool:
    return len(text) <= 12 and text.replace("-", "").isdigit()


def _kind(key: str) -> Kind:
    found = next((one for one in list_kinds(Kind.ORDER) if one.key == key), None)
    if found is None:
        raise NotFound(_("There is no kind of work {kind}.").format(kind=key[:40]))
    return found


def _where(asset: str, place: str, lon: float | None, lat: float | None, *, who: Who, now: datetime) -> dict[str, Any]:
    """The columns of an order that say where it is."""
    of: Asset | None = get_asset(asset, who=who) if asset else None
    spot_of = places_by_code([place], who=who).get(place) if place else None
    if place and spot_of is None:
        raise BadInput(str(AssetRefusal.UNKNOWN_PLACE.label))
    shape = None
    if lon is not None or lat is not None:
        point = {"type": "Point", "coordinates": [lon, lat]}
        shape, wrong, detail = read_shape(point, ("Point",))
        if wrong is not None:
            raise BadInput(f"{wrong.label} ({detail})")
    if shape is None and spot_of is None and of is None:
        raise BadInput(_("Say where the work is: an asset, a place, or coordinates."))
    shape = shape if shape is not None else of.shape if of is not None else None
    spots, wrongs = locate({0: (shape, spot_of)}, at=now)
    if wrongs:
        raise BadInput(str(wrongs[0].label))
    spot = spots[0]
    x, y = middle(spot.shape) if spot.shape is not None else (None, None)
    return {
        "asset": of, "place": spot_of or (of.place if of is not None else None), "lon": x, "lat": y,
        "district_id": spot.district_id or (of.district_id if of is not None else None),
        "h3_cell": cell_of(x, y) if x is not None and y is not None else "",
    }  # fmt: skip


def _number(now: datetime) -> str:
    year = now.astimezone(ZoneInfo(settings.TIME_ZONE)).year
    OrderNumber.objects.get_or_create(year=year)
    row = OrderNumber.objects.select_for_update().get(year=year)
    row.last += 1
    row.save(update_fields=["last"])
    return f"{year}-{row.last:06d}"


def _text(given: str, most: int, name: str, *, needed: bool = False) -> str:
    text = given.strip()
    if "\x00" in text or len(text) > most or (needed and not text):
        raise BadInput(_("The {field} is empty, or longer than {most} characters.").format(field=name, most=most))
    return text


def _priority(given: int) -> int:
    if given not in Priority.values:
        raise BadInput(_("There is no such priority."))
    return given


def _note_step(order: WorkOrder, since: str, to: str, *, who: Who, now: datetime, reason: str) -> None:
    OrderStep.objects.create(
        order=order, since=since, to=to, at=now, who_id=who.id, who_name=who.name[:200], reason=reason
    )


def _put_words(order: WorkOrder) -> None:
    kind, asset = order.kind, order.asset
    named = (
        order.number,
        order.title,
        order.address,
        asset.code if asset else "",
        kind.title_kk,
        kind.title_ru,
        kind.title_en,
    )
    search.put("work_order", [(order.pk, " ".join(named))])


def _payload(order: WorkOrder) -> dict[str, Any]:
    return {
        "order": str(order.pk), "number": order.number, "state": order.state, "source": order.source,
        "source_key": order.source_key, "owner": str(order.owner_id),
        "contractor": str(order.contractor_id) if order.contractor_id else None,
    }  # fmt: skip


def _tell_assigned(order: WorkOrder, crew: Crew, now: datetime) -> None:
    persons = [str(one) for one in persons_of(crew, now)]
    told = {"order": str(order.pk), "number": order.number, "crew": str(crew.pk), "persons": persons}
    outbox.tell("works.order_assigned", told, now=now)


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else str(value) if isinstance(value, UUID) else value
        for name, value in fields.items()
    }
