"""Writes of places."""

from __future__ import annotations

from .addresses import follow_borders
from .basemap import load_base_map, remove_base_map
from .borders import BorderChange, BorderPlan, move_border, plan_border, take_back_border
from .files import read_file
from .finding import put_words
from .loading import load_places, may_change, refusal, require_some
from .reading import MOST_BYTES, read_features, read_outline
from .tables import COLUMNS, NEEDED, read_addresses

__all__ = [
    "COLUMNS",
    "MOST_BYTES",
    "NEEDED",
    "BorderChange",
    "BorderPlan",
    "follow_borders",
    "load_base_map",
    "load_places",
    "may_change",
    "move_border",
    "plan_border",
    "put_words",
    "read_addresses",
    "read_features",
    "read_file",
    "read_outline",
    "refusal",
    "remove_base_map",
    "require_some",
    "take_back_border",
]
