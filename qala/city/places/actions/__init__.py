"""Writes of places."""

from __future__ import annotations

from .loading import load_places, refusal
from .reading import MOST_BYTES, read_features

__all__ = ["MOST_BYTES", "load_places", "read_features", "refusal"]
