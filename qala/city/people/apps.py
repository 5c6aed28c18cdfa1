from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from qala.kernel.plug import Command, MatterConfig, Permission, Plug


class PeopleConfig(MatterConfig):
    name = "qala.city.people"
    label = "people"
    verbose_name = _("People")
    plug = Plug(
        permissions=(
            Permission("people.view", _("See persons and what they may do")),
            Permission("people.manage", _("Add persons and organisations, give and end roles")),
        ),
        grants={"manager": ("people.view",)},
        commands=(Command("init", "qala.city.people.commands.init"),),
        prepare="qala.city.people.commands.prepare",
        demo="qala.city.people.demo.load",
        status="qala.city.people.store.status",
    )
