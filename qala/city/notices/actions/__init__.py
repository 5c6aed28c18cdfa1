"""Writes of notices: made from news, sent, read, chosen and forgotten."""

from __future__ import annotations

from .choose import mark_all_read, mark_read, set_preferences, turn_off
from .keep import erase, forget_old
from .make import SEND, make_notices
from .send import BATCH, compose, is_refused, merge_digests, repeat, send_due

__all__ = [
    "BATCH",
    "SEND",
    "compose",
    "erase",
    "forget_old",
    "is_refused",
    "make_notices",
    "mark_all_read",
    "mark_read",
    "merge_digests",
    "repeat",
    "send_due",
    "set_preferences",
    "turn_off",
]
