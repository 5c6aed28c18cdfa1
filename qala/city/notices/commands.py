"""Command line verbs of notices."""

from __future__ import annotations

from uuid import UUID

import click
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from qala.city.people.public import Person, find_person
from qala.kernel import console
from qala.kernel.access import Who, system
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.errors import BadInput, NotFound

from . import actions, store
from .models import Delivery

DELIVERY = {
    "made_at": _("Made"), "kind": _("Kind"), "email": _("E-mail"), "channel": _("Channel"), "state": _("State"),
    "attempts": _("Attempts"), "reason": _("Reason"), "id": _("Id"),
}  # fmt: skip
STATES = click.Choice([key for key, _title in Delivery.STATES])
LISTED = 50


def _operator() -> Who:
    return system(f"cli:{console.operator()}")


def _person(email: str) -> Person:
    found = find_person(email, who=_operator(), now=SYSTEM_CLOCK.now())
    if found is None:
        raise NotFound(_("There is no person with the e-mail address {email}.").format(email=email))
    return found


@click.command("list", help=_("List what was sent to whom, the latest first."))
@click.option("--person", default="", help=_("Pieces of name or e-mail address."))
@click.option("--kind", default="", help=_("Only this kind of notice."))
@click.option("--state", type=STATES, help=_("Only those in this state."))
@click.option("--limit", type=click.IntRange(1, 10_000), default=LISTED, show_default=True, help=_("How many."))
def list_deliveries(person: str, kind: str, state: str | None, limit: int) -> None:
    narrowed = store.DeliveryFilter(person=person, kind=kind, state=state or "")
    rows, _more = store.list_deliveries(narrowed, who=_operator(), limit=limit)
    shown = [
        {
            "made_at": row.made_at, "kind": row.notice.kind, "email": row.address or row.notice.person.email,
            "channel": row.channel, "state": row.state, "attempts": row.attempts, "reason": store.last_reason(row),
            "id": row.pk,
        }
        for row in rows
    ]  # fmt: skip
    console.table("delivery", shown, DELIVERY)


@click.command(help=_("Send mails again that failed or were given up: those named, or all of them."))
@click.argument("ids", nargs=-1, type=click.UUID)
@click.option("--all", "every", is_flag=True, help=_("All that failed or were given up."))
def retry(ids: tuple[UUID, ...], every: bool) -> None:
    who, now = _operator(), SYSTEM_CLOCK.now()
    if not ids and not every:
        raise BadInput(_("Nothing is named to be sent again."), fix=_("Give ids from “qala notices list”, or --all."))
    rows = [store.get_delivery(key, who=who) for key in ids]
    for state in (Delivery.FAILED, Delivery.GIVEN_UP) if every else ():
        after: tuple[object, ...] = ()
        while True:
            some, after = store.list_deliveries(store.DeliveryFilter(state=state), who=who, after=after, limit=500)
            rows += some
            if not after:
                break
    for row in rows:
        actions.repeat(who=who, now=now, delivery=row)
    console.say(ngettext("{n} mail is sent again.", "{n} mails are sent again.", len(rows)).format(n=len(rows)))
    console.result({"queued": _("queued")}, queued=len(rows))


@click.command("send-digests", help=_("Send digests now, also those that are due later."))
@click.option("--person", default="", metavar="EMAIL", help=_("Only this person's."))
def send_digests(person: str) -> None:
    made = actions.merge_digests(now=SYSTEM_CLOCK.now(), person=_person(person) if person else None, early=True)
    tried = 0
    while some := actions.send_due():
        tried += some
    console.say(ngettext("{n} digest is made.", "{n} digests are made.", made).format(n=made))
    console.result({"digests": _("digests"), "mails": _("mails tried")}, digests=made, mails=tried)
