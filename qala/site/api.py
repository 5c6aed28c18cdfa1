"""The HTTP API: one document put together from the routers of all plugs, with problem details for every error."""

from __future__ import annotations

from typing import Any

import structlog
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, Throttled, ValidationError
from ninja.openapi.docs import Swagger
from ninja.security import APIKeyCookie, HttpBearer

import qala
from qala.kernel.errors import QalaError, SignInNeeded
from qala.kernel.plug import plugs

from . import problems

log = structlog.get_logger(__name__)
PROBLEM = {
    "type": "object",
    "title": "Problem",
    "description": "What went wrong, as problem details (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "example": "urn:qala:problem:bad-input"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong and where."},
        "fix": {"type": "string", "description": "What to do about it."},
        "rows": {
            "type": "array",
            "description": "Further places of the same fault: texts, or `{field, what}` for wrong parameters.",
            "items": {},
        },
        "more_rows": {"type": "integer", "description": "How many further rows were left out."},
    },
}


class Session(APIKeyCookie):
    """The signed-in person of the session's cookie; unsafe methods need the CSRF token beside it."""

    param_name = settings.SESSION_COOKIE_NAME

    def authenticate(self, request: HttpRequest, key: str | None) -> Any:
        who = request.who  # type: ignore[attr-defined]
        return None if who.kind == "anonymous" else who


class Token(HttpBearer):
    """``Authorization: Bearer …``: what a person or an organisation gave a program; no CSRF token is needed."""

    def authenticate(self, request: HttpRequest, token: str) -> Any:
        who = request.who  # type: ignore[attr-defined]
        if who.kind != "token":
            raise AuthenticationError  # a session beside a token that is not good does not help
        return who


class Api(NinjaAPI):
    """Ninja's API whose document also says how errors look."""

    def get_openapi_schema(self, **arguments: Any) -> Any:
        schema = super().get_openapi_schema(**arguments)
        schema.setdefault("components", {}).setdefault("schemas", {})["Problem"] = PROBLEM
        answer = {
            "description": "A problem",
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for methods in schema["paths"].values():
            for operation in methods.values():
                operation["responses"]["default"] = answer
        return schema


class DocsPage(Swagger):
    """The page that shows the document, with Swagger UI's files from our own static files."""

    def render_page(self, request: HttpRequest, api: NinjaAPI, **arguments: Any) -> HttpResponse:
        context = {"swagger": {**self.settings, "url": self.get_openapi_url(api, arguments)}}
        return render(request, "site/api_docs.html", context)


def build() -> Api:
    """The API of all plugs: their routers below ``v1/``, the document at ``openapi.json``, its page at ``docs``."""
    made = Api(
        title="Qala",
        version=qala.__version__,
        description="Times are RFC 3339 in UTC; a range is half-open: its start belongs to it, its end does not.",
        auth=[Token(), Session()],
        docs=DocsPage(),
        docs_url="docs",
        openapi_url="openapi.json",
        urls_namespace="api",
    )
    for plug in plugs():
        for prefix, router in plug.api.items():
            made.add_router(f"/v1/{prefix.strip('/')}".rstrip("/"), router)
    made.add_exception_handler(QalaError, _domain)
    made.add_exception_handler(Http404, _missing)
    made.add_exception_handler(ValidationError, _wrong_parameters)
    made.add_exception_handler(AuthenticationError, _sign_in)
    made.add_exception_handler(HttpError, _http)
    return made


def _domain(request: HttpRequest, error: Any) -> HttpResponse:
    if error.status in (401, 403, 404):
        who = request.who  # type: ignore[attr-defined]
        log.info(
            "api.refused", status=error.status, path=request.path[:200], who_kind=who.kind, who_id=str(who.id or "")
        )
    return problems.json_response(problems.details(error))


def _missing(request: HttpRequest, error: Any) -> HttpResponse:
    return problems.json_response(problems.as_details(404, "not-found", _("There is nothing at this address.")))


def _sign_in(request: HttpRequest, error: Any) -> HttpResponse:
    needed = SignInNeeded(
        _("This needs a signed-in person or a token that is good."), fix=_("Sign in, or send another token.")
    )
    log.info("api.refused", status=401, path=request.path[:200])
    answer = problems.json_response(problems.details(needed))
    answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def _wrong_parameters(request: HttpRequest, error: Any) -> HttpResponse:
    """Each wrong parameter or field of the body, by name."""
    rows = [
        {"field": ".".join(map(str, one["loc"][1:])) or str(one["loc"][0]), "in": one["loc"][0], "what": one["msg"]}
        for one in error.errors
    ]
    what = "; ".join(f"{row['field']}: {row['what']}" for row in rows[:5])
    return problems.json_response(problems.as_details(422, "bad-input", what, rows=rows))


def _http(request: HttpRequest, error: Any) -> HttpResponse:
    if isinstance(error, Throttled):
        answer = problems.json_response(problems.as_details(429, "too-many", str(error)))
        answer["Retry-After"] = str(error.wait or 1)
        return answer
    if error.status_code == 403 and "CSRF" in str(error):
        return problems.csrf_failed(request)
    kinds = {400: "bad-request", 401: "sign-in-needed", 403: "not-allowed", 404: "not-found"}
    kind = kinds.get(error.status_code, "error")
    return problems.json_response(problems.as_details(error.status_code, kind, str(error)))


api = build()
