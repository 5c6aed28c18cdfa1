"""Places over HTTP. Cities, districts and zones are public; address points are for whoever may see all places."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from django.http import FileResponse, HttpRequest
from ninja import Field, Path, Query, Router, Schema

from qala.kernel.clock import SYSTEM_CLOCK, utc
from qala.kernel.downloads import export_file, file_answer
from qala.kernel.errors import BadInput
from qala.kernel.geometry import from_geojson
from qala.kernel.list_pages import look_of
from qala.kernel.lists import Asked, clean

from . import actions, store
from .models import Place, PlaceShape
from .rules import Kind

router = Router(tags=["places"])
CODE = r"^[a-z0-9-]{0,80}$"
Why = Annotated[str, Field(max_length=500, pattern="^[^\\x00]*$")]
Use = Annotated[
    Literal["water", "electricity", "heat", "other"] | None, Query(description="What zones of a utility are for.")
]
OfKind = Annotated[Kind, Query(description="What the features are.")]
Owner = Annotated[str, Query(pattern=CODE, description="Code of the organisation that owns zones.")]
At = Annotated[datetime | None, Query(description="Instant whose borders are wanted; unset: now.")]
Words = Annotated[
    str, Query(max_length=200, pattern="^[^\\x00]*$", description="Words of the name, the address or the code.")
]


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
    owner: str | None = Field(description="Code of the organisation that a zone belongs to.")
    use: str | None = Field(description="What a zone of a utility is for: `water`, `electricity`, `heat`, `other`.")
    label: tuple[float, float] = Field(description="Longitude and latitude to write the name at.")
    bbox: tuple[float, float, float, float] | None = Field(description="West, south, east, north.")
    area_km2: float | None
    population: int | None
    is_demo: bool


class PlaceList(Schema):
    items: list[PlaceOut]
    next: str | None = Field(description="Where there are more: ask again with `after` set to this.")


class BorderOut(Schema):
    """One border that a place had, `[valid_from, valid_to)`."""

    valid_from: datetime | None
    valid_to: datetime | None
    area_km2: float | None
    entered_at: datetime | None
    entered_by: str
    why: str


class BorderIn(Schema):
    """A border: the whole outline as a GeoJSON geometry, and since when it holds (may lie in the future)."""

    geometry: dict[str, Any]
    valid_from: datetime
    neighbours_follow: bool = Field(
        False, description="Neighbours of the same kind lose what the place takes and get what it leaves."
    )
    dry_run: bool = Field(False, description="Say what it would do, write nothing.")
    why: Why = ""


class BorderChangeOut(Schema):
    code: str
    km2_before: float
    km2_after: float


class BorderPlanOut(Schema):
    """What entering a border does, or would do; with `refused` lines it can't be entered."""

    changes: list[BorderChangeOut]
    warnings: list[str]
    refused: list[str]
    addresses: int = Field(description="Address points that change their district.")


class TakeBackIn(Schema):
    why: Annotated[str, Field(min_length=1, max_length=500, pattern="^[^\\x00]*$")]


class LoadIn(Schema):
    """A FeatureCollection as `qala load places` reads it."""

    type: Literal["FeatureCollection"]
    features: list[dict[str, Any]]


class LoadOut(Schema):
    read: int
    new: int
    changed: int
    unchanged: int
    refused: list[str] = Field(description="With `dry_run` alone; else faults are an error.")


@router.get("", response=PlaceList, auth=None, summary="List places")
def list_places(
    request: HttpRequest,
    kind: Kind | None = None,
    parent: Annotated[str | None, Query(pattern=CODE, description="Code of the place directly above.")] = None,
    q: Words = "",
    owner: Owner = "",
    use: Use = None,
    at: Annotated[datetime | None, Query(description="Instant whose borders are wanted; unset: now.")] = None,
    after: Annotated[str, Query(pattern=CODE, description="`next` of the page before.")] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> dict[str, Any]:
    """Places in the order of their codes."""
    values = {"kind": kind or "", "parent": parent or "", "owner": owner, "use": use or ""}
    asked = Asked(clean(q), values, "code", (), (after,) if after else (), limit)
    found = store.PLACES.page(asked, look_of(request, now=_instant(at)))
    return {
        "items": [_place(place, place.shape) for place in found.rows],
        "next": found.following[0] if found.following else None,
    }


@router.get("/export.{form}", auth=None, summary="Places as a file", response={200: Any})
def export_places(
    request: HttpRequest,
    form: Annotated[Literal["geojson", "csv"], Path(description="`csv`: address points alone.")],
    kind: Annotated[Kind | None, Query(description="Places of one kind.")] = None,
    owner: Owner = "",
    at: Annotated[datetime | None, Query(description="Instant whose borders are wanted; unset: now.")] = None,
) -> FileResponse:
    """GeoJSON of the places that the asker may see, or address points as CSV, as of an instant; it loads again."""
    asked, instant = Asked(values={"kind": kind or "", "owner": owner}), _instant(at)
    with export_file() as path:
        if form == "csv":
            store.export_addresses(path, asked, look_of(request), at=instant)
        else:
            store.export_geojson(path, asked, look_of(request), at=instant)
        return file_answer(path, f"places.{form}")


@router.post("/load", response=LoadOut, summary="Load places")
def load_places(
    request: HttpRequest,
    given: LoadIn,
    kind: OfKind,
    valid_from: Annotated[datetime | None, Query(description="Since when borders hold.")] = None,
    owner: Owner = "",
    use: Use = None,
    dry_run: Annotated[bool, Query(description="Say what would change, write nothing.")] = False,
) -> dict[str, Any]:
    """Make the places of a FeatureCollection or bring them up to date: all of them, or none."""
    who = request.who  # type: ignore[attr-defined]
    summary = actions.load_places(
        collection=actions.read_features(request.body, kind=kind), kind=kind, who=who, now=SYSTEM_CLOCK.now(),
        valid_from=None if valid_from is None else _instant(valid_from), owner=owner or None, use=use, dry_run=dry_run,
    )  # fmt: skip
    return {
        "read": summary.read, "new": summary.new, "changed": summary.changed, "unchanged": summary.unchanged,
        "refused": list(summary.refused),
    }  # fmt: skip


@router.get("/{slug:code}/borders", auth=None, response=list[BorderOut], summary="Borders over time")
def list_borders(request: HttpRequest, code: str) -> list[PlaceShape]:
    """All borders that a place has had, latest first."""
    return store.history(store.get_place(code, who=request.who))  # type: ignore[attr-defined]


@router.post("/{slug:code}/borders", response=BorderPlanOut, summary="Move a border")
def move_border(request: HttpRequest, code: str, given: BorderIn) -> dict[str, Any]:
    """The old border keeps its dates and ends where the new one begins."""
    asked: dict[str, Any] = {
        "code": code, "outline": from_geojson(given.geometry, where="geometry"), "valid_from": _instant(given.valid_from),
        "who": request.who, "now": SYSTEM_CLOCK.now(), "neighbours_follow": given.neighbours_follow,  # type: ignore[attr-defined]
    }  # fmt: skip
    plan = actions.plan_border(**asked) if given.dry_run else actions.move_border(**asked, why=given.why)
    return {
        "changes": [
            {"code": one.place.code, "km2_before": one.km2_before, "km2_after": one.km2_after} for one in plan.changes
        ],
        "warnings": list(plan.warnings), "refused": list(plan.refused), "addresses": plan.addresses,
    }  # fmt: skip


@router.post("/{slug:code}/borders/take-back", response=list[str], summary="Take back the latest border")
def take_back_border(request: HttpRequest, code: str, given: TakeBackIn) -> list[str]:
    """For a border that was entered wrongly; gives the codes of all whose border was taken back with it."""
    return actions.take_back_border(code=code, who=request.who, now=SYSTEM_CLOCK.now(), why=given.why)  # type: ignore[attr-defined]


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
        "owner": place.owner.code if place.owner else None,
        "use": place.use or None,
        "label": (place.label_lon, place.label_lat),
        "bbox": None if shape is None else (shape.min_lon, shape.min_lat, shape.max_lon, shape.max_lat),
        "area_km2": None if shape is None else shape.area_km2,
        "population": place.population,
        "is_demo": place.is_demo,
    }
