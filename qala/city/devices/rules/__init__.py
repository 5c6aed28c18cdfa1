from .numbers import exact_number
from .order import reading_order, repeated
from .period import Period, period_of
from .profile import QUALITIES, Columns, Profile, parse_profile
from .serials import SERIAL, is_serial
from .walltime import Segment, segments

__all__ = [
    "QUALITIES",
    "SERIAL",
    "Columns",
    "Period",
    "Profile",
    "Segment",
    "exact_number",
    "is_serial",
    "parse_profile",
    "period_of",
    "reading_order",
    "repeated",
    "segments",
]
