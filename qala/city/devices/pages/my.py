"""Pages of residents: their own meters, in their own time."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from qala.city.people.public import remote_address
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.downloads import export_file, file_answer
from qala.kernel.errors import QalaError
from qala.kernel.plug import cards_at

from .. import actions, store
from ..models import Occupancy
from ..rules import Period, period_of
from .occupancy_forms import ClaimForm

SHOWN = 200


@require_http_methods(["GET", "HEAD", "POST"])
def meter_list(request: HttpRequest) -> HttpResponse:
    """One's own meters, and the form that takes a claim code."""
    who, now = request.who, SYSTEM_CLOCK.now()  # type: ignore[attr-defined]
    held = store.list_own(who)
    form, error = ClaimForm(request.POST or None), None
    if request.method == "POST" and form.is_valid():
        try:
            made = actions.claim_meter_point(
                code=form.cleaned_data["code"], who=who, now=now, address=remote_address(request.META)
            )
        except QalaError as told:
            error = told
        else:
            messages.success(request, _("The meter is yours to see."))
            return redirect("my_meters:meter", key=made.pk)
    parts = store.own_parts(held)
    rows = [
        {
            "held": one, "devices": list(dict.fromkeys(part.device.serial for part in parts[one.pk])),
            "address": next((part.device.address for part in parts[one.pk] if part.device.address), ""),
            "now": one.valid_from <= now and (one.valid_to is None or now < one.valid_to),
        }
        for one in held
    ]  # fmt: skip
    status = error.status if error is not None else 422 if form.errors else 200
    return render(request, "devices/my_meters.html", {"rows": rows, "form": form, "error": error}, status=status)


@require_safe
def meter_page(request: HttpRequest, key: UUID) -> HttpResponse:
    """One of one's own meter points: consumption (a card of its matter) and readings."""
    who = request.who  # type: ignore[attr-defined]
    held = store.get_own(key, who=who)
    period = _period(request, held)
    parts = store.own_parts([held], within=period.span)
    rows = store.own_readings(parts, limit=SHOWN)
    return render(
        request,
        "devices/my_meter.html",
        {
            "held": held, "period": period, "readings": rows[::-1], "shown": SHOWN,
            "devices": store.own_parts([held])[held.pk],
            "address": next((part.device.address for part in parts[held.pk] if part.device.address), ""),
            "cards": cards_at("my.meter", request, who, parts=[(one.device, one.span) for one in parts[held.pk]]),
        },
    )  # fmt: skip


@require_safe
def download(request: HttpRequest, key: UUID) -> HttpResponseBase:
    """All readings of one's own time there, as CSV."""
    who = request.who  # type: ignore[attr-defined]
    held = store.get_own(key, who=who)
    with export_file() as path:
        store.export_own_readings(path, [held])
        return file_answer(path, f"readings-{held.valid_from:%Y%m%d}.csv")


def _period(request: HttpRequest, held: Occupancy) -> Period:
    """The period that the page shows; what lies outside one's own time is not even known to be there."""
    extent: Any = store.own_extent(store.own_parts([held])[held.pk])
    return period_of(
        request.GET.get("from", ""), request.GET.get("to", ""), extent=extent, now=SYSTEM_CLOCK.now(),
        city_zone=settings.TIME_ZONE,
    )  # fmt: skip
