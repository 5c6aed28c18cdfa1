"""Sign-in by the city's own service (OpenID Connect): there, and back with an ID token that is checked in full."""

from __future__ import annotations

from typing import Any

import jwt
import requests
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.errors import Unavailable

from .. import actions, store
from .shared import asking

PROVIDER = "oidc"
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
LEEWAY_SECONDS = 60  # that two clocks may be apart


class Adapter(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]
    """allauth's, but it checks the ID token's signature always and keeps nothing that the service tells of a person."""

    def complete_login(self, request: HttpRequest, app: SocialApp, token: Any, **more: Any) -> Any:
        try:
            claims = self._claims(app, more["response"]["id_token"])
            if "email" not in claims:
                told = self._fetch_user_info(token.token)
                if told.get("sub") != claims["sub"]:
                    raise OAuth2Error("the userinfo is another account's")
                claims = {**told, **claims}
            login = self.get_provider().sociallogin_from_response(request, {"id_token": claims})
        except (AttributeError, KeyError, TypeError, ValueError, jwt.PyJWTError) as error:
            raise OAuth2Error(f"the ID token is no good: {error}") from error
        login.account.extra_data = {}
        login.user.name = str(claims.get("name") or "")[:200]
        return login

    def _claims(self, app: SocialApp, id_token: str) -> dict[str, Any]:
        with get_adapter().get_requests_session() as session:
            answer = session.get(self.openid_config["jwks_uri"])
            answer.raise_for_status()
            keys = jwt.PyJWKSet.from_dict(answer.json()).keys
        named = jwt.get_unverified_header(id_token).get("kid")
        key = next((one for one in keys if one.key_id == named), keys[0] if named is None else None)
        if key is None:
            raise OAuth2Error("the ID token is signed by a key that is not the service's")
        claims: dict[str, Any] = jwt.decode(
            id_token, key.key, algorithms=ALGORITHMS, audience=app.client_id, issuer=self.openid_config["issuer"],
            leeway=LEEWAY_SECONDS, options={"require": ["exp", "iat", "sub", "aud", "iss"]},
        )  # fmt: skip
        if claims.get("azp", app.client_id) != app.client_id:
            raise OAuth2Error("the ID token was made for another")
        return claims

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        return store.city_address(request.build_absolute_uri("/")).rstrip("/") + reverse("openid_connect_callback")


@never_cache
@require_safe
def begin(request: HttpRequest) -> HttpResponse:
    """Lead to the service. A link on another site does not: nobody is signed in without having meant it."""
    if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        return redirect("account_login")
    adapter = _adapter(request)
    wanted = request.GET.get("next", "")
    if not url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure()):
        wanted = ""
    provider = adapter.get_provider()
    try:
        provider.oauth2_adapter_class = lambda *_given: adapter
        answer: HttpResponse = provider.redirect(request, process="login", next_url=wanted or None)
    except (requests.RequestException, KeyError, TypeError, ValueError):
        raise Unavailable(
            _("{name} does not answer now.").format(name=provider.name),
            fix=_("Sign in by password or code, or try again in a few minutes."),
        ) from None
    return answer


@never_cache
@require_safe
def back(request: HttpRequest) -> HttpResponse:
    """Where the service sends people back to."""
    adapter = _adapter(request)
    try:
        answer: HttpResponse = OAuth2CallbackView.adapter_view(adapter)(request)
    except (KeyError, TypeError, ValueError):  # what came is not what the service promised
        return render(request, "socialaccount/authentication_error.html")
    return answer


@require_POST
def leave(request: HttpRequest) -> HttpResponse:
    person: Any = request.user
    actions.leave_outside_account(who=asking(request), now=SYSTEM_CLOCK.now(), person=person, provider=PROVIDER)
    messages.success(request, _("The account elsewhere is no longer joined to this one."))
    return redirect("people:me")


@require_safe
def cancelled(request: HttpRequest) -> HttpResponse:
    messages.info(request, _("You left before you were signed in."))
    return redirect("account_login")


def _adapter(request: HttpRequest) -> Adapter:
    adapter = Adapter(request, PROVIDER)
    try:
        adapter.get_provider()
    except SocialApp.DoesNotExist:
        raise Http404 from None
    return adapter
