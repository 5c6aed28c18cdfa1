"""Command line verbs of people, and what a data folder needs of them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from uuid import UUID

import click
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from qala.kernel import console, personal
from qala.kernel.access import Who, system
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.errors import BadInput, NotFound
from qala.kernel.instants import Instant
from qala.kernel.list_commands import export_command
from qala.kernel.lists import Asked, Look

from . import actions, store
from .models import Organisation, Person


def prepare() -> None:
    """Make the default roles and have everybody found by search; called after migrations, any number of times.

    A restored back-up may know persons who were erased after it was made: they are erased again.
    """
    actions.prepare_roles(who=system("prepare"), now=SYSTEM_CLOCK.now())
    actions.index_persons()
    actions.erase_again(now=SYSTEM_CLOCK.now())


@click.command(help=_("Create the first administrator of this city."))
@click.option("--email", help=_("E-mail address to sign in with."))
@click.option("--name", help=_("Name of the administrator."))
@click.option("--password-stdin", is_flag=True, help=_("Read the password from standard input, one line."))
def init(email: str | None, name: str | None, password_stdin: bool) -> None:
    """Create the first administrator; what is not given as an option is asked for at a terminal."""
    email = email or _ask("--email", _("E-mail"), password_stdin)
    name = name or _ask("--name", pgettext("person", "Name"), password_stdin)
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = _ask("--password-stdin", _("Password"), password_stdin, hidden=True)
    person = actions.create_first_administrator(
        who=system(f"cli:{console.operator()}"), now=SYSTEM_CLOCK.now(), email=email, name=name, password=password
    )
    console.say(_("{name} administers this city now.").format(name=person.name))
    console.say(_("Next: start the city with “qala up” and sign in with {email}.").format(email=person.email))
    console.result({"email": _("E-mail"), "id": _("Id")}, email=person.email, id=person.pk)


PERSON = {
    "name": pgettext("person", "Name"), "email": _("E-mail"), "state": _("State"), "roles": _("Roles"),
    "last_sign_in": _("Last sign-in"),
}  # fmt: skip
ORGANISATION = {"code": _("Code"), "kind": _("Kind"), "name": _("Name"), "closed_at": _("Closed since")}
ROLE = {
    "key": _("Key"), "title": _("Title"), "permissions": _("Permissions"), "needs_second_factor": _("Needs a second factor"),
    "retired_at": _("Retired"),
}  # fmt: skip
_why = click.option("--why", default="", help=_("Kept in the audit log."))
_organisation = click.option(
    "--organisation", metavar="CODE", help=_("Where the role is held; without it, in the whole city.")
)


def _operator() -> Who:
    return system(f"cli:{console.operator()}")


def _person(email: str) -> Person:
    found = store.find_person(email, who=_operator(), now=SYSTEM_CLOCK.now())
    if found is None:
        raise NotFound(_("There is no person with the e-mail address {email}.").format(email=email))
    return found


def _at(code: str | None) -> Organisation | None:
    return store.get_organisation(code) if code else None


def _address() -> str:
    """Where people reach the city, as far as a command can know."""
    port = settings.QALA.port or 8000
    return store.city_address(f"http://localhost:{port}/")


@click.command("list", help=_("List people, with their roles."))
@click.option("--query", default="", help=_("Pieces of name or e-mail address."))
@click.option("--organisation", default="", metavar="CODE", help=_("Only those with a role there."))
@click.option("--role", default="", help=_("Only those who hold it."))
@click.option("--state", type=click.Choice(["active", "invited", "disabled"]), help=_("Only those in this state."))
def list_people(query: str, organisation: str, role: str, state: str | None) -> None:
    asked = Asked(query, {"organisation": organisation, "role": role, "state": state or ""})
    rows: list[Person] = list(store.PEOPLE.every(asked, Look(_operator(), SYSTEM_CLOCK.now())))
    console.table(
        "person",
        [
            {
                "name": one.name, "email": one.email, "state": one.state, "last_sign_in": one.last_login,
                "roles": ", ".join(
                    f"{held.role_id} @ {held.organisation.code}" if held.organisation else held.role_id
                    for held in one.shown_memberships
                ),
            }
            for one in rows
        ],
        PERSON,
    )  # fmt: skip
    console.result({"people": _("People")}, people=len(rows))


@click.command("invite", help=_("Give somebody a role by e-mail address; who has no account gets one and a link."))
@click.argument("email")
@click.option("--name", required=True, help=_("Name of the person."))
@click.option("--role", required=True, help=_("Key of the role, e.g. engineer."))
@_organisation
@click.option("--language", type=click.Choice(["kk", "ru", "en"]), help=_("Language of the invitation."))
@click.option("--until", type=Instant(), help=_("The role ends then."))
def invite(
    email: str, name: str, role: str, organisation: str | None, language: str | None, until: datetime | None
) -> None:
    person = actions.invite(
        who=_operator(), now=SYSTEM_CLOCK.now(), address=_address(), email=email, name=name, role=role,
        organisation=_at(organisation), language=language or "", valid_to=until,
    )  # fmt: skip
    _tell_link(person)


@click.command("invite-again", help=_("Send a new link to somebody who has not used theirs."))
@click.argument("email")
def invite_again(email: str) -> None:
    person = _person(email)
    actions.invite_again(who=_operator(), now=SYSTEM_CLOCK.now(), address=_address(), person=person)
    person.refresh_from_db()
    _tell_link(person)


def _tell_link(person: Person) -> None:
    """Who may run commands may hand the link over by other means than mail."""
    link = store.invitation_link(person, address=_address()) if person.state == Person.INVITED else None
    if link and settings.QALA.public_url is None:
        console.warn(
            _("The link begins with {address}; set QALA_PUBLIC_URL to the address that people open.").format(
                address=_address()
            )
        )
    console.result(
        {"email": _("E-mail"), "state": _("State"), "link": _("Link")},
        email=person.email, state=person.state, link=link,
    )  # fmt: skip


@click.command("give", help=_("Give a person a role."))
@click.argument("email")
@click.argument("role")
@_organisation
@click.option("--until", type=Instant(), help=_("The role ends then."))
def give(email: str, role: str, organisation: str | None, until: datetime | None) -> None:
    actions.join(
        who=_operator(), now=SYSTEM_CLOCK.now(), person=_person(email), role=role, organisation=_at(organisation),
        valid_to=until,
    )  # fmt: skip
    console.result({"email": _("E-mail"), "role": _("Role")}, email=email, role=role)


@click.command("end", help=_("End a person's role."))
@click.argument("email")
@click.argument("role")
@_organisation
@click.option("--why", default="", help=_("Kept in the audit log."))
def end(email: str, role: str, organisation: str | None, why: str) -> None:
    now = SYSTEM_CLOCK.now()
    found = store.find_membership(_person(email), role, _at(organisation), who=_operator(), now=now)
    if found is None:
        raise NotFound(_("This person holds no such role."))
    actions.end_membership(who=_operator(), now=now, membership=found, why=why)
    console.result({"email": _("E-mail"), "role": _("Role")}, email=email, role=role)


@click.command("disable", help=_("Close an account; its sessions end at once."))
@click.argument("email")
@click.option("--why", default="", help=_("Kept in the audit log."))
def disable(email: str, why: str) -> None:
    actions.disable_person(who=_operator(), now=SYSTEM_CLOCK.now(), person=_person(email), why=why)
    console.result({"email": _("E-mail"), "state": _("State")}, email=email, state=Person.DISABLED)


@click.command("enable", help=_("Open a closed account again."))
@click.argument("email")
def enable(email: str) -> None:
    person = _person(email)
    actions.enable_person(who=_operator(), now=SYSTEM_CLOCK.now(), person=person)
    console.result({"email": _("E-mail"), "state": _("State")}, email=email, state=_person(email).state)


@click.command("export", help=_("Write all that is known about a person to a ZIP, in their language."))
@click.argument("email")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def export_person(email: str, file: Path) -> None:
    person = _person(email)
    rows = personal.write_copy(file, person.pk, language=person.language, now=SYSTEM_CLOCK.now())
    console.result({"rows": _("Rows"), "file": _("File")}, rows=rows, file=file)


@click.command("erase", help=_("Erase a person: name, address, sign-in and keys go, numbers stay. It can't be undone."))
@click.argument("email")
@click.option("--why", required=True, help=_("Kept in the audit log."))
def erase_person(email: str, why: str) -> None:
    rows = actions.erase_person(who=_operator(), now=SYSTEM_CLOCK.now(), person=_person(email), why=why)
    console.result({"rows": _("Rows")}, rows=rows)


@click.command("reset-second-factor", help=_("Take a lost second factor away; the person's sessions end."))
@click.argument("email")
@click.option("--why", default="", help=_("Kept in the audit log."))
def reset_second_factor(email: str, why: str) -> None:
    actions.reset_second_factor(who=_operator(), now=SYSTEM_CLOCK.now(), person=_person(email), why=why)
    console.result({"email": _("E-mail")}, email=email)


@click.command("list", help=_("List organisations."))
def list_organisations() -> None:
    rows = [
        {"code": one.code, "kind": one.kind, "name": one.name, "closed_at": one.closed_at}
        for one in store.list_organisations()
    ]
    console.table("organisation", rows, ORGANISATION)
    console.result({"organisations": _("Organisations")}, organisations=len(rows))


@click.command("add", help=_("Add an organisation."))
@click.argument("code")
@click.option(
    "--kind", required=True, type=click.Choice([key for key, _title in Organisation.KINDS]), help=_("What it is.")
)
@click.option("--name-kk", default="", help=_("Name in Kazakh"))
@click.option("--name-ru", default="", help=_("Name in Russian"))
@click.option("--name-en", default="", help=_("Name in English"))
def add_organisation(code: str, kind: str, name_kk: str, name_ru: str, name_en: str) -> None:
    made = actions.create_organisation(
        who=_operator(), now=SYSTEM_CLOCK.now(), code=code, kind=kind, name_kk=name_kk, name_ru=name_ru, name_en=name_en
    )
    console.result({"code": _("Code"), "id": _("Id")}, code=made.code, id=made.pk)


@click.command("close", help=_("Close an organisation: the roles in it and its API tokens end, what it owns stays."))
@click.argument("code")
@_why
def close_organisation(code: str, why: str) -> None:
    ended = actions.close_organisation(
        who=_operator(), now=SYSTEM_CLOCK.now(), organisation=store.get_organisation(code), why=why
    )
    console.result({"code": _("Code"), "ended": _("Roles ended")}, code=code, ended=ended)


@click.command("reopen", help=_("Open a closed organisation again; roles are given anew."))
@click.argument("code")
@_why
def reopen_organisation(code: str, why: str) -> None:
    actions.reopen_organisation(
        who=_operator(), now=SYSTEM_CLOCK.now(), organisation=store.get_organisation(code), why=why
    )
    console.result({"code": _("Code")}, code=code)


@click.command("list", help=_("List roles and what they hold."))
@click.option("--retired", is_flag=True, help=_("Also those that nobody holds any more."))
def list_roles(retired: bool) -> None:
    rows = [
        {
            "key": one.key, "title": one.title, "permissions": ", ".join(one.permissions),
            "needs_second_factor": one.needs_second_factor, "retired_at": one.retired_at,
        }
        for one in store.list_roles(retired=retired)
    ]  # fmt: skip
    console.table("role", rows, ROLE)
    console.result({"roles": _("Roles")}, roles=len(rows))


_titles = (
    click.option("--title-kk", help=_("Title in Kazakh")),
    click.option("--title-ru", help=_("Title in Russian")),
    click.option("--title-en", help=_("Title in English")),
    click.option(
        "--needs-second-factor/--needs-no-second-factor", default=None, help=_("Whether who holds it must have one.")
    ),
    click.option("--permission", "permissions", multiple=True, help=_("What it may do; may be repeated.")),
)


def _titled(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_titles):
        command = option(command)
    return command


@click.command("create", help=_("Add a role of the city's own."))
@click.argument("key")
@_titled
@click.option("--copy", "copied", metavar="KEY", help=_("Also what this role holds."))
def create_role(
    key: str, title_kk: str | None, title_ru: str | None, title_en: str | None, needs_second_factor: bool | None,
    permissions: tuple[str, ...], copied: str | None,
) -> None:  # fmt: skip
    also = store.get_role(copied).permissions if copied else []
    made = actions.create_role(
        who=_operator(), now=SYSTEM_CLOCK.now(), key=key, permissions=[*permissions, *also], title_kk=title_kk or "",
        title_ru=title_ru or "", title_en=title_en or "", needs_second_factor=bool(needs_second_factor),
    )  # fmt: skip
    console.result({"key": _("Key"), "permissions": _("Permissions")}, key=key, permissions=", ".join(made.permissions))


@click.command("change", help=_("Change a role; what is not given stays. Permissions that are given are all it holds."))
@click.argument("key")
@_titled
@_why
def change_role(
    key: str, title_kk: str | None, title_ru: str | None, title_en: str | None, needs_second_factor: bool | None,
    permissions: tuple[str, ...], why: str,
) -> None:  # fmt: skip
    actions.change_role(
        who=_operator(), now=SYSTEM_CLOCK.now(), role=store.get_role(key), permissions=permissions or None,
        title_kk=title_kk, title_ru=title_ru, title_en=title_en, needs_second_factor=needs_second_factor, why=why,
    )  # fmt: skip
    console.result({"key": _("Key")}, key=key)


@click.command("retire", help=_("Retire a role of the city's own: who holds it holds it no more."))
@click.argument("key")
@_why
def retire_role(key: str, why: str) -> None:
    ended = actions.retire_role(who=_operator(), now=SYSTEM_CLOCK.now(), role=store.get_role(key), why=why)
    console.result({"key": _("Key"), "ended": _("Roles ended")}, key=key, ended=ended)


TOKEN = {
    "id": _("Id"), "name": _("Name"), "organisation": _("Organisation"), "permissions": _("Permissions"),
    "expires_at": _("Good until"), "last_used_at": _("Last used"),
}  # fmt: skip


@click.command("create", help=_("Make the API token of a service account; its secret is shown once."))
@click.argument("name")
@click.option("--organisation", required=True, metavar="CODE", help=_("Whose service account it is."))
@click.option("--permission", "permissions", multiple=True, required=True, help=_("What it may do; may be repeated."))
@click.option("--days", default=365, show_default=True, help=_("How long it is good."))
def create_token(name: str, organisation: str, permissions: tuple[str, ...], days: int) -> None:
    made, secret = actions.create_token(
        who=_operator(), now=SYSTEM_CLOCK.now(), name=name, permissions=permissions, days=days,
        owner=store.get_organisation(organisation),
    )  # fmt: skip
    console.result(
        {"id": _("Id"), "secret": _("Secret"), "expires_at": _("Good until")},
        id=made.pk, secret=secret, expires_at=made.expires_at,
    )  # fmt: skip


@click.command("list", help=_("List the API tokens of organisations."))
def list_tokens() -> None:
    found = store.list_tokens(who=_operator())
    rows = [
        {
            "id": one.pk, "name": one.name, "organisation": one.organisation.code if one.organisation else None,
            "permissions": ", ".join(one.permissions), "expires_at": one.expires_at, "last_used_at": one.last_used_at,
        }
        for one in found
    ]  # fmt: skip
    console.table("token", rows, TOKEN)
    console.result({"tokens": _("API tokens")}, tokens=len(rows))


@click.command("revoke", help=_("Revoke the API token of a service account."))
@click.argument("id", type=click.UUID)
def revoke_token(id: UUID) -> None:
    token = store.get_token(id, who=_operator())
    actions.revoke_token(who=_operator(), now=SYSTEM_CLOCK.now(), token=token)
    console.result({"id": _("Id")}, id=id)


def _ask(option: str, text: str, stdin_taken: bool, *, hidden: bool = False) -> str:
    """What a person types, where one sits at a terminal; a script is told which option it lacks."""
    if stdin_taken or not sys.stdin.isatty():
        raise BadInput(
            _("The option {option} is missing and there is no terminal to ask at.").format(option=option),
            fix=_("Give --email, --name and --password-stdin."),
        )
    answer: str = click.prompt(text, hide_input=hidden, confirmation_prompt=hidden, err=True)
    return answer


export_people = export_command(store.PEOPLE, _("Write the list of people to a CSV or XLSX file."))
export_organisations = export_command(store.ORGANISATIONS, _("Write the list of organisations to a CSV or XLSX file."))
export_roles = export_command(store.ROLES, _("Write the list of roles to a CSV or XLSX file."))
export_tokens = export_command(store.TOKENS, _("Write the list of service accounts' tokens to a CSV or XLSX file."))
