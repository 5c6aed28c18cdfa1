"""News that notices hear."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from qala.kernel.models import OutboxEvent

from . import actions


def happened(payload: dict[str, Any], event_id: UUID, now: datetime) -> None:
    """Something happened that people are told of."""
    event = OutboxEvent.objects.values_list("name", flat=True).get(pk=event_id)
    actions.make_notices(event=event, event_id=event_id, payload=payload, now=now)
