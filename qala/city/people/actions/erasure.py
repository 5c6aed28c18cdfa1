"""Erasing a person: asked for by themselves and done after a waiting time, or done by an administrator at once.

Their account stays as an empty shell, so that what they did has an author without a name. The ids of who was erased are
kept in a file of the data folder too: a restore of an older back-up erases them again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils.translation import gettext as _

from qala.kernel import audit, outbox, personal, search
from qala.kernel.access import Who, system
from qala.kernel.config import get_settings
from qala.kernel.errors import BadInput, Conflict, NotAllowed

from .. import rules, store
from ..models import ErasureRequest, Person, Token
from .checks import keep_an_administrator
from .persons import require_over
from .sessions import end_all_sessions


@transaction.atomic
def ask_erasure(*, who: Who, now: datetime, person: Person) -> ErasureRequest:
    """Ask to be erased oneself; the door has confirmed that it is really them.

    Raises:
        NotAllowed: it is not the asker's own account, or a demo account.
        Conflict: it was asked for already, or the city would be left without an administrator.
    """
    _own(who, person)
    if person.is_demo:
        raise NotAllowed(_("A demo account is everybody's: it is not erased."))
    if store.find_erasure(person) is not None:
        raise Conflict(_("You asked for it already."))
    keep_an_administrator(person, now, without=list(person.memberships.filter(role=rules.ADMINISTRATOR)))
    made = ErasureRequest.objects.create(
        person=person, asked_at=now, due_at=now + timedelta(days=get_settings().erasure_days)
    )
    audit.record(
        who=who,
        now=now,
        verb="people.ask_erasure",
        thing="person",
        key=person.pk,
        after={"due": made.due_at.isoformat()},
    )
    return made


@transaction.atomic
def cancel_erasure(*, who: Who, now: datetime, person: Person) -> None:
    """Think better of it, until the waiting time is over.

    Raises:
        NotAllowed: it is not the asker's own account.
        Conflict: nothing was asked for.
    """
    _own(who, person)
    held = store.find_erasure(person)
    if held is None:
        raise Conflict(_("You have not asked for it."))
    held.cancelled_at = now
    held.save(update_fields=["cancelled_at"])
    audit.record(who=who, now=now, verb="people.cancel_erasure", thing="person", key=person.pk)


def erase_person(*, who: Who, now: datetime, person: Person, why: str) -> int:
    """Erase a person now: who administers the city may, and says why. It can't be undone.

    Returns:
        how many rows were removed or cut.

    Raises:
        BadInput: no reason is given.
        Conflict: it is the asker's own account, was done already, or leaves the city without an administrator.
        NotAllowed, SignInNeeded: the asker may not manage people everywhere, or does not hold what the person holds.
    """
    why = why.strip()
    with transaction.atomic():
        person = require_over(who, now, person)
        if not why:
            raise BadInput(_("Say why."))
        if who.id == person.pk:
            raise Conflict(_("Ask for your own erasure on the page of your data."))
        if person.erased_at is not None:
            raise Conflict(_("This person was erased already."))
        keep_an_administrator(person, now, without=list(person.memberships.filter(role=rules.ADMINISTRATOR)))
        return _erase(person, who, now, why)


def erase_due(*, now: datetime) -> int:
    """Erase those whose waiting time is over; returns how many. The last administrator waits for another one."""
    done = 0
    due = ErasureRequest.objects.filter(due_at__lte=now, cancelled_at__isnull=True, done_at__isnull=True)
    for key in list(due.order_by("due_at").values_list("person_id", flat=True)):
        with transaction.atomic():
            person = Person.objects.select_for_update().get(pk=key)
            if store.find_erasure(person) is None:  # cancelled in the meantime
                continue
            try:
                keep_an_administrator(person, now, without=list(person.memberships.filter(role=rules.ADMINISTRATOR)))
            except Conflict:
                continue
            _erase(person, system("erasure"), now, "asked for")
            done += 1
    return done


def erase_again(*, now: datetime) -> int:
    """Erase anew those whom the list in the data folder names and the records, from an older back-up, know; returns how
    many. Those whom the records alone know come onto the list."""
    listed, done = _listed(), 0
    for start in range(0, len(listed), 5000):
        some = Person.objects.filter(pk__in=listed[start : start + 5000], erased_at__isnull=True)
        for key in list(some.values_list("pk", flat=True)):
            with transaction.atomic():
                _erase(
                    Person.objects.select_for_update().get(pk=key), system("erasure"), now, "erased before a restore"
                )
            done += 1
    known = set(Person.objects.filter(erased_at__isnull=False).values_list("pk", flat=True))
    if not known <= set(listed):
        _list(known)
    return done


def erase_account(person: UUID, now: datetime) -> int:
    """What people know of a person: name, addresses, sessions, tokens and second factors are removed, roles end.

    Call it inside the transaction of the erasure; returns how many rows were removed or changed.
    """
    held = Person.objects.filter(pk=person, erased_at__isnull=True).first()
    if held is None:
        return 0
    touched: int = 1 + end_all_sessions(held)
    touched += Token.objects.filter(person=person).delete()[0]
    touched += Authenticator.objects.filter(user_id=person).delete()[0]
    touched += SocialAccount.objects.filter(user_id=person).delete()[0]
    touched += EmailAddress.objects.filter(user_id=person).delete()[0]
    touched += store.not_ended(now).filter(person=person, valid_from__lt=now).update(valid_to=now)
    touched += store.not_ended(now).filter(person=person, valid_from__gte=now).delete()[0]
    touched += ErasureRequest.objects.filter(person=person, cancelled_at__isnull=True, done_at__isnull=True).update(
        done_at=now
    )
    search.drop("person", [person])
    held.email, held.name, held.language = f"{person.hex}@erased.invalid", "", ""
    held.password, held.is_active, held.erased_at = make_password(None), False, now
    held.phone = held.last_login = held.invitation = held.invited_at = None
    held.save()
    return touched


def _erase(person: Person, who: Who, now: datetime, why: str) -> int:
    touched = sum(personal.erase(person.pk, now=now).values())
    audit.record(
        who=who, now=now, verb="people.erase_person", thing="person", key=person.pk, after={"rows": touched}, why=why
    )
    outbox.tell("people.person_erased", {"person": str(person.pk)}, now=now)
    transaction.on_commit(lambda: _list([person.pk]))
    return touched


def _own(who: Who, person: Person) -> None:
    if who.kind != "person" or who.id != person.pk:
        raise NotAllowed(_("Everybody asks for themselves."))


def _listed() -> list[UUID]:
    try:
        return [UUID(one) for one in json.loads(get_settings().erased_path.read_text(encoding="utf-8"))["erased"]]
    except FileNotFoundError:
        return []


def _list(keys: Iterable[UUID]) -> None:
    """Add to the list; written beside it first, so that it is never half there."""
    path = get_settings().erased_path
    whole = sorted({*map(str, _listed()), *map(str, keys)})
    new = path.with_suffix(".new")
    new.write_text(json.dumps({"erased": whole}), encoding="utf-8")
    new.replace(path)
