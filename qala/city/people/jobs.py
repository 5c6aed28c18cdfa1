"""Background work of people."""

from __future__ import annotations

from datetime import datetime

from . import actions


def erase_due(now: datetime) -> None:
    """Erase those who asked for it and whose waiting time is over."""
    actions.erase_due(now=now)
