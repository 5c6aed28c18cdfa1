"""Reads of notices, deliveries and what persons chose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Prefetch, Q, QuerySet
from django.utils.translation import gettext as _

from qala.city.people.public import Person
from qala.kernel import search
from qala.kernel.access import Who
from qala.kernel.errors import NotAllowed, NotFound, SignInNeeded

from .. import rules
from ..models import Attempt, Choice, Delivery, Notice, Preference
from .kinds import BY_KEY, DIGEST, KINDS, Kind

MANAGE = "notices.manage"


def person_of(who: Who) -> UUID:
    """The person that asks: notices are a person's own, no token's.

    Raises:
        SignInNeeded: nobody is signed in.
        NotAllowed: a program or the system asks.
    """
    if who.kind == "anonymous":
        raise SignInNeeded(_("This needs a signed-in person."), fix=_("Sign in and try again."))
    if who.kind != "person" or who.id is None:
        raise NotAllowed(_("Notices are a person's own; a token has none."))
    return who.id


def seen_by(who: Who) -> Q:
    """Of one's own notices, those of things that one may see now."""
    free = [kind.key for kind in KINDS if not kind.permission]
    found = Q()
    for permission in sorted({kind.permission for kind in KINDS if kind.permission}):
        scope, kinds = who.scope(permission), [kind.key for kind in KINDS if kind.permission == permission]
        if scope.everything:
            free += kinds
        elif scope:
            found |= Q(kind__in=kinds) & (Q(organisation__in=scope.organisations) | Q(is_own=True))
    return found | Q(kind__in=free)


def may_see(kind: Kind, who: Who, *, organisation: UUID | None, is_own: bool) -> bool:
    """The same as ``seen_by`` for one notice that is being made or sent."""
    if not kind.permission:
        return True
    return who.may(kind.permission, organisation) or (is_own and who.may(kind.permission))


def _mine(who: Who) -> QuerySet[Notice]:
    return Notice.objects.filter(seen_by(who), person=person_of(who), is_shown=True)


def count_unread(who: Who) -> int:
    """How many notices wait for the asker, counted up to a hundred; one query by an index."""
    return _mine(who).filter(read_at__isnull=True).order_by()[:100].count()


def list_notices(
    *, who: Who, kind: str = "", unread: bool = False, after: Sequence[Any] = (), limit: int = 50
) -> tuple[list[Notice], tuple[Any, ...]]:
    """A page of one's own notices: unread ones first, then the latest; and where the next page begins.

    Raises:
        SignInNeeded, NotAllowed: as ``person_of``.
    """
    found = _mine(who)
    if kind:
        found = found.filter(kind=kind)
    if unread:
        found = found.filter(read_at__isnull=True)
    parts = [(False, found.filter(read_at__isnull=True))] + (
        [] if unread else [(True, found.filter(read_at__isnull=False))]
    )
    rows: list[Notice] = []
    for read, part in parts:
        if len(after) == 3:
            if after[0] and not read:
                continue
            if bool(after[0]) == read:
                part = part.filter(Q(made_at__lt=after[1]) | Q(made_at=after[1], pk__lt=after[2]))
        rows += part.order_by("-made_at", "-pk")[: limit + 1 - len(rows)]
    if len(rows) <= limit:
        return rows, ()
    last = rows[limit - 1]
    return rows[:limit], (last.read_at is not None, last.made_at, last.pk)


def find_notice(key: UUID, *, who: Who) -> Notice:
    """One of one's own notices.

    Raises:
        NotFound: there is none, or not of the asker's.
    """
    found = _mine(who).filter(pk=key).first()
    if found is None:
        raise NotFound(_("There is no such notice."))
    return found


def preference_of(person: UUID) -> Preference:
    """When a person wants mails; the defaults, not kept, where they chose nothing."""
    return Preference.objects.filter(person=person).first() or Preference(person_id=person)


def plan_of(person: UUID) -> rules.Plan:
    return preference_of(person).plan


def choices_of(person: UUID) -> dict[str, frozenset[str]]:
    """Through which channels a person hears of each kind."""
    chosen = {one.kind: one for one in Choice.objects.filter(person=person)}
    return {kind.key: channels_of(kind, chosen.get(kind.key)) for kind in KINDS}


def channels_of(kind: Kind, choice: Choice | None) -> frozenset[str]:
    """What a person chose, else as the kind comes; the mail of a fixed kind always."""
    if choice is None:
        return kind.channels
    wanted = {Delivery.IN_APP: choice.in_app, Delivery.EMAIL: choice.email or kind.fixed}
    return frozenset(channel for channel, is_wanted in wanted.items() if is_wanted)


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """What a list of deliveries is narrowed to; empty fields do not narrow.

    Args:
        person: pieces of name or e-mail address.
    """

    person: str = ""
    kind: str = ""
    state: str = ""
    channel: str = ""

    def __bool__(self) -> bool:
        return any((self.person.strip(), self.kind, self.state, self.channel))


def list_deliveries(
    narrowed: DeliveryFilter, *, who: Who, after: Sequence[Any] = (), limit: int = 50
) -> tuple[list[Delivery], tuple[Any, ...]]:
    """A page of everybody's deliveries, the latest first, each with notice, person and tries; where the next begins.

    Raises:
        SignInNeeded, NotAllowed: the asker does not manage notices.
    """
    who.require(MANAGE)
    found = Delivery.objects.all()
    if narrowed.person.strip():
        people = Person.objects.filter(pk__in=search.matching("person", narrowed.person))
        found = found.filter(notice__person__in=people)
    if narrowed.kind:
        found = found.filter(notice__kind=narrowed.kind)
    for name in ("state", "channel"):
        if getattr(narrowed, name):
            found = found.filter(**{name: getattr(narrowed, name)})
    if len(after) == 2:
        found = found.filter(Q(made_at__lt=after[0]) | Q(made_at=after[0], pk__lt=after[1]))
    rows = list(with_all(found).order_by("-made_at", "-pk")[: limit + 1])
    if len(rows) <= limit:
        return rows, ()
    return rows[:limit], (rows[limit - 1].made_at, rows[limit - 1].pk)


def get_delivery(key: UUID, *, who: Who) -> Delivery:
    """One delivery with notice, person and tries.

    Raises:
        SignInNeeded, NotAllowed: the asker does not manage notices.
        NotFound: there is none.
    """
    who.require(MANAGE)
    found = with_all(Delivery.objects.filter(pk=key)).first()
    if found is None:
        raise NotFound(_("There is no such delivery."))
    return found


def with_all(found: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """Deliveries with notice, person and tries, the latter in order."""
    tries = Prefetch("tries", Attempt.objects.order_by("number"))
    return found.select_related("notice__person").prefetch_related(tries)


def export_person(person: UUID) -> dict[str, list[dict[str, Any]]]:
    """All that notices hold of a person, by table."""
    deliveries = Delivery.objects.filter(notice__person=person).order_by("made_at", "pk")
    instants = ("made_at", "read_at", "sent_at")
    tables: dict[str, Any] = {
        "notices": Notice.objects.filter(person=person).order_by("made_at", "pk").values("kind", "data", "made_at", "read_at"),
        "deliveries": deliveries.values("channel", "state", "address", "subject", "text", "made_at", "sent_at"),
        "preferences": Preference.objects.filter(person=person).values("digest", "digest_hour", "quiet_from", "quiet_to"),
        "choices": Choice.objects.filter(person=person).order_by("kind").values("kind", "in_app", "email"),
    }  # fmt: skip
    return {
        name: [
            {key: value.isoformat() if value is not None and key in (*instants, "quiet_from", "quiet_to") else value
             for key, value in row.items()}
            for row in rows
        ]
        for name, rows in tables.items()
    }  # fmt: skip


def status() -> dict[str, int | float | str]:
    """What ``qala status`` tells of this matter."""
    waiting = Delivery.objects.filter(next_try_at__isnull=False)
    return {
        "notices": Notice.objects.count(),
        "mails_waiting": waiting.count(),
        "mails_given_up": Delivery.objects.filter(state=Delivery.GIVEN_UP).count(),
    }


def title_of(kind: str) -> str:
    """What a kind is called."""
    if kind == DIGEST:
        return _("Digest")
    found = BY_KEY.get(kind)
    return str(found.title) if found is not None else kind
