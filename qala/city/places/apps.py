from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from qala.kernel.plug import Command, Layer, MatterConfig, Permission, Plug, Told

STAFF = (
    "mayor", "analyst", "manager", "desk_official", "engineer", "operator", "crew", "inspector", "pilot", "reviewer",
)  # fmt: skip
LAYERS = "qala.city.places.pages.layers"


class PlacesConfig(MatterConfig):
    name = "qala.city.places"
    label = "places"
    verbose_name = _("Places")
    plug = Plug(
        api={"places": "qala.city.places.api.router"},
        layers=(
            Layer("places.schematic", _("Rivers and streets"), f"{LAYERS}.schematic", "places.view", 10, ground=True),
            Layer("places.districts", _("Districts"), f"{LAYERS}.districts", "places.view", 20, ground=True),
        ),
        permissions=(
            Permission("places.view", _("See all places, address points included"), scoped=False),
            Permission("places.manage", _("Load places and change their borders"), scoped=False),
        ),
        grants={"administrator": ("places.view", "places.manage"), **dict.fromkeys(STAFF, ("places.view",))},
        told=(
            Told(
                "places.borders_changed",
                "kind: city, district or zone; places: codes of the places whose border is new or changed; "
                "valid_from: instant since when, null where new places hold since ever and changed borders from now",
            ),
        ),
        commands=(Command("load places", "qala.city.places.commands.load_places"),),
        demo="qala.city.places.demo.load",
        status="qala.city.places.store.status",
    )
