"""Everybody's page about what the city knows of them: a copy of it, and its erasure."""

from __future__ import annotations

import time
from typing import Any

from allauth.account.decorators import reauthentication_required
from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.internal.flows.reauthentication import get_reauthentication_flows
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from qala.kernel import personal
from qala.kernel.access import Who
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.config import get_settings
from qala.kernel.downloads import export_file, file_answer
from qala.kernel.errors import NotAllowed

from .. import actions, store
from .shared import MISTAKES, asking

RECENT = 300  # seconds since a code from a mail was entered


def _person(request: HttpRequest) -> tuple[Who, Any]:
    who = asking(request)
    if who.kind != "person":
        raise NotAllowed(_("Everybody asks for themselves."))
    return who, request.user


@require_safe
def data_page(request: HttpRequest) -> HttpResponse:
    _who, person = _person(request)
    return render(
        request,
        "people/my_data.html",
        {"person": person, "erasure": store.find_erasure(person), "days": get_settings().erasure_days},
    )


@require_safe
@never_cache
def download(request: HttpRequest) -> HttpResponseBase:
    """All that is known of the person who is signed in, as a ZIP in their language."""
    _who, person = _person(request)
    now = SYSTEM_CLOCK.now()
    with export_file() as path:
        personal.write_copy(path, person.pk, language=get_language() or "", now=now)
        return file_answer(path, f"my-data-{now:%Y%m%d-%H%M}.zip")


@require_http_methods(["GET", "POST"])
@reauthentication_required  # type: ignore[untyped-decorator]
def ask(request: HttpRequest) -> HttpResponse:
    """A last question, then the request: after a password or second factor, or a fresh sign-in by code from a mail."""
    who, person = _person(request)
    if not get_reauthentication_flows(person) and not _signed_in_just_now(request):
        messages.error(request, _("Sign out, sign in again by a code from your e-mail, and ask within five minutes."))
        return redirect("my_data:data")
    if request.method == "POST":
        try:
            actions.ask_erasure(who=who, now=SYSTEM_CLOCK.now(), person=person)
        except MISTAKES as error:
            messages.error(request, error.what)
        else:
            messages.success(request, _("You asked for the erasure. Until it is due you can keep your account."))
        return redirect("my_data:data")
    return render(request, "people/my_erasure.html", {"days": get_settings().erasure_days})


@require_POST
def cancel(request: HttpRequest) -> HttpResponse:
    who, person = _person(request)
    try:
        actions.cancel_erasure(who=who, now=SYSTEM_CLOCK.now(), person=person)
    except MISTAKES as error:
        messages.error(request, error.what)
    else:
        messages.success(request, _("Your account stays."))
    return redirect("my_data:data")


def _signed_in_just_now(request: HttpRequest) -> bool:
    return any(time.time() - record["at"] < RECENT for record in get_authentication_records(request, request.user))
