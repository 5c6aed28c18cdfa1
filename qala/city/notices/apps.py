from __future__ import annotations

from datetime import timedelta

from django.utils.translation import gettext_lazy as _

from qala.kernel.plug import (
    Card,
    Command,
    Heard,
    Job,
    Listed,
    MatterConfig,
    MenuEntry,
    Permission,
    Personal,
    Plug,
    Retained,
    Tool,
)


class NoticesConfig(MatterConfig):
    name = "qala.city.notices"
    label = "notices"
    verbose_name = _("Notices")

    def ready(self) -> None:
        from .store import events_heard

        self.plug = Plug(
            urls={"console/notices/": "qala.city.notices.pages.urls", "notices/": "qala.city.notices.pages.open_urls"},
            api={"notices": "qala.city.notices.api.router"},
            menu=(MenuEntry(_("Deliveries"), "notices:deliveries", "mail", "notices.manage", 85),),
            lists=(Listed("qala.city.notices.store.DELIVERIES", "notices:deliveries"),),
            tools=(Tool(_("Notices"), "notices:list", "bell", "qala.city.notices.store.count_unread"),),
            cards=(
                Card("notices.me", "people.me", "notices/card_me.html", "qala.city.notices.pages.cards.me", "", 10),
            ),
            permissions=(
                Permission("notices.manage", _("See what was sent to whom, and send it again"), scoped=False),
            ),
            heard=tuple(Heard(event, "qala.city.notices.handlers.happened") for event in events_heard()),
            retained=(
                Retained("notices", _("Notices and their deliveries"), "qala.city.notices.store.count_old",
                         elsewhere="qala.city.notices.store.kept_days",
                         why=_("It is chosen in the settings, as QALA_NOTICES_KEEP_DAYS.")),
            ),
            jobs=(
                Job("notices.send", "qala.city.notices.jobs.send", every=timedelta(minutes=1),
                    title=_("Send mails of notices")),
                Job("notices.forget", "qala.city.notices.jobs.forget", every=timedelta(days=1),
                    title=_("Delete old notices")),
            ),
            commands=(
                Command("notices list", "qala.city.notices.commands.list_deliveries"),
                Command("notices retry", "qala.city.notices.commands.retry"),
                Command("notices send-digests", "qala.city.notices.commands.send_digests"),
            ),
            personal=(
                Personal(_("Notices"), "qala.city.notices.store.export_person", "qala.city.notices.actions.erase"),
            ),
            demo="qala.city.notices.demo.load",
            status="qala.city.notices.store.status",
        )  # fmt: skip
