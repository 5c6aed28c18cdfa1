from .borders import follow_borders
from .claims import IssuedCode, claim_meter_point, issue_codes, revoke_code
from .credentials import CREDENTIALS, Chosen, Issued, Plan, end_credentials, issue_credentials, plan_credentials
from .forget import forget_files, forget_instants, forget_intervals, forget_readings, forget_refusals
from .keep import Kept, keep_readings, reading_table
from .life import keep_registers, move_device, retire_device, swap_device
from .load import fail_interrupted_loads, load_readings
from .load_devices import DeviceSummary, load_devices, refusal
from .load_occupancies import OccupancySummary, load_occupancies, occupancy_refusal
from .measuring import measure_devices
from .news import mark_seen, tell_kept
from .occupancies import begin_occupancy, correct_occupancy, end_occupancy, withdraw_occupancy
from .personal import erase_person
from .registry import NewDevice, index_loads, register_devices, require_for
from .run import Summary
from .silences import find_silent

__all__ = [
    "CREDENTIALS",
    "Chosen",
    "DeviceSummary",
    "Issued",
    "IssuedCode",
    "Kept",
    "NewDevice",
    "OccupancySummary",
    "Plan",
    "Summary",
    "begin_occupancy",
    "claim_meter_point",
    "correct_occupancy",
    "end_credentials",
    "end_occupancy",
    "erase_person",
    "fail_interrupted_loads",
    "find_silent",
    "follow_borders",
    "forget_files",
    "forget_instants",
    "forget_intervals",
    "forget_readings",
    "forget_refusals",
    "index_loads",
    "issue_codes",
    "issue_credentials",
    "keep_readings",
    "keep_registers",
    "load_devices",
    "load_occupancies",
    "load_readings",
    "mark_seen",
    "measure_devices",
    "move_device",
    "occupancy_refusal",
    "plan_credentials",
    "reading_table",
    "refusal",
    "register_devices",
    "require_for",
    "retire_device",
    "revoke_code",
    "swap_device",
    "tell_kept",
    "withdraw_occupancy",
]
