"""What became of everybody's notices, for who manages them, and how each kind looks."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.list_pages import list_answer

from .. import actions, store
from ..models import Delivery

BADGES = {
    Delivery.WAITING: "info", Delivery.SENT: "ok", Delivery.FAILED: "warn", Delivery.GIVEN_UP: "bad",
    Delivery.MERGED: "mute",
}  # fmt: skip
LANGUAGES = (("kk", "Қазақша"), ("ru", "Русский"), ("en", "English"))


def tabs() -> list[dict[str, Any]]:
    return [
        {"title": _("Deliveries"), "url": reverse("notices:deliveries")},
        {"title": _("Templates"), "url": reverse("notices:templates")},
    ]


def shown(row: Delivery) -> dict[str, Any]:
    tries = list(row.tries.all())
    return {
        "delivery": row, "person": row.notice.person, "kind": store.title_of(row.notice.kind), "badge": BADGES[row.state],
        "tries": tries,
        "may_repeat": row.channel == Delivery.EMAIL and row.state in (Delivery.FAILED, Delivery.GIVEN_UP),
    }  # fmt: skip


@require_safe
def delivery_list(request: HttpRequest) -> HttpResponseBase:
    return list_answer(request, store.DELIVERIES, "notices/deliveries.html", tabs=tabs())


@require_safe
def delivery_page(request: HttpRequest, key: UUID) -> HttpResponse:
    row = store.get_delivery(key, who=request.who)  # type: ignore[attr-defined]
    return render(request, "notices/delivery.html", shown(row))


@require_POST
def repeat(request: HttpRequest, key: UUID) -> HttpResponse:
    who = request.who  # type: ignore[attr-defined]
    row = store.get_delivery(key, who=who)
    actions.repeat(who=who, now=SYSTEM_CLOCK.now(), delivery=row)
    messages.success(request, _("The mail is sent again now."))
    return redirect("notices:delivery", key=key)


@require_safe
def templates(request: HttpRequest) -> HttpResponse:
    """Each kind with made-up data, in the three languages."""
    request.who.require(store.MANAGE)  # type: ignore[attr-defined]
    kinds = []
    for kind in store.KINDS:
        words = [(code, name, *store.words_of(kind, kind.sample, code)) for code, name in LANGUAGES]
        kinds.append({"kind": kind, "words": words, "mailed": Delivery.EMAIL in kind.channels})
    return render(request, "notices/templates.html", {"kinds": kinds, "tabs": tabs()})
