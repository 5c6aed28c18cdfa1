"""Invitations: somebody is added by e-mail and chooses their own password."""

from __future__ import annotations

import smtplib
from datetime import datetime

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _

from qala.kernel import audit
from qala.kernel.access import Who
from qala.kernel.errors import Conflict, NotFound, Unavailable
from qala.kernel.ids import new_id

from .. import store
from ..models import Organisation, Person
from .checks import MANAGE, password_faults, refuse, require_everywhere
from .memberships import join
from .persons import create_person


def invite(
    *,
    who: Who,
    now: datetime,
    address: str,
    email: str,
    name: str,
    role: str,
    organisation: Organisation | None = None,
    language: str = "",
    valid_to: datetime | None = None,
) -> Person:
    """Give somebody a role by e-mail address; whoever has no account yet gets one, and a link to choose a password by.

    Args:
        address: where people reach the city, e.g. ``https://qala.example``; the link begins with it.
        organisation: where the role is held; ``None``: in the whole city.

    Raises:
        BadInput, Conflict, NotAllowed, NotFound, SignInNeeded: as ``create_person`` and ``join``; nothing was kept.
        Unavailable: the person was added and the mail could not be sent.
    """
    with transaction.atomic():
        where = organisation.pk if organisation is not None else None
        require_everywhere(who) if organisation is None else who.require(MANAGE, where)
        person = Person.objects.filter(email=email.strip().lower()).first()
        if person is not None:
            join(who=who, now=now, person=person, role=role, organisation=organisation, valid_to=valid_to)
            return person
        person = create_person(who=who, now=now, email=email, name=name, language=language)
        join(who=who, now=now, person=person, role=role, organisation=organisation, valid_to=valid_to)
        _open_invitation(who, now, person)
    _send(person, address)
    return person


def invite_again(*, who: Who, now: datetime, address: str, person: Person) -> None:
    """Send a new link to somebody who has not used the one before, which then is good no more.

    Raises:
        Conflict: the person came in already, or the account is closed.
        NotAllowed, SignInNeeded: the asker may manage people in none of the person's organisations.
        Unavailable: the mail could not be sent.
    """
    with transaction.atomic():
        person = Person.objects.select_for_update().get(pk=person.pk)
        scope = who.require(MANAGE)
        if not scope.everything and not store.memberships_of(person, who=who, now=now, permission=MANAGE):
            require_everywhere(who)
        if person.state != Person.INVITED:
            raise Conflict(
                _("{name} is not waiting for an invitation.").format(name=person.name),
                fix=_("Who forgot the password asks for a new one on the sign-in page."),
            )
        _open_invitation(who, now, person)
    _send(person, address)


@transaction.atomic
def accept_invitation(*, now: datetime, key: str, password: str) -> Person:
    """The invited person chooses a password; the link is good no more.

    Raises:
        BadInput: the rules for passwords refuse it.
        NotFound: the key is none, was used, was replaced, or is older than ``store.INVITATION_DAYS``.
    """
    person = store.get_invited(key, now=now)
    refuse(password_faults(password, person))
    if not Person.objects.filter(pk=person.pk, invitation=person.invitation).update(invitation=None):
        raise NotFound(_("This link is not valid any more."))
    person.invitation = None
    person.set_password(password)
    person.save(update_fields=["password"])
    who = Who("person", str(person), person.pk)
    audit.record(who=who, now=now, verb="people.accept_invitation", thing="person", key=person.pk)
    return person


def _open_invitation(who: Who, now: datetime, person: Person) -> None:
    person.invitation, person.invited_at = new_id(), now
    person.save(update_fields=["invitation", "invited_at"])
    audit.record(who=who, now=now, verb="people.invite", thing="person", key=person.pk)


def _send(person: Person, address: str) -> None:
    with translation.override(person.language or settings.LANGUAGE_CODE):
        context = {
            "name": person.name,
            "link": store.invitation_link(person, address=address),
            "days": store.INVITATION_DAYS,
            "current_site": {"domain": address.partition("://")[2].strip("/")},
        }
        subject = " ".join(render_to_string("account/email/invitation_subject.txt", context).split())
        text = render_to_string("account/email/invitation_message.txt", context)
        try:
            send_mail(f"{settings.ACCOUNT_EMAIL_SUBJECT_PREFIX}{subject}", text, None, [person.email])
        except (OSError, smtplib.SMTPException) as error:
            raise Unavailable(
                _("{name} was added, but the mail could not be sent: {error}").format(name=person.name, error=error),
                fix=_("Correct the mail settings, then send the invitation again from the person's page."),
            ) from None
