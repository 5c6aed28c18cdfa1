"""Accounts elsewhere that somebody signs in by: joined to the person that the verified address names."""

from __future__ import annotations

from datetime import datetime

from allauth.socialaccount.models import SocialAccount
from django.db import transaction
from django.utils.translation import gettext as _

from qala.kernel import audit
from qala.kernel.access import Who, system
from qala.kernel.errors import NotFound

from ..models import Person
from .persons import create_person, tell_sign_in_changed


@transaction.atomic
def join_outside_account(
    *, now: datetime, provider: str, uid: str, email: str, name: str, register: bool
) -> tuple[Person, SocialAccount]:
    """Join an account of a sign-in service to the person of an e-mail address that this service verified.

    Args:
        uid: what the service knows the account by, for good.
        email: verified; ``""`` where it is not.
        name: of a person that is new.
        register: whether an unknown address makes an account, without a role.

    Raises:
        BadInput: the new account cannot be.
        NotFound: there is nobody to join it to: the address is not verified or not known, or its account is closed,
            a demo account, or joined to another account of the service. One answer for all, which tells nothing.
    """
    nobody = NotFound(
        _("No account here goes with that one."), fix=_("Ask an administrator of the city to invite that very address.")
    )
    if not email:
        raise nobody
    person = Person.objects.select_for_update().filter(email=email.strip().lower()).first()
    if person is None and register:
        person = create_person(who=system(f"sign-in:{provider}"), now=now, email=email, name=name or email)
    if person is None or not person.is_active or person.is_demo:
        raise nobody
    if SocialAccount.objects.filter(user_id=person.pk, provider=provider).exists():
        raise nobody
    account = SocialAccount.objects.create(user=person, provider=provider, uid=uid, extra_data={})
    who = Who("person", str(person), person.pk)
    audit.record(
        who=who, now=now, verb="people.join_outside_account", thing="person", key=person.pk,
        after={"provider": provider},
    )  # fmt: skip
    tell_sign_in_changed(person, "outside", now=now)
    return person, account


@transaction.atomic
def leave_outside_account(*, who: Who, now: datetime, person: Person, provider: str) -> None:
    """Forget which account of a sign-in service is somebody's; the next one with their address is joined anew.

    Raises:
        NotFound: there is none.
    """
    gone, _rows = SocialAccount.objects.filter(user_id=person.pk, provider=provider).delete()
    if not gone:
        raise NotFound(_("No account elsewhere is joined to this one."))
    audit.record(
        who=who, now=now, verb="people.leave_outside_account", thing="person", key=person.pk,
        before={"provider": provider},
    )  # fmt: skip
    tell_sign_in_changed(person, "outside", now=now)
