"""Named reads of persons, organisations, roles and memberships."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db.models import Q, QuerySet

from qala.kernel import plug
from qala.kernel.access import ANONYMOUS, Who
from qala.kernel.errors import NotFound

from . import rules
from .models import Membership, Organisation, Person, Role


def who_of(person: AbstractBaseUser | AnonymousUser | None, now: datetime) -> Who:
    """The asker that a person is at an instant, with what their open memberships grant; one query.

    Nobody, somebody who is not signed in, and a person whose account is closed are all ``ANONYMOUS``.
    """
    if not isinstance(person, AbstractBaseUser) or not person.is_active:
        return ANONYMOUS
    held = open_at(now).filter(person_id=person.pk).values_list("organisation_id", "role__permissions")
    return Who("person", str(person), person.pk, rules.grants_of(held, unscoped=unscoped_permissions()))


def open_at(now: datetime) -> QuerySet[Membership]:
    """Memberships that hold at an instant."""
    return Membership.objects.filter(Q(valid_to__isnull=True) | Q(valid_to__gt=now), valid_from__lte=now)


def unscoped_permissions() -> frozenset[str]:
    """Declared permissions that are not about an organisation's rows."""
    return frozenset(one.key for one in plug.declared("permissions") if not one.scoped)


def get_organisation(code: str) -> Organisation:
    """The organisation of that code; which organisations there are is public.

    Raises:
        NotFound: there is none.
    """
    try:
        return Organisation.objects.get(code=code)
    except Organisation.DoesNotExist:
        raise NotFound(f"There is no organisation {code!r}.") from None


def list_organisations() -> list[Organisation]:
    """All organisations by code; which organisations there are is public."""
    return list(Organisation.objects.order_by("code"))


def organisations_by_id(ids: set[UUID]) -> dict[UUID, Organisation]:
    """Those of the organisations that exist, in one query; for matters whose rows name their owner."""
    return Organisation.objects.in_bulk(ids)


def find_person(email: str, *, who: Who, now: datetime) -> Person | None:
    """The person of that e-mail address where the asker may know of them: themselves, or one of an organisation
    (or city) that their ``people.view`` reaches."""
    person = Person.objects.filter(email=email.strip().lower()).first()
    if person is None or person.pk == who.id:
        return person
    scope = who.scope("people.view")
    if scope.everything:
        return person
    of_theirs = open_at(now).filter(person=person, organisation__in=scope.organisations)
    return person if scope and of_theirs.exists() else None


def persons_only_in(organisations: frozenset[UUID]) -> QuerySet[Person, Any]:
    """Ids, as a query, of the persons all of whose memberships, ended ones too, are in these organisations.

    What they did they did for these organisations; for matters that show acts by who did them.
    """
    outside = Membership.objects.exclude(organisation_id__in=organisations)
    inside = Person.objects.filter(memberships__organisation_id__in=organisations)
    return inside.exclude(pk__in=outside.values("person_id")).values("pk")


def get_role(key: str) -> Role:
    """The role of that key.

    Raises:
        NotFound: there is none.
    """
    try:
        return Role.objects.get(pk=key)
    except Role.DoesNotExist:
        raise NotFound(f"There is no role {key!r}.") from None


def count_administrators(now: datetime) -> int:
    """Persons who administer the city at an instant and can sign in from anywhere: demo accounts do not count."""
    real = Q(person__is_active=True, person__is_demo=False)
    return open_at(now).filter(real, role=rules.ADMINISTRATOR).values("person").distinct().count()


def status() -> dict[str, int]:
    """What ``qala status`` tells of this matter."""
    return {"people": Person.objects.filter(is_active=True).count(), "organisations": Organisation.objects.count()}
