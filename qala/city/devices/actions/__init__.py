from .keep import Kept, keep_staged
from .load import Summary, fail_interrupted_loads, load_readings, mark_seen, tell_kept
from .registry import NewDevice, register_devices, require_for

__all__ = [
    "Kept",
    "NewDevice",
    "Summary",
    "fail_interrupted_loads",
    "keep_staged",
    "load_readings",
    "mark_seen",
    "register_devices",
    "require_for",
    "tell_kept",
]
