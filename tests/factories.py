"""Things for tests, made through the same verbs as in a city: plain functions, one line a thing."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count
from typing import Any

from qala.city.devices.public import Device, NewDevice, Series, register_devices, series_of
from qala.city.people.public import Organisation, Person, create_organisation, create_person, join, who_of
from qala.kernel.access import Who, system

NOW = datetime(2026, 5, 12, 6, tzinfo=UTC)
US = system("test")
PASSWORD = "a quiet lake 17"
_numbers = count(1)


def organisation(code: str = "", kind: str = "utility", **more: Any) -> Organisation:
    """An organisation; its English name is its code."""
    code = code or f"organisation-{next(_numbers)}"
    return create_organisation(who=US, now=NOW, code=code, kind=kind, **{"name_en": code, **more})


def person(
    role: str | None = None, at: Organisation | None = None, *, email: str = "", password: str | None = None
) -> Person:
    """A person, with a role in an organisation or, without one, in the whole city; wants the fixture ``roles``."""
    email = email or f"person-{next(_numbers)}@city.example"
    made = create_person(who=US, now=NOW, email=email, name=email.split("@")[0], password=password)
    if role is not None:
        join(who=US, now=NOW, person=made, role=role, organisation=at)
    return made


def asker(role: str, at: Organisation | None = None) -> Who:
    """A new person of that role, as asker; wants the fixture ``roles``."""
    return who_of(person(role, at), NOW)


def device(serial: str = "", model: str = "demo-water-15", owner: Organisation | None = None, **more: Any) -> Device:
    """A registered device with the series of its model."""
    new = NewDevice(serial or f"T-{next(_numbers)}", model, owner_id=None if owner is None else owner.pk, **more)
    return register_devices([new], who=US, now=NOW)[0]


def series(of: Device | None = None, measured: str = "water_volume") -> Series:
    """What a device, a new one by default, measures."""
    return next(one for one in series_of(of or device()) if one.property == measured)
