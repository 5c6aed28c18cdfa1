"""The audit: one row for each change of state, in the transaction of the change."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from .access import Who
from .models import AuditEntry


def record(
    *,
    who: Who,
    now: datetime,
    verb: str,
    thing: str,
    key: object,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    why: str = "",
) -> AuditEntry:
    """Write who did what to which thing.

    Args:
        verb: the action's name, e.g. ``devices.load_readings``.
        thing: kind of thing, e.g. ``device``; with ``key`` it names one thing for all time.
        before, after: the fields that changed, as JSON values.
        why: the reason that the person gave.
    """
    return AuditEntry.objects.create(
        at=now, who_kind=who.kind, who_id=who.id, who_name=who.name[:200], verb=verb, thing_kind=thing,
        thing_key=str(key)[:200], before=before, after=after, why=why,
    )  # fmt: skip
