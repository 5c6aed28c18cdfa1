"""News that devices hear."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from . import actions


def registers_read(payload: dict[str, Any], event_id: UUID, now: datetime) -> None:
    """Somebody read registers off devices: they become readings."""
    actions.keep_registers(
        source=payload["source"], at=payload["at"], now=now,
        registers=[(series, value) for series, value in payload["registers"]],
    )  # fmt: skip
