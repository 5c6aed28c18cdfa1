"""What every request passes through: security headers, log and metrics, who is asking, problems."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import structlog
from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, QueryDict, UnreadablePostError
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import translation
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _

from qala.city.people.public import SEEN, SEEN_EVERY, may_use, note_seen, remote_address, who_of, who_of_token
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.errors import BadInput, NotFound, QalaError
from qala.kernel.ids import new_id

from . import csp, metrics, problems

log = structlog.get_logger(__name__)
Next = Callable[[HttpRequest], HttpResponse]
PERMISSIONS_POLICY = "camera=(), geolocation=(self), microphone=(), payment=(), usb=()"
UNWATCHED = {"healthz", "metrics"}  # asked by machines every few seconds: counted, not logged


class SecurityHeaders:
    """Headers that browsers guard a page by, on every answer, static files included."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", csp.policy())
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        return response


class RequestLog:
    """One log line and one count a request, by the name of its route; neither holds a query string."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        request_id = str(new_id())
        request.request_id = request_id  # type: ignore[attr-defined]
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self.get_response(request)
            seconds = time.perf_counter() - started
            route = _route(request)
            method = request.method if request.method in METHODS else "other"
            metrics.REQUESTS.labels(route, method, response.status_code).inc()
            metrics.REQUEST_SECONDS.labels(route).observe(seconds)
            if route not in UNWATCHED:
                write = log.warning if response.status_code >= 500 else log.info
                write(
                    "request", method=request.method, path=_path(request), route=route, status=response.status_code,
                    milliseconds=round(seconds * 1000, 1),
                )  # fmt: skip
        response.headers["X-Request-Id"] = request_id
        return response


def _path(request: HttpRequest) -> str:
    """The path, or its pattern where a part of it is a key that lets somebody in, or is named ``secret``."""
    match = request.resolver_match
    if match is not None and (
        "secret" in match.kwargs or ("key" in match.kwargs and match.view_name.startswith("account_"))
    ):
        return "/" + match.route
    return request.path[:200]


def _holds_nul(given: QueryDict) -> bool:
    return any("\x00" in text for name, values in given.lists() for text in (name, *values))


def _is_plain_form(request: HttpRequest) -> bool:
    return request.method == "POST" and request.content_type == "application/x-www-form-urlencoded"


def _is_plain_json(request: HttpRequest) -> bool:
    if b"\\u" not in request.body:
        return True
    try:
        return all("\x00" not in text and text.encode() is not None for text in _texts(json.loads(request.body)))
    except UnicodeEncodeError:
        return False
    except (ValueError, RecursionError):
        return True  # no JSON at all: whoever reads it says so


def _texts(found: Any) -> Iterator[str]:
    """All texts of a JSON value, names included."""
    if isinstance(found, str):
        yield found
    elif isinstance(found, dict):
        yield from found
    for part in found.values() if isinstance(found, dict) else found if isinstance(found, list) else ():
        yield from _texts(part)


METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


def _route(request: HttpRequest) -> str:
    """The route's name, so that metrics have as many series as there are routes, not as there are addresses."""
    match = request.resolver_match
    return (match.view_name or match.route or "unnamed") if match is not None else "none"


class AskingPerson:
    """``request.who``: who asks, looked up when first needed; pages speak the language that the person chose."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        guard(request)
        language = _chosen_language(request)
        if language:
            translation.activate(language)
            request.LANGUAGE_CODE = language
        if _must_set_up(request):
            return redirect("people:second_factor")
        response = self.get_response(request)
        _note_seen(request)
        return response


def _must_set_up(request: HttpRequest) -> bool:
    """Whether the console stays closed: the asker holds a role that needs a second factor, and has none.

    Whoever lacks it is granted nothing at any door (``who_of``); this only leads them to where they set one up.
    """
    if not request.path.startswith("/console/") or request.path == reverse("people:second_factor"):
        return False
    asker = request.who.kind  # type: ignore[attr-defined]
    return asker == "person" and bool(request.user.lacks_second_factor)  # type: ignore[union-attr]


def _note_seen(request: HttpRequest) -> None:
    """Now and then, keep for a person's list of sessions that this one is in use."""
    if settings.SESSION_COOKIE_NAME not in request.COOKIES or not request.session.accessed:
        return
    seen, now = request.session.get(SEEN), SYSTEM_CLOCK.now()
    if seen is None or now.timestamp() - seen < SEEN_EVERY or not request.session.session_key:
        return
    request.session[SEEN] = now.timestamp()
    note_seen(now=now, session_key=request.session.session_key, address=remote_address(request.META))


def guard(request: HttpRequest) -> None:
    """Set ``request.who``, and have ``request.user`` be nobody where the account may not be used from here."""
    token = token_of(request)
    if token is not None:  # whoever comes with a token comes without a session
        address = remote_address(request.META)
        request.user = AnonymousUser()
        request.who = SimpleLazyObject(lambda: who_of_token(token, address, SYSTEM_CLOCK.now()))  # type: ignore[attr-defined]
        return
    signed_in = request.user
    request.user = SimpleLazyObject(lambda: _usable(signed_in, request))  # type: ignore[assignment]
    request.who = SimpleLazyObject(lambda: who_of(request.user, SYSTEM_CLOCK.now()))  # type: ignore[attr-defined]


def token_of(request: HttpRequest) -> str | None:
    """The bearer token that a request to the API came with."""
    scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and request.path.startswith("/api/") else None


def attach_asker(request: HttpRequest) -> None:
    """Give a request that passed no middleware its session, person and asker."""
    store = import_module(settings.SESSION_ENGINE).SessionStore
    request.session = store(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
    request.user = get_user(request)
    guard(request)


def language_of(request: HttpRequest) -> str:
    """The language of an answer: the cookie's, else the person's, else the browser's, else the city's."""
    return _chosen_language(request) or translation.get_language_from_request(request)


def _chosen_language(request: HttpRequest) -> str:
    """What a signed-in person chose, unless the cookie says otherwise."""
    if settings.LANGUAGE_COOKIE_NAME in request.COOKIES or settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return ""
    language = getattr(request.user, "language", "")
    return language if language and translation.check_for_language(language) else ""


def _usable(person: Any, request: HttpRequest) -> Any:
    """The person of the session, or nobody where the account may not be used from here (a demo account from afar)."""
    if person.is_authenticated and not may_use(person, remote_address(request.META)):
        return AnonymousUser()
    if person.is_authenticated and _lies_idle(request):
        request.session.flush()
        return AnonymousUser()
    return person


def _lies_idle(request: HttpRequest) -> bool:
    """Whether nobody used the session for long, and nobody asked to stay signed in on this machine."""
    seen = request.session.get(SEEN)
    if seen is None or not request.session.get_expire_at_browser_close():
        return False
    return bool(SYSTEM_CLOCK.now().timestamp() - seen > settings.QALA.idle_end_hours * 3600 + SEEN_EVERY)


class Problems:
    """Domain errors that views raise become problem details or a page; so do a NUL and half a surrogate pair, which no
    text of ours holds and the databases refuse in their own words."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "\x00" in request.path:
            return problems.response(request, NotFound(_("There is nothing at this address.")))
        if _holds_nul(request.GET) or (_is_plain_form(request) and _holds_nul(request.POST)):
            return problems.response(request, BadInput(_("The address or the form holds a NUL character.")))
        if request.content_type == "application/json" and not _is_plain_json(request):
            return problems.response(
                request, BadInput(_("A text of the body holds what is no Unicode text, or a NUL."))
            )
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, QalaError):
            return problems.response(request, exception)
        if isinstance(exception, UnreadablePostError):  # whoever sent the body left; nobody reads this
            return problems.bad_request(request)
        return None
