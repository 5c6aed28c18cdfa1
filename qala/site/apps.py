from __future__ import annotations

from datetime import timedelta

from django.utils.translation import gettext_lazy as _

from qala.kernel.plug import Command, Job, Listed, MatterConfig, MenuEntry, Plug


class SiteConfig(MatterConfig):
    name = "qala.site"
    label = "site"
    plug = Plug(
        menu=(
            MenuEntry(_("How it runs"), "console:operation", "activity", "city.operate", 80),
            MenuEntry(_("Audit log"), "console:audit", "history", "audit.view", 90),
        ),
        api={"audit": "qala.site.audit.router", "operation": "qala.site.operation_api.router"},
        lists=(Listed("qala.site.audit.AUDIT", "console:audit"),),
        commands=(
            Command("export audit", "qala.site.commands.audit.export_audit"),
            Command("retention list", "qala.site.commands.retention.list_classes"),
            Command("retention set", "qala.site.commands.retention.set_days"),
            Command("retention run", "qala.site.commands.retention.run"),
        ),
        jobs=(
            Job("site.back_up", "qala.site.backup.daily.run", every=timedelta(hours=1), title=_("Back the city up")),
            Job("site.measure_storage", "qala.site.storage.measure", every=timedelta(days=1),
                title=_("Measure what the city takes on disk")),
        ),
    )  # fmt: skip
