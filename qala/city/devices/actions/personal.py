"""Cutting a person out of what devices know."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from ..models import ClaimAttempt, ClaimCode, DeviceChange, DeviceCredential, DeviceLoad, Load, Occupancy


def erase_person(person: UUID, now: datetime) -> int:
    """Occupancies stay as periods of nobody, so that numbers stay; the names of who did things are cut.

    Call it inside the transaction of the erasure; returns how many rows were touched.
    """
    touched = Occupancy.objects.filter(person=person).update(person=None, erased_at=now)
    touched += Occupancy.objects.filter(entered_by=person).update(entered_by=None)
    touched += ClaimCode.objects.filter(made_by=person).update(made_by=None)
    touched += ClaimAttempt.objects.filter(person=person).delete()[0]
    touched += DeviceChange.objects.filter(who_id=person).exclude(who_name="").update(who_name="")
    touched += Load.objects.filter(who_id=person).exclude(who_name="").update(who_name="")
    touched += DeviceLoad.objects.filter(who_id=person).exclude(who_name="").update(who_name="")
    touched += DeviceCredential.objects.filter(made_by_id=person).exclude(made_by_name="").update(made_by_name="")
    return touched
