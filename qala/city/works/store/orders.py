"""Reading work orders and crews: always told who asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Prefetch, Q, QuerySet
from django.utils.translation import gettext as _

from qala.city.people.public import Person
from qala.kernel.access import Scope, Who
from qala.kernel.errors import NotFound

from ..models import Asset, AssetChange, Crew, CrewMember, OrderItem, OrderNote, OrderPhoto, OrderStep, WorkOrder
from ..rules import DRAFT, OPEN_STATES
from .assets import VIEW, Bounds

DO, ASSIGN = "works.do", "works.assign"
OPEN, OVERDUE = "open", "overdue"
MOST_ON_MAP = 20_000


def may_see_orders(who: Who) -> bool:
    """Whether the asker may see any work orders at all."""
    return who.may(VIEW) or who.may(DO)


def require_orders(who: Who) -> None:
    """Require that the asker may see any work orders.

    Raises:
        SignInNeeded, NotAllowed: they may not.
    """
    if not may_see_orders(who):
        who.require(VIEW)


def visible_orders(who: Who, now: datetime) -> QuerySet[WorkOrder]:
    """The orders that the asker may see: those that their organisations ordered, those that these do (drafts left out),
    and for who only does work those of the crews that they are in at that time."""
    view, do = who.scope(VIEW), who.scope(DO)
    if view.everything:
        return WorkOrder.objects.all()
    seen = Q(owner__in=view.organisations) | (Q(contractor__in=view.organisations) & ~Q(state=DRAFT))
    if do and who.id is not None:
        own = Q(crew__in=crews_of(who.id, now).values("pk")) & ~Q(state=DRAFT)
        seen |= own if do.everything else own & Q(contractor__in=do.organisations)
    return WorkOrder.objects.filter(seen)


def at_instant(now: datetime) -> Q:
    """Memberships of crews whose ``[valid_from, valid_to)`` holds an instant."""
    return Q(valid_from__lte=now) & (Q(valid_to__isnull=True) | Q(valid_to__gt=now))


def crews_of(person: UUID, now: datetime) -> QuerySet[Crew]:
    """The crews that somebody is in at an instant."""
    held = CrewMember.objects.filter(at_instant(now), person_id=person)
    return Crew.objects.filter(pk__in=held.values("crew_id"), closed_at__isnull=True)


def is_overdue(order: WorkOrder, now: datetime) -> bool:
    """Whether an order is open after it was due."""
    return order.is_open and order.due_at is not None and order.due_at < now


def get_order(number: str, *, who: Who, now: datetime) -> WorkOrder:
    """The work order of that number, with all that it names.

    Raises:
        NotFound: there is none, or none that the asker may know of.
    """
    require_orders(who)
    found = None
    if number.replace("-", "").isdigit():
        related = ("kind", "asset__kind", "place", "district", "owner", "contractor", "crew")
        found = visible_orders(who, now).select_related(*related).filter(number=number).first()
    if found is None:
        raise NotFound(
            _("There is no work order {number}.").format(number=number[:20]), fix=_("Look it up in the list.")
        )
    return found


def find_order_of(source: str, key: str) -> WorkOrder | None:
    """The work order that another matter opened under a key; for matters, which ask who may know of theirs."""
    return WorkOrder.objects.filter(source=source, source_key=key).first()


def orders_of_asset(asset: Asset, *, who: Who, now: datetime, limit: int = 20) -> list[WorkOrder]:
    """The latest work orders on an asset that the asker may see."""
    found = visible_orders(who, now).filter(asset=asset).select_related("kind", "contractor")
    return list(found.order_by("-number")[:limit])


def my_orders(who: Who, now: datetime) -> list[WorkOrder]:
    """The open orders of the asker's crews, the one that is due first first; each with ``asset`` and ``kind``."""
    who.require(DO)
    if who.id is None:
        return []
    found = visible_orders(who, now).filter(crew__in=crews_of(who.id, now), state__in=OPEN_STATES)
    found = found.select_related("kind", "asset", "district", "crew")
    return list(found.order_by(F("due_at").asc(nulls_last=True), "priority", "number")[:100])


@dataclass(frozen=True, slots=True)
class OrderParts:
    """All that belongs to one order, each in its order."""

    steps: list[OrderStep]
    items: list[OrderItem]
    notes: list[OrderNote]
    photos: list[OrderPhoto]


def parts_of(order: WorkOrder) -> OrderParts:
    """Steps, checklist, notes and photos of an order that the asker was given."""
    return OrderParts(
        steps=list(order.steps.order_by("at", "id")),
        items=list(order.items.order_by("position")),
        notes=list(order.notes.order_by("at", "id")),
        photos=list(order.photos.select_related("media").order_by("-moment", "at", "id")),
    )


def get_photo(key: UUID, *, who: Who, now: datetime) -> OrderPhoto:
    """A photo of an order that the asker may see, with its file's row.

    Raises:
        NotFound: there is none, or none that the asker may know of.
    """
    require_orders(who)
    found = OrderPhoto.objects.filter(pk=key, order__in=visible_orders(who, now)).select_related("media").first()
    if found is None:
        raise NotFound(_("There is no such photo."))
    return found


def points_of_orders(who: Who, now: datetime, bounds: Bounds | None = None) -> list[WorkOrder]:
    """Open orders with coordinates that the asker may see."""
    found = visible_orders(who, now).filter(state__in=OPEN_STATES, lon__isnull=False)
    if bounds is not None:
        found = found.filter(lon__range=(bounds[0], bounds[2]), lat__range=(bounds[1], bounds[3]))
    return list(found.order_by("number")[:MOST_ON_MAP])


def count_orders(who: Who, now: datetime) -> Mapping[str, int]:
    """How many orders the asker may see, by state, and how many are overdue."""
    seen = visible_orders(who, now)
    counts = dict(seen.order_by().values_list("state").annotate(n=Count("pk")))
    return {**counts, OVERDUE: seen.filter(state__in=OPEN_STATES, due_at__lt=now).count()}


# ---- crews ----------------------------------------------------------------------------------------------------------


def visible_crews(who: Who) -> QuerySet[Crew]:
    """The crews of the organisations whose work the asker may give out."""
    scope: Scope = who.scope(ASSIGN)
    crews = Crew.objects.filter(closed_at__isnull=True)
    return crews if scope.everything else crews.filter(organisation__in=scope.organisations)


def list_crews(*, who: Who, now: datetime) -> list[Crew]:
    """Crews with organisation and ``present``: who is in them at that time.

    Raises:
        SignInNeeded, NotAllowed: the asker may not give out anybody's work.
    """
    who.require(ASSIGN)
    present = Prefetch(
        "members", CrewMember.objects.filter(at_instant(now)).select_related("person"), to_attr="present"
    )
    found = visible_crews(who).select_related("organisation").prefetch_related(present)  # type: ignore[no-redef]
    return list(found.order_by("organisation__code", "name_en", "name_ru", "name_kk", "pk"))


def get_crew(key: UUID, *, who: Who) -> Crew:
    """One crew, with its organisation.

    Raises:
        NotFound: there is none, or none that the asker may know of.
    """
    who.require(ASSIGN)
    found = visible_crews(who).select_related("organisation").filter(pk=key).first()
    if found is None:
        raise NotFound(_("There is no such crew."), fix=_("Look it up in the list of crews."))
    return found


def members_of(crew: Crew) -> list[CrewMember]:
    """Who is and was in a crew, the latest first."""
    return list(crew.members.select_related("person").order_by(F("valid_to").desc(nulls_first=True), "-valid_from"))


def persons_of(crew: Crew, now: datetime) -> list[UUID]:
    """Ids of those who are in a crew at an instant."""
    return list(crew.members.filter(at_instant(now)).order_by("person_id").values_list("person_id", flat=True))


def find_colleague(email: str, crew: Crew, now: datetime) -> Person | None:
    """The person of that e-mail address who holds a role in the crew's organisation."""
    held = Q(memberships__valid_to__isnull=True) | Q(memberships__valid_to__gt=now)
    found = Person.objects.filter(held, email=email.strip().lower(), is_active=True)
    return found.filter(memberships__organisation=crew.organisation_id).distinct().first()


def rows_of_person(person: UUID) -> dict[str, list[dict[str, Any]]]:
    """What works know of a person, by the name of the table."""
    return {
        "crews": [
            {"crew": one.crew.name, "from": one.valid_from.isoformat(), "to": one.valid_to.isoformat() if one.valid_to else None}
            for one in CrewMember.objects.filter(person_id=person).select_related("crew").order_by("valid_from")
        ],
        "steps": [
            {"order": one.order.number, "to": one.to, "at": one.at.isoformat(), "reason": one.reason}
            for one in OrderStep.objects.filter(who_id=person).select_related("order").order_by("at")
        ],
        "ticks": [
            {"order": one.order.number, "position": one.position, "at": one.ticked_at.isoformat() if one.ticked_at else None}
            for one in OrderItem.objects.filter(who_id=person).select_related("order").order_by("ticked_at")
        ],
        "notes": [
            {"order": one.order.number, "kind": one.kind, "text": one.text, "minutes": one.minutes, "at": one.at.isoformat()}
            for one in OrderNote.objects.filter(who_id=person).select_related("order").order_by("at")
        ],
        "asset_changes": [
            {"asset": one.asset.code, "at": one.at.isoformat(), "why": one.why}
            for one in AssetChange.objects.filter(who_id=person).select_related("asset").order_by("at")
        ],
        "photos": [
            {"order": one.order.number, "moment": one.moment, "at": one.at.isoformat(), "sha256": one.media.sha256}
            for one in OrderPhoto.objects.filter(who_id=person).select_related("order", "media").order_by("at")
        ],
    }  # fmt: skip
