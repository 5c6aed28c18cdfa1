"""Which devices are silent: each by the interval that is expected of it, its own or its model's."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

from django.db.models import Q

from qala import drivers

from ..models import Device
from ..rules import allowance

UNKNOWN_MODEL_MINUTES = 1440  # a driver may be gone after an update; its devices go on


def expected_minutes(model: str, own: int | None) -> int:
    """How often a device should report: its own interval, else the shortest of its model's properties."""
    if own is not None:
        return own
    driver = drivers.drivers().get(model)
    return min(one.expected_interval_minutes for one in driver.property) if driver else UNKNOWN_MODEL_MINUTES


def silent_after(device: Device) -> timedelta:
    """How long nothing may come from a device before it counts as silent."""
    return allowance(expected_minutes(device.model, device.expected_minutes))


def is_silent(device: Device, *, now: datetime) -> bool:
    """Whether a device reported once and then, for longer than expected, no more; a retired one is not silent."""
    seen = device.last_seen_at
    return device.state != Device.RETIRED and seen is not None and seen < now - silent_after(device)


def silent_at(now: datetime) -> Q:
    """The condition of devices that are silent at an instant; asks once which intervals of their own there are."""
    models: dict[timedelta, list[str]] = defaultdict(list)
    for key in drivers.drivers():
        models[allowance(expected_minutes(key, None))].append(key)
    unknown = allowance(UNKNOWN_MODEL_MINUTES)
    own = Device.objects.filter(expected_minutes__isnull=False).values_list("expected_minutes", flat=True).distinct()
    alternatives = [
        Q(expected_minutes__isnull=True, model__in=keys, last_seen_at__lt=now - after) for after, keys in models.items()
    ]
    alternatives.append(
        Q(expected_minutes__isnull=True, last_seen_at__lt=now - unknown) & ~Q(model__in=list(drivers.drivers()))
    )
    shortest = min(*models, unknown)
    for minutes in own.order_by():
        assert minutes is not None
        after = allowance(minutes)
        shortest = min(shortest, after)
        alternatives.append(Q(expected_minutes=minutes, last_seen_at__lt=now - after))
    found = Q()
    for one in alternatives:
        found |= one
    # the first condition alone is what an index finds
    return Q(last_seen_at__lt=now - shortest) & found & ~Q(state=Device.RETIRED)
