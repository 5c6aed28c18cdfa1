"""Console pages of places: the list, one place, exports."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from qala.city.people.public import list_organisations
from qala.kernel.access import Who
from qala.kernel.downloads import export_file, file_answer
from qala.kernel.errors import NotFound
from qala.kernel.paging import decode_cursor, encode_cursor
from qala.kernel.plug import cards_at

from .. import actions, store
from ..models import Place
from ..rules import KINDS
from .shared import asked_day, map_config

PAGE = 50


def _staff(request: HttpRequest) -> Who:
    who: Who = request.who  # type: ignore[attr-defined]
    who.require("places.view")
    return who


def _narrowed(request: HttpRequest) -> tuple[store.PlaceFilter, str]:
    """What a list of places is narrowed to by an address, and the as-of day in it (empty: today)."""
    asked = request.GET
    day, at = asked_day(asked.get("at", ""))
    kind = asked.get("kind", "")
    return (
        store.PlaceFilter(
            query=asked.get("q", "")[:200], kind=next((one for one in KINDS if one == kind), None),
            owner=asked.get("owner", "")[:80], use=asked.get("use", "")[:12], parent=asked.get("parent") or None, at=at,
        ),
        day,
    )  # fmt: skip


@require_safe
def place_list(request: HttpRequest) -> HttpResponse:
    who = _staff(request)
    narrowed, day = _narrowed(request)
    found = store.find_places(narrowed, who=who)
    total = found.count()
    after = decode_cursor(request.GET["after"], str)[0] if request.GET.get("after") else ""
    rows = list(found.filter(code__gt=after)[: PAGE + 1])
    shown = rows[:PAGE]
    assert narrowed.at is not None
    shapes = store.shapes_of(shown, at=narrowed.at)
    owners = [one for one in list_organisations() if who.may("places.view_zones", one.pk)]
    return render(
        request,
        "places/list.html",
        {
            "rows": [{"place": place, "shape": shapes.get(place.pk)} for place in shown],
            "total": total, "next": encode_cursor(shown[-1].code) if len(rows) > PAGE else "", "first_page": not after,
            "narrowed": narrowed, "day": day, "kinds": Place.Kind.choices, "uses": Place.Use.choices, "owners": owners,
            "is_narrowed": bool(narrowed.query or narrowed.kind or narrowed.owner or narrowed.use or narrowed.parent or day),
            "may_load": who.may("places.manage") or who.may("places.manage_zones"),
            "export": _query(request),
        },
    )  # fmt: skip


def _query(request: HttpRequest) -> str:
    query = request.GET.copy()
    query.pop("after", None)
    return query.urlencode()


@require_safe
def place_page(request: HttpRequest, code: str) -> HttpResponse:
    who = _staff(request)
    place = store.get_place(code, who=who)
    day, at = asked_day(request.GET.get("at", ""))
    outline, since, until = store.outline_at(place, at=at)
    history = store.history(place)
    return render(
        request,
        "places/place.html",
        {
            "place": place, "day": day, "at": at, "has_outline": outline is not None, "since": since, "until": until,
            "area_km2": store.area_at(place, at=at), "history": history, "below": _below(place, who),
            "district": store.district_at(place, at=at),
            "may_change": actions.may_change(who, place),
            "config": map_config(place, day), "untranslated": not place.is_translated(),
            "cards": cards_at("places.place", request, who, matter_place=place, at=at),
        },
    )  # fmt: skip


def _below(place: Place, who: Who) -> list[dict[str, Any]]:
    counted = store.count_below(place, who=who)
    return [
        {"kind": kind, "title": title, "count": counted[kind]} for kind, title in Place.Kind.choices if kind in counted
    ]


@require_safe
@gzip_page
def shape(request: HttpRequest, code: str) -> HttpResponse:
    """The outline of a place as of a day, and its neighbours of the same kind, for the map of its page."""
    who = _staff(request)
    place = store.get_place(code, who=who)
    _day, at = asked_day(request.GET.get("at", ""))
    found = {"place": store.place_geojson(place, at=at), "around": store.around(place, at=at, who=who)}
    answer = HttpResponse(
        json.dumps(found, ensure_ascii=False, separators=(",", ":"), default=str), content_type="application/geo+json"
    )
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


@require_safe
def outline(request: HttpRequest, code: str) -> HttpResponse:
    """One place as a GeoJSON feature, with its exact outline as of a day, to be saved."""
    who = _staff(request)
    place = store.get_place(code, who=who)
    _day, at = asked_day(request.GET.get("at", ""))
    body = json.dumps(store.place_geojson(place, at=at), ensure_ascii=False, default=str)
    answer = HttpResponse(body, content_type="application/geo+json")
    answer.headers["Content-Disposition"] = f'attachment; filename="{place.code}.geojson"'
    return answer


@require_safe
def export(request: HttpRequest, form: str) -> HttpResponseBase:
    """The places of a list as a file, with the borders of its as-of day."""
    who = _staff(request)
    narrowed, day = _narrowed(request)
    assert narrowed.at is not None
    name = f"places{f'-{narrowed.kind}' if narrowed.kind else ''}{f'-{day}' if day else ''}"
    with export_file() as path:
        if form == "geojson":
            store.export_geojson(path, narrowed, who=who, at=narrowed.at)
        elif form == "csv":
            store.export_addresses(path, narrowed, who=who, at=narrowed.at)
        else:
            raise NotFound(f"There is no download in the form {form[:20]}.", fix="Forms are geojson and csv.")
        return file_answer(path, f"{name}.{form}")
