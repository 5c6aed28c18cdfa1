"""Persons: made, named, opened and closed."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils.translation import gettext as _

from qala.kernel import audit, outbox, search
from qala.kernel.access import Who
from qala.kernel.errors import BadInput, Conflict
from qala.kernel.ids import new_id

from .. import rules, store
from ..models import Person, Role
from .checks import (
    MANAGE,
    keep_an_administrator,
    language_fault,
    password_faults,
    refuse,
    require_everywhere,
    require_no_more,
)
from .memberships import join
from .sessions import end_all_sessions


@transaction.atomic
def create_first_administrator(*, who: Who, now: datetime, email: str, name: str, password: str) -> Person:
    """The person who may do everything, in a city that has no administrator yet.

    Raises:
        BadInput: the e-mail address, the name or the password cannot be.
        Conflict: there is an administrator, or a person of that address.
        NotFound: the default roles are missing.
    """
    # the lock lets one of two simultaneous first administrators see the other
    Role.objects.select_for_update().filter(pk=rules.ADMINISTRATOR).first()
    if store.count_administrators(now):
        raise Conflict(
            _("This city has an administrator already."),
            fix=_("Ask them to add you; they sign in at /accounts/login/."),
        )
    person = create_person(who=who, now=now, email=email, name=name, password=password)
    join(who=who, now=now, person=person, role=rules.ADMINISTRATOR)
    return person


@transaction.atomic
def create_person(
    *,
    who: Who,
    now: datetime,
    email: str,
    name: str,
    password: str | None = None,
    password_hash: str | None = None,
    language: str = "",
    is_demo: bool = False,
) -> Person:
    """A new person, who may do nothing until they ``join``.

    Args:
        password: checked against the rules for passwords; without one the person signs in by one-time code only.
        password_hash: instead of ``password``, as made by Django's ``make_password``; nothing is checked.

    Raises:
        BadInput: the e-mail address, the name, the language or the password cannot be; every fault is named.
        Conflict: there is a person of that address.
        NotAllowed, SignInNeeded: the asker may not manage people.
    """
    who.require(MANAGE)
    email, name = email.strip().lower(), name.strip()
    person = Person(email=email, name=name, language=language, is_demo=is_demo, joined_at=now)
    faults = []
    try:
        validate_email(email)
    except ValidationError:
        faults.append(_("The e-mail address {email!r} is not one.").format(email=email))
    faults += _name_faults(name)
    if language not in ("", *rules.LANGUAGES):
        faults.append(language_fault(language))
    if password is not None:
        faults += password_faults(password, person)
    refuse(faults)
    if Person.objects.filter(email=email).exists():
        raise Conflict(_("There is a person with the e-mail address {email}.").format(email=email))
    person.password = password_hash if password_hash is not None else make_password(password)
    person.save(force_insert=True)
    search.put("person", [(person.pk, f"{name} {email}")])
    # no name and no address: the audit stays for ever, and erasing the person must leave nobody's data behind
    after = {"language": language, "is_demo": is_demo, "has_password": person.has_usable_password()}
    audit.record(who=who, now=now, verb="people.create_person", thing="person", key=person.pk, after=after)
    return person


@transaction.atomic
def set_own_data(*, who: Who, now: datetime, person: Person, name: str, language: str) -> None:
    """Name and language at once; raises as ``set_name`` and ``set_language``."""
    set_name(who=who, now=now, person=person, name=name)
    set_language(who=who, now=now, person=person, language=language)


@transaction.atomic
def set_name(*, who: Who, now: datetime, person: Person, name: str) -> None:
    """Change the name that a person is shown by.

    Raises:
        BadInput: it is empty or too long.
        NotAllowed, SignInNeeded: it is not the asker's own and they may not manage people.
    """
    if who.kind != "person" or who.id != person.pk:
        require_everywhere(who)
    name = name.strip()
    refuse(_name_faults(name))
    if person.name == name:
        return
    person.name = name
    person.save(update_fields=["name"])
    search.put("person", [(person.pk, f"{name} {person.email}")])
    # the names themselves stay out of the audit, as in create_person
    audit.record(who=who, now=now, verb="people.set_name", thing="person", key=person.pk)


@transaction.atomic
def set_language(*, who: Who, now: datetime, person: Person, language: str) -> None:
    """Choose the language in which a person reads pages and mails; ``""`` leaves it to the city's.

    Raises:
        BadInput: Qala does not speak it.
        NotAllowed, SignInNeeded: it is not the asker's own choice and they may not manage people.
    """
    if who.kind != "person" or who.id != person.pk:
        require_everywhere(who)
    if language not in ("", *rules.LANGUAGES):
        raise BadInput(language_fault(language))
    before = person.language
    if before == language:
        return
    person.language = language
    person.save(update_fields=["language"])
    audit.record(
        who=who, now=now, verb="people.set_language", thing="person", key=person.pk,
        before={"language": before}, after={"language": language},
    )  # fmt: skip


@transaction.atomic
def set_password(*, who: Who, now: datetime, person: Person, password: str, keep_session: str = "") -> None:
    """Set a password; all sessions of the person end but the one that did it.

    Args:
        keep_session: key of the session that goes on.

    Raises:
        BadInput: the rules for passwords refuse it.
        NotAllowed, SignInNeeded: it is not the asker's own and they may not manage people.
    """
    if who.kind != "person" or who.id != person.pk:
        require_everywhere(who)
    refuse(password_faults(password, person))
    had = person.has_usable_password()
    person.set_password(password)
    person.invitation = None  # who has a password needs the invitation's link no more
    person.save(update_fields=["password", "invitation"])
    end_all_sessions(person, but=keep_session)
    audit.record(who=who, now=now, verb="people.set_password", thing="person", key=person.pk)
    if had:
        tell_sign_in_changed(person, "password", now=now)


def tell_sign_in_changed(person: Person, what: str, *, now: datetime) -> None:
    """News that a way to sign in was changed, so that its holder hears of it and can tell where it was not them."""
    outbox.tell("people.sign_in_changed", {"person": str(person.pk), "what": what, "at": now.isoformat()}, now=now)


@transaction.atomic
def disable_person(*, who: Who, now: datetime, person: Person, why: str = "") -> None:
    """Close an account: its sessions end at once, its roles and its link of invitation count no more.

    Raises:
        Conflict: it is closed, it is the asker's own, or the city would be left without an administrator.
        NotAllowed, SignInNeeded: the asker may not manage people everywhere, or does not hold what the person holds.
    """
    person = require_over(who, now, person)
    if who.id == person.pk:
        raise Conflict(_("Nobody closes their own account."), fix=_("Ask another administrator."))
    if not person.is_active:
        raise Conflict(_("The account of {name} is closed already.").format(name=person.name))
    keep_an_administrator(person, now, without=list(person.memberships.filter(role=rules.ADMINISTRATOR)))
    person.is_active = False
    if person.invitation is not None:
        person.invitation = new_id()  # the link that was sent is good no more, also once the account is open again
    person.save(update_fields=["is_active", "invitation"])
    ended = end_all_sessions(person)
    audit.record(
        who=who, now=now, verb="people.disable_person", thing="person", key=person.pk,
        before={"is_active": True}, after={"is_active": False, "sessions_ended": ended}, why=why,
    )  # fmt: skip
    outbox.tell("people.person_disabled", {"person": str(person.pk)}, now=now)


@transaction.atomic
def enable_person(*, who: Who, now: datetime, person: Person) -> None:
    """Open a closed account again; the roles that did not end meanwhile count again.

    Raises:
        Conflict: it is open.
        NotAllowed, SignInNeeded: the asker may not manage people everywhere, or does not hold what the person holds.
    """
    person = require_over(who, now, person)
    if person.is_active:
        raise Conflict(_("The account of {name} is open already.").format(name=person.name))
    person.is_active = True
    person.save(update_fields=["is_active"])
    audit.record(
        who=who, now=now, verb="people.enable_person", thing="person", key=person.pk,
        before={"is_active": False}, after={"is_active": True},
    )  # fmt: skip


@transaction.atomic
def index_persons() -> None:
    """Have everybody found by search; for a data folder from before there was one."""
    there = Person.objects.filter(erased_at__isnull=True)
    if search.count("person") < there.count():
        rows = there.values_list("pk", "name", "email")
        search.put("person", ((key, f"{name} {email}") for key, name, email in rows))


def require_over(who: Who, now: datetime, person: Person) -> Person:
    """The person under lock, where the asker may open and close their account.

    Raises:
        NotAllowed, SignInNeeded: the asker may not manage people everywhere, or does not hold what the person holds.
    """
    require_everywhere(who)
    for one in store.memberships_of(person, who=who, now=now, permission=MANAGE):
        require_no_more(who, one.role, one.organisation_id)
    return Person.objects.select_for_update().get(pk=person.pk)


def _name_faults(name: str) -> list[str]:
    return [] if 0 < len(name) <= 200 else [_("A name has 1 to 200 characters.")]
