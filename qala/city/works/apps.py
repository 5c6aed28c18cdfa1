from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from qala.kernel.plug import Command, Layer, MatterConfig, MenuEntry, Permission, Plug

LAYERS = "qala.city.works.pages.layers"
COMMANDS = "qala.city.works.commands"


class WorksConfig(MatterConfig):
    name = "qala.city.works"
    label = "works"
    verbose_name = _("Works")
    plug = Plug(
        urls={"console/": "qala.city.works.pages.urls"},
        api={"assets": "qala.city.works.api.assets.router", "kinds": "qala.city.works.api.assets.kinds"},
        menu=(MenuEntry(_("Assets"), "works:assets", "layout-grid", "works.view", 40),),
        layers=(Layer("works.assets", _("Assets"), f"{LAYERS}.assets", "works.view", 30),),
        permissions=(
            Permission("works.view", _("See assets and work orders")),
            Permission("works.manage_assets", _("Load assets and change them")),
        ),
        grants={
            **dict.fromkeys(("mayor", "analyst", "operator", "desk_official", "inspector"), ("works.view",)),
            **dict.fromkeys(("manager", "engineer"), ("works.view", "works.manage_assets")),
        },
        commands=(
            Command("load assets", f"{COMMANDS}.load_assets"),
            Command("load kinds", f"{COMMANDS}.load_kinds"),
            Command("export assets", f"{COMMANDS}.export_assets"),
        ),
        prepare=f"{COMMANDS}.prepare",
        demo="qala.city.works.demo.load",
        status="qala.city.works.store.status",
    )
