from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from qala.kernel.plug import Command, MatterConfig, MenuEntry, Plug


class SiteConfig(MatterConfig):
    name = "qala.site"
    label = "site"
    plug = Plug(
        menu=(
            MenuEntry(_("How it runs"), "console:operation", "activity", "city.operate", 80),
            MenuEntry(_("Audit log"), "console:audit", "history", "audit.view", 90),
        ),
        api={"audit": "qala.site.audit.router"},
        commands=(Command("export audit", "qala.site.commands.audit.export_audit"),),
    )
