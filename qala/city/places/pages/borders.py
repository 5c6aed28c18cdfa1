"""Console pages on which a border is moved, also without a mouse or a script, and taken back."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods
from shapely.geometry.base import BaseGeometry

from qala.kernel import geometry
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.downloads import uploaded_file
from qala.kernel.errors import BadInput, NotAllowed, NotFound, QalaError, SignInNeeded
from qala.kernel.plug import cards_at
from qala.kernel.ranges import day_start, local_day

from .. import actions, store
from ..models import Place
from .forms import BorderForm, TakeBackForm
from .shared import ZONE_OF_CITY, map_config


@require_http_methods(["GET", "POST"])
def border_page(request: HttpRequest, code: str) -> HttpResponse:
    """Draw or upload a border, see what it does, save it."""
    who, now = request.who, SYSTEM_CLOCK.now()  # type: ignore[attr-defined]
    place = _changeable(request, code)
    initial = {"valid_from": local_day(now, ZONE_OF_CITY), "neighbours_follow": place.kind == "district"}
    form = BorderForm(request.POST or None, request.FILES or None, initial=initial)
    if place.kind == "city":
        del form.fields["neighbours_follow"]
    error: QalaError | None = None
    plan = None
    outline: BaseGeometry | None = None
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            outline = _outline(given)
            asked: dict[str, Any] = {
                "code": code, "outline": outline, "valid_from": day_start(given["valid_from"], ZONE_OF_CITY), "who": who,
                "now": now, "neighbours_follow": bool(given.get("neighbours_follow")),
            }  # fmt: skip
            if request.POST.get("step") == "save":
                actions.move_border(**asked, why=given["why"])
                messages.success(request, _("The border of {name} was moved.").format(name=place.name))
                return redirect("places:place", code=code)
            plan = actions.plan_border(**asked)
        except (NotAllowed, NotFound, SignInNeeded):
            raise
        except QalaError as told:
            error = told
    drawn = None if outline is None else geometry.to_geojson(outline, digits=7)
    if drawn is not None:  # what a file brought is kept for the next step
        form.data = {**form.data.dict(), "outline": json.dumps(drawn, separators=(",", ":"))}  # type: ignore[attr-defined]
    return render(
        request,
        "places/border.html",
        {
            "place": place, "form": form, "error": error, "plan": plan, "areas": _areas(plan),
            "cards": cards_at("places.border", request, who, plan=plan) if plan is not None else [],
            "config": map_config(place, "", edit=True, drawn=drawn, words=_words()),
        },
        status=error.status if error is not None else 422 if form.errors else 200,
    )  # fmt: skip


@require_http_methods(["GET", "POST"])
def take_back_page(request: HttpRequest, code: str) -> HttpResponse:
    """Take back the latest border of a place, with the reason."""
    who = request.who  # type: ignore[attr-defined]
    place = _changeable(request, code)
    form = TakeBackForm(request.POST or None)
    error: QalaError | None = None
    if request.method == "POST" and form.is_valid():
        try:
            codes = actions.take_back_border(code=code, who=who, now=SYSTEM_CLOCK.now(), why=form.cleaned_data["why"])
            messages.success(request, _("Taken back: the border of {codes}.").format(codes=", ".join(codes)))
            return redirect("places:place", code=code)
        except (NotAllowed, NotFound, SignInNeeded):
            raise
        except QalaError as told:
            error = told
    history = store.history(place)
    return render(
        request,
        "places/take_back.html",
        {"place": place, "form": form, "error": error, "last": history[0] if history else None},
        status=error.status if error is not None else 422 if form.errors else 200,
    )


def _changeable(request: HttpRequest, code: str) -> Place:
    who = request.who  # type: ignore[attr-defined]
    who.require("places.view")
    place = store.get_place(code, who=who)
    if not actions.may_change(who, place):
        raise NotAllowed(_("You may not change this place."), fix=_("Ask an administrator."))
    if place.kind == "address":
        raise NotFound(_("There is no place with the code {code}.").format(code=code))
    return place


def _outline(given: dict[str, Any]) -> BaseGeometry:
    """The outline of an uploaded file, else the one that was drawn.

    Raises:
        BadInput: there is none, or it is no outline.
    """
    if given["file"] is not None:
        with uploaded_file(given["file"]) as path:
            return actions.read_outline(path.read_bytes())
    if not given["outline"].strip():
        raise BadInput(_("No border was drawn and no file was given."))
    return actions.read_outline(given["outline"].encode())


def _areas(plan: actions.BorderPlan | None) -> list[dict[str, Any]]:
    if plan is None:
        return []
    rows = [(one.place, one.km2_before, one.km2_after) for one in plan.changes]
    return [
        {"place": place, "before": before, "after": after, "difference": after - before}
        for place, before, after in rows
    ]


def _words() -> dict[str, str]:
    """What the editor says."""
    return {
        "corner": _("Corner {n} of {all}"),
        "removed": _("The corner was removed."),
        "least": _("An outline has three corners at least."),
        "draw": _("Press on the map, corner by corner; press the first corner again to close the outline."),
        "closed": _("The outline is closed."),
        "undone": _("Undone."),
        "none": _("Choose a corner first."),
    }
