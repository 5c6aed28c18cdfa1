"""Console pages on which a device is exchanged, moved or retired, also from a phone beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from qala import drivers
from qala.city.places.public import list_places
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.errors import QalaError

from .. import actions, store
from ..models import Device, DeviceChange, Series
from .forms import MoveForm, RetireForm, SwapForm


@require_http_methods(["GET", "POST"])
def move_page(request: HttpRequest, serial: str) -> HttpResponse:
    device = _device(request, serial)
    who = request.who  # type: ignore[attr-defined]
    places = [(place.code, place.name) for kind in ("district", "zone") for place in list_places(kind, who=who)]
    form = MoveForm(request.POST or None, initial=_now(), places=places)

    def move(given: dict[str, Any]) -> str:
        actions.move_device(
            serial=serial, who=who, now=SYSTEM_CLOCK.now(), at=given["at"], place=given["place"], lon=given["lon"],
            lat=given["lat"], why=given["why"],
        )  # fmt: skip
        messages.success(request, _("{serial} was moved.").format(serial=serial))
        return serial

    lead = _("From that time on the device counts where it stands then. What it measured before stays where it was.")
    return _answer(request, device, form, _("Move"), lead, move)


@require_http_methods(["GET", "POST"])
def retire_page(request: HttpRequest, serial: str) -> HttpResponse:
    device = _device(request, serial)
    form = RetireForm(request.POST or None, initial=_now(), registers=_registers(device))

    def retire(given: dict[str, Any]) -> str:
        actions.retire_device(
            serial=serial, who=request.who, now=SYSTEM_CLOCK.now(), at=given["at"],  # type: ignore[attr-defined]
            final=form.registers("final_"), why=given["why"],
        )  # fmt: skip
        messages.success(request, _("{serial} was retired.").format(serial=serial))
        return serial

    return _answer(request, device, form, _("Retire"), _("The device measures no more. It keeps its readings."), retire)


@require_http_methods(["GET", "POST"])
def swap_page(request: HttpRequest, serial: str) -> HttpResponse:
    device = _device(request, serial)
    registers = _registers(device)
    form = SwapForm(
        request.POST or None, initial={**_now(), "model": device.model}, registers=registers,
        models=_models_like(device, registers),
    )  # fmt: skip

    def swap(given: dict[str, Any]) -> str:
        new = actions.swap_device(
            serial=serial, new_serial=given["new_serial"].strip(), who=request.who, now=SYSTEM_CLOCK.now(),  # type: ignore[attr-defined]
            at=given["at"], final=form.registers("final_"), first=form.registers("first_"), model=given["model"],
            why=given["why"],
        )  # fmt: skip
        messages.success(request, _("{new} hangs in the place of {old}.").format(new=new.serial, old=serial))
        return new.serial

    lead = _("The new device takes the place, owner and meter point of the old one, which is retired.")
    return _answer(request, device, form, _("Exchange"), lead, swap)


def shown_changes(device: Device) -> list[dict[str, Any]]:
    """What happened to a device, for its page: kind, when, who, why, and what changed in words."""
    stays = {stay.valid_to: stay for stay in store.list_stays(device)}
    found = []
    for change in store.list_changes(device):
        stay = stays.get(change.at) if change.kind == DeviceChange.MOVED else None
        found.append({"change": change, "stay": stay, "registers": change.after.get("registers", {}), "other": change.after.get("other")})  # fmt: skip
    return found


def _device(request: HttpRequest, serial: str) -> Device:
    who = request.who  # type: ignore[attr-defined]
    device = store.get_device(serial, who=who)
    actions.require_for(who, "devices.fit", device.owner_id)
    return device


def _registers(device: Device) -> list[Series]:
    return [one for one in store.series_of(device) if one.kind == "register"]


def _models_like(device: Device, registers: list[Series]) -> list[tuple[str, str]]:
    """Models whose registers are those of a device, its own first."""
    wanted = {one.property for one in registers}
    language = get_language() or "en"
    found = [
        (key, driver.title(language))
        for key, driver in drivers.drivers().items()
        if {one.name for one in driver.property if one.kind == "register"} == wanted
    ]
    return sorted(found, key=lambda pair: (pair[0] != device.model, pair[1]))


def _now() -> dict[str, Any]:
    return {"at": timezone.localtime(SYSTEM_CLOCK.now()).replace(second=0, microsecond=0, tzinfo=None)}


def _answer(
    request: HttpRequest, device: Device, form: Any, title: str, lead: str, act: Callable[[dict[str, Any]], str]
) -> HttpResponse:
    error: QalaError | None = None
    if request.method == "POST" and form.is_valid():
        try:
            return redirect("devices:device", serial=act(form.cleaned_data))
        except QalaError as told:
            error = told
    units = {one.property: one.unit for one in _registers(device)}
    fields = [
        {
            "bound": bound,
            "unit": next((units[name] for name in units if bound.name in (f"final_{name}", f"first_{name}")), ""),
        }
        for bound in form
    ]
    status = error.status if error is not None else 422 if form.errors else 200
    return render(
        request,
        "devices/life.html",
        {"device": device, "form": form, "fields": fields, "title": title, "lead": lead, "error": error},
        status=status,
    )
