"""Crews and who is in them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from qala.city.people.public import Organisation
from qala.kernel import audit
from qala.kernel.access import Who
from qala.kernel.errors import BadInput, NotFound

from ..models import Crew, CrewMember
from ..store import at_instant, find_colleague, get_crew

ASSIGN = "works.assign"


@transaction.atomic
def make_crew(
    *, organisation: Organisation, who: Who, now: datetime, name_kk: str = "", name_ru: str = "", name_en: str = "",
    is_demo: bool = False,
) -> Crew:  # fmt: skip
    """Make a crew of an organisation, named in one language at least.

    Raises:
        NotAllowed, SignInNeeded: the asker may not give out that organisation's work. BadInput: it has no name.
    """
    who.require(ASSIGN, organisation.pk)
    names = {"name_kk": name_kk.strip(), "name_ru": name_ru.strip(), "name_en": name_en.strip()}
    if not any(names.values()) or any(len(one) > 200 or "\x00" in one for one in names.values()):
        raise BadInput(_("A crew has a name, 200 characters at most."))
    crew = Crew.objects.create(organisation=organisation, is_demo=is_demo, **names)
    audit.record(
        who=who, now=now, verb="works.make_crew", thing="crew", key=crew.pk,
        after={**names, "organisation": organisation.code},
    )  # fmt: skip
    return crew


@transaction.atomic
def close_crew(*, crew: UUID, who: Who, now: datetime) -> Crew:
    """A crew works no more; its memberships end, its orders keep its name.

    Raises:
        NotFound, NotAllowed, SignInNeeded: there is none whose work the asker gives out.
    """
    found = get_crew(crew, who=who)
    found.closed_at = now
    found.save(update_fields=["closed_at"])
    found.members.filter(valid_to__isnull=True, valid_from__lt=now).update(valid_to=now)
    found.members.filter(valid_to__isnull=True).delete()  # they would have come later
    audit.record(who=who, now=now, verb="works.close_crew", thing="crew", key=found.pk, after={"closed": True})
    return found


@transaction.atomic
def join_crew(*, crew: UUID, email: str, who: Who, now: datetime) -> CrewMember:
    """Put a colleague into a crew from now on; who is in it already stays.

    Raises:
        NotFound: there is no such crew, or nobody of that address holds a role in its organisation.
        NotAllowed, SignInNeeded: the asker may not give out that organisation's work.
    """
    found = get_crew(crew, who=who)
    person = find_colleague(email, found, now)
    if person is None:
        raise NotFound(
            _("Nobody with this e-mail address holds a role in {organisation}.").format(
                organisation=found.organisation.name
            ),
            fix=_("Give them a role on the page of people first."),
        )
    there = found.members.filter(at_instant(now), person=person).first()
    if there is not None:
        return there
    member = CrewMember.objects.create(crew=found, person=person, valid_from=now)
    audit.record(who=who, now=now, verb="works.join_crew", thing="crew", key=found.pk, after={"person": str(person.pk)})
    return member


@transaction.atomic
def leave_crew(*, crew: UUID, member: UUID, who: Who, now: datetime) -> None:
    """Somebody is in a crew no more, from now on.

    Raises:
        NotFound: there is no such crew, or nobody like that in it now.
        NotAllowed, SignInNeeded: the asker may not give out that organisation's work.
    """
    found = get_crew(crew, who=who)
    held = found.members.filter(at_instant(now), pk=member).first()
    if held is None:
        raise NotFound(_("There is nobody like that in the crew now."))
    if held.valid_from == now:
        held.delete()
    else:
        held.valid_to = now
        held.save(update_fields=["valid_to"])
    audit.record(
        who=who, now=now, verb="works.leave_crew", thing="crew", key=found.pk, before={"person": str(held.person_id)}
    )
