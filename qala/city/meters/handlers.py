"""News that meters hear."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from . import actions


def readings_kept(payload: dict[str, Any], event_id: UUID, now: datetime) -> None:
    """Readings of a source are in the lake: close the registers that they touch."""
    actions.close_source(
        source=payload["source"], first=payload["first"], last=payload["last"], since=payload["at"], now=now
    )


def borders_changed(payload: dict[str, Any], event_id: UUID, now: datetime) -> None:
    """Places came or moved: the days of the whole city, and of its districts, are computed anew."""
    actions.compute_all_days(now=now)
