"""Everybody's own notices, and which ones they want."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from qala.kernel.access import Who
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.errors import BadInput
from qala.kernel.paging import cursor_instant, decode_cursor, encode_cursor

from .. import actions, store
from ..models import Delivery
from .forms import PreferenceForm


def asking(request: HttpRequest) -> Who:
    """Who asks; a person, else ``store.person_of`` raises."""
    who: Who = request.who  # type: ignore[attr-defined]
    store.person_of(who)
    return who


def is_read(text: str) -> bool:
    return text == "True"


@require_safe
def notice_list(request: HttpRequest) -> HttpResponse:
    who, kind, unread = asking(request), request.GET.get("kind", ""), bool(request.GET.get("unread"))
    cursor = request.GET.get("after", "")
    after = decode_cursor(cursor, is_read, cursor_instant, UUID) if cursor else ()
    rows, following = store.list_notices(who=who, kind=kind, unread=unread, after=after)
    shown = []
    for row in rows:
        subject, text = store.words_of(store.BY_KEY[row.kind], row.data)
        shown.append({"notice": row, "subject": subject, "text": text})
    return render(
        request,
        "notices/list.html",
        {
            "rows": shown, "next": encode_cursor(*following) if following else "", "first_page": not cursor,
            "kinds": kinds_for(who), "kind": kind, "unread": unread, "any_unread": any(row.read_at is None for row in rows),
        },
    )  # fmt: skip


def kinds_for(who: Who) -> list[store.Kind]:
    """The kinds that the asker may ever get."""
    return [kind for kind in store.KINDS if not kind.permission or who.may(kind.permission)]


@require_POST
def read(request: HttpRequest, key: UUID) -> HttpResponse:
    actions.mark_read(who=asking(request), now=SYSTEM_CLOCK.now(), key=key)
    return redirect("notices:list")


@require_POST
def open_notice(request: HttpRequest, key: UUID) -> HttpResponse:
    """Read, and on to what it is about."""
    who = asking(request)
    notice = store.find_notice(key, who=who)
    actions.mark_read(who=who, now=SYSTEM_CLOCK.now(), key=key)
    return redirect(store.link_of(notice))


@require_POST
def read_all(request: HttpRequest) -> HttpResponse:
    count = actions.mark_all_read(who=asking(request), now=SYSTEM_CLOCK.now())
    text = ngettext("{n} notice is marked as read.", "{n} notices are marked as read.", count)
    messages.success(request, text.format(n=count))
    return redirect("notices:list")


@require_http_methods(["GET", "HEAD", "POST"])
def settings_page(request: HttpRequest) -> HttpResponse:
    who = asking(request)
    person = store.person_of(who)
    preference = store.preference_of(person)
    form = PreferenceForm(
        request.POST or None,
        initial={
            "digest": preference.digest, "digest_hour": preference.digest_hour, "quiet_from": preference.quiet_from,
            "quiet_to": preference.quiet_to,
        },
    )  # fmt: skip
    kinds, chosen = kinds_for(who), store.choices_of(person)
    if request.method == "POST":
        wanted = {channel: set(request.POST.getlist(channel)) for channel in (Delivery.IN_APP, Delivery.EMAIL)}
        chosen |= {kind.key: frozenset(one for one, keys in wanted.items() if kind.key in keys) for kind in kinds}
        if form.is_valid():
            data: dict[str, Any] = form.cleaned_data
            try:
                actions.set_preferences(
                    who=who, now=SYSTEM_CLOCK.now(), channels={kind.key: chosen[kind.key] for kind in kinds}, **data
                )
            except BadInput as error:
                for what in error.rows:
                    form.add_error(None, what)
            else:
                messages.success(request, _("The changes are kept."))
                return redirect("notices:settings")
    rows = [
        {
            "kind": kind, "in_app": Delivery.IN_APP in chosen[kind.key],
            "email": kind.fixed or Delivery.EMAIL in chosen[kind.key],
        }
        for kind in kinds
    ]  # fmt: skip
    status = 422 if form.errors else 200
    return render(request, "notices/settings.html", {"form": form, "rows": rows}, status=status)
