"""What other matters and the site may use of devices."""

from __future__ import annotations

from .actions import NewDevice, forget_readings, keep_readings, mark_seen, reading_table, register_devices, tell_kept
from .models import Device, Load, RefusalReason, Series
from .rules import Period, is_serial, period_of, retention_key
from .store import (
    RFC3339,
    copy_out,
    count_aged,
    current_sql,
    decimal_sql,
    get_device,
    get_load,
    list_readings,
    list_refusals,
    list_series,
    past_districts,
    register_series,
    series_of,
    touched_series,
    visible_to,
    what_waits,
)

__all__ = [
    "RFC3339",
    "Device",
    "Load",
    "NewDevice",
    "Period",
    "RefusalReason",
    "Series",
    "copy_out",
    "count_aged",
    "current_sql",
    "decimal_sql",
    "forget_readings",
    "get_device",
    "get_load",
    "is_serial",
    "keep_readings",
    "list_readings",
    "list_refusals",
    "list_series",
    "mark_seen",
    "past_districts",
    "period_of",
    "reading_table",
    "register_devices",
    "register_series",
    "retention_key",
    "series_of",
    "tell_kept",
    "touched_series",
    "visible_to",
    "what_waits",
]
