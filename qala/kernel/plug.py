"""The plug: what a matter offers to the house, as data. Functions are named by dotted path and imported when used.

A matter's ``apps.py`` holds a ``MatterConfig`` with a ``plug``; ``plugs()`` gives all of them in the order of the house.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import structlog
from django.apps import AppConfig, apps
from django.utils.module_loading import import_string

if TYPE_CHECKING:
    from .lake import LakeTable
    from .measures import Measure


log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Permission:
    """A word that access is decided by; ``scoped`` ones may be held for some organisations only."""

    key: str
    title: Any
    scoped: bool = True


@dataclass(frozen=True, slots=True)
class MenuEntry:
    """An entry of the console's menu; ``url`` is a URL name, ``icon`` a Lucide icon's name.

    ``also`` names lists whose pages belong to the entry beside those below its own address."""

    title: Any
    url: str
    icon: str
    permission: str
    order: int
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tool:
    """An icon in the head of every console page of a signed-in person; ``url`` is a URL name.

    ``count`` names ``function(who) -> int``, asked on every page: one query that an index answers.
    """

    title: Any
    url: str
    icon: str
    count: str


@dataclass(frozen=True, slots=True)
class Card:
    """A piece of a shared page. ``place`` names the page (``console.home``, ``devices.device`` …).

    ``context`` names ``function(request, who, **of_the_page) -> dict | None``; ``None`` leaves the card out.
    ``permission`` is empty where the page itself decides whose it is, as on pages of one's own things.
    """

    key: str
    place: str
    template: str
    context: str
    permission: str
    order: int


@dataclass(frozen=True, slots=True)
class Layer:
    """A theme of the console's map, or with ``ground`` what every theme lies upon.

    ``source`` names ``function(who, bounds) -> GeoJSON dict``; what its features may say stands in ``map.js``. A
    ``period`` of the collection is a pair of instants.
    """

    key: str
    title: Any
    source: str
    permission: str
    order: int
    ground: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """A piece of background work, called by its name; ``every`` makes it recurring. ``run(now, **arguments)``."""

    name: str
    run: str
    every: timedelta | None = None
    title: Any = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """An event that a matter hears: ``handler(payload, event_id, now)``, idempotent."""

    event: str
    handler: str


@dataclass(frozen=True, slots=True)
class Told:
    """An event that a matter tells, with what its payload holds."""

    event: str
    payload: str


@dataclass(frozen=True, slots=True)
class Stream:
    """A server-sent event stream ``/sse/NAME/ARGUMENT``: ``snapshot(who, argument) -> dict`` is asked about once a second
    a distinct argument, and sent where it changed; it raises ``NotAllowed`` or ``NotFound`` as any read.
    Watchers of equal grants share a snapshot: ``who`` has grants alone, no id."""

    name: str
    snapshot: str


@dataclass(frozen=True, slots=True)
class Check:
    """A line of ``qala doctor``: ``function() -> (ok, what, what to do)``."""

    name: str
    run: str


@dataclass(frozen=True, slots=True)
class Personal:
    """What a matter knows of persons, for a person's own copy of it and for erasure.

    ``export`` names ``function(person: UUID) -> dict[str, list[dict]]``: rows by the name of the table, JSON values;
    ``erase`` names ``function(person: UUID, now: datetime) -> int``: removes the rows or cuts the person out of them,
    in the transaction of the erasure, and tells how many; a second call finds nothing."""

    title: Any
    export: str
    erase: str


@dataclass(frozen=True, slots=True)
class Retained:
    """A class of rows that may be kept for so long only; what is older, ``qala.kernel.retention`` alone has deleted.

    ``count`` names ``function(before, now) -> retention.Going``; ``forget`` names ``function(before, now) ->
    Iterator[tuple[str, int]]``: deletes step by step, each whole by itself, and yields what it was and how many rows;
    ``waits`` names ``function(before) -> str``: words for why nothing may be deleted now, or ``""``.

    Args:
        days: how long where nobody chose; ``None``: for ever.
        least_days: the shortest time that may be chosen.
        by_month: whole months (UTC) go, and what comes later for a month that is gone is not taken.
        elsewhere: names ``function() -> int | None``: the days, where they are chosen and rows are deleted elsewhere.
        why: words for why it can't be chosen here; such a class has no ``forget``.
    """

    key: str
    title: Any
    count: str
    forget: str = ""
    waits: str = ""
    days: int | None = None
    least_days: int = 1
    by_month: bool = False
    elsewhere: str = ""
    why: Any = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """A list of the matter: ``declared`` names a ``qala.kernel.lists.List``, ``url`` the URL name of its page."""

    declared: str
    url: str


@dataclass(frozen=True, slots=True)
class Command:
    """A command line verb, e.g. ``load readings``; ``command`` names a click command."""

    path: str
    command: str


@dataclass(frozen=True, slots=True)
class Plug:
    urls: dict[str, str] = field(default_factory=dict)  # prefix → URL module
    api: dict[str, str] = field(default_factory=dict)  # prefix below /api/v1 → dotted path of a Ninja router
    menu: tuple[MenuEntry, ...] = ()
    tools: tuple[Tool, ...] = ()
    cards: tuple[Card, ...] = ()
    layers: tuple[Layer, ...] = ()
    permissions: tuple[Permission, ...] = ()
    grants: dict[str, tuple[str, ...]] = field(default_factory=dict)  # default role → permissions
    jobs: tuple[Job, ...] = ()
    lake_tables: tuple[LakeTable, ...] = ()
    measures: tuple[Measure, ...] = ()
    told: tuple[Told, ...] = ()
    heard: tuple[Heard, ...] = ()
    streams: tuple[Stream, ...] = ()
    checks: tuple[Check, ...] = ()
    personal: tuple[Personal, ...] = ()
    retained: tuple[Retained, ...] = ()
    lists: tuple[Listed, ...] = ()
    commands: tuple[Command, ...] = ()
    prepare: str | None = None  # dotted path of ``function()``: idempotent data that the matter needs, after migrations
    demo: str | None = None  # dotted path of ``function(city: DemoCity)``: called in the order of the house
    status: str | None = None  # dotted path of ``function() -> dict[str, int | float | str]`` for ``qala status``


class MatterConfig(AppConfig):
    """The app configuration of a matter (or of the kernel)."""

    # Django takes a module's one configuration; this class is imported beside each, so it must not be a second one
    default = False
    default_auto_field = "django.db.models.BigAutoField"
    plug = Plug()

    def __init_subclass__(cls) -> None:
        cls.default = True


def plugs() -> Iterator[Plug]:
    """The plugs of all matters, in the order of the house."""
    for config in apps.get_app_configs():
        if isinstance(config, MatterConfig):
            yield config.plug


def load(path: str) -> Callable[..., Any]:
    """The function that a dotted path names."""
    found: Callable[..., Any] = import_string(path)
    return found


def declared(kind: str) -> list[Any]:
    """All that the plugs declare of one kind (``menu``, ``cards``, ``permissions`` …), in the order of the house."""
    return [one for plug in plugs() for one in getattr(plug, kind)]


@cache
def handlers_of(event: str) -> tuple[str, ...]:
    """Dotted paths of the handlers that hear an event."""
    return tuple(heard.handler for heard in declared("heard") if heard.event == event)


def job_named(name: str) -> Job:
    """The declared job of that name.

    Raises:
        LookupError: no plug declares it.
    """
    for job in declared("jobs"):
        if job.name == name:
            return job  # type: ignore[no-any-return]
    raise LookupError(f"no plug declares a job {name!r}")


def cards_at(place: str, request: Any, who: Any, **of_the_page: Any) -> list[str]:
    """The cards of a place that the asker may see, in order, as HTML; one that has nothing to say is left out.

    A card that fails says so in its place and is written down: the page lives.
    """
    from django.template.loader import render_to_string

    found: list[str] = []
    for card in sorted(declared("cards"), key=lambda one: one.order):
        if card.place != place or (card.permission and not who.may(card.permission)):
            continue
        try:
            context = load(card.context)(request, who, **of_the_page)
            if context is not None:
                found.append(render_to_string(card.template, {**context, "card": card}, request))
        except Exception:  # whatever one card does, the others stay
            log.exception("card.failed", card=card.key)
            found.append(render_to_string("site/parts/card_failed.html", {"card": card}, request))
    return found
