from .numbers import exact_number
from .period import Period, period_of
from .profile import Columns, Profile, parse_profile
from .serials import SERIAL, is_serial
from .walltime import Segment, segments

__all__ = [
    "SERIAL",
    "Columns",
    "Period",
    "Profile",
    "Segment",
    "exact_number",
    "is_serial",
    "parse_profile",
    "period_of",
    "segments",
]
