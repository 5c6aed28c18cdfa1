from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from qala.kernel.plug import Command, Heard, Layer, Listed, MatterConfig, MenuEntry, Permission, Plug, Told

STAFF = (
    "mayor", "analyst", "manager", "desk_official", "engineer", "operator", "crew", "inspector", "pilot", "reviewer",
)  # fmt: skip
LAYERS = "qala.city.places.pages.layers"


class PlacesConfig(MatterConfig):
    name = "qala.city.places"
    label = "places"
    verbose_name = _("Places")
    plug = Plug(
        urls={"console/": "qala.city.places.pages.urls", "map/": "qala.city.places.pages.map_urls"},
        menu=(MenuEntry(_("Places"), "places:list", "map-pin", "places.view", 15),),
        api={"places": "qala.city.places.api.router"},
        layers=(
            Layer("places.schematic", _("Rivers and streets"), f"{LAYERS}.schematic", "places.view", 10, ground=True),
            Layer("places.districts", _("Districts"), f"{LAYERS}.districts", "places.view", 20, ground=True),
            Layer("places.zones", _("Zones"), f"{LAYERS}.zones", "places.view", 40),
        ),
        lists=(Listed("qala.city.places.store.PLACES", "places:list"),),
        permissions=(
            Permission("places.view", _("See all places, address points included"), scoped=False),
            Permission("places.manage", _("Load places and change their borders"), scoped=False),
            Permission("places.view_zones", _("See the zones of a utility")),
            Permission("places.manage_zones", _("Load the zones of a utility and change their borders")),
        ),
        grants={
            **dict.fromkeys(STAFF, ("places.view",)),
            **dict.fromkeys(("mayor", "analyst", "operator", "crew"), ("places.view", "places.view_zones")),
            **dict.fromkeys(("manager", "engineer"), ("places.view", "places.view_zones", "places.manage_zones")),
            "administrator": ("places.view", "places.manage", "places.view_zones", "places.manage_zones"),
        },
        told=(
            Told(
                "places.borders_changed",
                "kind: city, district or zone; places: codes of the places whose border is new or changed; "
                "valid_from: instant since when, null where new places hold since ever and changed borders from now; "
                "bounds: west, south, east, north of what lies in another place since then, degrees. Told of a border that "
                "begins in the future when it begins",
            ),
        ),
        heard=(Heard("places.borders_changed", "qala.city.places.handlers.borders_changed"),),
        commands=(
            Command("load places", "qala.city.places.commands.load_places"),
            Command("load basemap", "qala.city.places.commands.load_basemap"),
            Command("export places", "qala.city.places.commands.export_places"),
            Command("export place-list", "qala.city.places.commands.export_list"),
        ),
        prepare="qala.city.places.commands.prepare",
        demo="qala.city.places.demo.load",
        status="qala.city.places.store.status",
    )
