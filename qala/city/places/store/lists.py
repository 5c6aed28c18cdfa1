"""The list of places, as it is declared: city, districts, zones, address points."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import DateTimeField, Q, Value
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from qala.city.people.public import list_organisations
from qala.kernel.lists import Choice, Column, List, Look, Sort, choice, text
from qala.kernel.lists.filters import Filter

from ..models import Place, PlaceShape
from .places import SEARCH, shapes_of, valid_at, visible_to


def _of(choices: Iterable[tuple[Any, Any]]) -> Callable[[Look], Sequence[Choice]]:
    found = [Choice(str(key), title) for key, title in choices]
    return lambda _look: found


def _owners(look: Look) -> Sequence[Choice]:
    seen = [one for one in list_organisations() if look.who.may("places.view_zones", one.pk)]
    return [Choice(one.code, one.name) for one in seen]


def _as_of(rows: Any, end_of_day: datetime, _look: Look) -> Any:
    """Places that had an outline at the end of a day (the city, which may be the union of its districts, stays)."""
    at = end_of_day - timedelta(microseconds=1)
    there = PlaceShape.objects.filter(valid_at(at)).values("place_id")
    return rows.filter(Q(pk__in=there) | Q(kind="city")).annotate(as_of=Value(at, DateTimeField()))


def _with_shapes(rows: list[Place], look: Look) -> list[Place]:
    """With the outline of the day that the list is of, else of now."""
    shapes = shapes_of(rows, at=getattr(rows[0], "as_of", look.now)) if rows else {}
    for row in rows:
        row.shape = shapes.get(row.pk)
    return rows


def _page_of(place: Place) -> str:
    at = getattr(place, "as_of", None)
    day = f"?at={at.astimezone(ZoneInfo(settings.TIME_ZONE)).date()}" if at is not None else ""
    return reverse("places:place", args=[place.code]) + day


PLACES = List(
    "place-list",
    _("Places"),
    lambda look: visible_to(look.who),
    columns=(
        Column("name", _("Name"), lambda row: row.name, link=_page_of),
        Column("code", _("Code"), lambda row: row.code, mono=True),
        Column("kind", _("Kind"), lambda row: row.get_kind_display()),
        Column("use", _("What the zones are for"), lambda row: row.get_use_display(), shown=False),
        Column("parent", _("Part of"), lambda row: row.parent.name if row.parent else None),
        Column("parent_code", _("Code of the place above"), lambda row: row.parent.code if row.parent else None,
               shown=False, mono=True),
        Column("owner", _("Owner"), lambda row: row.owner.name if row.owner else None),
        Column("owner_code", _("Code of the owner"), lambda row: row.owner.code if row.owner else None, shown=False, mono=True),
        Column("area", _("Area"), lambda row: round(row.shape.area_km2, 2) if row.shape and row.shape.area_km2 else None,
               "number", "km2"),
        Column("population", _("Population"), lambda row: row.population, "number", shown=False),
        Column("since", _("Border since"), lambda row: row.shape.valid_from if row.shape else None, "day"),
        Column("until", _("Border until"), lambda row: row.shape.valid_to if row.shape else None, "day", shown=False),
        Column("name_kk", _("Name in Kazakh"), lambda row: row.name_kk, shown=False),
        Column("name_ru", _("Name in Russian"), lambda row: row.name_ru, shown=False),
        Column("name_en", _("Name in English"), lambda row: row.name_en, shown=False),
        Column("lon", _("Longitude"), lambda row: row.label_lon, "number", shown=False),
        Column("lat", _("Latitude"), lambda row: row.label_lat, "number", shown=False),
    ),
    sorts=(
        Sort("code", "code"),
        Sort("kind", "kind", "code"),
        Sort("population", "population", "code", nullable=True),
    ),
    filters=(
        choice("kind", _("Kind"), _of(Place.Kind.choices)),
        choice("use", _("What the zones are for"), _of(Place.Use.choices)),
        choice("owner", _("Owner"), _owners, "owner__code"),
        text("parent", _("Code of the place above"), "parent__code"),
        Filter("at", _("As of"), _as_of, "day", ends=True),
    ),
    searched=SEARCH,
    dressed=lambda rows, _look: rows.select_related("parent", "owner"),
    finished=_with_shapes,
)  # fmt: skip
