"""Console pages of work orders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import shapely
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from qala.city.people.public import Organisation, list_organisations
from qala.city.places.public import list_places
from qala.kernel import media
from qala.kernel.access import Who
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.downloads import picture_answer
from qala.kernel.errors import BadInput, QalaError, TooMuch
from qala.kernel.list_pages import list_answer

from .. import actions, store
from ..models import Kind, OrderNote, Priority, WorkOrder
from ..rules import DONE, EDITABLE, ENDED, TRANSITIONS, WORKED_ON, next_states
from .assets import on_map
from .minimap import bounds_around, minimap
from .order_forms import NewOrderForm, OrderForm

PERMISSIONS = ("works.order", "works.assign", "works.do", "works.check")


@require_safe
def order_list(request: HttpRequest) -> HttpResponseBase:
    who: Who = request.who  # type: ignore[attr-defined]
    return list_answer(
        request, store.ORDERS, "works/orders.html", may_order=who.may("works.order"),
        may_assign=who.may("works.assign"),
    )  # fmt: skip


@require_safe
def order_page(request: HttpRequest, number: str) -> HttpResponse:
    who: Who = request.who  # type: ignore[attr-defined]
    order = store.get_order(number, who=who, now=SYSTEM_CLOCK.now())
    return render(request, "works/order.html", shown_order(order, who))


def shown_order(order: WorkOrder, who: Who, *, with_map: bool = True) -> dict[str, Any]:
    """All that a page of an order shows, and what the asker may do on it."""
    now = SYSTEM_CLOCK.now()
    parts = store.parts_of(order)
    drawn = None
    shape = order.asset.shape if order.asset is not None else None
    if shape is None and order.lon is not None and order.lat is not None:
        shape = shapely.Point(order.lon, order.lat)
    if with_map and shape is not None:
        near = [one["shape"] for one in store.shapes_in(who, bounds_around(shape), limit=300)]
        drawn = minimap(shape, who=who, label=_("Map around {thing}").format(thing=order.number), near=near)
    unticked = sum(item.ticked_at is None for item in parts.items)
    may_assign = order.contractor_id is not None and who.may("works.assign", order.contractor_id)
    may_do = order.state in WORKED_ON and who.may("works.do", order.contractor_id)
    return {
        "order": order, "parts": parts, "is_overdue": store.is_overdue(order, now), "unticked": unticked, "map": drawn,
        "on_map": on_map("works.orders", order.number) if who.may("works.view") else "", "steps": steps_for(order, who),
        "may_change": order.state in EDITABLE and who.may("works.order", order.owner_id),
        "may_do": may_do, "may_add_photo": actions.may_add_photo(order, who),
        "may_see_asset": order.asset is not None and who.may("works.view", order.asset.owner_id),
        "crews": [one for one in store.list_crews(who=who, now=now) if one.organisation_id == order.contractor_id]
        if may_assign and order.state not in (*ENDED, DONE) else None,
        "minutes": sum(note.minutes or 0 for note in parts.notes),
    }  # fmt: skip


def steps_for(order: WorkOrder, who: Who) -> list[dict[str, Any]]:
    """The steps that the asker may take the order, each as a button: state, words, whether it wants a reason."""
    words = {
        ("draft", "ordered"): _("Order"), ("ordered", "accepted"): _("Accept"), ("ordered", "draft"): _("Decline"),
        ("accepted", "under_way"): _("Start"), ("under_way", "done"): _("Done"), ("done", "checked"): _("Checked"),
        ("done", "returned"): _("Send back"), ("returned", "under_way"): _("Start again"),
    }  # fmt: skip
    found = next_states(
        order.state,
        owner=[one for one in PERMISSIONS if who.may(one, order.owner_id)],
        contractor=[one for one in PERMISSIONS if order.contractor_id and who.may(one, order.contractor_id)],
    )
    return [
        {
            "to": to, "title": words.get((order.state, to), _("Cancel the order")),
            "wants_reason": TRANSITIONS[order.state, to].wants_reason,
        }
        for to in found
    ]  # fmt: skip


@require_http_methods(["GET", "POST"])
def new_page(request: HttpRequest) -> HttpResponse:
    who: Who = request.who  # type: ignore[attr-defined]
    scope = who.require("works.order")
    organisations = {one.code: one for one in list_organisations()}
    places = [(place.code, place.name) for of in ("district", "zone") for place in list_places(of, who=who)]
    form = NewOrderForm(
        request.POST or None, initial={"asset": request.GET.get("asset", "")[:64], "priority": Priority.NORMAL},
        kinds=[(one.key, one.title) for one in store.list_kinds(Kind.ORDER)], places=places,
        owners=[(code, one.name) for code, one in organisations.items() if scope.covers(one.pk)],
        contractors=[(code, one.name) for code, one in organisations.items()],
    )  # fmt: skip
    error: QalaError | None = None
    if request.method == "POST" and form.is_valid():
        told = form.cleaned_data
        try:
            order = actions.open_order(
                who=who, now=SYSTEM_CLOCK.now(), kind=told["kind"], title=told["title"], text=told["text"],
                owner=organisations[told["owner"]], contractor=organisations.get(told["contractor"]),
                asset=told["asset"], place=told["place"], address=told["address"], lon=told["lon"], lat=told["lat"],
                priority=told["priority"], due_at=told["due_at"],
            )  # fmt: skip
            return redirect("works:order", number=order.number)
        except QalaError as found:
            error = found
    return _form(request, form, error, _("New work order"), None)


@require_http_methods(["GET", "POST"])
def edit_page(request: HttpRequest, number: str) -> HttpResponse:
    who, now = request.who, SYSTEM_CLOCK.now()  # type: ignore[attr-defined]
    order = store.get_order(number, who=who, now=now)
    who.require("works.order", order.owner_id)
    organisations: dict[str, Organisation] = {one.code: one for one in list_organisations()}
    initial = {
        "title": order.title, "text": order.text, "priority": order.priority, "due_at": order.due_at,
        "contractor": order.contractor.code if order.contractor else "",
    }  # fmt: skip
    contractors = [(code, one.name) for code, one in organisations.items()]
    form = OrderForm(request.POST or None, initial=initial, contractors=contractors)
    error: QalaError | None = None
    if request.method == "POST" and form.is_valid():
        told = form.cleaned_data
        try:
            actions.change_order(
                number=number, who=who, now=now, title=told["title"], text=told["text"],
                contractor=organisations.get(told["contractor"]), priority=told["priority"], due_at=told["due_at"],
            )  # fmt: skip
            return redirect("works:order", number=number)
        except QalaError as found:
            error = found
    return _form(request, form, error, _("Edit"), order)


def _form(
    request: HttpRequest, form: OrderForm, error: QalaError | None, title: str, order: WorkOrder | None
) -> HttpResponse:
    status = error.status if error is not None else 422 if form.errors else 200
    shown = {"form": form, "error": error, "title": title, "order": order}
    return render(request, "works/edit_order.html", shown, status=status)


# ---- what is done with one press ------------------------------------------------------------------------------------


def _done(request: HttpRequest, number: str, act: Callable[[], object]) -> HttpResponseRedirect:
    """Do it, say where it was refused, and lead back to the page that asked: the crew's or the order's."""
    try:
        act()
    except QalaError as error:
        if error.status not in (409, 413, 422):
            raise
        messages.error(request, " ".join(filter(None, (error.what, error.fix))))
    came_from = request.POST.get("from", "")
    if came_from == "list":
        return redirect("works:crew_orders")
    return redirect("works:crew_order" if came_from == "crew" else "works:order", number=number)


@require_POST
def step(request: HttpRequest, number: str) -> HttpResponse:
    return _done(
        request, number,
        lambda: actions.move_order(
            number=number, to=request.POST.get("to", ""), reason=request.POST.get("reason", ""),
            who=request.who, now=SYSTEM_CLOCK.now(),  # type: ignore[attr-defined]
        ),
    )  # fmt: skip


@require_POST
def assign(request: HttpRequest, number: str) -> HttpResponse:
    def act() -> None:
        try:
            crew = UUID(request.POST["crew"]) if request.POST.get("crew") else None
        except ValueError:
            raise BadInput(_("There is no such crew.")) from None
        actions.assign_order(number=number, crew=crew, who=request.who, now=SYSTEM_CLOCK.now())  # type: ignore[attr-defined]

    return _done(request, number, act)


@require_POST
def tick(request: HttpRequest, number: str) -> HttpResponse:
    position = request.POST.get("position", "")
    return _done(
        request, number,
        lambda: actions.tick_item(
            number=number, position=int(position) if position.isdecimal() and len(position) < 5 else 0,
            ticked=request.POST.get("ticked") == "1", who=request.who, now=SYSTEM_CLOCK.now(),  # type: ignore[attr-defined]
        ),
    )  # fmt: skip


@require_POST
def note(request: HttpRequest, number: str) -> HttpResponse:
    kind, minutes = request.POST.get("kind", OrderNote.COMMENT), request.POST.get("minutes", "")
    return _done(
        request, number,
        lambda: actions.add_note(
            number=number, kind=kind, text=request.POST.get("text", ""), who=request.who, now=SYSTEM_CLOCK.now(),  # type: ignore[attr-defined]
            minutes=int(minutes) if minutes.isdecimal() and len(minutes) < 8 else None,
        ),
    )  # fmt: skip


@require_POST
def add_photo(request: HttpRequest, number: str) -> HttpResponse:
    def act() -> None:
        upload = request.FILES.get("photo")
        if upload is None:
            raise BadInput(_("Choose a photo first."))
        if (upload.size or 0) > media.MOST_BYTES:
            raise TooMuch(_("The picture is larger than {most} MiB.").format(most=media.MOST_BYTES >> 20))
        actions.add_photo(
            number=number, data=upload.read(), moment=request.POST.get("moment", ""), who=request.who,  # type: ignore[attr-defined]
            now=SYSTEM_CLOCK.now(),
        )  # fmt: skip

    return _done(request, number, act)


@require_POST
def remove_photo(request: HttpRequest, number: str, key: UUID) -> HttpResponse:
    return _done(
        request, number,
        lambda: actions.remove_photo(number=number, photo=key, who=request.who, now=SYSTEM_CLOCK.now()),  # type: ignore[attr-defined]
    )  # fmt: skip


@require_safe
def photo(request: HttpRequest, key: UUID, size: str) -> HttpResponseBase:
    found = store.get_photo(key, who=request.who, now=SYSTEM_CLOCK.now())  # type: ignore[attr-defined]
    return picture_answer(request, found.media.sha256, thumbnail=size == "small")
