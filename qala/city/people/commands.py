"""Command line verbs of people, and what a data folder needs of them."""

from __future__ import annotations

import sys

import click
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from qala.kernel import console
from qala.kernel.access import system
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.errors import BadInput

from . import actions


def prepare() -> None:
    """Make the default roles; called after migrations, any number of times."""
    actions.prepare_roles(who=system("prepare"), now=SYSTEM_CLOCK.now())


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


def _ask(option: str, text: str, stdin_taken: bool, *, hidden: bool = False) -> str:
    """What a person types, where one sits at a terminal; a script is told which option it lacks."""
    if stdin_taken or not sys.stdin.isatty():
        raise BadInput(
            _("The option {option} is missing and there is no terminal to ask at.").format(option=option),
            fix=_("Give --email, --name and --password-stdin."),
        )
    answer: str = click.prompt(text, hide_input=hidden, confirmation_prompt=hidden, err=True)
    return answer
