from .device_rows import DEVICE_COLUMNS, NEEDED, DeviceRow, RefusedRow, header_faults, header_name, read_row
from .numbers import exact_number
from .order import reading_order, repeated
from .period import Period, period_of
from .profile import QUALITIES, Columns, Profile, parse_profile
from .serials import SERIAL, is_serial
from .silence import allowance
from .walltime import Segment, segments

__all__ = [
    "DEVICE_COLUMNS",
    "NEEDED",
    "QUALITIES",
    "SERIAL",
    "Columns",
    "DeviceRow",
    "Period",
    "Profile",
    "RefusedRow",
    "Segment",
    "allowance",
    "exact_number",
    "header_faults",
    "header_name",
    "is_serial",
    "parse_profile",
    "period_of",
    "read_row",
    "reading_order",
    "repeated",
    "segments",
]
