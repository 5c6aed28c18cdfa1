"""The audit as a list: on its page, over HTTP, on the command line."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.db.models import Q
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from ninja import Query, Router, Schema

from qala.city.people.public import find_person, persons_only_in
from qala.kernel import audit
from qala.kernel.list_pages import asked_by_api, look_of, next_cursor
from qala.kernel.lists import Column, List, Look, Sort, day, text
from qala.kernel.models import AuditEntry
from qala.kernel.paging import span_of
from qala.site.formats.text import moment_text

router = Router(tags=["audit"])
NOBODY = UUID(int=0)
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00$")


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
        return gettext("yes") if value else gettext("no")
    if isinstance(value, dict):
        return "; ".join(f"{name}: {shown(one) or '–'}" for name, one in value.items())
    if isinstance(value, list):
        return ", ".join(shown(one) or "–" for one in value)
    if isinstance(value, str) and INSTANT.match(value):
        with suppress(ValueError, OverflowError):  # it only looks like an instant
            return moment_text(datetime.fromisoformat(value))
    return str(value)


def _all(look: Look) -> Any:
    """Held for some organisations, the permission shows what was done by people of these alone."""
    scope = look.who.require(audit.VIEW)
    persons = None if scope.everything else persons_only_in(scope.organisations)
    return audit.entries(audit.AuditFilter(), who=look.who, persons=persons).order_by()


def _by_person(rows: Any, person: str, look: Look) -> Any:
    """By an e-mail address, of somebody that the asker may know of; else by part of a name."""
    if "@" not in person:
        return audit.narrowed(rows, audit.AuditFilter(name=person))
    known = find_person(person, who=look.who, now=look.now)
    return audit.narrowed(rows, audit.AuditFilter(person=known.pk if known is not None else NOBODY))


def _found(rows: Any, words: str) -> Any:
    """By part of the name of who did it, or by the whole key of a thing."""
    named = audit.narrowed(rows, audit.AuditFilter(name=words)).values("pk")
    return rows.filter(Q(pk__in=named) | Q(thing_key=words))


def _json(value: dict[str, Any] | None) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False, sort_keys=True)


AUDIT = List(
    "audit",
    _("Audit log"),
    _all,
    columns=(
        Column("at", _("When"), lambda row: row.at, "instant"),
        Column("who", _("Who"), lambda row: row.shown_name),
        Column("who_kind", _("Kind of who"), lambda row: row.who_kind, shown=False, mono=True),
        Column("who_id", _("Id of who"), lambda row: str(row.who_id or ""), shown=False, mono=True),
        Column("verb", _("Action"), lambda row: row.verb, mono=True),
        Column("thing", _("Kind of thing"), lambda row: row.thing_kind, shown=False),
        Column("key", _("Its key"), lambda row: row.thing_key, mono=True),
        Column("changes", _("What changed"), changes, cell="site/cells/changes.html", in_file=False),
        Column("before", _("Before"), lambda row: _json(row.before), shown=False, mono=True),
        Column("after", _("After"), lambda row: _json(row.after), shown=False, mono=True),
        Column("why", _("Why"), lambda row: row.why),
        Column("id", _("Id"), lambda row: str(row.id), shown=False, mono=True),
        Column("chain", _("Chain"), lambda row: row.lane, "number", shown=False),
        Column("number", _("Number in the chain"), lambda row: row.number, "number", shown=False),
        Column("digest", _("Digest"), lambda row: row.digest, shown=False, mono=True),
    ),
    sorts=(Sort("at", "at", "id"),),
    order="-at",
    filters=(
        text("person", _("Person"), _by_person),
        text("thing", _("Kind of thing"), "thing_kind"),
        text("key", _("Its key"), "thing_key"),
        text("verb", _("Action begins with"), "verb__startswith"),
        day("from", _("First day"), "at"),
        day("to", _("Last day"), "at", ends=True),
    ),
    finds=_found,
)  # fmt: skip


class EntryOut(Schema):
    id: UUID
    at: datetime
    who: str
    who_kind: str
    who_id: UUID | None
    verb: str
    thing: str
    key: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    why: str
    chain: int
    number: int
    digest: str


class EntryPage(Schema):
    items: list[EntryOut]
    next_cursor: str | None


@router.get("", response=EntryPage, summary="Who changed what, latest first")
def list_entries(
    request: HttpRequest,
    person: Annotated[str, Query(description="Who did it: an e-mail address or part of a name.")] = "",
    thing: Annotated[str, Query(description="Kind of thing, e.g. `device`.")] = "",
    key: Annotated[str, Query(description="Key of the thing.")] = "",
    verb: Annotated[str, Query(description="Beginning of the verb, e.g. `devices.`.")] = "",
    start: Annotated[datetime | None, Query(alias="from")] = None,
    end: Annotated[datetime | None, Query(alias="to")] = None,
    sort: Annotated[str, Query(description="`at`; `-` before it: the other way round.")] = "-at",
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> EntryPage:  # fmt: skip
    """Rows of the audit that you may see.

    Held for some organisations, the permission shows what was done by people of these alone.
    """
    span = span_of(start, end)
    values = {"person": person, "thing": thing, "key": key, "verb": verb, "from": span.start, "to": span.end}
    asked = asked_by_api(values=values, sort=sort, cursor=cursor, limit=limit)
    found = AUDIT.page(asked, look_of(request))
    items = [
        EntryOut(
            id=row.id, at=row.at, who=row.shown_name, who_kind=row.who_kind, who_id=row.who_id, verb=row.verb,
            thing=row.thing_kind, key=row.thing_key, before=row.before, after=row.after, why=row.why, chain=row.lane,
            number=row.number, digest=row.digest,
        )
        for row in found.rows
    ]  # fmt: skip
    return EntryPage(items=items, next_cursor=next_cursor(found))
