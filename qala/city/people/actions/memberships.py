"""Who holds which role where: given and ended."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from qala.kernel import audit, outbox
from qala.kernel.access import Who
from qala.kernel.errors import BadInput, Conflict

from .. import rules, store
from ..models import Membership, Organisation, Person
from .checks import MANAGE, keep_an_administrator, require_everywhere, require_no_more


@transaction.atomic
def join(
    *,
    who: Who,
    now: datetime,
    person: Person,
    role: str,
    organisation: Organisation | None = None,
    valid_from: datetime | None = None,
    valid_to: datetime | None = None,
) -> Membership:
    """Give a person a role in an organisation, or in the whole city, from ``valid_from`` (now) until ``valid_to``.

    Nobody gives more than they hold themselves.

    Raises:
        BadInput: it would end before it starts, or make an administrator of one organisation.
        Conflict: the person holds that role there already, without an end.
        NotAllowed, SignInNeeded: the asker may not manage people there, or does not hold what the role gives.
        NotFound: there is no such role.
    """
    where = organisation.pk if organisation is not None else None
    require_everywhere(who) if organisation is None else who.require(MANAGE, where)
    found = store.get_role(role)
    valid_from = valid_from or now
    if valid_to is not None and valid_to <= valid_from:
        raise BadInput(_("The membership would end before it starts."))
    if role == rules.ADMINISTRATOR and organisation is not None:
        raise BadInput(_("An administrator is one of the whole city, not of one organisation."))
    require_no_more(who, found, where)
    if found.retired_at is not None:
        raise Conflict(_("The role {role} is retired: nobody is given it any more.").format(role=found.title))
    if organisation is not None and organisation.closed_at is not None:
        raise Conflict(_("{name} is closed: nobody is given a role there.").format(name=organisation.name))
    if (
        valid_to is None
        and Membership.objects.filter(
            person=person, role=found, organisation=organisation, valid_to__isnull=True
        ).exists()
    ):
        raise Conflict(_("{person} holds the role {role} there already.").format(person=person, role=role))
    membership = Membership.objects.create(
        person=person, role=found, organisation=organisation, valid_from=valid_from, valid_to=valid_to
    )
    after = {
        "person": str(person.pk),
        "role": role,
        "organisation": organisation.code if organisation is not None else None,
        "valid_from": valid_from.isoformat(),
        "valid_to": valid_to.isoformat() if valid_to is not None else None,
    }
    audit.record(who=who, now=now, verb="people.join", thing="membership", key=membership.pk, after=after)
    outbox.tell(
        "people.role_given",
        {
            "membership": str(membership.pk), "person": str(person.pk), "role": role,
            "organisation": str(organisation.pk) if organisation is not None else None,
        },
        now=now,
    )  # fmt: skip
    return membership


@transaction.atomic
def end_membership(*, who: Who, now: datetime, membership: Membership, why: str = "") -> None:
    """Take a role from a person as of now; one that has not begun is gone.

    Raises:
        Conflict: it ended already, or the city would be left without an administrator.
        NotAllowed, SignInNeeded: the asker may not manage people there, or does not hold what the role gives.
    """
    where = membership.organisation_id
    require_everywhere(who) if where is None else who.require(MANAGE, where)
    held = (
        Membership.objects.select_for_update(of=("self",))
        .select_related("person", "role", "organisation")
        .filter(pk=membership.pk)
        .first()
    )
    if held is None or (held.valid_to is not None and held.valid_to <= now):
        raise Conflict(_("This role has ended already."))
    require_no_more(who, held.role, where)
    keep_an_administrator(held.person, now, without=[held])
    _end(who, now, held, why)


def end_all(who: Who, now: datetime, memberships: QuerySet[Membership], *, why: str) -> int:
    """End all of them that have not ended, inside the transaction of what made it necessary; returns how many.

    The caller asked whether the asker may, and that no last administrator is among them.
    """
    ending = memberships.filter(Q(valid_to__isnull=True) | Q(valid_to__gt=now))
    held = list(ending.select_for_update(of=("self",)).select_related("organisation").order_by("pk"))
    for one in held:
        _end(who, now, one, why)
    return len(held)


def _end(who: Who, now: datetime, held: Membership, why: str) -> None:
    key = held.pk  # a deleted row has none
    before = {"valid_to": held.valid_to.isoformat() if held.valid_to is not None else None}
    if held.valid_from >= now:
        held.delete()
        after = None
    else:
        held.valid_to = now
        held.save(update_fields=["valid_to"])
        after = {"valid_to": now.isoformat()}
    audit.record(
        who=who, now=now, verb="people.end_membership", thing="membership", key=key,
        before={
            **before, "person": str(held.person_id), "role": held.role_id,
            "organisation": held.organisation.code if held.organisation is not None else None,
        },
        after=after, why=why,
    )  # fmt: skip
