"""Reading the registry: devices, their series, the loads."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Count, Q, QuerySet
from django.db.models.expressions import RawSQL

from qala.city.places.public import Place
from qala.kernel import search
from qala.kernel.access import Who
from qala.kernel.errors import NotFound

from ..models import Device, Load, Series
from ..rules import allowance, is_serial
from .silence import expected_minutes, silent_at


@dataclass(frozen=True, slots=True)
class DeviceFilter:
    """What a list of devices is narrowed to; empty fields do not narrow.

    Args:
        silent_at: only devices that were silent at that instant, each by what is expected of it.
    """

    query: str = ""
    state: str = ""
    model: str = ""
    owner: str = ""
    district: str = ""
    silent_at: datetime | None = None


def visible_to(who: Who) -> QuerySet[Device]:
    """The devices that the asker may see: all, or those of their organisations."""
    scope = who.scope("devices.view")
    if scope.everything:
        return Device.objects.all()
    return Device.objects.filter(owner__in=scope.organisations) if scope else Device.objects.none()


def list_devices(
    narrowed: DeviceFilter, *, who: Who, sort: str = "serial", after: Sequence[Any] = (), limit: int = 50
) -> tuple[list[Device], int, tuple[str, ...]]:
    """A page of devices with owner and district, how many there are in all, and where the next page begins.

    Args:
        sort: ``serial`` or ``last_seen``, with ``-`` before it the other way round.
        after: what the page before gave as its end.
    """
    who.require("devices.view")
    found = _narrowed(visible_to(who), narrowed)
    falling, key = sort.startswith("-"), sort.lstrip("-")
    if key == "last_seen":  # those that never reported have no place in this order
        found = found.filter(last_seen_at__isnull=False)
    total = found.count()
    sign, side = ("-", "lt") if falling else ("", "gt")
    if key == "serial":
        found = found.order_by(f"{sign}serial")
        if after:
            found = found.filter(**{f"serial__{side}": after[-1]})
    else:
        found = found.order_by(f"{sign}last_seen_at", "serial")
        if len(after) == 2:
            at = after[0] if isinstance(after[0], datetime) else datetime.fromisoformat(after[0])
            found = found.filter(Q(**{f"last_seen_at__{side}": at}) | Q(last_seen_at=at, serial__gt=after[1]))
    rows = list(found.select_related("owner", "district")[: limit + 1])
    following: tuple[str, ...] = ()
    if len(rows) > limit:
        rows = rows[:limit]
        last = rows[-1]
        following = (last.serial,)
        if key != "serial" and last.last_seen_at is not None:
            following = (last.last_seen_at.isoformat(), last.serial)
    return rows, total, following


def _narrowed(found: QuerySet[Device], narrowed: DeviceFilter) -> QuerySet[Device]:
    if narrowed.query.strip():
        found = found.filter(pk__in=search.matching("device", narrowed.query))
    if narrowed.state:
        found = found.filter(state=narrowed.state)
    if narrowed.model:
        found = found.filter(model=narrowed.model)
    if narrowed.owner:
        found = found.filter(owner__code=narrowed.owner)
    if narrowed.district:
        found = found.filter(district__code=narrowed.district)
    if narrowed.silent_at is not None:
        found = found.filter(silent_at(narrowed.silent_at))
    return found


def get_device(serial: str, *, who: Who) -> Device:
    """The device of that serial, with owner, place and district.

    Raises:
        NotFound: there is none, or none that the asker may know of.
    """
    who.require("devices.view")
    rows = visible_to(who).select_related("owner", "place", "district").filter(serial=serial)
    found = rows.first() if is_serial(serial) else None
    if found is None:
        raise NotFound(f"There is no device {serial[:64]}.", fix="Look it up in the list of devices.")
    return found


def series_of(device: Device) -> list[Series]:
    """The series of a device, by property."""
    return list(Series.objects.filter(device=device).order_by("property"))


def list_series(
    *, who: Who, serial: str | None = None, property: str | None = None, ids: Iterable[int] | None = None
) -> list[tuple[int, str, str, str, int]]:
    """(id, serial, property, unit, exponent) of the series that the asker may see, by id.

    Raises:
        NotFound: a serial was named, and the asker may know of no such device.
    """
    found = Series.objects.filter(device__in=visible_to(who)) if who.kind != "system" else Series.objects.all()
    if serial is not None:
        found = found.filter(device=get_device(serial, who=who))
    else:
        who.require("devices.view")
    if property is not None:
        found = found.filter(property=property)
    if ids is not None:
        found = found.filter(pk__in=list(ids))
    return list(found.order_by("pk").values_list("pk", "device__serial", "property", "unit", "exponent"))


def resolve_series(
    serials: Sequence[str], *, owners: frozenset[UUID] | None
) -> dict[str, list[tuple[int, str, str, int]]]:
    """(id, property, unit, exponent) of the series of these serials; retired devices' too, for late files.

    Args:
        owners: restrict to devices of these organisations; ``None``: all.
    """
    rows = Series.objects.filter(device__serial__in=among(serials))
    if owners is not None:
        rows = rows.filter(device__owner__in=owners)
    found: dict[str, list[tuple[int, str, str, int]]] = {}
    columns = ("device__serial", "pk", "property", "unit", "exponent")
    for serial, number, name, unit, exponent in rows.values_list(*columns).iterator(5000):
        found.setdefault(serial, []).append((number, name, unit, exponent))
    return found


def among(words: Sequence[str]) -> RawSQL:
    """Words to look up with ``__in``, as one parameter: Django takes its time with each of many."""
    if connection.vendor == "postgresql":
        return RawSQL("SELECT unnest(%s::text[])", [list(words)])
    return RawSQL("SELECT value FROM json_each(%s)", [json.dumps(list(words))])


def points_in(
    who: Who, *, now: datetime, limit: int = 50_000
) -> list[tuple[str, str, datetime | None, bool, float, float]]:
    """(serial, state, last seen, whether it is silent, lon, lat) of the devices that have coordinates."""
    found = visible_to(who).filter(lon__isnull=False).order_by("serial")
    columns = ("serial", "model", "expected_minutes", "state", "last_seen_at", "lon", "lat")
    after = cache(lambda model, own: allowance(expected_minutes(model, own)))
    return [
        (serial, state, seen, seen is not None and seen < now - after(model, own), lon, lat)
        for serial, model, own, state, seen, lon, lat in found.values_list(*columns)[:limit]
        if lon is not None and lat is not None
    ]


def count_by_state(*, who: Who, now: datetime) -> dict[str, int]:
    """How many devices there are, by state, and how many of them were silent at ``now``."""
    rows = visible_to(who).values("state").annotate(n=Count("id"))
    counts = dict.fromkeys((Device.REGISTERED, Device.ACTIVE, Device.RETIRED), 0)
    counts.update({row["state"]: row["n"] for row in rows})
    counts["silent"] = _narrowed(visible_to(who), DeviceFilter(silent_at=now)).count()
    return counts


def count_in(district: Place, *, who: Who) -> int:
    """How many devices of a district the asker may see, retired ones left out."""
    return visible_to(who).filter(district=district).exclude(state=Device.RETIRED).count()


def count_by_model(*, who: Who) -> dict[str, int]:
    """How many devices of each model the asker may see, retired ones left out."""
    who.require("devices.view")
    rows = visible_to(who).exclude(state=Device.RETIRED).order_by().values("model").annotate(n=Count("id"))
    return {row["model"]: row["n"] for row in rows}


def visible_loads(who: Who) -> QuerySet[Load]:
    """The loads that the asker may see: all, those of their organisations, or their own."""
    scope = who.scope("devices.load")
    if scope.everything:
        return Load.objects.all()
    if not scope:
        return Load.objects.none()
    return Load.objects.filter(Q(organisation__in=scope.organisations) | Q(who_id=who.id, who_id__isnull=False))


def list_loads(*, who: Who, limit: int = 100) -> list[Load]:
    """The latest loads."""
    who.require("devices.load")
    return list(visible_loads(who).order_by("-started_at")[:limit])


def get_load(key: UUID, *, who: Who) -> Load:
    """One load.

    Raises:
        NotFound: there is none, or none that the asker may know of.
    """
    who.require("devices.load")
    found = visible_loads(who).filter(pk=key).first()
    if found is None:
        raise NotFound("There is no such load.", fix="Look it up in the list of loads.")
    return found


def refused_path(load: Load) -> Path:
    """Where the refused rows of a load lie: CSV with line, reason, content."""
    return Path(settings.QALA.loads_dir) / str(load.pk) / "refused.csv"


def refused_rows(load: Load, *, limit: int = 50) -> list[dict[str, Any]]:
    """The first refused rows of a load: line, reason, content."""
    path = refused_path(load)
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [row for row, _ in zip(csv.DictReader(file), range(limit), strict=False)]


def status() -> dict[str, int | float | str]:
    """Figures for ``qala status``."""
    return {
        "devices": Device.objects.count(),
        "series": Series.objects.count(),
        "loads": Load.objects.count(),
        "loads_running": Load.objects.filter(state=Load.RUNNING).count(),
    }
