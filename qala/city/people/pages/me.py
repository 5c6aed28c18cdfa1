"""Everybody's page about themselves: name, language, password, sessions."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.config import get_settings
from qala.kernel.plug import cards_at

from .. import actions, store
from ..rules import remote_address
from .forms import ChangePasswordForm, MyDataForm
from .shared import MISTAKES, asking, tell


@require_http_methods(["GET", "HEAD", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    who, now = asking(request), SYSTEM_CLOCK.now()
    person: Any = request.user
    form = MyDataForm(request.POST or None, initial={"name": person.name, "language": person.language})
    if request.method == "POST" and form.is_valid():
        try:
            actions.set_own_data(who=who, now=now, person=person, **form.cleaned_data)
        except MISTAKES as error:
            tell(form, error)
        else:
            messages.success(request, _("The changes are kept."))
            response = redirect("people:me")
            if person.language:
                response.set_cookie(
                    settings.LANGUAGE_COOKIE_NAME, person.language, max_age=settings.LANGUAGE_COOKIE_AGE,
                    samesite="Lax", secure=request.is_secure(), httponly=True,
                )  # fmt: skip
            else:
                response.delete_cookie(settings.LANGUAGE_COOKIE_NAME)
            return response
    sessions = [
        {"session": one, "here": one.session_key == request.session.session_key} for one in store.sessions_of(who, now)
    ]
    return render(
        request,
        "people/me.html",
        {
            "form": form, "person": person, "sessions": sessions, "others": [one for one in sessions if not one["here"]],
            "second_factor": store.second_factors_of(person), "outside": get_settings().oidc_name if store.has_outside_account(person) else "", "tokens": store.list_tokens(who=who, own=True), "memberships": store.memberships_of(person, who=who, now=now),
            "cards": cards_at("people.me", request, who),
        },
    )  # fmt: skip


@require_safe
def second_factor(request: HttpRequest) -> HttpResponse:
    """Where somebody is led whose role needs a second factor and who has none yet."""
    asking(request)
    person: Any = request.user
    if not person.lacks_second_factor:
        return redirect("people:me")
    return render(
        request, "people/second_factor.html",
        {"roles": store.roles_wanting_second_factor(person, SYSTEM_CLOCK.now())},
    )  # fmt: skip


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def change_password(request: HttpRequest) -> HttpResponse:
    """A new password for whoever knows the old one; the other sessions end."""
    who = asking(request)
    person: Any = request.user
    form = ChangePasswordForm(request.POST or None, request=request)
    if request.method == "POST" and form.is_valid():
        try:
            actions.set_password(
                who=who, now=SYSTEM_CLOCK.now(), person=person, password=form.cleaned_data["password1"],
                keep_session=request.session.session_key or "",
            )  # fmt: skip
        except MISTAKES as error:
            tell(form, error)
        else:
            was = request.session.session_key or ""
            update_session_auth_hash(request, person)  # gives the session another key
            actions.note_seen(
                now=SYSTEM_CLOCK.now(), session_key=request.session.session_key or "", was=was,
                address=remote_address(request.META),
            )  # fmt: skip
            messages.success(request, _("Your password is changed; all other sessions ended."))
            return redirect("people:me")
    return render(request, "people/my_password.html", {"form": form})


@require_POST
def end_session(request: HttpRequest, key: UUID) -> HttpResponse:
    actions.end_session(who=asking(request), now=SYSTEM_CLOCK.now(), key=key)
    messages.success(request, _("The session ended."))
    return redirect("people:me")


@require_POST
def end_others(request: HttpRequest) -> HttpResponse:
    actions.end_sessions(who=asking(request), now=SYSTEM_CLOCK.now(), but=request.session.session_key or "")
    messages.success(request, _("All other sessions ended."))
    return redirect("people:me")
