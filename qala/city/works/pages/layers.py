"""What works draw on the console's map."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from qala.kernel import geometry
from qala.kernel.access import Who

from .. import store
from ..models import AssetState, Kind

SHOWN_AS = {AssetState.IN_USE: "ok", AssetState.OUT_OF_ORDER: "bad", AssetState.PLANNED: "info"}


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
