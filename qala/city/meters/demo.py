"""Two weeks of the demo city's meters: believable days, some gaps, a few registers that fell, some silent meters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from django.conf import settings
from django.db import transaction
from numpy.typing import NDArray

from qala.city.devices.public import Series, keep_readings, mark_seen, reading_table, tell_kept, touched_series
from qala.kernel import outbox
from qala.kernel.access import Who
from qala.kernel.lake import get_lake
from qala.kernel.ranges import TimeRange, day_start, local_day

DAYS = 14
HOUR_US = 3_600_000_000
SILENT_SHARE, GAP_SHARE, FAULTS = 0.006, 0.05, 6

# mean use by hour of the local day, in the property's unit, how much homes differ (sigma of a lognormal), and the most that
# one uses in an hour: below what the models can pass
SHAPES: dict[str, tuple[tuple[float, ...], float, float]] = {
    "active_energy_import": (
        (.18, .15, .14, .13, .14, .18, .32, .45, .40, .32, .30, .32, .38, .36, .32, .33, .40, .58, .82, .95, .92, .75, .48, .28),
        0.5, 11.0,
    ),
    "water_volume": (
        (.002, .001, .001, .001, .002, .006, .018, .026, .022, .014, .011, .010, .012, .011, .010, .010, .012, .017, .024,
         .027, .024, .018, .010, .005),
        0.55, 2.5,
    ),
    "heat_energy": (
        (3.1, 3.2, 3.3, 3.4, 3.5, 3.4, 3.2, 2.9, 2.6, 2.3, 2.1, 1.9, 1.8, 1.8, 1.9, 2.0, 2.2, 2.4, 2.6, 2.7, 2.8, 2.9, 3.0, 3.0),
        0.3, 16.0,
    ),
}  # fmt: skip


def load(*, who: Who, now: datetime, progress: Any) -> None:
    """Readings of the last ``DAYS`` days of every demo meter, then their consumption."""
    rng = np.random.default_rng(20260102)
    progress.update(total=len(SHAPES) + 1)
    for name in SHAPES:
        rows = list(
            Series.objects.filter(device__is_demo=True, property=name).order_by("pk").values_list("pk", "exponent")
        )
        if rows:
            source = f"demo:{name}"
            if not _is_kept(source):  # another start would draw other registers
                numbers = np.array([row[0] for row in rows], dtype=np.int64)
                t, value = _registers(rng, len(rows), name, rows[0][1], now)
                _keep(numbers, t, value, source=source, now=now)
            _tell(source, now)
        progress.advance()
    outbox.deliver_due()
    progress.advance()


def _registers(
    rng: np.random.Generator, count: int, name: str, exponent: int, now: datetime
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Instants (µs) and registers (last digits) of ``count`` meters, both (count, hours); -1 where nothing was sent."""
    shape, spread, most = SHAPES[name]
    zone = ZoneInfo(settings.TIME_ZONE)
    end = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    first = day_start(local_day(now, zone) - timedelta(days=DAYS), zone)  # whole days, and today so far
    hours = int((end - first) / timedelta(hours=1))
    local = [(first + timedelta(hours=hour)).astimezone(zone) for hour in range(hours)]
    mean = np.array([shape[at.hour] * (1.15 if at.weekday() >= 5 else 1.0) for at in local])
    if name == "heat_energy":  # colder and milder days
        mean *= 1 + 0.25 * np.sin(np.arange(hours) / 24 * 2 * np.pi / 6)
    home = rng.lognormal(0, spread, size=(count, 1))
    use = np.minimum(mean * home * rng.gamma(2.0, 0.5, size=(count, hours)), most)
    away = rng.random(count) < 0.04  # nobody at home for some days
    begin = rng.integers(0, hours - 72, size=count)
    hour = np.arange(hours)
    use[away[:, None] & (hour >= begin[:, None]) & (hour < begin[:, None] + 72)] *= 0.05
    leaking = rng.random(count) < 0.01
    if name == "water_volume":
        use[leaking] += rng.uniform(0.004, 0.03, size=(int(leaking.sum()), 1))
    start = rng.integers(50, 900, size=(count, 1)) * 1.0
    value = np.floor((start + np.cumsum(use, axis=1)) / 10.0**exponent).astype(np.int64)
    minute = rng.integers(0, 3_500, size=(count, 1)) + rng.integers(-20, 21, size=(count, hours))
    base = int(first.timestamp())
    t = (base + hour[None, :] * 3600 + np.clip(minute, 0, 3_599)).astype(np.int64) * 1_000_000
    for meter in rng.choice(
        count, size=min(FAULTS, count), replace=False
    ):  # an exchange that nobody entered, a wrong pulse
        at = int(rng.integers(48, hours - 48))
        value[meter, at:] -= value[meter, at] - int(rng.integers(0, 40))
    sent = np.ones((count, hours), dtype=bool)
    for meter in np.flatnonzero(rng.random(count) < GAP_SHARE):
        at, length = int(rng.integers(12, hours - 40)), int(rng.integers(3, 30))
        sent[meter, at : at + length] = False
    for meter in np.flatnonzero(rng.random(count) < SILENT_SHARE):
        sent[meter, int(rng.integers(hours // 3, hours - 30)) :] = False
    t[~sent] = -1
    t[t > int(now.timestamp() * 1_000_000)] = -1
    return t, value


def _keep(
    numbers: NDArray[np.int64], t: NDArray[np.int64], value: NDArray[np.int64], *, source: str, now: datetime
) -> None:
    sent = t >= 0
    series = np.broadcast_to(numbers[:, None], t.shape)[sent]
    times, values = t[sent], value[sent]
    readings = reading_table(
        line=np.arange(len(series)), series=series.astype(np.int32), t=times, value=values,
        quality=np.zeros(len(series), dtype=np.int8),
    )  # fmt: skip
    keep_readings(readings, source=source, now=now)


def _is_kept(source: str) -> bool:
    with get_lake().question() as cursor:
        return cursor.execute("SELECT 1 FROM lake.readings WHERE source = ? LIMIT 1", [source]).fetchone() is not None


def _tell(source: str, now: datetime) -> None:
    """What follows from the readings of a source; harmless to repeat."""
    touched = touched_series(source, span=TimeRange())
    with transaction.atomic():
        mark_seen(
            np.array([series for series, _, _ in touched], dtype=np.int32),
            np.array([last.replace(tzinfo=None) for _, _, last in touched], dtype="datetime64[us]").astype(np.int64),
        )
        tell_kept(
            source=source, first=min(first for _, first, _ in touched), last=max(last for _, _, last in touched), now=now
        )  # fmt: skip
