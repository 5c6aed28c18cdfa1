"""What the pages of places share: days as people write them, and what maps are told."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.urls import reverse

from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.ranges import day_start, local_day

from .. import store
from ..models import Place

ZONE_OF_CITY = ZoneInfo(settings.TIME_ZONE)


def asked_day(text: str) -> tuple[str, datetime]:
    """An as-of day that a person asked for and the instant it means: the end of that day, now for today.

    Anything that is no day means today, told as an empty text.
    """
    now = SYSTEM_CLOCK.now()
    try:
        day = date.fromisoformat(text)
        end = day_start(day + timedelta(days=1), ZONE_OF_CITY)
    except (ValueError, OverflowError):
        return "", now
    if day == local_day(now, ZONE_OF_CITY):
        return "", now
    return day.isoformat(), end - timedelta(microseconds=1)


def map_config(place: Place, day: str, **more: Any) -> dict[str, Any]:
    """What the script of a place's map reads."""
    return {
        "shape": reverse("places:shape", args=[place.code]) + (f"?at={day}" if day else ""),
        "code": place.code,
        "base": store.shown_base_map(),
        **more,
    }
