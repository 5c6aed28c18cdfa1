"""Console pages on which devices get credentials: one on its own page, many as a file; each secret is shown once."""

from __future__ import annotations

import csv
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from qala import drivers
from qala.city.people.public import list_organisations
from qala.kernel.access import Who
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.errors import QalaError

from .. import actions, store
from ..models import Device
from .forms import CredentialsForm

RENEWED_OVERLAP_HOURS = 24


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def credentials_page(request: HttpRequest) -> HttpResponse:
    """Which devices; then what would be done; then the file of secrets, or the end of what was there."""
    who = request.who  # type: ignore[attr-defined]
    scope = who.require(actions.CREDENTIALS)
    language = get_language() or "en"
    form = CredentialsForm(
        request.POST or None,
        owners=[(one.code, one.name) for one in list_organisations() if scope.covers(one.pk)],
        models=sorted(((key, one.title(language)) for key, one in drivers.drivers().items()), key=lambda pair: pair[1]),
    )
    error: QalaError | None = None
    plan: actions.Plan | None = None
    if request.method == "POST" and form.is_valid():
        chosen, renew, now = form.chosen(), form.cleaned_data["renew"], SYSTEM_CLOCK.now()
        try:
            match request.POST.get("do"):
                case "issue":
                    issued = actions.issue_credentials(
                        chosen, who=who, now=now, renew=renew, overlap_hours=form.cleaned_data["overlap_hours"],
                        why=form.cleaned_data["why"],
                    )  # fmt: skip
                    return _file(issued)
                case "end":
                    count = actions.end_credentials(chosen, who=who, now=now, why=form.cleaned_data["why"])
                    said = ngettext("{n} device lost its credential.", "{n} devices lost their credentials.", count)
                    messages.success(request, said.format(n=count))
                    return redirect("devices:credentials")
                case _:
                    plan = actions.plan_credentials(chosen, who=who, now=now, renew=renew)
        except QalaError as told:
            error = told
    status = error.status if error is not None else 422 if form.errors else 200
    return render(
        request, "devices/credentials.html", {"form": form, "plan": plan, "error": error}, status=status
    )  # fmt: skip


def _file(issued: actions.Issued) -> HttpResponse:
    """Serials and secrets as a file that is in this answer alone."""
    answer = HttpResponse(content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="device-secrets-{issued.batch}.csv"'
    lines = csv.writer(answer)
    lines.writerow(("serial", "secret"))
    lines.writerows(issued.secrets)
    return answer


@never_cache
@require_POST
def issue_one(request: HttpRequest, serial: str) -> HttpResponse:
    """The secret in the answer itself: it stands in no session and no address."""
    who, device = _device(request, serial)
    issued = actions.issue_credentials(
        actions.Chosen(serials=(device.serial,)), who=who, now=SYSTEM_CLOCK.now(), renew=True,
        overlap_hours=RENEWED_OVERLAP_HOURS,
    )  # fmt: skip
    secret = issued.secrets[0][1]
    return render(
        request, "devices/credential.html", {"device": device, "secret": secret, "hours": RENEWED_OVERLAP_HOURS},
        status=201,
    )  # fmt: skip


@require_POST
def end_one(request: HttpRequest, serial: str) -> HttpResponse:
    who, device = _device(request, serial)
    actions.end_credentials(actions.Chosen(serials=(device.serial,)), who=who, now=SYSTEM_CLOCK.now())
    messages.success(request, _("{serial} has no credential any more.").format(serial=device.serial))
    return redirect("devices:device", serial=device.serial)


def _device(request: HttpRequest, serial: str) -> tuple[Who, Device]:
    who: Who = request.who  # type: ignore[attr-defined]
    device = store.get_device(serial, who=who)
    actions.require_for(who, actions.CREDENTIALS, device.owner_id)
    return who, device


def credential_card(request: HttpRequest, who: Who, *, device: Device, **_page: Any) -> dict[str, Any] | None:
    """What a device proves itself with, on its page."""
    if not who.may(actions.CREDENTIALS, device.owner_id):
        return None
    had = store.list_credentials(device)
    return {"device": device, "had": had, "good": [one for one in had if one.ends_at is None]}
