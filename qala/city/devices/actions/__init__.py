from .borders import follow_borders
from .keep import Kept, keep_readings, reading_table
from .life import keep_registers, move_device, retire_device, swap_device
from .load import fail_interrupted_loads, load_readings
from .load_devices import DeviceSummary, load_devices, refusal
from .measuring import measure_devices
from .news import mark_seen, tell_kept
from .registry import NewDevice, register_devices, require_for
from .run import Summary

__all__ = [
    "DeviceSummary",
    "Kept",
    "NewDevice",
    "Summary",
    "fail_interrupted_loads",
    "follow_borders",
    "keep_readings",
    "keep_registers",
    "load_devices",
    "load_readings",
    "mark_seen",
    "measure_devices",
    "move_device",
    "reading_table",
    "refusal",
    "register_devices",
    "require_for",
    "retire_device",
    "swap_device",
    "tell_kept",
]
