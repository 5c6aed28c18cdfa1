"""The telephone number that a person signs in by."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from qala.kernel import audit
from qala.kernel.access import Who
from qala.kernel.errors import Conflict

from ..models import Person
from .persons import tell_sign_in_changed


@transaction.atomic
def set_phone(*, who: Who, now: datetime, person: Person, number: str | None) -> None:
    """Set the number that a person proved to be theirs, or with ``None`` take it away. The audit keeps no number.

    Args:
        number: as E.164.

    Raises:
        Conflict: it is another person's.
    """
    held = Person.objects.select_for_update().get(pk=person.pk)
    if number == held.phone:
        return
    if number is not None and Person.objects.filter(phone=number).exists():
        raise Conflict(_("This number is set on another account."))
    had, held.phone, person.phone = held.phone is not None, number, number
    held.save(update_fields=["phone"])
    audit.record(
        who=who, now=now, verb="people.set_phone", thing="person", key=person.pk,
        before={"phone": had}, after={"phone": number is not None},
    )  # fmt: skip
    tell_sign_in_changed(person, "phone", now=now)
