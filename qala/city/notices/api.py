"""Notices over HTTP: one's own, one's choice, and deliveries for who manages them."""

from __future__ import annotations

from datetime import datetime, time
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Field, Query, Router, Schema

from qala.kernel.access import Who
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.paging import cursor_instant, decode_cursor, encode_cursor

from . import actions, store
from .models import Delivery, Notice

router = Router(tags=["notices"])


class NoticeOut(Schema):
    id: UUID
    kind: str
    subject: str = Field(description="In the language asked for (Accept-Language).")
    text: str
    link: str = Field(description="Path of the page that it leads to.")
    made_at: datetime
    read_at: datetime | None


class NoticePage(Schema):
    items: list[NoticeOut]
    unread: int = Field(description="How many wait to be read, counted up to a hundred.")
    next_cursor: str | None


class ChannelsOut(Schema):
    kind: str
    title: str
    channels: list[str] = Field(description="`in_app` and `email`, those that are on.")
    urgent: bool = Field(description="No quiet hours and no digest hold it back.")
    fixed: bool = Field(description="Its mail can't be turned off.")


class PreferencesIn(Schema):
    digest: str = Field("off", description="`off`, `daily` or `weekly` (on Mondays).")
    digest_hour: int = Field(8, ge=0, le=23, description="Hour of the digest in the city's zone.")
    quiet_from: time | None = Field(
        None, description="No mails from this time of the city's day; null: no quiet hours."
    )
    quiet_to: time | None = None
    channels: dict[str, list[str]] = Field(
        default_factory=dict, description="By kind; kinds that are not named stay as they are."
    )


class PreferencesOut(Schema):
    digest: str
    digest_hour: int
    quiet_from: time | None
    quiet_to: time | None
    kinds: list[ChannelsOut]


class AttemptOut(Schema):
    number: int
    at: datetime
    reason: str = Field(description="Empty: the mail was taken.")


class DeliveryOut(Schema):
    id: UUID
    kind: str
    person: UUID
    channel: str = Field(description="`in_app` or `email`.")
    state: str = Field(description="`waiting`, `sent`, `failed`, `given_up` or `merged`.")
    address: str
    subject: str
    text: str
    made_at: datetime
    next_try_at: datetime | None
    sent_at: datetime | None
    attempts: list[AttemptOut]


class DeliveryPage(Schema):
    items: list[DeliveryOut]
    next_cursor: str | None


def _who(request: HttpRequest) -> Who:
    return request.who  # type: ignore[attr-defined,no-any-return]


def _notice(row: Notice) -> dict[str, Any]:
    subject, text = store.words_of(store.BY_KEY[row.kind], row.data)
    return {
        "id": row.pk, "kind": row.kind, "subject": subject, "text": text, "link": store.link_of(row),
        "made_at": row.made_at, "read_at": row.read_at,
    }  # fmt: skip


def _delivery(row: Delivery) -> dict[str, Any]:
    return {
        "id": row.pk, "kind": row.notice.kind, "person": row.notice.person_id, "channel": row.channel, "state": row.state,
        "address": row.address, "subject": row.subject, "text": row.text, "made_at": row.made_at,
        "next_try_at": row.next_try_at, "sent_at": row.sent_at,
        "attempts": [{"number": one.number, "at": one.at, "reason": one.reason} for one in row.tries.all()],
    }  # fmt: skip


def _is_read(text: str) -> bool:
    return text == "True"


@router.get("", response=NoticePage, summary="Your notices, unread ones first")
def list_notices(
    request: HttpRequest,
    kind: Annotated[str, Query(description="Key of a kind.")] = "",
    unread: Annotated[bool, Query(description="Only those that wait to be read.")] = False,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, object]:
    """A person's own; a token has none."""
    who = _who(request)
    after = decode_cursor(cursor, _is_read, cursor_instant, UUID) if cursor else ()
    rows, following = store.list_notices(who=who, kind=kind, unread=unread, after=after, limit=limit)
    return {
        "items": [_notice(row) for row in rows], "unread": store.count_unread(who),
        "next_cursor": encode_cursor(*following) if following else None,
    }  # fmt: skip


@router.post("/read-all", response=NoticePage, summary="Mark all your notices as read")
def read_all(request: HttpRequest) -> dict[str, object]:
    """Answers with the first page of them."""
    who = _who(request)
    actions.mark_all_read(who=who, now=SYSTEM_CLOCK.now())
    rows, following = store.list_notices(who=who, limit=100)
    return {
        "items": [_notice(row) for row in rows], "unread": store.count_unread(who),
        "next_cursor": encode_cursor(*following) if following else None,
    }  # fmt: skip


@router.get("/preferences", response=PreferencesOut, summary="What you hear of, and when mails come")
def get_preferences(request: HttpRequest) -> dict[str, object]:
    person = store.person_of(_who(request))
    kept, chosen = store.preference_of(person), store.choices_of(person)
    return {
        "digest": kept.digest, "digest_hour": kept.digest_hour, "quiet_from": kept.quiet_from, "quiet_to": kept.quiet_to,
        "kinds": [
            {
                "kind": kind.key, "title": str(kind.title), "channels": sorted(chosen[kind.key]), "urgent": kind.urgent,
                "fixed": kind.fixed,
            }
            for kind in store.KINDS
        ],
    }  # fmt: skip


@router.put("/preferences", response=PreferencesOut, summary="Choose what you hear of, and when mails come")
def put_preferences(request: HttpRequest, asked: PreferencesIn) -> dict[str, object]:
    actions.set_preferences(
        who=_who(request), now=SYSTEM_CLOCK.now(), digest=asked.digest, digest_hour=asked.digest_hour,
        quiet_from=asked.quiet_from, quiet_to=asked.quiet_to,
        channels={kind: frozenset(wanted) for kind, wanted in asked.channels.items()},
    )  # fmt: skip
    return get_preferences(request)


@router.get("/deliveries", response=DeliveryPage, summary="What was sent to whom, the latest first")
def list_deliveries(
    request: HttpRequest,
    person: Annotated[str, Query(description="Pieces of name or e-mail address.")] = "",
    kind: Annotated[str, Query(description="Key of a kind.")] = "",
    state: Annotated[str, Query(description="`waiting`, `sent`, `failed`, `given_up` or `merged`.")] = "",
    channel: Annotated[str, Query(description="`in_app` or `email`.")] = "",
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, object]:
    """For who holds `notices.manage`."""
    narrowed = store.DeliveryFilter(person=person, kind=kind, state=state, channel=channel)
    after = decode_cursor(cursor, cursor_instant, UUID) if cursor else ()
    rows, following = store.list_deliveries(narrowed, who=_who(request), after=after, limit=limit)
    return {
        "items": [_delivery(row) for row in rows], "next_cursor": encode_cursor(*following) if following else None,
    }  # fmt: skip


@router.post("/deliveries/{uuid:key}/repeat", response=DeliveryOut, summary="Send a mail again that was not taken")
def repeat(request: HttpRequest, key: UUID) -> dict[str, Any]:
    """One that failed or was given up."""
    who = _who(request)
    actions.repeat(who=who, now=SYSTEM_CLOCK.now(), delivery=store.get_delivery(key, who=who))
    return _delivery(store.get_delivery(key, who=who))


@router.post("/{uuid:key}/read", response=NoticeOut, summary="Mark one of your notices as read")
def read(request: HttpRequest, key: UUID) -> dict[str, Any]:
    who = _who(request)
    actions.mark_read(who=who, now=SYSTEM_CLOCK.now(), key=key)
    return _notice(store.find_notice(key, who=who))
