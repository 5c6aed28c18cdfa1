"""Kinds of notices, as data: which news they come from, who gets them, through what, and where they lead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.apps import apps
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from qala.kernel import plug
from qala.kernel.outbox import WORK_FAILED

from ..models import Delivery
from . import audience
from .audience import Found

APP, MAIL = Delivery.IN_APP, Delivery.EMAIL
DAY = timedelta(days=1)
DIGEST = "notices.digest"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of notice.

    Args:
        key: stable; the words are in ``templates/notices/kinds/TEMPLATE.txt``, its first line the subject.
        event: the news it comes from.
        find: who gets it and what it says, ``function(payload, now)``; ``None`` where the news is of another kind.
        permission: what one must hold in the notice's organisation to see it; empty: it is about the person.
        channels: through which it comes unless the person chose otherwise.
        link: where it leads, by what it says.
        sample: made-up data for the page that shows the templates.
        urgent: no quiet hours and no digest hold it back.
        fixed: its mail can't be turned off.
        once_a: a person hears of the same thing no more often than so.
    """

    key: str
    title: Any
    event: str
    find: Callable[..., Found | None]
    permission: str
    template: str
    link: Callable[[Mapping[str, Any]], str]
    sample: Mapping[str, Any]
    channels: frozenset[str] = frozenset({APP, MAIL})
    urgent: bool = False
    fixed: bool = False
    once_a: timedelta = field(default=timedelta(0))


def _load(data: Mapping[str, Any]) -> str:
    return reverse("devices:load", args=[UUID(data["load"])])


def _me(data: Mapping[str, Any]) -> str:
    return reverse("people:me")


def _person(data: Mapping[str, Any]) -> str:
    return reverse("people:person", args=[UUID(data["person"])])


def _operation(data: Mapping[str, Any]) -> str:
    return reverse("console:operation")


def _order(data: Mapping[str, Any]) -> str:
    return reverse("works:order", args=[str(data["number"])])


def _silent(data: Mapping[str, Any]) -> str:
    owner = f"&owner={data['code']}" if data.get("code") else ""
    return f"{reverse('devices:list')}?silent=1{owner}"


UTILITY = {"kk": "Су құбыры", "ru": "Водоканал", "en": "Water utility"}
ENGINEER = {"kk": "Инженер", "ru": "Инженер", "en": "Engineer"}
ANY = "00000000-0000-7000-8000-000000000000"
LOAD = {
    "load": ANY, "file": "may.csv", "who": "Болат", "organisation": UTILITY, "read": 120400, "new": 118000,
    "refused": 0, "error": "",
}  # fmt: skip

KINDS: tuple[Kind, ...] = (
    Kind("devices.load_done", _("A file of readings is loaded"), "devices.load_ended", audience.load_done,
         "devices.load", "load_done", _load, LOAD, channels=frozenset({APP})),
    Kind("devices.load_refused", _("A file of readings is loaded, but rows were refused"), "devices.load_ended",
         audience.load_refused, "devices.load", "load_refused", _load, {**LOAD, "refused": 37}),
    Kind("devices.load_failed", _("Loading a file of readings failed"), "devices.load_ended", audience.load_failed,
         "devices.load", "load_failed", _load, {**LOAD, "error": "may.csv can't be read as lines."}),
    Kind("devices.silent", _("Devices fell silent"), "devices.silent_found", audience.silent, "devices.view",
         "silent", _silent, {"organisation": UTILITY, "count": 3, "serials": ["W-0042", "W-0107", "W-2231"],
                             "code": "water"}),
    Kind("works.order_assigned", _("Your crew has a work order"), "works.order_assigned", audience.order_assigned,
         "works.do", "order_assigned", _order, {"number": "1042", "title": "Replace a lamp"}),
    Kind("works.order_done", _("Work is done and waits to be checked"), "works.order_done", audience.order_done,
         "works.view", "order_done", _order,
         {"number": "1042", "title": "Replace a lamp", "organisation": UTILITY}, channels=frozenset({APP})),
    Kind("people.role_given", _("You were given a role"), "people.role_given", audience.role_given, "",
         "role_given", _me, {"role": ENGINEER, "organisation": UTILITY}),
    Kind("people.second_factor_reset", _("Your second factor was taken away"), "people.second_factor_reset",
         audience.second_factor_reset, "", "second_factor_reset", _me, {}, urgent=True, fixed=True),
    Kind("people.sign_in_changed", _("A way in which you sign in was changed"), "people.sign_in_changed",
         audience.sign_in_changed, "", "sign_in_changed", _me, {"what": "password", "at": "2026-05-12T06:00:00+00:00"},
         urgent=True, fixed=True),
    Kind("people.account_closed", _("An account was closed"), "people.person_disabled", audience.account_closed,
         "people.view", "account_closed", _person, {"person": ANY, "who": "Айгүл"}, channels=frozenset({APP})),
    Kind("city.work_failed", _("Work in the background failed"), WORK_FAILED, audience.work_failed, "city.operate",
         "work_failed", _operation, {"work": "lake.maintain", "reason": "OSError: No space left on device"},
         once_a=DAY),
    Kind("city.backup_failed", _("A back-up failed"), "city.backup_failed", audience.backup_failed, "city.operate",
         "backup_failed", _operation, {"folder": "backups", "reason": "No space left on device"}, urgent=True),
)  # fmt: skip
BY_KEY = {kind.key: kind for kind in KINDS}


def events_heard() -> list[str]:
    """The events that kinds come from and that a matter of this house tells; a kind sleeps until its matter does."""
    assert apps.apps_ready
    told = {one.event for one in plug.declared("told")}
    return sorted({kind.event for kind in KINDS} & told)


def kinds_of(event: str) -> list[Kind]:
    return [kind for kind in KINDS if kind.event == event]
