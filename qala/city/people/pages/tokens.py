"""Console pages of API tokens: one's own, and the service accounts of an organisation."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.list_pages import list_answer

from .. import actions, store
from ..models import Organisation, Token
from .forms import TokenForm
from .shared import MISTAKES, asking, tabs, tell

RENEWED_DAYS = 365


@require_safe
def token_list(request: HttpRequest) -> HttpResponseBase:
    return list_answer(request, store.TOKENS, "people/token_list.html", tabs=tabs(asking(request)))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def new_own(request: HttpRequest) -> HttpResponse:
    return _new(request, None)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def new_of_organisation(request: HttpRequest, code: str) -> HttpResponse:
    owner = store.get_organisation(code)
    asking(request).require(actions.MANAGE, owner.pk)
    return _new(request, owner)


def _new(request: HttpRequest, owner: Organisation | None) -> HttpResponse:
    who = asking(request)
    form = TokenForm(request.POST or None, who=who, owner=owner)
    if request.method == "POST" and form.is_valid():
        try:
            token, secret = actions.create_token(who=who, now=SYSTEM_CLOCK.now(), owner=owner, **form.given())
        except MISTAKES as error:
            tell(form, error)
        else:
            return _shown_once(request, token, secret)
    return render(request, "people/token_new.html", {"form": form, "owner": owner})


def _shown_once(request: HttpRequest, token: Token, secret: str) -> HttpResponse:
    """The secret in the answer itself: it stands in no session and no address."""
    address = store.city_address(request.build_absolute_uri("/")).rstrip("/")
    return render(request, "people/token.html", {"token": token, "secret": secret, "address": address}, status=201)


@never_cache
@require_POST
def renew(request: HttpRequest, key: UUID) -> HttpResponse:
    who = asking(request)
    token = store.get_token(key, who=who)
    secret = actions.renew_token(who=who, now=SYSTEM_CLOCK.now(), token=token, days=RENEWED_DAYS)
    token.refresh_from_db()
    return _shown_once(request, token, secret)


@require_POST
def revoke(request: HttpRequest, key: UUID) -> HttpResponse:
    who = asking(request)
    token = store.get_token(key, who=who)
    actions.revoke_token(who=who, now=SYSTEM_CLOCK.now(), token=token)
    messages.success(request, _("The token {name} was revoked.").format(name=token.name))
    if token.organisation is not None:
        return redirect("people:organisation", code=token.organisation.code)
    return redirect("people:me")
