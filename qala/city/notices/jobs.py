"""Background work of notices."""

from __future__ import annotations

from datetime import datetime

from qala.kernel.jobs import run_later

from . import actions

ROUNDS = 5  # batches of one run: other jobs wait meanwhile


def send(now: datetime) -> None:
    """Hand over what is due, some batches at a time."""
    for _round in range(ROUNDS):
        if actions.send_due() < actions.BATCH:
            return
    run_later(actions.SEND)


def forget(now: datetime) -> None:
    """Delete what is older than the settings keep it."""
    actions.forget_old(now=now)
