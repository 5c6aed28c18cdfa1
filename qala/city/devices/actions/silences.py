"""Finding devices that fell silent, and telling their owners once of each silence."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef

from qala.kernel import outbox

from ..models import Device, DeviceSilence
from ..store import silent_at

AT_ONCE = 2000  # devices noted in one transaction
NAMED = 20  # serials that news name


def find_silent(*, now: datetime) -> int:
    """Note the devices that fell silent since the time before and tell each owner of theirs; returns how many.

    A silence is a device and the instant since which nothing came: it is told once, whatever interrupts.
    """
    noted = DeviceSilence.objects.filter(device=OuterRef("pk"), since=OuterRef("last_seen_at"))
    new = Device.objects.filter(silent_at(now)).exclude(Exists(noted))
    count = 0
    while some := list(new.order_by().values_list("pk", "last_seen_at")[:AT_ONCE]):
        DeviceSilence.objects.bulk_create(
            [DeviceSilence(device_id=key, since=seen) for key, seen in some if seen is not None],
            update_conflicts=True, unique_fields=["device"], update_fields=["since", "told_at"],
        )  # fmt: skip
        count += len(some)
    untold = DeviceSilence.objects.filter(told_at__isnull=True)
    owners: set[UUID | None] = {*untold.values_list("device__owner", flat=True).distinct()}
    for owner in owners:
        with transaction.atomic():
            theirs = untold.filter(device__owner=owner)
            serials = list(theirs.order_by("device__serial").values_list("device__serial", flat=True)[:NAMED])
            told = untold.filter(pk__in=theirs.values("pk")).update(told_at=now)
            if told:
                outbox.tell(
                    "devices.silent_found",
                    {
                        "organisation": str(owner) if owner is not None else None, "count": told, "serials": serials,
                        "at": now.isoformat(),
                    },
                    now=now,
                )  # fmt: skip
    return count
