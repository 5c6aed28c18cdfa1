"""News that devices hear."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from qala.kernel.jobs import run_later

from . import actions


def borders_changed(payload: dict[str, Any], event_id: UUID, now: datetime) -> None:
    """A border of districts moved: devices count for the district that held them, by date."""
    if payload["kind"] == "district" and actions.follow_borders(bounds=payload.get("bounds"), now=now):
        run_later("devices.measure", since=payload["valid_from"])


def registers_read(payload: dict[str, Any], event_id: UUID, now: datetime) -> None:
    """Somebody read registers off devices: they become readings."""
    actions.keep_registers(
        source=payload["source"], at=payload["at"], now=now,
        registers=[(series, value) for series, value in payload["registers"]],
    )  # fmt: skip
