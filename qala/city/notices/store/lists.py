"""The list of deliveries, as it is declared."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from qala.city.people.public import Person
from qala.kernel import search
from qala.kernel.lists import Choice, Column, List, Look, Sort, choice, day, text

from ..models import Delivery
from .kinds import DIGEST, KINDS
from .reads import MANAGE, title_of, with_all


def last_reason(row: Delivery) -> str:
    """Why the last attempt failed; empty where none did."""
    tries = list(row.tries.all())
    return tries[-1].reason if tries else ""


def of_person(rows: Any, pieces: str, _look: Look) -> Any:
    """Deliveries to whom pieces of a name or an e-mail address find."""
    return rows.filter(notice__person__in=Person.objects.filter(pk__in=search.matching("person", pieces)))


def _all(look: Look) -> Any:
    look.who.require(MANAGE)
    return Delivery.objects.all()


DELIVERIES = List(
    "deliveries",
    _("Deliveries"),
    _all,
    columns=(
        Column("notice", _("Notice"), lambda row: title_of(row.notice.kind), cell="notices/cells/notice.html"),
        Column("subject", _("Subject"), lambda row: row.subject, shown=False),
        Column("person", _("Person"), lambda row: row.notice.person.name),
        Column("address", _("E-mail"), lambda row: row.address or row.notice.person.email),
        Column("channel", _("Channel"), lambda row: row.get_channel_display()),
        Column("state", _("State"), lambda row: row.get_state_display(), cell="notices/cells/state.html"),
        Column("attempts", _("Attempts"), lambda row: row.attempts, "number", shown=False),
        Column("reason", _("Reason"), last_reason, shown=False),
        Column("made", _("Made"), lambda row: row.made_at, "instant"),
        Column("sent", _("Sent"), lambda row: row.sent_at, "instant", shown=False),
        Column("id", _("Id"), lambda row: str(row.pk), shown=False, mono=True,
               link=lambda row: reverse("notices:delivery", args=[row.pk])),
    ),
    sorts=(Sort("made", "made_at", "pk"),),
    order="-made",
    filters=(
        text("person", _("Person"), of_person),
        choice("kind", _("Kind"), lambda _look: [Choice(DIGEST, _("Digest")), *(Choice(one.key, one.title) for one in KINDS)],
               "notice__kind"),
        choice("state", _("State"), lambda _look: [Choice(key, title) for key, title in Delivery.STATES]),
        choice("channel", _("Channel"), lambda _look: [Choice(key, title) for key, title in Delivery.CHANNELS]),
        day("from", _("From"), "made_at"),
        day("to", _("To"), "made_at", ends=True),
    ),
    dressed=lambda rows, _look: with_all(rows),
)  # fmt: skip
