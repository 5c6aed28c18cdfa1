from __future__ import annotations

from datetime import timedelta

from django.utils.translation import gettext_lazy as _

from qala.kernel.measures import Measure
from qala.kernel.plug import (
    Card,
    Command,
    Heard,
    Job,
    Layer,
    Listed,
    MatterConfig,
    MenuEntry,
    Permission,
    Personal,
    Plug,
    Retained,
    Stream,
    Told,
)

STAFF = ("analyst", "manager", "engineer", "operator")

IN_USE = _(
    "Devices of a district, or of the whole city, that were in use at the end of a day of the city: installed by then, or "
    "where nobody entered that have ever reported, and not removed. By owner and model."
)
REPORTING = _(
    "Share of the devices in use at the end of a day of the city whose last reading was then not older than a day, or than "
    "what is expected of the device where that is longer. By owner and model."
)


class DevicesConfig(MatterConfig):
    name = "qala.city.devices"
    label = "devices"
    verbose_name = _("Devices")

    def ready(self) -> None:
        from .models import READINGS, REFUSALS

        self.plug = Plug(
            urls={"console/": "qala.city.devices.pages.urls", "my/": "qala.city.devices.pages.my_urls"},
            api={
                "devices": "qala.city.devices.api.devices.devices",
                "readings": "qala.city.devices.api.devices.readings",
                "meter-points": "qala.city.devices.api.occupancy.points",
                "occupancies": "qala.city.devices.api.occupancy.occupancies",
                "claim-codes": "qala.city.devices.api.occupancy.codes",
                "my": "qala.city.devices.api.my.router",
            },
            menu=(
                MenuEntry(_("Devices"), "devices:list", "gauge", "devices.view", 20, also=("devices:models", "devices:credentials")),
                MenuEntry(_("Meter points"), "devices:points", "map-pin", "devices.view", 35),
                MenuEntry(_("Loads"), "devices:loads", "upload", "devices.load", 30),
            ),
            cards=(
                Card("devices.fleet", "console.home", "devices/card_fleet.html", "qala.city.devices.pages.cards.fleet",
                     "devices.view", 10),
                Card("devices.loads", "console.home", "devices/card_loads.html", "qala.city.devices.pages.cards.loads",
                     "devices.load", 30),
                Card("devices.credential", "devices.device", "devices/card_credential.html",
                     "qala.city.devices.pages.credentials.credential_card", "devices.credentials", 90),
                Card("devices.border", "places.border", "devices/card_border.html",
                     "qala.city.devices.pages.cards.border", "devices.view", 10),
                Card("devices.in_place", "places.place", "devices/card_place.html",
                     "qala.city.devices.pages.cards.in_place", "devices.view", 10),
            ),
            layers=(
                Layer("devices.points", _("Devices"), "qala.city.devices.pages.cards.points", "devices.view", 20),
            ),
            permissions=(
                Permission("devices.view", _("See devices and their readings")),
                Permission("devices.load", _("Load files of readings and see what was refused")),
                Permission("devices.fit", _("Move, exchange and retire devices")),
                Permission("devices.credentials", _("Give devices credentials and end them")),
                Permission("devices.manage", _("Register devices and change them")),
                Permission("devices.occupancy_view", _("See who uses which meter point")),
                Permission("devices.occupancy_manage", _("Enter who uses which meter point, issue claim codes")),
            ),
            grants={
                **dict.fromkeys(STAFF, ("devices.view",)),
                "mayor": ("devices.view",),
                "crew": ("devices.view", "devices.fit"),
                "engineer": ("devices.view", "devices.load", "devices.fit"),
                "manager": ("devices.view", "devices.load", "devices.fit", "devices.manage", "devices.credentials",
                            "devices.occupancy_view", "devices.occupancy_manage"),
            },
            lake_tables=(READINGS, REFUSALS),
            told=(
                Told("devices.registered", "count; devices: ids of the first hundred"),
                Told("devices.changed", "count; devices: their ids, some thousands in one event; fields: names of those that changed; since: RFC 3339, or null: since ever"),
                Told("devices.credentials_changed", "count; devices: ids of those that got another credential or lost theirs, some thousands in one event"),
                Told("devices.readings_kept", "source; first, last, at (when they were kept): RFC 3339; counts read, new, new_versions, already_there, refused"),
                Told("devices.load_ended", "load: id of the load that is done or failed"),
                Told("devices.silent_found", "organisation: id of the owner, or null; count; serials: the first twenty; at: RFC 3339; of devices that fell silent since the news before"),
                Told("devices.registers_read", "source; at: RFC 3339; registers: pairs of series and value in its last digit"),
            ),
            heard=(
                Heard("devices.registers_read", "qala.city.devices.handlers.registers_read"),
                Heard("places.borders_changed", "qala.city.devices.handlers.borders_changed"),
            ),
            streams=(Stream("load", "qala.city.devices.pages.cards.load_progress"),),
            personal=(
                Personal(_("Meters and devices"), "qala.city.devices.store.export_of",
                         "qala.city.devices.actions.erase_person"),
            ),
            retained=(
                Retained("readings.interval", _("Readings: use since the one before"),
                         "qala.city.devices.store.count_intervals", "qala.city.devices.actions.forget_intervals",
                         waits="qala.city.devices.store.what_waits", least_days=31, by_month=True),
                Retained("readings.instant", _("Readings: values of a moment"),
                         "qala.city.devices.store.count_instants", "qala.city.devices.actions.forget_instants",
                         waits="qala.city.devices.store.what_waits", least_days=31, by_month=True),
                Retained("refusals", _("Refused rows of loads"), "qala.city.devices.store.count_refusals",
                         "qala.city.devices.actions.forget_refusals"),
                Retained("loads.refused_files", _("Files of refused rows"), "qala.city.devices.store.count_files",
                         "qala.city.devices.actions.forget_files"),
            ),
            commands=(
                Command("load devices", "qala.city.devices.commands.devices.load_devices"),
                Command("load readings", "qala.city.devices.commands.devices.load_readings"),
                Command("credentials issue", "qala.city.devices.commands.devices.issue_credentials"),
                Command("credentials end", "qala.city.devices.commands.devices.end_credentials"),
                Command("credentials check", "qala.city.devices.commands.devices.check_credential"),
                Command("drivers check", "qala.city.devices.commands.devices.check_driver"),
                Command("export readings", "qala.city.devices.commands.devices.export_readings"),
                Command("export devices", "qala.city.devices.commands.devices.export_devices"),
                Command("export loads", "qala.city.devices.commands.devices.export_loads"),
                Command("export device-loads", "qala.city.devices.commands.devices.export_device_loads"),
                Command("export models", "qala.city.devices.commands.devices.export_models"),
                Command("load occupancies", "qala.city.devices.commands.occupancies.load_occupancies"),
                Command("export meter-points", "qala.city.devices.commands.occupancies.export_points"),
                Command("export occupancies", "qala.city.devices.commands.occupancies.export_occupancies"),
                Command("export claim-codes", "qala.city.devices.commands.occupancies.export_codes"),
            ),
            jobs=(
                Job("devices.fail_interrupted_loads", "qala.city.devices.jobs.fail_interrupted_loads",
                    every=timedelta(minutes=1), title=_("Notice loads that were interrupted")),
                Job("devices.find_silent", "qala.city.devices.jobs.find_silent", every=timedelta(days=1),
                    title=_("Tell of devices that fell silent")),
                Job("devices.measure", "qala.city.devices.jobs.measure_devices", every=timedelta(days=1),
                    title=_("Count devices in use and those that report")),
            ),
            lists=(
                Listed("qala.city.devices.store.DEVICES", "devices:list"),
                Listed("qala.city.devices.store.POINTS", "devices:points"),
                Listed("qala.city.devices.store.OCCUPANCIES", "devices:occupancies"),
                Listed("qala.city.devices.store.CLAIM_CODES", "devices:claim_codes"),
                Listed("qala.city.devices.store.LOADS", "devices:loads"),
                Listed("qala.city.devices.store.DEVICE_LOADS", "devices:load_devices"),
                Listed("qala.city.devices.store.MODELS", "devices:models"),
                Listed("qala.city.devices.store.REFUSED_READINGS", "devices:load"),
                Listed("qala.city.devices.store.REFUSED_DEVICES", "devices:device_load"),
            ),
            measures=(
                Measure("devices.active_count", _("Devices in use"), "1", "place", ("day",), IN_USE, ("owner", "model")),
                Measure("devices.reporting_percent", _("Devices that report"), "%", "place", ("day",), REPORTING,
                        ("owner", "model"), additive=False),
            ),
            prepare="qala.city.devices.commands.devices.prepare",
            demo="qala.city.devices.demo.load",
            status="qala.city.devices.store.status",
        )  # fmt: skip
