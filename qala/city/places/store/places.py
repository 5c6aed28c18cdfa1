"""Reads of places.

Everybody may see the city, its districts and zones that no organisation owns; a zone of a utility is for who sees the
zones of that organisation; address points are for ``places.view``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext as _

from qala.kernel import search
from qala.kernel.access import Who
from qala.kernel.errors import NotFound

from .. import rules
from ..models import Place, PlaceShape
from ..rules import Kind

SEARCH = "place"  # the kind of thing in the kernel's search


def visible_to(who: Who) -> QuerySet[Place]:
    """The places that ``who`` may see."""
    scope = who.scope("places.view_zones")
    if who.may("places.view") and scope.everything:
        return Place.objects.all()
    seen = Q(kind__in=("city", "district")) | Q(kind="zone", owner__isnull=True)
    if scope.everything:
        seen |= Q(kind="zone")
    elif scope:
        seen |= Q(kind="zone", owner__in=scope.organisations)
    if who.may("places.view"):
        seen |= Q(kind="address")
    return Place.objects.filter(seen)


def city() -> Place:
    """The city's own place, the root of the tree.

    Raises:
        NotFound: no places were loaded yet.
    """
    found = find_city()
    if found is None:
        raise NotFound(_("There are no places yet."), fix=_("Load the districts: qala load places FILE.geojson"))
    return found


def find_city() -> Place | None:
    """The city's own place, once places were loaded."""
    return Place.objects.filter(kind="city").first()


def get_place(code: str, *, who: Who) -> Place:
    """The place of that code, with its parent and owner at hand.

    Raises:
        NotFound: there is none, or none that ``who`` may see.
    """
    found = visible_to(who).select_related("parent", "owner").filter(code=code).first()
    if found is None:
        raise NotFound(_("There is no place with the code {code}.").format(code=code[:100]))
    return found


def list_places(
    kind: Kind | None = None, *, who: Who, parent: str | None = None, after: str = "", limit: int | None = None
) -> list[Place]:
    """Places in order of their codes, with their parents at hand.

    Args:
        kind: places of one kind.
        parent: places directly below the place of this code.
        after: only codes behind this one; with ``limit`` it pages.
    """
    found = visible_to(who).select_related("parent", "owner").filter(code__gt=after).order_by("code")
    if kind is not None:
        found = found.filter(kind=kind)
    if parent is not None:
        found = found.filter(parent__code=parent)
    return list(found if limit is None else found[:limit])


def children(place: Place, *, who: Who) -> list[Place]:
    """The places directly below one, in order of their codes."""
    return list(visible_to(who).filter(parent=place).order_by("code"))


def valid_at(at: datetime) -> Q:
    """Shapes whose ``[valid_from, valid_to)`` holds the instant."""
    return (Q(valid_from__isnull=True) | Q(valid_from__lte=at)) & (Q(valid_to__isnull=True) | Q(valid_to__gt=at))


def find_shape(place: Place, *, at: datetime) -> PlaceShape | None:
    """The shape of its own that a place had at an instant."""
    return place.shapes.filter(valid_at(at)).first()


def shapes_of(places: Sequence[Place], *, at: datetime) -> dict[UUID, PlaceShape]:
    """The shapes that places had at an instant, by the place's id; without their outlines, which may be large."""
    found = PlaceShape.objects.filter(valid_at(at), place__in=[place.pk for place in places]).defer("geometry_wkb")
    return {shape.place_id: shape for shape in found}


def history(place: Place) -> list[PlaceShape]:
    """All shapes that a place has had, latest first."""
    return sorted(place.shapes.all(), key=lambda shape: (shape.valid_from is not None, shape.valid_from), reverse=True)


def count_by_kind() -> dict[str, int]:
    """How many places there are of each kind."""
    counted = dict(Place.objects.order_by().values_list("kind").annotate(Count("pk")))
    return {kind: counted.get(kind, 0) for kind in rules.KINDS}


def count_below(place: Place, *, who: Who) -> dict[str, int]:
    """How many places directly below one the asker may see, by kind."""
    found = visible_to(who).filter(parent=place).order_by().values_list("kind").annotate(Count("pk"))
    return dict(found)


def words_of(place: Place) -> str:
    """What finds a place: its code and its names, for an address its text, in all languages."""
    return " ".join(filter(None, (place.code, place.name_kk, place.name_ru, place.name_en)))


def unfound() -> Iterable[tuple[UUID, str]]:
    """Words of all places, where the search holds fewer of them than there are; nothing where it is whole."""
    if search.count(SEARCH) >= Place.objects.count():
        return []
    return [(place.pk, words_of(place)) for place in Place.objects.iterator(5000)]
