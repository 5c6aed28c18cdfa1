"""The console's page of the audit: who changed what, when and why."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from qala.kernel import audit
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.downloads import export_file, file_answer
from qala.kernel.errors import BadInput
from qala.kernel.models import AuditEntry
from qala.kernel.paging import encode_cursor
from qala.site.audit import after, persons_of, wanted
from qala.site.formats.text import moment_text

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00$")
FIELDS = ("person", "thing", "key", "verb", "from", "to")


@require_safe
def audit_page(request: HttpRequest) -> HttpResponse:
    who = request.who  # type: ignore[attr-defined]
    who.require(audit.VIEW)
    cursor = request.GET.get("after", "")
    rows, following = audit.page(asked(request), who=who, persons=persons_of(who), after=after(cursor))
    given = {name: request.GET.get(name, "") for name in FIELDS}
    return render(
        request,
        "site/audit.html",
        {
            "rows": [{"entry": row, "changes": changes(row)} for row in rows], "given": given, "from": given["from"],
            "narrowed": any(given.values()), "next": encode_cursor(*following) if following else "",
            "first_page": not cursor, "everything": who.scope(audit.VIEW).everything,
            "query": request.GET.urlencode(),
        },
    )  # fmt: skip


@require_safe
def download(request: HttpRequest) -> HttpResponseBase:
    who = request.who  # type: ignore[attr-defined]
    who.require(audit.VIEW)
    with export_file() as path:
        audit.export_csv(path, asked(request), who=who, persons=persons_of(who))
        return file_answer(path, f"audit-{SYSTEM_CLOCK.now():%Y%m%d-%H%M}.csv")


def asked(request: HttpRequest) -> audit.AuditFilter:
    """The filter that the page's address holds; both days of its period belong to it."""
    given, who = request.GET, request.who  # type: ignore[attr-defined]
    return wanted(
        who=who, person=given.get("person", ""), kind=given.get("thing", ""), key=given.get("key", ""),
        verb=given.get("verb", ""), start=midnight(given.get("from", "")), end=midnight(given.get("to", ""), days=1),
    )  # fmt: skip


def midnight(text: str, days: int = 0) -> datetime | None:
    """The beginning of a day in the city, so many days later; ``None`` where no day is given.

    Raises:
        BadInput: it is no day.
    """
    if not text:
        return None
    try:
        found = date.fromisoformat(text) + timedelta(days=days)
        return datetime.combine(found, time.min, ZoneInfo(settings.TIME_ZONE))
    except (ValueError, OverflowError):
        raise BadInput(_("“{text}” is no day.").format(text=text[:40]), fix="2026-03-01") from None


def changes(entry: AuditEntry) -> list[dict[str, str]]:
    """What became of each field: ``{"field", "before", "after"}``; an empty text where there was or is nothing."""
    before, now = entry.before or {}, entry.after or {}
    return [
        {"field": name.replace("_", " "), "before": shown(before.get(name)), "after": shown(now.get(name))}
        for name in dict.fromkeys([*before, *now])
        if before.get(name) != now.get(name) or name not in before or name not in now
    ]


def shown(value: Any) -> str:
    """A JSON value as a person reads it."""
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, dict):
        return "; ".join(f"{name}: {shown(one) or '–'}" for name, one in value.items())
    if isinstance(value, list):
        return ", ".join(shown(one) or "–" for one in value)
    if isinstance(value, str) and INSTANT.match(value):
        with suppress(ValueError, OverflowError):  # it only looks like an instant
            return moment_text(datetime.fromisoformat(value))
    return str(value)
