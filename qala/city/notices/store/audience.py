"""Who is told of a piece of news, and the facts that the notice holds: ``function(payload, now) -> Found | None``.

Names are kept in three languages, so that a notice is read in the language of whoever opens it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from qala.city.devices.public import Load, get_load
from qala.city.people.public import Membership, Organisation, Person, get_role, holders, organisations_by_id
from qala.city.works.public import WorkOrder, get_order
from qala.kernel.access import system
from qala.kernel.errors import NotFound

US = system("notices")
Payload = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """Who gets a notice, and what it says.

    Args:
        people: may hold somebody twice.
        own: the one who did it, if any: sees it also where the organisation is not theirs.
        about: the thing, for kinds that are told once a while of each.
    """

    people: Iterable[Person]
    data: dict[str, Any]
    organisation: Organisation | None = None
    own: UUID | None = None
    about: str = ""


def load_done(payload: Payload, now: datetime) -> Found | None:
    return _load(payload, now, lambda load: load.state == Load.DONE and not load.rows_refused)


def load_refused(payload: Payload, now: datetime) -> Found | None:
    return _load(payload, now, lambda load: load.state == Load.DONE and load.rows_refused > 0)


def load_failed(payload: Payload, now: datetime) -> Found | None:
    return _load(payload, now, lambda load: load.state == Load.FAILED)


def _load(payload: Payload, now: datetime, fits: Any) -> Found | None:
    """Whoever loaded it, and who manages the devices of its organisation."""
    try:
        load = get_load(UUID(payload["load"]), who=US)
    except NotFound:
        return None
    if not fits(load):
        return None
    organisation = load.organisation
    managers = holders("devices.manage", organisation.pk, now) if organisation is not None else []
    data = {
        "load": str(load.pk), "file": load.file_name, "who": load.who_name, "organisation": _names(organisation),
        "read": load.rows_read, "new": load.rows_new, "refused": load.rows_refused, "error": load.error[:500],
    }  # fmt: skip
    return Found([*_person(load.who_id), *managers], data, organisation, own=load.who_id)


def silent(payload: Payload, now: datetime) -> Found | None:
    """Who fits and manages the devices of their owner."""
    key = UUID(payload["organisation"]) if payload["organisation"] else None
    organisation = organisations_by_id({key}).get(key) if key else None
    people = [*holders("devices.fit", key, now), *holders("devices.manage", key, now)]
    data = {
        "organisation": _names(organisation), "code": organisation.code if organisation is not None else "",
        "count": payload["count"], "serials": payload["serials"],
    }  # fmt: skip
    return Found(people, data, organisation)


def role_given(payload: Payload, now: datetime) -> Found | None:
    """The person who holds the role now; one that ended meanwhile is no news."""
    held = Membership.objects.select_related("person", "organisation").filter(pk=UUID(payload["membership"])).first()
    if held is None or (held.valid_to is not None and held.valid_to <= now):
        return None
    role = get_role(held.role_id)
    titles = {"kk": role.title_kk, "ru": role.title_ru, "en": role.title_en}
    return Found([held.person], {"role": titles, "organisation": _names(held.organisation)}, own=held.person_id)


def second_factor_reset(payload: Payload, now: datetime) -> Found | None:
    return Found(_person(UUID(payload["person"])), {})


def sign_in_changed(payload: Payload, now: datetime) -> Found | None:
    return Found(_person(UUID(payload["person"])), {"what": payload["what"], "at": payload["at"]})


def order_assigned(payload: Payload, now: datetime) -> Found | None:
    """The crew that does it."""
    order = _order(payload, now)
    if order is None:
        return None
    people = Person.objects.filter(pk__in=[UUID(one) for one in payload["persons"]], is_active=True)
    return Found(people, {"number": order.number, "title": order.title}, order.contractor or order.owner)


def order_done(payload: Payload, now: datetime) -> Found | None:
    """Who checks the work of the organisation that ordered it."""
    order = _order(payload, now)
    if order is None:
        return None
    data = {"number": order.number, "title": order.title, "organisation": _names(order.contractor)}
    return Found(holders("works.check", order.owner_id, now), data, order.owner)


def _order(payload: Payload, now: datetime) -> WorkOrder | None:
    try:
        return get_order(str(payload["number"]), who=US, now=now)
    except NotFound:
        return None


def account_closed(payload: Payload, now: datetime) -> Found | None:
    """Who manages people in the whole city."""
    key = UUID(payload["person"])
    closed = Person.objects.filter(pk=key).first()
    if closed is None:
        return None
    return Found(holders("people.manage", None, now), {"person": str(key), "who": str(closed)})


def work_failed(payload: Payload, now: datetime) -> Found | None:
    """Who sees how the city runs."""
    data = {"work": payload["name"], "reason": payload["reason"]}
    return Found(holders("city.operate", None, now), data, about=payload["name"])


def backup_failed(payload: Payload, now: datetime) -> Found | None:
    data = {"folder": payload["folder"], "reason": payload["reason"]}
    return Found(holders("city.operate", None, now), data)


def _person(key: UUID | None) -> list[Person]:
    return list(Person.objects.filter(pk=key, is_active=True)) if key is not None else []


def _names(organisation: Organisation | None) -> dict[str, str] | None:
    return organisation.names if organisation is not None else None
