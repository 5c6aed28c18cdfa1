"""Places over HTTP. Cities, districts and zones are public; address points are for whoever may see all places."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Field, Query, Router, Schema

from qala.kernel.clock import SYSTEM_CLOCK, utc
from qala.kernel.errors import BadInput

from . import store
from .models import Place, PlaceShape
from .rules import Kind

router = Router(tags=["places"])
CODE = r"^[a-z0-9-]{0,80}$"


class Names(Schema):
    kk: str
    ru: str
    en: str


class PlaceOut(Schema):
    code: str
    id: UUID
    kind: Kind
    name: str = Field(description="In the language asked for (Accept-Language), else in the next one there is.")
    translated: bool = Field(description="Whether `name` is in the language asked for.")
    names: Names
    parent: str | None = Field(description="Code of the place above.")
    label: tuple[float, float] = Field(description="Longitude and latitude to write the name at.")
    bbox: tuple[float, float, float, float] | None = Field(description="West, south, east, north.")
    area_km2: float | None
    population: int | None
    is_demo: bool


class PlaceList(Schema):
    items: list[PlaceOut]
    next: str | None = Field(description="Where there are more: ask again with `after` set to this.")


@router.get("", response=PlaceList, auth=None, summary="List places")
def list_places(
    request: HttpRequest,
    kind: Kind | None = None,
    parent: Annotated[str | None, Query(pattern=CODE, description="Code of the place directly above.")] = None,
    at: Annotated[datetime | None, Query(description="Instant whose borders are wanted; unset: now.")] = None,
    after: Annotated[str, Query(pattern=CODE, description="`next` of the page before.")] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> dict[str, Any]:
    """Places in the order of their codes."""
    places = store.list_places(kind, who=request.who, parent=parent, after=after, limit=limit + 1)  # type: ignore[attr-defined]
    shapes = store.shapes_of(places[:limit], at=_instant(at))
    return {
        "items": [_place(place, shapes.get(place.pk)) for place in places[:limit]],
        "next": places[limit - 1].code if len(places) > limit else None,
    }


@router.get("/{slug:code}", auth=None, summary="One place as GeoJSON", response=dict[str, Any])
def get_place(
    request: HttpRequest,
    code: str,
    at: Annotated[datetime | None, Query(description="Instant whose border is wanted; unset: now.")] = None,
) -> dict[str, Any]:
    """A GeoJSON feature with the exact outline; its geometry is null where the place had none at that instant."""
    place = store.get_place(code, who=request.who)  # type: ignore[attr-defined]
    return store.place_geojson(place, at=_instant(at))


def _instant(at: datetime | None) -> datetime:
    if at is None:
        return SYSTEM_CLOCK.now()
    try:
        return utc(at)
    except ValueError as error:
        raise BadInput(f"at: {error}", fix="2026-05-12T00:00:00Z") from None


def _place(place: Place, shape: PlaceShape | None) -> dict[str, Any]:
    return {
        "code": place.code,
        "id": place.pk,
        "kind": place.kind,
        "name": place.name,
        "translated": place.is_translated(),
        "names": place.names,
        "parent": place.parent.code if place.parent else None,
        "label": (place.label_lon, place.label_lat),
        "bbox": None if shape is None else (shape.min_lon, shape.min_lat, shape.max_lon, shape.max_lat),
        "area_km2": None if shape is None else shape.area_km2,
        "population": place.population,
        "is_demo": place.is_demo,
    }
