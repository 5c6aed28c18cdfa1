from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from qala.kernel.measures import Measure
from qala.kernel.plug import Card, Command, Heard, Layer, MatterConfig, Permission, Plug, Retained, Told

from .models import INTERVALS

HOW = _(
    "Sum of the hourly consumption of all meters of a district on a day of the city. Registers are interpolated at the "
    "hour; hours after a fall or a jump of a register are left out; an interval of missing hours that reaches over "
    "midnight is shared by time, with bounds."
)


class MetersConfig(MatterConfig):
    name = "qala.city.meters"
    label = "meters"
    verbose_name = _("Meters")
    plug = Plug(
        urls={"console/": "qala.city.meters.pages.urls"},
        api={"intervals": "qala.city.meters.api.router"},
        cards=(
            Card("meters.use", "console.home", "meters/card_use.html", "qala.city.meters.pages.cards.use",
                 "meters.use", 20),
            Card("meters.faults", "console.home", "meters/card_faults.html", "qala.city.meters.pages.cards.faults",
                 "devices.view", 5),
            Card("meters.register", "devices.device", "meters/card_register.html", "qala.city.meters.pages.cards.register",
                 "devices.view", 10),
            Card("meters.own", "my.meter", "meters/card_own.html", "qala.city.meters.pages.cards.own", "", 10),
        ),
        layers=(
            Layer("meters.water", _("Water used"), "qala.city.meters.pages.cards.water_by_district", "meters.use", 30),
            Layer("meters.electricity", _("Electricity used"), "qala.city.meters.pages.cards.electricity_by_district",
                  "meters.use", 31),
            Layer("meters.heat", _("Heat used"), "qala.city.meters.pages.cards.heat_by_district", "meters.use", 32),
        ),
        permissions=(Permission("meters.use", _("See what districts and the whole city use"), scoped=False),),
        grants=dict.fromkeys(("mayor", "analyst", "manager", "engineer", "operator"), ("meters.use",)),
        lake_tables=(INTERVALS,),
        measures=(
            Measure("meters.water_m3", _("Water used"), "m3", "place", ("day",), HOW),
            Measure("meters.electricity_kwh", _("Electricity used"), "kWh", "place", ("day",), HOW),
            Measure("meters.heat_kwh", _("Heat used"), "kWh", "place", ("day",), HOW),
        ),
        retained=(
            Retained("readings.register", _("Readings: registers"), "qala.city.meters.store.count_old_registers",
                     "qala.city.meters.actions.forget_registers", waits="qala.city.devices.public.what_waits",
                     least_days=31, by_month=True),
            Retained("intervals", _("Consumption by the hour"), "qala.kernel.forgotten.count_nothing",
                     why=_("Measures are computed from it, also anew where borders move.")),
        ),
        told=(Told("meters.closed", "series, written, withdrawn: counts; first, last: RFC 3339"),),
        heard=(
            Heard("devices.changed", "qala.city.meters.handlers.devices_changed"),
            Heard("devices.readings_kept", "qala.city.meters.handlers.readings_kept"),
            Heard("places.borders_changed", "qala.city.meters.handlers.borders_changed"),
        ),
        commands=(Command("export intervals", "qala.city.meters.commands.export_intervals"),),
        demo="qala.city.meters.demo.load",
        status="qala.city.meters.store.status",
    )  # fmt: skip
