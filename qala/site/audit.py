"""The audit over HTTP, and what its doors share: how a person, a thing and a period are asked for."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Router, Schema

from qala.city.people.public import find_person, persons_only_in
from qala.kernel import audit
from qala.kernel.access import Who
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.paging import cursor_instant, decode_cursor, encode_cursor, span_of

router = Router(tags=["audit"])
NOBODY = UUID(int=0)


def wanted(
    *, who: Who, person: str = "", kind: str = "", key: str = "", verb: str = "", start: datetime | None = None,
    end: datetime | None = None,
) -> audit.AuditFilter:  # fmt: skip
    """The filter for what somebody asked.

    Args:
        person: an e-mail address, of somebody that the asker may know of; else part of a name.

    Raises:
        BadInput: a time has no offset, or the end lies before the start.
    """
    span = span_of(start, end)
    by_address = "@" in person
    known = find_person(person, who=who, now=SYSTEM_CLOCK.now()) if by_address else None
    return audit.AuditFilter(
        person=(known.pk if known is not None else NOBODY) if by_address else None,
        name="" if by_address else person.strip()[:200], kind=kind.strip()[:80], key=key.strip()[:200],
        verb=verb.strip()[:80], start=span.start, end=span.end,
    )  # fmt: skip


def persons_of(who: Who) -> Any:
    """Whose acts an asker sees that may see the audit of some organisations only; ``None`` where of all."""
    scope = who.scope(audit.VIEW)
    return None if scope.everything else persons_only_in(scope.organisations)


def after(cursor: str) -> tuple[datetime, UUID] | None:
    """The key in a cursor.

    Raises:
        BadInput: it is no cursor of this list.
    """
    if not cursor:
        return None
    at, key = decode_cursor(cursor, cursor_instant, UUID)
    return at, key


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
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> EntryPage:  # fmt: skip
    """Rows of the audit that you may see.

    Held for some organisations, the permission shows what was done by people of these alone.
    """
    who = request.who  # type: ignore[attr-defined]
    who.require(audit.VIEW)
    asked = wanted(who=who, person=person, kind=thing, key=key, verb=verb, start=start, end=end)
    rows, following = audit.page(asked, who=who, persons=persons_of(who), after=after(cursor or ""), limit=limit)
    items = [
        EntryOut(
            id=row.id, at=row.at, who=row.shown_name, who_kind=row.who_kind, who_id=row.who_id, verb=row.verb,
            thing=row.thing_kind, key=row.thing_key, before=row.before, after=row.after, why=row.why, chain=row.lane,
            number=row.number, digest=row.digest,
        )
        for row in rows
    ]  # fmt: skip
    return EntryPage(items=items, next_cursor=encode_cursor(*following) if following else None)
