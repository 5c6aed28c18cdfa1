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


def devices_changed(payload: dict[str, Any], event_id: UUID, now: datetime) -> None:
    """A multiplier changed: those registers are closed anew. A district changed: the days since then are computed."""
    devices = [UUID(one) for one in payload["devices"]]
    if "multiplier" in payload["fields"]:
        actions.close_devices(devices, now=now)
    if "district_id" in payload["fields"]:
        actions.compute_days_of(devices, since=payload["since"], now=now)


def borders_changed(payload: dict[str, Any], event_id: UUID, now: datetime) -> None:
    """Places came or moved: the days of the whole city, and of its districts, are computed anew."""
    if payload["kind"] != "zone":
        actions.compute_all_days(now=now)
