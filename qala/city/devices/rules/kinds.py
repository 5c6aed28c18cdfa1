"""Kinds of series, and the classes of retention that their readings belong to."""

from __future__ import annotations

SERIES_KINDS = ("register", "interval", "instant")


def retention_key(kind: str) -> str:
    """The class of retention of the readings of a kind of series."""
    return f"readings.{kind}"
