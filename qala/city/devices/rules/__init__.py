from .device_rows import DEVICE_COLUMNS, NEEDED, DeviceRow, RefusedRow, header_faults, header_name, read_row
from .kinds import SERIES_KINDS, retention_key
from .numbers import exact_number
from .occupancy import (
    CODE_SIGNS,
    LIMITS,
    OCCUPANCY_COLUMNS,
    OCCUPANCY_NEEDED,
    SIGNS,
    WINDOW,
    OccupancyRow,
    common,
    meets,
    read_occupancy_row,
    shown_code,
    typed_code,
)
from .order import reading_order, repeated
from .period import Period, period_of
from .profile import QUALITIES, Columns, Profile, parse_profile
from .serials import SERIAL, is_serial
from .silence import allowance
from .walltime import Segment, segments

__all__ = [
    "CODE_SIGNS",
    "DEVICE_COLUMNS",
    "LIMITS",
    "NEEDED",
    "OCCUPANCY_COLUMNS",
    "OCCUPANCY_NEEDED",
    "QUALITIES",
    "SERIAL",
    "SERIES_KINDS",
    "SIGNS",
    "WINDOW",
    "Columns",
    "DeviceRow",
    "OccupancyRow",
    "Period",
    "Profile",
    "RefusedRow",
    "Segment",
    "allowance",
    "common",
    "exact_number",
    "header_faults",
    "header_name",
    "is_serial",
    "meets",
    "parse_profile",
    "period_of",
    "read_occupancy_row",
    "read_row",
    "reading_order",
    "repeated",
    "retention_key",
    "segments",
    "shown_code",
    "typed_code",
]
