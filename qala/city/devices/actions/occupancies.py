"""Who uses what a meter point measures: begun, ended, corrected, withdrawn.

The audit of these names the occupancy, never its person: whom it belonged to is on the occupancy alone, which an erasure
cuts.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from qala.city.people.public import Organisation, Person, find_person, get_organisation
from qala.kernel import audit
from qala.kernel.access import Who
from qala.kernel.clock import utc
from qala.kernel.errors import BadInput, Conflict, NotFound

from ..models import Occupancy, OccupancyRefusal
from ..rules import meets
from ..store import get_occupancy, get_point
from ..store.occupancies import MANAGE


def begin_occupancy(
    *, who: Who, now: datetime, owner: str, meter_point: str, valid_from: datetime, person: str = "",
    organisation: str = "", valid_to: datetime | None = None, source: str = Occupancy.CONSOLE, why: str = "",
) -> Occupancy:  # fmt: skip
    """A person or an organisation uses a meter point from an instant on, until another or without an end.

    Others may use it at the same time; the same one may not do so twice.

    Args:
        owner: code of the organisation whose meters they are.
        person: e-mail address of somebody that the asker may know of; or
        organisation: code.

    Raises:
        NotAllowed, SignInNeeded: the asker may not manage occupants.
        NotFound: no such meter point, organisation or person, or none that the asker may know of.
        BadInput: both or neither is named, or it would end before it begins.
        Conflict: that occupant has the meter point in that time already.
    """
    who.require(MANAGE)
    point = get_point(owner, meter_point, who=who)
    if point.owner is None:
        raise BadInput(
            _("The devices of {code} have no owner.").format(code=meter_point),
            fix=_("Give them an owner with a file of devices."),
        )
    who.require(MANAGE, point.owner.pk)
    if bool(person) == bool(organisation):
        raise BadInput(_("Name a person or an organisation."))
    held_by: Person | Organisation | None
    held_by = find_person(person, who=who, now=now) if person else get_organisation(organisation)
    if held_by is None:
        raise NotFound(str(OccupancyRefusal.UNKNOWN_PERSON.label), fix=_("Issue a claim code for them instead."))
    with transaction.atomic():
        lock_points(point.owner.pk)
        return keep_occupancy(
            owner=point.owner.pk, meter_point=meter_point, occupant=held_by, valid_from=valid_from, valid_to=valid_to,
            source=source, who=who, now=now, why=why,
        )  # fmt: skip


def keep_occupancy(
    *, owner: UUID, meter_point: str, occupant: Person | Organisation, valid_from: datetime, valid_to: datetime | None,
    source: str, who: Who, now: datetime, why: str = "", entered_by: UUID | None = None,
) -> Occupancy:  # fmt: skip
    """Keep an occupancy that may be; inside a transaction that holds ``lock_points``.

    Raises:
        BadInput: it would end before it begins.
        Conflict: that occupant has the meter point in that time already.
    """
    start, end = _period(valid_from, valid_to)
    kind = "person" if isinstance(occupant, Person) else "organisation"
    made = Occupancy(
        owner_id=owner, meter_point=meter_point, valid_from=start, valid_to=end, source=source, entered_at=now,
        entered_by_id=entered_by or author(who), **{f"{kind}_id": occupant.pk},
    )  # fmt: skip
    _refuse_twice(made)
    made.save(force_insert=True)
    audit.record(
        who=who, now=now, verb="devices.begin_occupancy", thing="occupancy", key=made.pk, after=_plain(made), why=why
    )
    return made


def end_occupancy(*, key: UUID, who: Who, now: datetime, at: datetime, why: str = "") -> Occupancy:
    """Somebody uses a meter point no more from an instant on; what was measured before stays theirs to see.

    Raises:
        NotAllowed, SignInNeeded: the asker may not manage occupants.
        NotFound: there is none, or none that the asker may know of.
        BadInput: the end lies before the beginning.
        Conflict: it ended before that already.
    """
    with transaction.atomic():
        held = _held(key, who)
        if held.valid_to is not None and held.valid_to <= utc(at):
            raise Conflict(_("This occupancy ended already."), fix=_("Correct it where its end is wrong."))
        return _change(held, held.valid_from, at, "devices.end_occupancy", who, now, why)


def correct_occupancy(
    *, key: UUID, who: Who, now: datetime, valid_from: datetime, valid_to: datetime | None, why: str = ""
) -> Occupancy:
    """Beginning and end of an occupancy were entered wrongly; the audit keeps what was.

    Raises:
        NotAllowed, SignInNeeded, NotFound, BadInput: as ``end_occupancy``.
        Conflict: the same occupant has the meter point in that time already.
    """
    with transaction.atomic():
        return _change(_held(key, who), valid_from, valid_to, "devices.correct_occupancy", who, now, why)


def withdraw_occupancy(*, key: UUID, who: Who, now: datetime, why: str = "") -> None:
    """It never was: the occupancy was entered for the wrong person or meter point. Nobody sees readings by it any more.

    Raises:
        NotAllowed, SignInNeeded, NotFound: as ``end_occupancy``.
    """
    with transaction.atomic():
        held = _held(key, who)
        before = _plain(held)
        audit.record(
            who=who, now=now, verb="devices.withdraw_occupancy", thing="occupancy", key=held.pk, before=before, why=why
        )
        held.delete()


def lock_points(owner: UUID) -> None:
    """Hold the occupancies of an owner's meter points until the transaction ends: two writers see each other."""
    Organisation.objects.select_for_update().filter(pk=owner).first()


def author(who: Who) -> UUID | None:
    """The person who enters something: the asker, or whose token it is; none for the system and for services."""
    return Person.objects.filter(pk=who.id).values_list("pk", flat=True).first() if who.id is not None else None


def _held(key: UUID, who: Who) -> Occupancy:
    who.require(MANAGE)
    held = get_occupancy(key, who=who)
    who.require(MANAGE, held.owner_id)
    lock_points(held.owner_id)
    found = Occupancy.objects.filter(pk=key).first()
    if found is None:
        raise NotFound(_("There is no such occupancy."))
    return found


def _change(
    held: Occupancy, start: datetime, end: datetime | None, verb: str, who: Who, now: datetime, why: str
) -> Occupancy:
    before = _plain(held)
    held.valid_from, held.valid_to = _period(start, end)
    _refuse_twice(held)
    held.save(update_fields=["valid_from", "valid_to"])
    audit.record(
        who=who, now=now, verb=verb, thing="occupancy", key=held.pk, before=before, after=_plain(held), why=why
    )
    return held


def _period(start: datetime, end: datetime | None) -> tuple[datetime, datetime | None]:
    try:
        found = utc(start), None if end is None else utc(end)
    except ValueError as error:
        raise BadInput(_("The time is wrong: {error}.").format(error=error), fix="2026-05-12T10:00:00+05:00") from None
    if found[1] is not None and found[1] <= found[0]:
        raise BadInput(
            _("It would end before it begins."), fix=_("The end is the first day that does not belong to it.")
        )
    return found


def _refuse_twice(one: Occupancy) -> None:
    if one.person_id is None and one.organisation_id is None:  # erased: nobody's any more
        return
    same = Occupancy.objects.filter(
        owner=one.owner_id, meter_point=one.meter_point, person=one.person_id, organisation=one.organisation_id
    ).exclude(pk=one.pk)
    if meets(one.valid_from, one.valid_to, same.values_list("valid_from", "valid_to")):
        raise Conflict(
            _("The same occupant has that meter point in that time already."), fix=_("Correct that entry instead.")
        )


def _plain(one: Occupancy) -> dict[str, Any]:
    """An occupancy for the audit: all but whose it is."""
    kind = "person" if one.person_id else "organisation" if one.organisation_id else "erased"
    found = {
        "owner": str(one.owner_id), "meter_point": one.meter_point, "kind": kind, "from": one.valid_from.isoformat(),
        "to": one.valid_to.isoformat() if one.valid_to else None, "source": one.source,
    }  # fmt: skip
    return {**found, "organisation": str(one.organisation_id)} if one.organisation_id else found
