"""Keeping assets: what is new is made, what differs is brought up to date, what is equal stays."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from qala.city.people.public import Organisation, list_organisations
from qala.kernel import audit, geometry, search
from qala.kernel.access import Scope, Who
from qala.kernel.errors import BadInput, Conflict
from qala.kernel.ranges import local_day

from ..models import Asset, AssetChange, AssetRefusal, AssetState, Kind
from ..rules import AssetKind, AssetRow, RefusedRow, Value, read_value
from ..store import assets_by_code, list_kinds, places_by_code
from .asset_file import read_assets, read_cells
from .spots import Spot, locate, read_shape

MANAGE = "works.manage_assets"
SHOWN = 1000  # refused rows that an error or a summary holds
SHAPES = {"point": geometry.POINT, "line": geometry.LINE, "any": (*geometry.POINT, *geometry.LINE)}
GEOMETRY = ("geometry_wkb", "min_lon", "min_lat", "max_lon", "max_lat", "h3_cell", "length_m")
FIELDS = ("name", "place_id", "district_id", "address", *GEOMETRY, "installed_on", "retired_on", "condition", "state",
          "attributes", "device")  # fmt: skip
CLEARABLE = ("name", "address", "device", "condition", "installed_on", "retired_on")


@dataclass(slots=True)
class AssetSummary:
    """What became of a file of assets; read = new + changed + unchanged + refused. Nothing is kept where one is refused.

    Args:
        refused: the first thousand rows that were refused.
    """

    read: int
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    refused_count: int = 0
    refused: list[RefusedRow] = field(default_factory=list)
    kept: bool = False


@dataclass(slots=True)
class _Plan:
    new: list[Asset] = field(default_factory=list)
    changes: list[tuple[Asset, dict[str, Any], dict[str, Any]]] = field(default_factory=list)
    unchanged: int = 0
    refused: list[RefusedRow] = field(default_factory=list)


def load_assets(*, path: Path, name: str, who: Who, now: datetime, dry_run: bool = False) -> AssetSummary:
    """Keep the assets of a CSV, XLSX or GeoJSON file: all of them, or none where a row is bad.

    Loading a file again changes nothing. An empty cell leaves what is known. A code that the asker may not manage is
    refused in the same words, whoever has it.

    Args:
        name: how the file is called to people.
        dry_run: read, check and count; keep nothing.

    Raises:
        NotAllowed, SignInNeeded: the asker may not manage assets.
        BadInput, TooMuch: the file as a whole is wrong.
        Conflict: somebody took one of its codes in the meantime; nothing was kept.
    """
    who.require(MANAGE)
    known = frozenset(one.key for kind in list_kinds(Kind.ASSET) for one in kind.as_asset.attribute)
    rows = read_assets(path, name=name, known=known, today=local_day(now, ZoneInfo(settings.TIME_ZONE)))
    return _put(rows, who=who, now=now, keep=not dry_run, why=f"file {name}"[:500], is_demo=False)


def put_assets(
    *, rows: Sequence[Mapping[str, object]], who: Who, now: datetime, why: str = "", is_demo: bool = False,
    clear: Collection[str] = (),
) -> AssetSummary:  # fmt: skip
    """Keep assets that are told of by the columns of a file; all of them, or none.

    Args:
        rows: texts or JSON values by column; ``geometry`` is a GeoJSON geometry; other names are attributes. What is
            empty stays as it is.
        clear: columns of ``CLEARABLE`` and attributes that are emptied.

    Raises:
        NotAllowed, SignInNeeded: the asker may not manage assets.
        BadInput: rows are bad; each is named.
        Conflict: somebody took one of the codes in the meantime; nothing was kept.
    """
    who.require(MANAGE)
    read = read_cells(enumerate(rows, 1), today=local_day(now, ZoneInfo(settings.TIME_ZONE)))
    summary = _put(read, who=who, now=now, keep=True, why=why[:500], is_demo=is_demo, clear=clear)
    if summary.refused:
        raise refusal(summary, name="")
    return summary


def refusal(summary: AssetSummary, *, name: str) -> BadInput:
    """The error that says which rows kept the rest from being kept."""
    if not name and summary.read == 1:
        return BadInput(reason_text(summary.refused[0]))
    return BadInput(
        _("{file} has {count} bad rows; nothing of it was kept.").format(
            file=name or _("The list"), count=summary.refused_count
        ),
        rows=[
            _("line {line}: {code}: {reason}").format(line=row.line, code=row.code, reason=reason_text(row))
            for row in summary.refused
        ],
        fix=_("Correct them and load it again."),
    )


def reason_text(row: RefusedRow) -> str:
    """Why a row was refused, in words."""
    label = str(AssetRefusal(row.reason).label)
    return f"{label} ({row.detail})" if row.detail else label


def _put(
    rows: Sequence[AssetRow | RefusedRow], *, who: Who, now: datetime, keep: bool, why: str, is_demo: bool,
    clear: Collection[str] = (),
) -> AssetSummary:  # fmt: skip
    plan = _plan(rows, who=who, now=now, is_demo=is_demo, clear=clear)
    summary = AssetSummary(
        read=len(rows), new=len(plan.new), changed=len(plan.changes), unchanged=plan.unchanged,
        refused_count=len(plan.refused), refused=plan.refused[:SHOWN], kept=keep and not plan.refused,
    )  # fmt: skip
    if summary.kept and (plan.new or plan.changes):
        try:
            with transaction.atomic():
                _keep(plan, who=who, now=now, why=why, summary=summary)
        except IntegrityError:
            raise Conflict(
                _("Somebody took a code of these assets in the meantime; nothing was kept."), fix=_("Load it again.")
            ) from None
    return summary


def _keep(plan: _Plan, *, who: Who, now: datetime, why: str, summary: AssetSummary) -> None:
    Asset.objects.bulk_create(plan.new, batch_size=500)
    changed = [asset for asset, _before, _after in plan.changes]
    Asset.objects.bulk_update(changed, FIELDS, batch_size=200)
    told: list[tuple[Asset, dict[str, Any], dict[str, Any]]] = [
        (asset, {}, _told(asset)) for asset in plan.new
    ] + plan.changes
    AssetChange.objects.bulk_create(
        (
            AssetChange(
                asset=asset, at=now, before=before, after=after, who_id=who.id, who_name=who.name[:200], why=why
            )
            for asset, before, after in told
        ),
        batch_size=500,
    )  # fmt: skip
    for asset, before, after in plan.changes:
        audit.record(
            who=who, now=now, verb="works.put_assets", thing="asset", key=asset.pk, before=before, after=after, why=why
        )
    audit.record(
        who=who, now=now, verb="works.put_assets", thing="asset",
        key=plan.new[0].pk if len(plan.new) == 1 else f"{len(told)} assets", why=why,
        after={"new": summary.new, "changed": summary.changed, "codes": [asset.code for asset, _b, _a in told[:100]]},
    )  # fmt: skip
    put_words([*plan.new, *changed])


def put_words(assets: Iterable[Asset]) -> None:
    """Set the words by which assets are found; inside the transaction of the change."""
    search.put(
        "asset",
        (
            (
                one.pk,
                f"{one.code} {one.name} {one.address} {one.device} {one.kind.title_kk} {one.kind.title_ru} {one.kind.title_en}",
            )
            for one in assets
        ),
    )


def _plan(
    rows: Sequence[AssetRow | RefusedRow], *, who: Who, now: datetime, is_demo: bool, clear: Collection[str]
) -> _Plan:
    """What keeping each row would do."""
    plan = _Plan()
    scope = who.scope(MANAGE)
    kinds = {one.key: (one, one.as_asset) for one in list_kinds(Kind.ASSET)}
    owners = {one.code: one for one in list_organisations() if scope.covers(one.pk)}
    own = next((one for one in owners.values()), None) if len(owners) == 1 and not scope.everything else None
    there = assets_by_code(row.code for row in rows if isinstance(row, AssetRow))
    places = places_by_code((row.place for row in rows if isinstance(row, AssetRow) and row.place), who=who)
    shaped: dict[int, tuple[Any, Any]] = {}
    good: list[tuple[AssetRow, Kind, AssetKind, Organisation | None, dict[str, Value]]] = []
    for row in rows:
        if isinstance(row, RefusedRow):
            plan.refused.append(row)
            continue
        asset = there.get(row.code)
        reason, detail = _first_look(row, asset, scope, kinds, owners, own, places)
        if reason is None:
            kind, spec = kinds[asset.kind.key if asset is not None else row.kind]
            shape = None
            if row.geometry is not None:
                shape, reason, detail = read_shape(row.geometry, SHAPES[spec.geometry])
            attributes, bad = _attributes(row, spec)
            if reason is None and bad is not None:
                reason, detail = bad
            if reason is None and asset is None and shape is None and not row.place:
                reason = AssetRefusal.NO_PLACE
        if reason is not None:
            plan.refused.append(RefusedRow(row.line, row.code, reason.value, row.content, detail[:200]))
            continue
        shaped[row.line] = (shape, places.get(row.place) if row.place else None)
        good.append((row, kind, spec, owners.get(row.owner) or own, attributes))
    spots, misplaced = locate(shaped, at=now)
    for row, kind, _spec, owner, attributes in good:
        if row.line in misplaced:
            plan.refused.append(RefusedRow(row.line, row.code, misplaced[row.line].value, row.content))
        else:
            _settle(plan, row, there.get(row.code), kind, owner, attributes, spots[row.line], is_demo, clear)
    plan.refused.sort(key=lambda one: one.line)
    return plan


def _first_look(
    row: AssetRow, asset: Asset | None, scope: Scope, kinds: Mapping[str, Any], owners: Mapping[str, Organisation],
    own: Organisation | None, places: Mapping[str, Any],
) -> tuple[AssetRefusal | None, str]:  # fmt: skip
    if row.kind and row.kind not in kinds:
        return AssetRefusal.UNKNOWN_KIND, row.kind
    if row.owner and row.owner not in owners:
        return AssetRefusal.UNKNOWN_OWNER, row.owner
    if asset is not None and not scope.covers(asset.owner_id):
        return AssetRefusal.UNAVAILABLE, ""
    if asset is None and not row.kind:
        return AssetRefusal.NO_KIND, ""
    if asset is None and not row.owner and own is None:
        return AssetRefusal.NO_OWNER, ""
    if asset is not None and row.kind and row.kind != asset.kind.key:
        return AssetRefusal.KIND_DIFFERS, ""
    if asset is not None and row.owner and owners[row.owner].pk != asset.owner_id:
        return AssetRefusal.OWNER_DIFFERS, ""
    if row.place and row.place not in places:
        return AssetRefusal.UNKNOWN_PLACE, row.place
    return None, ""


def _attributes(row: AssetRow, spec: AssetKind) -> tuple[dict[str, Value], tuple[AssetRefusal, str] | None]:
    known = {one.key: one for one in spec.attribute}
    found: dict[str, Value] = {}
    for key, given in row.attributes.items():
        if key not in known:
            return found, (AssetRefusal.UNKNOWN_ATTRIBUTE, key)
        value = read_value(known[key], given)
        if value is None:
            return found, (AssetRefusal.BAD_ATTRIBUTE, f"{key}: {given}")
        found[key] = value
    return found, None


def _settle(
    plan: _Plan, row: AssetRow, asset: Asset | None, kind: Kind, owner: Organisation | None,
    attributes: dict[str, Value], spot: Spot, is_demo: bool, clear: Collection[str],
) -> None:  # fmt: skip
    """Put a good row where it belongs: new, changed or unchanged."""
    said: dict[str, Any] = {
        "name": row.name, "address": row.address, "device": row.device, "condition": row.condition, "state": row.state,
        "installed_on": row.installed_on, "retired_on": row.retired_on,
        "place_id": spot.place.pk if spot.place is not None else None, "district_id": spot.district_id,
    }  # fmt: skip
    said = {name: value for name, value in said.items() if value is not None and value != ""}
    if row.retired_on is not None and not row.state:
        said["state"] = AssetState.RETIRED
    said |= spot.columns()
    if asset is None:
        assert owner is not None
        plan.new.append(Asset(code=row.code, kind=kind, owner=owner, attributes=attributes, is_demo=is_demo, **said))
        return
    said |= {name: None if name.endswith("_on") else "" for name in CLEARABLE if name in clear}
    if attributes or clear:
        kept = {name: value for name, value in asset.attributes.items() if name not in clear}
        said["attributes"] = {**kept, **attributes}
    if isinstance(asset.geometry_wkb, memoryview):  # as PostgreSQL's driver gives it
        asset.geometry_wkb = bytes(asset.geometry_wkb)
    before = {name: getattr(asset, name) for name in said if getattr(asset, name) != said[name]}
    if not before:
        plan.unchanged += 1
        return
    installed, retired = said.get("installed_on", asset.installed_on), said.get("retired_on", asset.retired_on)
    if installed is not None and retired is not None and retired < installed:
        plan.refused.append(RefusedRow(row.line, row.code, AssetRefusal.DATES_ORDER.value, row.content))
        return
    told = _plain(before)
    for name in before:
        setattr(asset, name, said[name])
    plan.changes.append((asset, told, _plain({name: said[name] for name in before})))


def _told(asset: Asset) -> dict[str, Any]:
    """The fields of a new asset that say something."""
    found = {name: getattr(asset, name) for name in FIELDS}
    return _plain({name: value for name, value in found.items() if value not in (None, "", {})})


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields as JSON values; of the geometry its text, once."""
    found: dict[str, Any] = {}
    for name, value in fields.items():
        if name == "geometry_wkb":
            found["geometry"] = None if value is None else geometry.to_geojson(geometry.from_wkb(value), digits=7)
        elif name not in GEOMETRY:
            found[name] = str(value) if isinstance(value, UUID | date) else value
    return found
