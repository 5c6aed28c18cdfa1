"""The measures of devices: how many are in use and how many of them report, by place, owner and model."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from django.conf import settings

from qala.city.people.public import list_organisations
from qala.city.places.public import find_city
from qala.kernel import measures, retention
from qala.kernel.lake import get_lake
from qala.kernel.ranges import day_start, local_day

from ..models import Device, Series
from ..rules import SERIES_KINDS, allowance, retention_key
from ..store import expected_minutes, past_districts

DAYS_AGAIN = 3  # readings may come late
DAY = timedelta(days=1)
Key = tuple[str, str, str]  # subject, owner's code, model


def measure_devices(*, now: datetime, since: datetime | None = None) -> int:
    """Compute ``devices.active_count`` and ``devices.reporting_percent`` for the last whole days of the city.

    A device is in use on a day if it was installed before the day's end (or, where nobody entered that, has ever
    reported) and was not removed by then. It reports on that day if its last reading before the day's end is not older
    than a day, or than what is allowed to it where that is longer.

    Args:
        since: compute all days again that were computed since this instant, e.g. as a border moved.

    Returns:
        how many values were written.
    """
    if not Device.objects.exists():
        return 0
    zone = ZoneInfo(settings.TIME_ZONE)
    today = local_day(now, zone)
    days = {today - timedelta(days=back) for back in range(1, DAYS_AGAIN + 1)}
    if since is not None:
        days |= _days_measured(since, zone, today)
    return sum(_measure_day(day, zone, now) for day in sorted(days))


def _days_measured(since: datetime, zone: ZoneInfo, today: date) -> set[date]:
    """The days since an instant that the whole city has a count of devices for."""
    city = find_city()
    if city is None:
        return set()
    first = day_start(local_day(since, zone), zone)
    values = measures.ask("devices.active_count", grain="day", start=first, subjects=[str(city.pk)])
    gone = max((at for kind in SERIES_KINDS if (at := retention.horizon(retention_key(kind)))), default=None)
    kept = None if gone is None else gone + _longest()  # earlier days were counted when their readings were there
    return {
        day
        for day in (local_day(one.period_start, zone) for one in values)
        if day < today and (kept is None or day_start(day, zone) >= kept)
    }


def _measure_day(day: date, zone: ZoneInfo, now: datetime) -> int:
    start, end = day_start(day, zone), day_start(day + DAY, zone)
    owners = {one.pk: one.code for one in list_organisations()}
    stood = {
        device: district
        for device, district, since, until in past_districts()
        if (since is None or since < end) and until >= end
    }
    city = find_city()
    used: Counter[Key] = Counter()
    reporting: Counter[Key] = Counter()
    columns = ("pk", "model", "owner_id", "district_id", "installed_at", "removed_at", "state", "expected_minutes")
    rows = Device.objects.values_list(*columns)
    last = _last_readings(end)
    for key, model, owner, district, installed, removed, state, minutes in rows.iterator(5000):
        is_installed = installed < end if installed is not None else state != Device.REGISTERED
        if not is_installed or (removed is not None and removed < end):
            continue
        seen = last.get(key)
        reports = seen is not None and end - seen <= max(DAY, allowance(expected_minutes(model, minutes)))
        where = stood.get(key, district)
        for subject in (str(where) if where is not None else None, str(city.pk) if city is not None else None):
            if subject is not None:
                group = (subject, owners.get(owner, "") if owner is not None else "", model)
                used[group] += 1
                reporting[group] += reports
    provenance = "registry of devices, readings of the day"
    values = {
        "devices.active_count": [_value(group, start, count, count, provenance) for group, count in used.items()],
        "devices.reporting_percent": [
            _value(group, start, 100 * reporting[group] / count, count, provenance) for group, count in used.items()
        ],
    }
    return sum(
        measures.store(name, grain="day", start=start, end=end, values=some, now=now) for name, some in values.items()
    )


def _value(group: Key, start: datetime, value: float, count: int, provenance: str) -> measures.Value:
    subject, owner, model = group
    return measures.Value(
        subject=subject, period_start=start, value=float(value), n=count, dimensions={"owner": owner, "model": model},
        provenance=provenance,
    )  # fmt: skip


def _longest() -> timedelta:
    """As long as any device is allowed to be quiet, a day at least."""
    kinds = Device.objects.order_by().values_list("model", "expected_minutes").distinct()
    return max([DAY, *(allowance(expected_minutes(model, own)) for model, own in kinds)])


def _last_readings(end: datetime) -> dict[object, datetime]:
    """Device → its last reading before an instant, as far back as any device is allowed to be quiet."""
    longest = _longest()
    with get_lake().question() as cursor:
        rows = cursor.execute(
            """SELECT series::BIGINT AS series, epoch_us(max(t)) AS t FROM lake.readings
               WHERE t >= $first AND t < $end GROUP BY series""",
            {"first": _naive(end - longest), "end": _naive(end)},
        ).fetchnumpy()
    known = dict(zip(np.asarray(rows["series"]).tolist(), np.asarray(rows["t"]).tolist(), strict=True))
    found: dict[object, datetime] = {}
    for number, device in Series.objects.values_list("pk", "device_id").iterator(5000):
        if number in known:
            at = datetime.fromtimestamp(known[number] / 1_000_000, UTC)
            found[device] = max(at, found.get(device, at))
    return found


def _naive(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(tzinfo=None)
