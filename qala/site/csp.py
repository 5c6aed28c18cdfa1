"""The content security policy, and what browsers report of its violations."""

from __future__ import annotations

import json
from functools import cache
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from . import metrics

log = structlog.get_logger(__name__)
MOST_BYTES = 20_000


@cache
def policy() -> str:
    """The policy's header, the same for every page; the outside map tiles of the settings are its only exception."""
    tiles = ""
    if settings.QALA.tile_url:
        url = urlsplit(settings.QALA.tile_url)
        tiles = f" {url.scheme}://{url.netloc}".replace("{s}", "*")
    parts = [
        "default-src 'self'",
        "worker-src 'self'",
        f"img-src 'self' data:{tiles}",
        *([f"connect-src 'self'{tiles}"] if tiles else []),
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "report-uri /csp-report",
    ]
    return "; ".join(parts)


@csrf_exempt
@require_POST
def report(request: HttpRequest) -> HttpResponse:
    """A browser's report of something the policy stopped: a fault of ours, or somebody's injection."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > MOST_BYTES:
        return HttpResponse(status=413)
    try:
        told = json.loads(request.body)
        told = told[0] if isinstance(told, list) and told else told
        found = told.get("csp-report") or told.get("body") or {}
    except (ValueError, AttributeError):
        return HttpResponse(status=400)
    if not isinstance(found, dict):
        return HttpResponse(status=400)
    metrics.CSP_VIOLATIONS.inc()
    log.warning(
        "csp.violation",
        page=_path(found.get("document-uri") or found.get("documentURL")),
        directive=str(found.get("effective-directive") or found.get("effectiveDirective"))[:60],
        blocked=_path(found.get("blocked-uri") or found.get("blockedURL")),
        source=_path(found.get("source-file") or found.get("sourceFile")),
        line=found.get("line-number") or found.get("lineNumber"),
        sample=str(found.get("script-sample") or found.get("sample") or "")[:80],
    )
    return HttpResponse(status=204)


def _path(url: object) -> str:
    """A URL without its query, which may hold secrets."""
    return str(url or "").split("?", 1)[0].split("#", 1)[0][:200]
