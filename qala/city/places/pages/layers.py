"""What places draw on the console's map."""

from __future__ import annotations

from typing import Any

import shapely
from django.urls import reverse
from django.utils.translation import gettext as _

from qala.kernel import geometry
from qala.kernel.access import Who
from qala.kernel.clock import SYSTEM_CLOCK

from .. import store


def districts(who: Who, bounds: store.Bounds | None = None) -> dict[str, Any]:
    """The districts of today; properties: key, name, kind, translated, label."""
    return store.geojson_of("district", at=SYSTEM_CLOCK.now(), who=who, bounds=bounds)


def zones(who: Who, bounds: store.Bounds | None = None) -> dict[str, Any]:
    """The outlines of today's zones that the asker may see, with their areas; lines, as zones lie over each other."""
    found = store.geojson_of("zone", at=SYSTEM_CLOCK.now(), who=who, bounds=bounds)
    for feature in found["features"]:
        area = shapely.geometry.shape(feature["geometry"])
        feature["geometry"] = geometry.to_geojson(shapely.boundary(area), digits=5)
        told = feature["properties"]
        told["value"] = round(geometry.area_km2(area), 2)
        told["url"] = reverse("places:place", args=[told["key"]])
    return {**found, "unit": "km2", "title": _("Area of the zones")}


def schematic(who: Who, bounds: store.Bounds | None = None) -> dict[str, Any]:
    """Rivers and streets of the demo's schematic city; properties: key, name, kind (``water`` or ``street``)."""
    return store.schematic_lines()
