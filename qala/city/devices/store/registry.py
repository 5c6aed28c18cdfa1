"""Reading the registry: devices, their series, the loads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Count, Q, QuerySet
from django.db.models.expressions import RawSQL

from qala.city.places.public import Place
from qala.kernel.access import Who
from qala.kernel.errors import NotFound

from ..models import Device, Load, Series
from ..rules import is_serial
from .silence import silent_at


def visible_to(who: Who) -> QuerySet[Device]:
    """The devices that the asker may see: all, or those of their organisations."""
    scope = who.scope("devices.view")
    if scope.everything:
        return Device.objects.all()
    return Device.objects.filter(owner__in=scope.organisations) if scope else Device.objects.none()


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


def count_by_state(*, who: Who, now: datetime) -> dict[str, int]:
    """How many devices there are, by state, and how many of them were silent at ``now``."""
    rows = visible_to(who).values("state").annotate(n=Count("id"))
    counts = dict.fromkeys((Device.REGISTERED, Device.ACTIVE, Device.RETIRED), 0)
    counts.update({row["state"]: row["n"] for row in rows})
    counts["silent"] = visible_to(who).filter(silent_at(now)).count()
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


def status() -> dict[str, int | float | str]:
    """Figures for ``qala status``."""
    return {
        "devices": Device.objects.count(),
        "series": Series.objects.count(),
        "loads": Load.objects.count(),
        "loads_running": Load.objects.filter(state=Load.RUNNING).count(),
    }
