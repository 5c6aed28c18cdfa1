"""Background work of devices."""

from __future__ import annotations

from datetime import datetime

from . import actions


def fail_interrupted_loads(now: datetime) -> None:
    """No load of a dead process is shown as running."""
    actions.fail_interrupted_loads(now=now)


def find_silent(now: datetime) -> None:
    """Each organisation hears which of its devices fell silent."""
    actions.find_silent(now=now)


def measure_devices(now: datetime, since: str | None = None) -> None:
    """How many devices are in use, and how many of them report; ``since`` (RFC 3339): days again that were counted."""
    actions.measure_devices(now=now, since=None if since is None else datetime.fromisoformat(since))
