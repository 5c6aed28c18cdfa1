"""What the design system's page shows its parts with: made-up values, the same on every visit."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

BARS = [3, 2, 2, 1, 1, 2, 6, 9, 8, 6, 5, 5, None, None, 6, 5, 6, 9, 12, 14, 13, 9, 6, 4]
TOKENS = (
    "paper", "card-ground", "line", "ink", "soft", "brand-ground", "apple", "ochre", "leaf", "sky",
    "series-1", "series-2", "series-3", "series-4", "series-5",
)  # fmt: skip
MISSING = range(201, 213)  # hours of the sample that have no value
ESTIMATED = range(96, 110)
FELL = 260


class Sample(forms.Form):
    name = forms.CharField(label=_("Name"), help_text=_("As it stands on the device."))
    email = forms.EmailField(label=_("E-mail"))
    kind = forms.ChoiceField(
        label=_("Kind"), choices=[("water", _("Water")), ("heat", _("Heat")), ("power", _("Electricity"))]
    )
    note = forms.CharField(label=_("Note"), required=False, widget=forms.Textarea)
    agreed = forms.BooleanField(label=_("Tell me by e-mail"), required=False)


def form() -> Sample:
    """A form that was sent with a mistake."""
    return Sample({"name": "W-0042", "email": "aigerim@", "kind": "water", "note": ""})


def rows(now: datetime) -> list[dict[str, Any]]:
    """Devices of a made-up list."""
    states = [("ok", _("online")), ("warn", _("estimated")), ("bad", _("silent device")), ("mute", _("removed"))]
    return [
        {
            "serial": f"W-{n:04}", "model": "Mirtek 72-KZ", "district": district, "state": state, "word": word,
            "register": 1_234_567 + n * 9_871, "seen": now - timedelta(minutes=7 ** (n - 40)),
        }
        for n, district, (state, word) in zip(
            range(41, 45), ("Әуезов ауданы", "Медеу ауданы", "Түрксіб ауданы", "Бостандық ауданы"), states, strict=True
        )
    ]  # fmt: skip


def chart(midnight: datetime) -> dict[str, Any]:
    """Twelve days of a made-up water meter: a gap, estimated hours, a register that fell, a corrected reading."""
    start = int(midnight.timestamp()) - 12 * 86_400
    use = [
        int(9 + 30 * math.sin(h / 24 * math.tau / 2) ** 8 + 17 * (h % 24 in (7, 8, 19, 20, 21)) + h * 7 % 11)
        for h in range(288)
    ]
    intervals: list[dict[str, Any]] = []
    readings: list[dict[str, Any]] = []
    register = 1_284_310
    for hour, litres in enumerate(use):
        at = start + hour * 3600
        fell = hour == FELL
        change = -61_200 if fell else litres
        missing = hour in MISSING
        if not missing and hour - 1 not in MISSING:
            readings.append(
                {
                    "t": at, "value": register, "quality": "A", "version_count": 2 if hour == 40 else 1,
                    "flags": ["fall"] if hour == FELL + 1 else [],
                }
            )  # fmt: skip
        intervals.append(
            {
                "start": at, "end": at + 3600, "value": None if missing else change,
                "quality": "E" if hour in ESTIMATED else "A", "method": "", "flags": ["fall"] if fell else [],
            }
        )  # fmt: skip
        register += change
    zone = timezone.get_default_timezone()
    offset = int((midnight.astimezone(zone).utcoffset() or timedelta(0)).total_seconds())
    return {
        "unit": "m3", "exponent": -3, "zone": settings.TIME_ZONE, "offsets": [[start - 86_400, offset]],
        "intervals": intervals, "readings": readings,
    }  # fmt: skip
