"""What several verbs ask before they write."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from qala.kernel.access import Who
from qala.kernel.errors import BadInput, Conflict, NotAllowed

from .. import rules, store
from ..models import Membership, Person, Role

MANAGE = "people.manage"


def require_everywhere(who: Who) -> None:
    if not who.require(MANAGE).everything:
        raise NotAllowed(
            _("{name} may manage people of some organisations only.").format(name=who.name),
            fix=_("Ask an administrator."),
        )


def require_no_more(who: Who, role: Role, organisation: UUID | None) -> None:
    """Nobody gives or takes a role of which they do not hold everything themselves.

    Args:
        organisation: where the role is held; ``None``: in the whole city.

    Raises:
        NotAllowed: the role carries a permission further than the asker holds it.
    """
    beyond = _beyond(who, role.permissions, organisation)
    if beyond:
        raise NotAllowed(
            _("The role {role} gives what {name} does not hold: {permissions}.").format(
                role=role.key, name=who.name, permissions=", ".join(beyond)
            )
        )


def require_no_more_permissions(who: Who, permissions: Sequence[str], organisation: UUID | None) -> None:
    """The same of plain permissions.

    Raises:
        NotAllowed: one is not held there by the asker.
    """
    beyond = _beyond(who, permissions, organisation)
    if beyond:
        raise NotAllowed(
            _("{name} does not hold {permissions} there.").format(name=who.name, permissions=", ".join(beyond))
        )


def _beyond(who: Who, permissions: Sequence[str], organisation: UUID | None) -> list[str]:
    return rules.beyond(who, permissions, organisation=organisation, unscoped=store.unscoped_permissions())


def keep_an_administrator(person: Person, now: datetime, *, without: Sequence[Membership]) -> None:
    """A city is never left without somebody who administers it.

    Args:
        without: memberships of the person that are about to count no more.

    Raises:
        Conflict: nobody would administer the city, or nobody but demo accounts where there was a real person.
    """
    if all(one.role_id != rules.ADMINISTRATOR for one in without):
        return
    # the lock lets one of two simultaneous last administrators see that the other went
    Role.objects.select_for_update().filter(pk=rules.ADMINISTRATOR).first()
    if not person.is_active or person.pk not in store.administrators(now):
        return
    left = store.administrators(now, without=[one.pk for one in without])
    if not left or (not person.is_demo and all(left.values())):
        raise Conflict(
            _("{name} is the last administrator of this city.").format(name=person.name),
            fix=_("Make somebody else an administrator first."),
        )


def refuse(faults: Sequence[str]) -> None:
    """Raise BadInput where there are faults; every one is named."""
    if faults:
        raise BadInput(" ".join(faults), rows=faults if len(faults) > 1 else ())


def password_faults(password: str, person: Person) -> list[str]:
    try:
        validate_password(password, person)
    except ValidationError as error:
        return list(error.messages)
    return []


def language_fault(language: str) -> str:
    return _("{language!r} is no language of Qala; there are {languages}.").format(
        language=language, languages=", ".join(rules.LANGUAGES)
    )
