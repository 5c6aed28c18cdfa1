"""What devices put on shared pages: cards, a layer of the map, the progress of a load."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from qala.city.places.public import BorderPlan, Place
from qala.kernel.access import Who
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.errors import NotFound

from .. import store


def fleet(request: HttpRequest, who: Who) -> dict[str, Any]:
    """How many devices there are and how many are silent."""
    counts = store.count_by_state(who=who, now=SYSTEM_CLOCK.now())
    return {"counts": counts, "total": counts["registered"] + counts["active"]}


def loads(request: HttpRequest, who: Who) -> dict[str, Any]:
    """The latest loads."""
    return {"loads": store.list_loads(who=who, limit=5)}


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
    """Devices with coordinates as GeoJSON points, by whether they report."""
    pattern = reverse("devices:device", args=["SERIAL"])
    features = []
    for serial, state, seen, silent, lon, lat in store.points_in(who, now=SYSTEM_CLOCK.now()):
        if state == "retired":
            continue
        shown = "mute" if seen is None else "bad" if silent else "ok"
        features.append(
            {
                "type": "Feature",
                "geometry": {"type": "Point", "coordinates": [round(lon, 5), round(lat, 5)]},
                "properties": {"key": serial, "name": serial, "state": shown, "url": pattern.replace("SERIAL", serial)},
            }
        )
    return {
        "type": "FeatureCollection", "features": features,
        "states": {"bad": _("silent device"), "ok": _("reporting"), "mute": _("registered")},
    }  # fmt: skip


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
