"""News that places hear."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from . import actions


def borders_changed(payload: dict[str, Any], event_id: UUID, now: datetime) -> None:
    """Districts changed: address points lie in those that hold them now."""
    if payload["kind"] == "district":
        actions.follow_borders(bounds=payload.get("bounds"), now=now)
