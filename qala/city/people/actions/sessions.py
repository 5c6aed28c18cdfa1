"""Sessions under way: which device, from where; and their end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from django.contrib.sessions.models import Session
from django.db import transaction
from django.utils.translation import gettext as _

from qala.kernel import audit
from qala.kernel.access import Who
from qala.kernel.errors import NotFound
from qala.kernel.forgotten import in_batches

from .. import store
from ..models import Person, SignIn


@transaction.atomic
def begin_session(*, now: datetime, person: Person, session_key: str, address: str, agent: str) -> SignIn:
    """Remember that a person signed in, for their own list of sessions; sessions that ran out are forgotten.

    Args:
        session_key: key of the session that began.
        address: where from, ``""`` where a proxy stands between.
        agent: what the browser says of itself.
    """
    alive = Session.objects.filter(expire_date__gt=now).values("session_key")
    SignIn.objects.filter(person=person).exclude(session_key__in=alive).delete()
    made, _created = SignIn.objects.update_or_create(
        session_key=session_key,
        defaults={
            "person": person, "began_at": now, "last_seen_at": now, "address": address[:45], "agent": agent[:300],
        },
    )  # fmt: skip
    return made


def note_seen(*, now: datetime, session_key: str, address: str, was: str = "") -> None:
    """A session is in use.

    Args:
        was: the key that it had before, where it was given a new one.
    """
    SignIn.objects.filter(session_key=was or session_key).update(
        session_key=session_key, last_seen_at=now, address=address[:45]
    )


@transaction.atomic
def end_session(*, who: Who, now: datetime, key: UUID) -> None:
    """End one of one's own sessions.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    found = store.own_sessions(who).filter(pk=key).first()
    if found is None:
        raise NotFound(_("There is no such session."))
    _end([found.session_key])
    audit.record(who=who, now=now, verb="people.end_session", thing="person", key=found.person_id)


@transaction.atomic
def end_sessions(*, who: Who, now: datetime, but: str = "") -> int:
    """End all of one's own sessions, but for the one of that session key; returns how many ended."""
    keys = list(store.own_sessions(who).exclude(session_key=but).values_list("session_key", flat=True))
    if keys:
        _end(keys)
        audit.record(
            who=who, now=now, verb="people.end_sessions", thing="person", key=who.id, after={"ended": len(keys)}
        )
    return len(keys)


def end_all_sessions(person: Person, *, but: str = "") -> int:
    """End every session of a person but one, inside the transaction of what made it necessary; returns how many."""
    keys = list(SignIn.objects.filter(person=person).exclude(session_key=but).values_list("session_key", flat=True))
    _end(keys)
    return len(keys)


def _end(keys: list[str]) -> None:
    Session.objects.filter(session_key__in=keys).delete()
    SignIn.objects.filter(session_key__in=keys).delete()


def forget_sign_ins(before: datetime, now: datetime) -> Iterator[tuple[str, int]]:
    """Delete sign-ins that were last seen before an instant and whose session has ended."""
    yield from in_batches(store.old_sign_ins(before, now), "sign-ins")
