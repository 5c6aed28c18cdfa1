"""The one place that maps errors to what people and machines read: problem details (RFC 9457), pages, CLI text."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from qala.kernel.errors import QalaError, SignInNeeded

MACHINE_PATHS = ("/api/", "/sse/", "/metrics", "/csp-report")
MOST_ROWS = 100  # of an error's rows in one answer; the whole list belongs into a file


def details(error: QalaError) -> dict[str, Any]:
    """The error as problem details: ``type, title, status, detail``, and ``fix`` and ``rows`` where there are any."""
    return as_details(error.status, error.kind, error.what, fix=error.fix, rows=error.rows)


def as_details(
    status: int, kind: str, what: str, *, fix: str = "", rows: Sequence[Any] = (), title: str = ""
) -> dict[str, Any]:
    """Problem details from their parts; ``kind`` becomes the type ``urn:qala:problem:KIND``."""
    found: dict[str, Any] = {
        "type": f"urn:qala:problem:{kind}",
        "title": title or titles().get(status, titles()[500]),
        "status": status,
        "detail": str(what),
    }
    if fix:
        found["fix"] = str(fix)
    if rows:
        found["rows"] = [row if isinstance(row, dict) else str(row) for row in rows[:MOST_ROWS]]
        if len(rows) > MOST_ROWS:
            found["more_rows"] = len(rows) - MOST_ROWS
    return found


def for_command(error: QalaError) -> dict[str, Any]:
    """The error as a command says it: problem details with ``what`` for ``detail``."""
    problem = as_details(error.status, error.kind, error.what, fix=error.fix, rows=error.rows)
    problem["what"] = problem.pop("detail")
    if "more_rows" in problem:
        problem["rows"].append(_("and {count} more").format(count=problem["more_rows"]))
    return problem


def titles() -> dict[int, str]:
    """What a status means, in a few words of the reader's language."""
    return {
        400: _("This request could not be read"),
        401: _("Sign-in needed"),
        403: _("Not allowed"),
        404: _("Not found"),
        405: _("This address does not take that"),
        409: _("Not possible now"),
        413: _("Too large"),
        422: _("Wrong input"),
        429: _("Too many at once"),
        500: _("Something went wrong here"),
        503: _("Not available now"),
    }


def wants_json(request: HttpRequest) -> bool:
    """Whether the asker is a machine: by the path, or by asking for JSON rather than a page."""
    if request.path.startswith(MACHINE_PATHS):
        return True
    accepted = request.headers.get("Accept", "")
    return "json" in accepted and "text/html" not in accepted


def json_response(problem: dict[str, Any]) -> HttpResponse:
    return JsonResponse(
        problem,
        status=problem["status"],
        content_type="application/problem+json",
        json_dumps_params={"ensure_ascii": False},
    )


def response(request: HttpRequest, error: QalaError) -> HttpResponse:
    """The answer to a request that ended in a domain error."""
    if wants_json(request):
        return json_response(details(error))
    if isinstance(error, SignInNeeded):
        where = resolve_url(settings.LOGIN_URL)
        if request.headers.get("HX-Request"):  # a fragment cannot show the sign-in page: the whole page goes there
            return HttpResponse(status=204, headers={"HX-Redirect": where})
        return redirect(f"{where}?{urlencode({'next': request.get_full_path()})}")
    return page(request, error.status, error.what, fix=error.fix, rows=error.rows)


def page(request: HttpRequest, status: int, what: str, *, fix: str = "", rows: Sequence[str] = ()) -> HttpResponse:
    """The problem as a page of the console."""
    context = {
        "status": status,
        "title": titles().get(status, titles()[500]),
        "what": what,
        "fix": fix,
        "rows": list(rows)[:MOST_ROWS],
    }
    return render(request, "site/problem.html", context, status=status)


def _answer(request: HttpRequest, status: int, kind: str, what: str, fix: str = "") -> HttpResponse:
    if wants_json(request):
        return json_response(as_details(status, kind, what, fix=fix))
    return page(request, status, what, fix=fix)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _answer(request, 400, "bad-request", _("The server could not make sense of this request."))


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _answer(request, 403, "not-allowed", _("You may not see or do this."), _("Ask an administrator."))


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    return _answer(
        request, 403, "csrf", _("This form is too old or came from elsewhere; nothing was changed."),
        _("Load the page again and repeat the step."),
    )  # fmt: skip


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _answer(
        request,
        404,
        "not-found",
        _("There is nothing at this address."),
        _("Check the address or begin at the start page."),
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """What is shown for a fault of ours; it must not fail itself, whatever is broken."""
    what = _("This page met a fault of ours. It has been written down; nothing was half-written.")
    status, kind = 500, "fault"
    if isinstance(sys.exc_info()[1], OperationalError):
        what = _("The records do not answer now; nothing was half-written.")
        status, kind = 503, "unavailable"
    if wants_json(request):
        return json_response(as_details(status, kind, what))
    try:
        return page(request, status, what, fix=_("Try again in a minute."))
    except Exception:  # noqa: BLE001 - the shell of pages itself is what is broken
        return HttpResponse(what, status=status, content_type="text/plain; charset=utf-8")
