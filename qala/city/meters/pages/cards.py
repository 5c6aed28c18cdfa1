"""What meters put on shared pages."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext as _

from qala.city.devices.public import Device, Period
from qala.city.places.public import find_city, list_places
from qala.kernel import measures
from qala.kernel.access import Who
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.ranges import TimeRange, day_start, local_day

from .. import store

SHOWN_HAPPENINGS = 20
DAYS = 14
FAULT_DAYS = 7


def use(request: HttpRequest, who: Who) -> dict[str, Any] | None:
    """What the city used on its last whole day, and the two weeks before, of each commodity."""
    city = find_city()
    if city is None:
        return None
    zone = ZoneInfo(settings.TIME_ZONE)
    today = local_day(SYSTEM_CLOCK.now(), zone)
    found = []
    for name in store.MEASURES.values():
        values = measures.ask(
            name, grain="day", start=day_start(today - timedelta(days=DAYS), zone), end=day_start(today, zone),
            subjects=[str(city.pk)],
        )  # fmt: skip
        if not values:
            continue
        by_day = {local_day(value.period_start, zone): value for value in values}
        last = max(by_day)
        days = [today - timedelta(days=back) for back in range(DAYS, 0, -1)]
        measure = measures.measure_named(name)
        found.append(
            {
                "title": measure.title, "unit": measure.unit, "value": by_day[last],
                "shown": round(by_day[last].value or 0), "start": by_day[last].period_start,
                "end": day_start(last + timedelta(days=1), zone),
                "bars": [by_day[day].value if day in by_day else None for day in days], "days": DAYS,
            }
        )  # fmt: skip
    return {"found": found}


def faults(request: HttpRequest, who: Who) -> dict[str, Any] | None:
    """Meters whose register fell or jumped in the last week that is known."""
    found, count = store.list_faults(who=who, days=FAULT_DAYS)
    zone = ZoneInfo(settings.TIME_ZONE)
    rows = [
        {"serial": one.serial, "at": one.at, "query": f"from={day - timedelta(days=1)}&to={day + timedelta(days=1)}"}
        for one in found
        for day in (local_day(one.at, zone),)
    ]
    return {"faults": rows, "count": count, "more": count - len(rows), "days": FAULT_DAYS}


def use_by_district(who: Who, bounds: tuple[float, float, float, float] | None, *, name: str) -> dict[str, Any]:
    """Districts with what they used on the last whole day that is known, for the map."""
    now = SYSTEM_CLOCK.now()
    zone = ZoneInfo(settings.TIME_ZONE)
    today = local_day(now, zone)
    places = list_places("district", who=who)
    values = measures.ask(
        name, grain="day", start=day_start(today - timedelta(days=DAYS), zone), end=day_start(today, zone),
        subjects=[str(place.pk) for place in places],
    )  # fmt: skip
    last = max((value.period_start for value in values), default=None)
    known = {value.subject: value for value in values if value.period_start == last}
    measure = measures.measure_named(name)
    features = []
    for place in places:
        shown: dict[str, Any] = {"key": place.code, "name": place.name}
        value = known.get(str(place.pk))
        if value is not None and value.value is not None:
            shown |= {"value": round(value.value), "facts": [[_("meters"), value.n]]}
        # no geometry: the district is on the ground already
        features.append({"type": "Feature", "geometry": None, "properties": shown})
    found: dict[str, Any] = {"type": "FeatureCollection", "features": features, "unit": measure.unit}
    if last is not None:
        found["period"] = (last, day_start(local_day(last, zone) + timedelta(days=1), zone))
    return found


def water_by_district(who: Who, bounds: tuple[float, float, float, float] | None) -> dict[str, Any]:
    return use_by_district(who, bounds, name="meters.water_m3")


def electricity_by_district(who: Who, bounds: tuple[float, float, float, float] | None) -> dict[str, Any]:
    return use_by_district(who, bounds, name="meters.electricity_kwh")


def heat_by_district(who: Who, bounds: tuple[float, float, float, float] | None) -> dict[str, Any]:
    return use_by_district(who, bounds, name="meters.heat_kwh")


def own(request: HttpRequest, who: Who, parts: list[tuple[Device, TimeRange]]) -> dict[str, Any] | None:
    """What somebody used by day, of each unit: of devices within the time that the page found to be theirs."""
    zone = ZoneInfo(settings.TIME_ZONE)
    by_unit: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for device, span in parts:
        series = store.find_register(device)
        if series is None:
            continue
        inside = [row for row in store.list_intervals(series.pk, span=span) if span.end is None or row[1] <= span.end]
        by_unit[series.property, series.unit] += inside
    found = []
    for (_property, unit), rows in by_unit.items():
        if not rows:
            continue
        exponent = min(row[3] for row in rows)
        usable = [row for row in rows if row[4] != "N"]
        first, last = (local_day(at, zone) for at in (min(row[0] for row in rows), max(row[0] for row in rows)))
        days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
        sums: dict[Any, int] = {}
        hours: dict[Any, int] = defaultdict(int)
        for row in usable:
            day = local_day(row[0], zone)
            sums[day] = sums.get(day, 0) + row[2] * 10 ** (row[3] - exponent)
            hours[day] += row[4] == "A"
        found.append(
            {
                "unit": unit, "exponent": exponent, "total": sum(sums.values()) if sums else None,
                "start": min(row[0] for row in rows), "end": max(row[1] for row in rows),
                "hours": sum(hours.values()), "label": _("Consumption by day"),
                "hours_missing": round(sum((row[1] - row[0]).total_seconds() / 3600 for row in rows if row[4] == "E")),
                "bars": [float(Decimal(sums[day]).scaleb(exponent)) if day in sums else None for day in days],
                "days": [{"day": day, "value": sums.get(day), "hours": hours[day]} for day in reversed(days)],
            }
        )  # fmt: skip
    return {"found": found} if found else None


def register(request: HttpRequest, who: Who, device: Device, period: Period) -> dict[str, Any] | None:
    """A meter's consumption in the period, and what happened to its register at any time."""
    series = store.find_register(device)
    if series is None:
        return None
    happened = store.what_happened(series, device)
    faults = [one for one in happened if one.kind != "missing"]
    gaps = [one for one in happened if one.kind == "missing"]
    zone = ZoneInfo(settings.TIME_ZONE)

    def shown(one: Any) -> dict[str, Any]:
        start, end = (datetime.fromtimestamp(at / 1_000_000, UTC) for at in (one.start, one.end))
        day = local_day(end, zone)
        return {
            "kind": one.kind, "start": start, "end": end, "before": one.before, "after": one.after,
            "difference": one.after - one.before,
            "query": f"from={day - timedelta(days=1)}&to={day + timedelta(days=1)}",
        }  # fmt: skip

    intervals = store.list_intervals(series.pk, span=period.span)
    usable = [row for row in intervals if row[4] != "N"]
    exponent = intervals[0][3] if intervals else series.exponent
    return {
        "series": series, "device": device, "period": period, "exponent": exponent,
        "total": sum(row[2] for row in usable) if usable else None,
        "hours": sum(1 for row in intervals if row[4] == "A"),
        "gap_total": sum(row[2] for row in intervals if row[4] == "E"),
        "hours_missing": sum((row[1] - row[0]).total_seconds() / 3600 for row in intervals if row[4] == "E"),
        "hours_faulty": sum((row[1] - row[0]).total_seconds() / 3600 for row in intervals if row[4] == "N"),
        "computed_at": max((row[8] for row in intervals), default=None),
        "faults": [shown(one) for one in faults[::-1][:SHOWN_HAPPENINGS]], "fault_count": len(faults),
        "falls": sum(1 for one in faults if one.kind == "fall"), "jumps": sum(1 for one in faults if one.kind == "jump"),
        "gap_count": len(gaps), "gap_hours": sum(one.end - one.start for one in gaps) / 3.6e9,
        "longest_gap": shown(max(gaps, key=lambda one: one.end - one.start)) if gaps else None,
        "rows": [
            {"start": row[0], "end": row[1], "value": row[2], "quality": row[4], "flags": row[6], "version": row[7]}
            for row in intervals[::-1][:200]
        ],
    }  # fmt: skip
