"""What works draw on the console's map."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from qala.kernel import geometry
from qala.kernel.access import Who
from qala.kernel.clock import SYSTEM_CLOCK

from .. import store
from ..models import AssetState, Kind

SHOWN_AS = {AssetState.IN_USE: "ok", AssetState.OUT_OF_ORDER: "bad", AssetState.PLANNED: "info"}


STATES_OF_ORDERS = {"ordered": "info", "accepted": "info", "under_way": "ok", "returned": "warn"}


def orders(who: Who, bounds: store.Bounds | None = None) -> dict[str, Any]:
    """Open work orders with coordinates as GeoJSON points; those that are overdue first in the legend."""
    now = SYSTEM_CLOCK.now()
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [round(one.lon or 0, 5), round(one.lat or 0, 5)]},
            "properties": {
                "key": one.number, "name": f"{one.number} · {one.title}", "url": reverse("works:order", args=[one.number]),
                "state": "bad" if one.due_at is not None and one.due_at < now else STATES_OF_ORDERS[one.state],
            },
        }
        for one in store.points_of_orders(who, now, bounds)
    ]  # fmt: skip
    words = {"bad": _("overdue"), "warn": _("sent back"), "info": _("to be begun"), "ok": _("under way")}
    return {"type": "FeatureCollection", "features": features, "states": words}


def assets(who: Who, bounds: store.Bounds | None = None) -> dict[str, Any]:
    """Assets with a geometry as GeoJSON, by what they do."""
    pattern = reverse("works:asset", args=["CODE"])
    kinds = {one.pk: one.title for one in store.list_kinds(Kind.ASSET)}
    features = []
    for one in store.shapes_in(who, bounds):
        shown = "warn" if one["state"] == AssetState.IN_USE and one["condition"] == "bad" else SHOWN_AS[one["state"]]
        name = f"{one['code']} · {one['name'] or kinds[one['kind']]}"
        features.append(
            {
                "type": "Feature",
                "geometry": geometry.to_geojson(one["shape"], digits=5),
                "properties": {"key": one["code"], "name": name, "state": shown, "url": pattern.replace("CODE", one["code"])},
            }
        )  # fmt: skip
    return {
        "type": "FeatureCollection", "features": features,
        "states": {"bad": _("out of order"), "warn": _("in bad condition"), "info": _("planned"), "ok": _("in use")},
    }  # fmt: skip
