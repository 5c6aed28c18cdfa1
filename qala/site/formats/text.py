"""Values as people read them, in the language of the page: numbers, registers, instants, periods."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.formats import date_format, get_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext, pgettext_lazy

NBSP = "\u00a0"
MINUS = "\u2212"
MOST_DECIMALS = 3  # of a number that nobody gave a number of decimals for

# Django's ``date`` reads months in this context; naming them here brings them into our own messages.
MONTHS = (
    pgettext_lazy("alt. month", "January"),
    pgettext_lazy("alt. month", "February"),
    pgettext_lazy("alt. month", "March"),
    pgettext_lazy("alt. month", "April"),
    pgettext_lazy("alt. month", "May"),
    pgettext_lazy("alt. month", "June"),
    pgettext_lazy("alt. month", "July"),
    pgettext_lazy("alt. month", "August"),
    pgettext_lazy("alt. month", "September"),
    pgettext_lazy("alt. month", "October"),
    pgettext_lazy("alt. month", "November"),
    pgettext_lazy("alt. month", "December"),
)

# The same standing alone ("March 2026"): Django's own have a capital letter in Russian, which is wrong within a line.
MONTHS_ALONE = (
    gettext_lazy("January"),
    gettext_lazy("February"),
    gettext_lazy("March"),
    gettext_lazy("April"),
    gettext_lazy("May"),
    gettext_lazy("June"),
    gettext_lazy("July"),
    gettext_lazy("August"),
    gettext_lazy("September"),
    gettext_lazy("October"),
    gettext_lazy("November"),
    gettext_lazy("December"),
)

# Inside units as they are written; a unit that is not listed is shown by its code.
UNITS = {
    "m3": pgettext_lazy("unit", "m³"),
    "L": pgettext_lazy("unit", "L"),
    "l": pgettext_lazy("unit", "L"),
    "kWh": pgettext_lazy("unit", "kWh"),
    "MWh": pgettext_lazy("unit", "MWh"),
    "kW": pgettext_lazy("unit", "kW"),
    "W": pgettext_lazy("unit", "W"),
    "V": pgettext_lazy("unit", "V"),
    "kvarh": pgettext_lazy("unit", "kvarh"),
    "A": pgettext_lazy("unit", "A"),
    "Hz": pgettext_lazy("unit", "Hz"),
    "Gcal": pgettext_lazy("unit", "Gcal"),
    "GJ": pgettext_lazy("unit", "GJ"),
    "degC": "°C",
    "percent": "%",
    "1": "",
    "bar": pgettext_lazy("unit", "bar"),
    "ug/m3": pgettext_lazy("unit", "µg/m³"),
    "uS/cm": pgettext_lazy("unit", "µS/cm"),
    "dB": pgettext_lazy("unit", "dB"),
    "m/s": pgettext_lazy("unit", "m/s"),
    "m3/h": pgettext_lazy("unit", "m³/h"),
    "L/h": pgettext_lazy("unit", "L/h"),
    "mg/L": pgettext_lazy("unit", "mg/L"),
    "m/km": pgettext_lazy("unit", "m/km"),
    "m": pgettext_lazy("unit", "m"),
    "km": pgettext_lazy("unit", "km"),
    "km2": pgettext_lazy("unit", "km²"),
    "s": pgettext_lazy("unit", "s"),
    "min": pgettext_lazy("unit", "min"),
    "h": pgettext_lazy("unit", "h"),
    "B": pgettext_lazy("unit", "B"),
    "KiB": pgettext_lazy("unit", "KiB"),
    "MiB": pgettext_lazy("unit", "MiB"),
    "GiB": pgettext_lazy("unit", "GiB"),
    "TiB": pgettext_lazy("unit", "TiB"),
}


def unit_text(code: object) -> str:
    """A unit as it is written: ``m3`` → ``m³``, in Russian ``м³``."""
    return str(UNITS.get(str(code), code))


def number_text(value: float | Decimal, unit: object = "", decimals: int | None = None) -> str:
    """A number with its thousands grouped: ``1,234.5 m³`` in English, ``1 234,5 м³`` in Kazakh and Russian.

    Integers and decimals are exact; a float is rounded to ``MOST_DECIMALS`` unless ``decimals`` are asked for.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return "–"
    if decimals is not None:
        value = round(Decimal(value), decimals)
    elif isinstance(value, float) and abs(value) >= 1e15:
        value = int(value)
    elif isinstance(value, float):
        value = round(Decimal(repr(value)), MOST_DECIMALS).normalize()
        value = value.quantize(Decimal(1)) if value == value.to_integral_value() else value
    text = number_format(value, decimal_pos=decimals, use_l10n=True, force_grouping=True)
    text = text.replace("-", MINUS, 1)
    return f"{text}{NBSP}{unit_text(unit)}" if unit and unit_text(unit) else text


def bytes_text(size: float) -> str:
    """``1536`` → ``1.5 KiB``, in Russian ``1,5 КиБ``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(size) < 1024:
            return number_text(size, unit, 0 if unit == "B" else 1)
        size /= 1024
    return number_text(size, "TiB", 1)


def register_text(register: int, exponent: int = 0, unit: object = "") -> str:
    """``register × 10^exponent``, exact to the last digit of the register, never by way of a float."""
    digits = str(abs(int(register)))
    if exponent < 0:
        digits = digits.rjust(1 - exponent, "0")
        whole, fraction = digits[:exponent], digits[exponent:]
    else:
        whole, fraction = digits + "0" * exponent if int(digits) else "0", ""
    grouped = number_format(int(whole), use_l10n=True, force_grouping=True)
    text = (
        (MINUS if register < 0 else "") + grouped + (f"{get_format('DECIMAL_SEPARATOR')}{fraction}" if fraction else "")
    )
    return f"{text}{NBSP}{unit_text(unit)}" if unit and unit_text(unit) else text


def local(value: date | datetime) -> date | datetime:
    """An instant in the city's zone; a plain date as it is."""
    return timezone.localtime(value) if isinstance(value, datetime) and timezone.is_aware(value) else value


def moment_text(value: datetime) -> str:
    """``5 March 2026, 14:07``, in the city's zone."""
    return date_format(local(value), "DATETIME_FORMAT")


def day_text(value: date | datetime) -> str:
    """``5 March 2026``, of the city's day."""
    return date_format(local(value), "DATE_FORMAT")


def clock_text(value: datetime) -> str:
    """``14:07``, in the city's zone."""
    return date_format(local(value), "TIME_FORMAT")


def when_text(value: datetime, now: datetime) -> str:
    """How long ago within a day, else the moment; what lies ahead is always told as a moment."""
    gone = now - value
    if not timedelta(0) <= gone < timedelta(days=1):
        return moment_text(value)
    if gone < timedelta(minutes=1):
        return _("just now")
    minutes = int(gone.total_seconds() // 60)
    if minutes < 60:
        return ngettext("{n} minute ago", "{n} minutes ago", minutes).format(n=minutes)
    return ngettext("{n} hour ago", "{n} hours ago", minutes // 60).format(n=minutes // 60)


def period_text(start: datetime, end: datetime, now: datetime | None = None) -> str:
    """A half-open period ``[start, end)`` in words: ``12–18 May 2026``, ``5 March 2026, 14:00–15:00``, ``today``."""
    first, after = timezone.localtime(start), timezone.localtime(end)
    midnight = first.time() == after.time() == datetime.min.time()
    if midnight and after.date() > first.date():
        return _days_text(first.date(), after.date() - timedelta(days=1), timezone.localdate(now) if now else None)
    if first.date() == after.date() or after == _next_midnight(first):
        return f"{day_text(first)}, {date_format(first, 'TIME_FORMAT')}–{date_format(after, 'TIME_FORMAT')}"
    return f"{date_format(first, 'DATETIME_FORMAT')} – {date_format(after, 'DATETIME_FORMAT')}"


def _next_midnight(moment: datetime) -> datetime:
    day = moment.date() + timedelta(days=1)
    zone = moment.tzinfo if isinstance(moment.tzinfo, ZoneInfo) else None
    return datetime(day.year, day.month, day.day, tzinfo=zone or moment.tzinfo)


def _days_text(first: date, last: date, today: date | None) -> str:
    """Whole days, both ends included."""
    if first == last:
        if today is not None and first == today:
            return _("today")
        if today is not None and first == today - timedelta(days=1):
            return _("yesterday")
        return day_text(first)
    if first.day == 1 and (last + timedelta(days=1)).day == 1 and first.year == last.year:
        if first.month == last.month:
            return date_format(first, "YEAR_MONTH_FORMAT")
        if (first.month, last.month) == (1, 12):
            return str(first.year)
    parts = {
        "first": first.day, "last": last.day, "year": first.year,
        "month": MONTHS[first.month - 1], "first_month": MONTHS[first.month - 1], "last_month": MONTHS[last.month - 1],
    }  # fmt: skip
    if (first.year, first.month) == (last.year, last.month):
        return pgettext("days of one month", "{first}–{last} {month} {year}").format(**parts)
    if first.year == last.year:
        return pgettext("days of one year", "{first} {first_month} – {last} {last_month} {year}").format(**parts)
    return f"{day_text(first)} – {day_text(last)}"
