"""Assets over HTTP."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from ninja import Field, File, Form, Query, Router, Schema
from ninja.files import UploadedFile

from qala.kernel import geometry
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.downloads import export_file, file_answer, uploaded_file
from qala.kernel.list_pages import asked_by_api, look_of, next_cursor

from .. import actions, store
from ..models import Asset, AssetChange, Kind

Text = Annotated[str, Field(max_length=200, pattern="^[^\\x00]*$")]
Why = Annotated[str, Field(max_length=500, pattern="^[^\\x00]*$")]
Code = Annotated[str, Field(pattern="^[A-Za-z0-9_-]{0,80}$")]
Found = Annotated[str, Query(description="Pieces of code, name, address, kind or device.")]
OfKind = Annotated[str, Query(description="Key of a kind.")]
OfOwner = Annotated[str, Query(description="Code of the organisation whose they are.")]
OfDistrict = Annotated[str, Query(description="Code of a district.")]
InState = Annotated[str, Query(description="A state.")]
InCondition = Annotated[str, Query(description="A condition.")]
router = Router(tags=["works"])
kinds = Router(tags=["works"])


class AssetOut(Schema):
    code: str
    kind: str
    owner: str
    name: str
    place: str | None
    district: str | None
    address: str
    geometry: dict[str, Any] | None = Field(description="GeoJSON, a point or a line.")
    length_m: float | None
    condition: str
    state: str
    installed_on: date | None
    retired_on: date | None
    device: str = Field(description="Serial of the device that this asset is.")
    attributes: dict[str, Any]


class AssetPage(Schema):
    items: list[AssetOut]
    count: int
    more: bool
    next_cursor: str | None


class AssetIn(Schema):
    """An asset by its code; what is left out stays as it is. `geometry` is GeoJSON; a new one needs it or a place."""

    kind: Code = ""
    owner: Code = ""
    name: Text = ""
    place: Code = ""
    address: Text = ""
    geometry: dict[str, Any] | None = None
    condition: Code = ""
    state: Code = ""
    installed_on: date | None = None
    retired_on: date | None = None
    device: Code = ""
    attributes: dict[str, str | int | float | bool] = {}
    why: Why = ""


class RefusedAssetOut(Schema):
    line: int
    code: str
    reason: str
    detail: str


class AssetLoadOut(Schema):
    """What became of a file of assets; `kept` is false where it was only checked, or where rows were refused."""

    kept: bool
    read: int
    new: int
    changed: int
    unchanged: int
    refused_count: int
    refused: list[RefusedAssetOut]


class AssetChangeOut(Schema):
    at: datetime
    before: dict[str, Any]
    after: dict[str, Any]
    who_name: str
    why: str


class KindOut(Schema):
    of: str = Field(description="`asset` or `order`.")
    key: str
    title_kk: str
    title_ru: str
    title_en: str
    content: dict[str, Any] = Field(description="Attributes and geometry of assets, checklist and days of work orders.")


@kinds.get("", response=list[KindOut], summary="The kinds of assets and of work orders")
def list_kinds(request: HttpRequest) -> list[Kind]:
    return [*store.list_kinds(Kind.ASSET), *store.list_kinds(Kind.ORDER)]


@router.get("", response=AssetPage, summary="Assets that you may see, by code")
def list_assets(
    request: HttpRequest, q: Found = "", kind: OfKind = "", owner: OfOwner = "", district: OfDistrict = "",
    state: InState = "", condition: InCondition = "",
    sort: Annotated[str, Query(description="`code`, `state` or `condition`; `-` before it: the other way round.")] = "code",
    cursor: str | None = None, limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, object]:  # fmt: skip
    """`q` finds pieces of code, name, address and kind; `next_cursor` continues where the page ended.

    `count` is counted to 10,000; where there are more, `more` says so.
    """
    asked = asked_by_api(
        query=q, values=_values(kind, owner, district, state, condition), sort=sort, cursor=cursor, limit=limit
    )
    found = store.assets_with_shapes(asked, look_of(request))
    return {
        "items": [_out(row) for row in found.rows], "count": found.total, "more": found.more,
        "next_cursor": next_cursor(found),
    }  # fmt: skip


@router.get("/export", summary="Assets as a file", response=None)
def export_assets(
    request: HttpRequest,
    format: Annotated[Literal["csv", "xlsx", "geojson"], Query(description="Form of the file.")],
    q: Found = "", kind: OfKind = "", owner: OfOwner = "", district: OfDistrict = "", state: InState = "",
    condition: InCondition = "",
) -> Any:  # fmt: skip
    """The columns of CSV and XLSX are those that loading takes."""
    asked = asked_by_api(query=q, values=_values(kind, owner, district, state, condition), limit=1)
    with export_file() as path:
        store.export_assets(path, format, asked, look_of(request))
        return file_answer(path, f"assets.{format}")


def _values(kind: str, owner: str, district: str, state: str, condition: str) -> dict[str, str]:
    return {"kind": kind, "owner": owner, "district": district, "state": state, "condition": condition}


@router.post("/load", response=AssetLoadOut, summary="Load a file of assets: all of them, or none where a row is bad")
def load_assets(request: HttpRequest, file: File[UploadedFile], dry_run: Form[bool] = False) -> actions.AssetSummary:
    """CSV in UTF-8, XLSX or GeoJSON. Refused rows are listed, a thousand at most."""
    with uploaded_file(file) as path:
        return actions.load_assets(
            path=path, name=file.name or "file", who=request.who, now=SYSTEM_CLOCK.now(), dry_run=dry_run  # type: ignore[attr-defined]
        )  # fmt: skip


@router.get("/{code}", response=AssetOut, summary="One asset")
def get_asset(request: HttpRequest, code: str) -> dict[str, Any]:
    return _out(store.get_asset(code, who=request.who))  # type: ignore[attr-defined]


@router.put("/{code}", response=AssetOut, summary="Make an asset, or change what is told of it")
def put_asset(request: HttpRequest, code: str, given: AssetIn) -> dict[str, Any]:
    who = request.who  # type: ignore[attr-defined]
    told = given.dict(exclude_unset=True)
    attributes = told.pop("attributes", {})
    why = told.pop("why", "")
    actions.put_assets(rows=[{**attributes, **told, "code": code}], who=who, now=SYSTEM_CLOCK.now(), why=why)
    return _out(store.get_asset(code, who=who))


@router.get("/{code}/changes", response=list[AssetChangeOut], summary="What changed of an asset, latest first")
def list_changes(request: HttpRequest, code: str) -> list[AssetChange]:
    return store.changes_of(store.get_asset(code, who=request.who))  # type: ignore[attr-defined]


def _out(asset: Asset) -> dict[str, Any]:
    shape = asset.shape
    return {
        "code": asset.code, "kind": asset.kind.key, "owner": asset.owner.code, "name": asset.name,
        "place": asset.place.code if asset.place else None, "district": asset.district.code if asset.district else None,
        "address": asset.address, "geometry": None if shape is None else geometry.to_geojson(shape, digits=7),
        "length_m": asset.length_m, "condition": asset.condition, "state": asset.state,
        "installed_on": asset.installed_on, "retired_on": asset.retired_on, "device": asset.device,
        "attributes": asset.attributes,
    }  # fmt: skip
