"""How long notices are kept, and what is left of an erased person: nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction

from qala.city.devices.public import Load
from qala.kernel import audit
from qala.kernel.access import system

from ..models import Choice, Notice, Preference

AT_ONCE = 500
MOST = 50_000  # in one run of the job; the rest goes in the next


def forget_old(*, now: datetime, most: int = MOST) -> int:
    """Delete notices that are older than the settings keep them, with their deliveries; returns how many."""
    oldest = now - timedelta(days=settings.QALA.notices_keep_days)
    count = 0
    while count < most:
        keys = list(
            Notice.objects.filter(made_at__lt=oldest).order_by("made_at").values_list("pk", flat=True)[:AT_ONCE]
        )
        if not keys:
            break
        Notice.objects.filter(pk__in=keys).delete()
        count += len(keys)
    if count:
        audit.record(
            who=system("notices"), now=now, verb="notices.forget", thing="notices", key="all",
            after={"count": count, "before": oldest.isoformat()},
        )  # fmt: skip
    return count


@transaction.atomic
def erase(person: UUID, now: datetime) -> int:
    """Remove all that notices hold of a person, and others' notices that name them: those of their account, and of files
    that they loaded. Returns how many rows. Called by the person's erasure."""
    count = sum(table.objects.filter(person=person).delete()[0] for table in (Notice, Preference, Choice))
    count += Notice.objects.filter(data__person=str(person)).delete()[0]
    loads = [str(key) for key in Load.objects.filter(who_id=person).values_list("pk", flat=True)]
    for start in range(0, len(loads), 500):
        count += Notice.objects.filter(data__load__in=loads[start : start + 500]).delete()[0]
    return count
