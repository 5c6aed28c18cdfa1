"""What places draw on the console's map."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from qala.kernel.access import Who
from qala.kernel.clock import SYSTEM_CLOCK

from .. import store


def districts(who: Who, bounds: store.Bounds | None = None) -> dict[str, Any]:
    """The districts of today; properties: key, name, kind, translated, label."""
    return store.geojson_of("district", at=SYSTEM_CLOCK.now(), who=who, bounds=bounds)


def zones(who: Who, bounds: store.Bounds | None = None) -> dict[str, Any]:
    """The zones of today that the asker may see: of the city, and of utilities."""
    found = store.geojson_of("zone", at=SYSTEM_CLOCK.now(), who=who, bounds=bounds)
    for feature in found["features"]:
        feature["properties"]["url"] = reverse("places:place", args=[feature["properties"]["key"]])
    return found


def schematic(who: Who, bounds: store.Bounds | None = None) -> dict[str, Any]:
    """Rivers and streets of the demo's schematic city; properties: key, name, kind (``water`` or ``street``)."""
    return store.schematic_lines()
