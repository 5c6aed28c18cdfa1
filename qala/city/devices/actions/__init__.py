from .keep import Kept, keep_readings, reading_table
from .load import fail_interrupted_loads, load_readings
from .news import mark_seen, tell_kept
from .registry import NewDevice, register_devices, require_for
from .run import Summary

__all__ = [
    "Kept",
    "NewDevice",
    "Summary",
    "fail_interrupted_loads",
    "keep_readings",
    "load_readings",
    "mark_seen",
    "reading_table",
    "register_devices",
    "require_for",
    "tell_kept",
]
