"""What devices put on shared pages: cards, a layer of the map, the progress of a load."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from qala.city.places.public import BorderPlan, Place
from qala.kernel.access import Who
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.errors import NotFound

from .. import store

RINGED = 0.1  # share of silent devices from which a cell is marked, as map.js does with those that stand together


def fleet(request: HttpRequest, who: Who) -> dict[str, Any]:
    """How many devices there are and how many are silent."""
    counts = store.count_by_state(who=who, now=SYSTEM_CLOCK.now())
    return {"counts": counts, "total": counts["registered"] + counts["active"]}


def loads(request: HttpRequest, who: Who) -> dict[str, Any] | None:
    """The latest loads; none to tell of where somebody else loads the files."""
    found = store.list_loads(who=who, limit=5)
    return {"loads": found} if found or who.scope("devices.load").everything else None


def border(request: HttpRequest, who: Who, plan: BorderPlan) -> dict[str, Any] | None:
    """How many devices change their district where a border moves."""
    if plan.kind != "district":
        return None
    return {"count": store.count_moved([(one.before, one.after) for one in plan.changes], who=who)}


def in_place(request: HttpRequest, who: Who, matter_place: Place, at: datetime) -> dict[str, Any] | None:
    """How many devices count for a district today."""
    if matter_place.kind != "district":
        return None
    return {"district": matter_place, "count": store.count_in(matter_place, who=who)}


def points(who: Who, bounds: tuple[float, float, float, float] | None) -> dict[str, Any]:
    """Devices with coordinates as GeoJSON points, by whether they report; where they are many, their number by cell.

    ``partial`` says that another view has another answer."""
    now = SYSTEM_CLOCK.now()
    found = store.find_points(who, bounds, now=now)
    states = {"bad": _("silent device"), "ok": _("reporting"), "mute": _("registered")}
    if found is None:
        return _cells(store.count_by_cell(who, bounds, now=now), states)
    pattern = reverse("devices:device", args=["SERIAL"])
    features = [
        _point(
            one.lon, one.lat, key=one.serial, name=one.serial, url=pattern.replace("SERIAL", one.serial),
            state="mute" if one.seen is None else "bad" if one.silent else "ok",
        )
        for one in found
    ]  # fmt: skip
    return {"type": "FeatureCollection", "features": features, "states": states, "partial": bounds is not None}


def _cells(cells: list[store.Cell], states: dict[str, str]) -> dict[str, Any]:
    features = []
    for one in cells:
        name = ngettext("{n} device", "{n} devices", one.count).format(n=number_format(one.count))
        if one.silent:
            name += " · " + ngettext("{n} silent", "{n} silent", one.silent).format(n=number_format(one.silent))
        state = "bad" if one.silent and one.silent >= one.count * RINGED else "ok"
        features.append(
            _point(one.lon, one.lat, key=one.key, name=name, state=state, count=one.count, bad=one.silent or 0)
        )
    told = {"type": "FeatureCollection", "features": features, "partial": True, "states": {"ok": _("devices together")}}
    if any(one["properties"]["state"] == "bad" for one in features):
        told["states"] = {"bad": _("a tenth or more is silent"), "ok": _("devices together")}
    if cells and cells[0].silent is None:
        told["title"] = _("Devices (too many are silent to be marked)")
    return told


def _point(lon: float, lat: float, **properties: Any) -> dict[str, Any]:
    where = {"type": "Point", "coordinates": [round(lon, 5), round(lat, 5)]}
    return {"type": "Feature", "geometry": where, "properties": properties}


def load_progress(who: Who, argument: str) -> dict[str, Any]:
    """How far a load is, for a page that watches it."""
    try:
        key = UUID(argument)
    except ValueError:
        raise NotFound("There is no such load.") from None
    load = store.get_load(key, who=who)
    return {
        "state": load.state, "percent": round(100 * load.share), "rows_read": load.rows_read, "rows_new": load.rows_new,
        "rows_new_version": load.rows_new_version, "rows_already_there": load.rows_already_there,
        "rows_refused": load.rows_refused, "reload": load.state != "running",
    }  # fmt: skip
