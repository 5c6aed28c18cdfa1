from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from qala.kernel.plug import Card, Command, Layer, Listed, MatterConfig, MenuEntry, Permission, Personal, Plug, Told

API = "qala.city.works.api"
LAYERS = "qala.city.works.pages.layers"
COMMANDS = "qala.city.works.commands"
STORE = "qala.city.works.store"
ORDER = "order: id; number; state; source, source_key: the matter that opened it and the thing there, or empty; owner, contractor (or null): ids of organisations"


class WorksConfig(MatterConfig):
    name = "qala.city.works"
    label = "works"
    verbose_name = _("Works")
    plug = Plug(
        urls={"console/": "qala.city.works.pages.urls"},
        api={
            "assets": f"{API}.assets.router", "kinds": f"{API}.assets.kinds", "orders": f"{API}.orders.orders",
            "crews": f"{API}.orders.crews",
        },
        menu=(
            MenuEntry(_("My work"), "works:crew_orders", "circle-check", "works.do", 15),
            MenuEntry(_("Work orders"), "works:orders", "wrench", "works.view", 35),
            MenuEntry(_("Assets"), "works:assets", "layout-grid", "works.view", 40),
        ),
        cards=(
            Card("works.orders", "console.home", "works/card_orders.html", "qala.city.works.pages.cards.orders", "works.view", 25),
        ),
        layers=(
            Layer("works.assets", _("Assets"), f"{LAYERS}.assets", "works.view", 30),
            Layer("works.orders", _("Open work orders"), f"{LAYERS}.orders", "works.view", 40),
        ),
        permissions=(
            Permission("works.view", _("See assets and work orders")),
            Permission("works.manage_assets", _("Load assets and change them")),
            Permission("works.order", _("Order work, change and cancel orders")),
            Permission("works.assign", _("Give the organisation's work to crews, and say who is in them")),
            Permission("works.do", _("Do work orders: accept, tick, add photos, be done")),
            Permission("works.check", _("Check work that was done, or send it back")),
        ),
        grants={
            "mayor": ("works.view",),
            "analyst": ("works.view",),
            "manager": ("works.view", "works.manage_assets", "works.order", "works.assign", "works.do", "works.check"),
            "desk_official": ("works.view", "works.order"),
            "engineer": ("works.view", "works.manage_assets", "works.order", "works.assign", "works.check"),
            "operator": ("works.view", "works.order", "works.assign"),
            "crew": ("works.do",),
            "inspector": ("works.view", "works.check"),
        },
        told=(
            Told("works.order_opened", ORDER),
            Told("works.order_assigned", "order: id; number; crew: id; persons: ids of who is in it now"),
            Told("works.order_done", ORDER),
            Told("works.order_checked", ORDER),
            Told("works.order_returned", ORDER),
            Told("works.order_cancelled", ORDER),
        ),
        lists=(
            Listed(f"{STORE}.ASSETS", "works:assets"),
            Listed(f"{STORE}.ORDERS", "works:orders"),
            Listed(f"{STORE}.CREWS", "works:crews"),
        ),
        personal=(
            Personal(_("Works"), "qala.city.works.store.rows_of_person", "qala.city.works.actions.erase_person"),
        ),
        commands=(
            Command("load assets", f"{COMMANDS}.load_assets"),
            Command("load kinds", f"{COMMANDS}.load_kinds"),
            Command("export assets", f"{COMMANDS}.export_assets"),
            Command("export work-orders", f"{COMMANDS}.export_orders"),
            Command("export crews", f"{COMMANDS}.export_crews"),
        ),
        prepare=f"{COMMANDS}.prepare",
        demo="qala.city.works.demo.load",
        status="qala.city.works.store.status",
    )  # fmt: skip
