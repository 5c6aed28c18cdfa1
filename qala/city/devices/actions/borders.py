"""Districts of devices follow the borders: where one moves, a device counts for the district that held it, by date."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np
from django.db import transaction
from django.db.models import Q, QuerySet
from numpy.typing import NDArray

from qala.city.places.public import Borders, borders
from qala.kernel import audit
from qala.kernel.access import system

from ..models import Device, DeviceChange, DeviceStay
from .load_devices import tell_changed

AT_ONCE = 5000
WHO = system("devices.follow_borders")
INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Part:
    """Where a device stood over ``[start, end)``; ``None``: since ever, until now."""

    start: datetime | None
    end: datetime | None
    place: UUID | None
    district: UUID | None
    lon: float | None
    lat: float | None

    @property
    def spot(self) -> tuple[UUID | None, float | None, float | None]:
        """What only a move changes: coordinates, and a place that is not just the district itself."""
        return (None if self.place == self.district else self.place), self.lon, self.lat


@dataclass(frozen=True, slots=True)
class _Epoch:
    """Borders of districts between two of their changes."""

    start: datetime | None
    end: datetime | None
    held: Borders


def follow_borders(*, bounds: Sequence[float] | None, now: datetime) -> int:
    """Set the district of devices by their coordinates and the borders of all times, and record since when each
    counted for which. A point that no district holds keeps the one it had. Repeating it changes nothing.

    Args:
        bounds: west, south, east, north of the borders that changed, degrees; ``None``: all devices.

    Returns:
        how many devices counted for other districts than it was known before.
    """
    found = Device.objects.filter(lon__isnull=False)
    if bounds is not None:
        west, south, east, north = bounds
        box = {"lon__range": (west, east), "lat__range": (south, north)}
        found = Device.objects.filter(Q(**box) | Q(pk__in=DeviceStay.objects.filter(**box).values("device")))
    epochs = _epochs(now)
    return sum(_follow(keys, epochs, now) for keys in _keys(found)) if epochs else 0


def follow_devices(keys: Sequence[UUID], *, now: datetime) -> int:
    """The same for some devices, e.g. one that was moved to where a border moved since; in a transaction."""
    epochs = _epochs(now)
    return _follow(list(keys), epochs, now) if epochs else 0


def _keys(found: QuerySet[Device]) -> Iterator[list[UUID]]:
    after: UUID | None = None
    while True:
        rest = found if after is None else found.filter(pk__gt=after)
        keys = list(rest.order_by("pk").values_list("pk", flat=True)[:AT_ONCE])
        if not keys:
            return
        yield keys
        after = keys[-1]


def _epochs(now: datetime) -> list[_Epoch]:
    """The borders of districts since ever, in order of time; those known first stand for what was before them."""
    found: list[_Epoch] = []
    at: datetime = now
    end: datetime | None = None
    while True:
        held = borders("district", at=at)
        if not held.areas:
            break
        found.append(_Epoch(held.valid_from, end, held))
        if held.valid_from is None:
            break
        at, end = held.valid_from - INSTANT, held.valid_from
    if found:
        found[-1] = _Epoch(None, found[-1].end, found[-1].held)
    return found[::-1]


def _follow(keys: list[UUID], epochs: list[_Epoch], now: datetime) -> int:
    with transaction.atomic():
        devices = list(Device.objects.select_for_update().filter(pk__in=keys).order_by("pk"))
        stays: dict[UUID, list[DeviceStay]] = defaultdict(list)
        for stay in DeviceStay.objects.filter(device__in=keys).order_by("device", "valid_to"):
            stays[stay.device_id].append(stay)
        known = [_parts(device, stays[device.pk]) for device in devices]
        standing = [_standing(parts) for parts in known]
        flat = [one for some in standing for one in some]
        lon = np.array([np.nan if one.lon is None else one.lon for one in flat], dtype=np.float64)
        lat = np.array([np.nan if one.lat is None else one.lat for one in flat], dtype=np.float64)
        held = [epoch.held.ids[epoch.held.index.locate(lon, lat)] for epoch in epochs]
        changed: list[tuple[Device, list[Part], list[Part]]] = []
        number = 0
        for device, before, some in zip(devices, known, standing, strict=True):
            after: list[Part] = []
            for one in some:
                after += _cut(one, before, epochs, held, number)
                number += 1
            if after != before:
                changed.append((device, before, after))
        _write(changed, now)
    return len(changed)


def _parts(device: Device, stays: Sequence[DeviceStay]) -> list[Part]:
    """Where a device stood, as it is known: its stays, then where it stands."""
    found = [Part(one.valid_from, one.valid_to, one.place_id, one.district_id, one.lon, one.lat) for one in stays]
    last = stays[-1].valid_to if stays else None
    return [*found, Part(last, None, device.place_id, device.district_id, device.lon, device.lat)]


def _standing(parts: Sequence[Part]) -> list[Part]:
    """Parts between moves: neighbours of which only the district differs are one. Its district is the latest."""
    found: list[Part] = []
    for part in parts:
        if found and part.lon is not None and found[-1].spot == part.spot and found[-1].end == part.start:
            found[-1] = Part(found[-1].start, part.end, part.place, part.district, part.lon, part.lat)
        else:
            found.append(part)
    return found


def _cut(
    one: Part, known: Sequence[Part], epochs: Sequence[_Epoch], held: Sequence[NDArray[np.object_]], number: int
) -> list[Part]:
    """A part between moves, cut where the district of its point changed."""
    if one.lon is None:
        return [one]
    found: list[Part] = []
    for epoch, districts in zip(epochs, held, strict=True):
        start, end = _later(one.start, epoch.start), _earlier(one.end, epoch.end)
        if start is not None and end is not None and start >= end:
            continue
        district = districts[number]
        if district is None:
            district = _known_at(known, start).district
        place = district if one.place == one.district else one.place
        if found and found[-1].district == district:
            found[-1] = Part(found[-1].start, end, place, district, one.lon, one.lat)
        else:
            found.append(Part(start, end, place, district, one.lon, one.lat))
    return found


def _known_at(parts: Sequence[Part], at: datetime | None) -> Part:
    if at is None:
        return parts[0]
    return next(one for one in parts if (one.start is None or one.start <= at) and (one.end is None or at < one.end))


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((moment for moment in (one, other) if moment is not None), default=None)


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((moment for moment in (one, other) if moment is not None), default=None)


def _first_difference(before: Sequence[Part], after: Sequence[Part]) -> datetime | None:
    """Since when a device counts for other districts than before; ``None``: since ever."""
    starts = sorted({one.start for one in (*before, *after) if one.start is not None})
    for at in (None, *starts):
        if _known_at(before, at).district != _known_at(after, at).district:
            return at
    return starts[-1] if starts else None


def _write(changed: Sequence[tuple[Device, list[Part], list[Part]]], now: datetime) -> None:
    if not changed:
        return
    DeviceStay.objects.filter(device__in=[device.pk for device, _before, _after in changed]).delete()
    DeviceStay.objects.bulk_create(
        [
            DeviceStay(
                device=device, place_id=one.place, district_id=one.district, lon=one.lon, lat=one.lat,
                valid_from=one.start, valid_to=one.end,
            )
            for device, _before, after in changed
            for one in after[:-1]
            if one.end is not None
        ],
        batch_size=2000,
    )  # fmt: skip
    now_in: dict[tuple[UUID | None, UUID | None], list[UUID]] = defaultdict(list)
    told: dict[datetime | None, list[tuple[Device, list[str]]]] = defaultdict(list)
    notes = []
    for device, before, after in changed:
        last = after[-1]
        if (last.place, last.district) != (device.place_id, device.district_id):
            now_in[last.place, last.district].append(device.pk)
        since = _first_difference(before, after)
        told[since].append((device, ["district_id"]))
        notes.append(
            DeviceChange(
                device=device, kind=DeviceChange.BORDER_MOVED, at=since or now, recorded_at=now, who_name=WHO.name,
                before={"district": _text(_known_at(before, since).district)},
                after={"district": _text(_known_at(after, since).district)},
            )
        )  # fmt: skip
    for (place, district), keys in now_in.items():
        Device.objects.filter(pk__in=keys).update(place_id=place, district_id=district)
    DeviceChange.objects.bulk_create(notes, batch_size=2000)
    for moment, devices in told.items():
        tell_changed(devices, since=moment, now=now)
    audit.record(
        who=WHO, now=now, verb="devices.follow_borders", thing="devices", key="districts",
        after={"devices": len(changed)},
    )  # fmt: skip


def _text(key: UUID | None) -> str | None:
    return None if key is None else str(key)
