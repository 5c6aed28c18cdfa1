"""Console pages of places: the list, one place, exports."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from qala.kernel.access import Who
from qala.kernel.downloads import export_file, file_answer
from qala.kernel.list_pages import asked_of, list_answer, look_of
from qala.kernel.plug import cards_at

from .. import actions, store
from ..models import Place
from .shared import asked_day, map_config


def _staff(request: HttpRequest) -> Who:
    who: Who = request.who  # type: ignore[attr-defined]
    who.require("places.view")
    return who


@require_safe
def place_list(request: HttpRequest) -> HttpResponseBase:
    who = _staff(request)
    query = request.GET.copy()
    for own in ("after", "columns", "sort"):
        query.pop(own, None)
    return list_answer(
        request, store.PLACES, "places/list.html", export=query.urlencode(),
        may_load=who.may("places.manage") or who.may("places.manage_zones"),
    )  # fmt: skip


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
def export(request: HttpRequest) -> HttpResponseBase:
    """The places of the list as GeoJSON, with the borders of its as-of day; it can be loaded again."""
    _staff(request)
    asked = asked_of(request.GET, store.PLACES)
    _day, at = asked_day(request.GET.get("at", ""))
    with export_file() as path:
        store.export_geojson(path, asked, look_of(request), at=at)
        return file_answer(path, "places.geojson")
