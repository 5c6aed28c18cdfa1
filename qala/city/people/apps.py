from __future__ import annotations

from datetime import timedelta

from django.utils.translation import gettext_lazy as _

from qala.kernel.plug import Command, Job, Listed, MatterConfig, MenuEntry, Permission, Personal, Plug, Retained, Told


class PeopleConfig(MatterConfig):
    name = "qala.city.people"
    label = "people"
    verbose_name = _("People")
    plug = Plug(
        urls={"console/": "qala.city.people.pages.console_urls", "my/": "qala.city.people.pages.my_urls"},
        api={
            "people": "qala.city.people.api.people",
            "organisations": "qala.city.people.api.organisations",
            "roles": "qala.city.people.api.roles",
            "tokens": "qala.city.people.api.tokens",
            "my/data": "qala.city.people.api.my_data",
        },
        menu=(
            MenuEntry(
                _("People"), "people:list", "users", "people.view", 80, also=("people:organisations", "people:roles")
            ),
        ),
        permissions=(
            Permission("people.view", _("See persons and what they may do")),
            Permission("people.manage", _("Add persons and organisations, give and end roles")),
        ),
        grants={"manager": ("people.view",)},
        told=(
            Told("people.person_disabled", "person: id of the person whose account was closed"),
            Told(
                "people.sign_in_changed",
                "person: id; what: password, totp, recovery_codes, webauthn, phone or outside; at: RFC 3339",
            ),
            Told("people.second_factor_reset", "person: id of the person who signs in without one now"),
            Told(
                "people.role_given",
                "membership: its id; person: id of who was given a role; role: its key; "
                "organisation: id of the organisation, null: the whole city",
            ),
            Told("people.organisation_closed", "organisation: id of the one whose roles ended"),
            Told("people.person_erased", "person: id of the person who was erased"),
        ),
        lists=(
            Listed("qala.city.people.store.PEOPLE", "people:list"),
            Listed("qala.city.people.store.ORGANISATIONS", "people:organisations"),
            Listed("qala.city.people.store.ROLES", "people:roles"),
            Listed("qala.city.people.store.TOKENS", "people:tokens"),
        ),
        personal=(
            Personal(_("Account"), "qala.city.people.store.export_of", "qala.city.people.actions.erase_account"),
        ),
        retained=(
            Retained("people.sign_ins", _("Sign-ins whose session has ended"), "qala.city.people.store.count_old_sign_ins",
                     "qala.city.people.actions.forget_sign_ins"),
        ),
        jobs=(
            Job("people.erase_due", "qala.city.people.jobs.erase_due", every=timedelta(hours=1),
                title=_("Erase people who asked for it")),
        ),
        commands=(
            Command("init", "qala.city.people.commands.init"),
            Command("people list", "qala.city.people.commands.list_people"),
            Command("people invite", "qala.city.people.commands.invite"),
            Command("people invite-again", "qala.city.people.commands.invite_again"),
            Command("people give", "qala.city.people.commands.give"),
            Command("people end", "qala.city.people.commands.end"),
            Command("people disable", "qala.city.people.commands.disable"),
            Command("people enable", "qala.city.people.commands.enable"),
            Command("people export", "qala.city.people.commands.export_person"),
            Command("people erase", "qala.city.people.commands.erase_person"),
            Command("people reset-second-factor", "qala.city.people.commands.reset_second_factor"),
            Command("organisations list", "qala.city.people.commands.list_organisations"),
            Command("organisations add", "qala.city.people.commands.add_organisation"),
            Command("organisations close", "qala.city.people.commands.close_organisation"),
            Command("organisations reopen", "qala.city.people.commands.reopen_organisation"),
            Command("roles list", "qala.city.people.commands.list_roles"),
            Command("roles create", "qala.city.people.commands.create_role"),
            Command("roles change", "qala.city.people.commands.change_role"),
            Command("roles retire", "qala.city.people.commands.retire_role"),
            Command("tokens create", "qala.city.people.commands.create_token"),
            Command("export people", "qala.city.people.commands.export_people"),
            Command("export organisations", "qala.city.people.commands.export_organisations"),
            Command("export roles", "qala.city.people.commands.export_roles"),
            Command("export tokens", "qala.city.people.commands.export_tokens"),
            Command("tokens list", "qala.city.people.commands.list_tokens"),
            Command("tokens revoke", "qala.city.people.commands.revoke_token"),
        ),
        prepare="qala.city.people.commands.prepare",
        demo="qala.city.people.demo.load",
        status="qala.city.people.store.status",
    )  # fmt: skip
