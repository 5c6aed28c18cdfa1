"""What a meter's page draws and gives to take away."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.utils.translation import gettext as _

from qala.city.devices.public import Period, Series, get_device, list_readings, period_of
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.downloads import export_file, file_answer
from qala.kernel.errors import NotFound
from qala.kernel.ranges import offset_changes

from .. import rules, store


def names() -> dict[str, str]:
    """Words for the letters, methods and flags of intervals."""
    return {
        "A": _("actual"), "E": _("estimated"), "N": _("no consumption"), "S": _("substituted"), "F": _("final substituted"),
        "interpolated": _("register interpolated at the hour"), "gap_total": _("total of missing hours"),
        "register_fault": _("register fell or jumped"),
        "missing": _("missing"), "fall": _("register fell"), "jump": _("register jumped"), "version": _("new version"),
    }  # fmt: skip


def asked_period(request: HttpRequest, series: Series | None) -> Period:
    """The period that is asked for; the last week that has consumption by default."""
    return period_of(
        request.GET.get("from", ""), request.GET.get("to", ""), extent=store.extent(series.pk) if series else None,
        now=SYSTEM_CLOCK.now(), city_zone=settings.TIME_ZONE,
    )  # fmt: skip


def offsets(period: Period) -> list[tuple[int, int]]:
    """(epoch second, the city's offset in seconds from then on): browsers may not know a zone's latest change."""
    zone, span = ZoneInfo(period.zone), period.span
    assert span.start and span.end
    first = span.start.astimezone(zone).utcoffset() or timedelta()
    found = [(0, int(first.total_seconds()))]
    for at, _before, after in offset_changes(span.start, span.end, zone):
        found.append((int(at.timestamp()), int(after.total_seconds())))
    return found


def hourly(request: HttpRequest, serial: str) -> JsonResponse:
    """Registers and hourly use of a meter in a period, as ``chart.js`` takes them."""
    device = get_device(serial, who=request.who)  # type: ignore[attr-defined]
    series = store.find_register(device)
    if series is None:
        raise NotFound(f"The device {serial[:64]} is no meter.")
    period = asked_period(request, series)
    intervals = store.list_intervals(series.pk, span=period.span)
    readings = list_readings(series.pk, span=period.span)
    exponent = intervals[0][3] if intervals else series.exponent
    marks = {one.end: one.kind for one in store.happenings_in(series, device, readings) if one.kind != "missing"}
    body: dict[str, Any] = {
        "unit": series.unit,
        "exponent": exponent,
        "zone": period.zone,
        "offsets": offsets(period),
        "names": names(),
        "whole": ["A"],
        "intervals": [
            {
                "start": int(start.timestamp()), "end": int(end.timestamp()),
                # in a missing stretch no hour has a value of its own; the table tells the total
                "value": value if quality == "A" else None, "total": value if quality == "E" else None,
                "quality": quality,
                "method": method, "flags": rules.flag_names(flags),
            }
            for start, end, value, _exponent, quality, method, flags, _version, _computed in intervals
        ],
        "readings": [
            {
                "t": int(at.timestamp()), "value": value, "quality": quality, "version_count": version,
                "received_at": int(received.timestamp()),
                "flags": [marks[micro]] if (micro := int(at.timestamp() * 1_000_000)) in marks else [],
            }
            for at, value, quality, version, received, _source in readings
        ],
    }  # fmt: skip
    answer = JsonResponse(body)
    answer["Cache-Control"] = "private, max-age=10"
    return answer


def download_intervals(request: HttpRequest, serial: str, form: str) -> HttpResponseBase:
    if form not in ("csv", "parquet"):
        raise NotFound(f"There is no download in the form {form[:20]}.", fix="Forms are csv and parquet.")
    who = request.who  # type: ignore[attr-defined]
    series = store.find_register(get_device(serial, who=who))
    period = asked_period(request, series)
    with export_file() as path:
        store.export_intervals(path, "csv" if form == "csv" else "parquet", who=who, span=period.span, serial=serial)
        return file_answer(path, f"{serial}-hourly-{period.first}-{period.last}.{form}")
