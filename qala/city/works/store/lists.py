"""The lists of works, as they are declared: assets, work orders, crews."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from qala.city.people.public import list_organisations
from qala.city.places.public import list_places
from qala.kernel.lists import Asked, Choice, Column, Found, List, Look, Sort, choice, day, flag, kept, text

from ..models import Asset, AssetState, Condition, Crew, Kind, OrderState, Priority, WorkOrder
from ..rules import OPEN_STATES
from .assets import VIEW, visible_to
from .kinds import list_kinds
from .orders import OPEN, OVERDUE, is_overdue, list_crews, require_orders, visible_orders


def _of(choices: Iterable[tuple[Any, Any]]) -> Callable[[Look], Sequence[Choice]]:
    found = [Choice(str(key), title) for key, title in choices]
    return lambda _look: found


def _kinds(of: str) -> Callable[[Look], Sequence[Choice]]:
    return lambda _look: [Choice(one.key, one.title) for one in list_kinds(of)]


def _organisations(_look: Look) -> Sequence[Choice]:
    return [Choice(one.code, one.name) for one in list_organisations()]


def _districts(look: Look) -> Sequence[Choice]:
    return [Choice(one.code, one.name) for one in list_places("district", who=look.who)]


def _all_assets(look: Look) -> Any:
    look.who.require(VIEW)
    return visible_to(look.who)


def _attributes(asset: Asset) -> str:
    return "; ".join(f"{key}={value}" for key, value in sorted(asset.attributes.items()))


def _is_point(asset: Asset) -> bool:
    return asset.min_lon is not None and asset.min_lon == asset.max_lon and asset.min_lat == asset.max_lat


ASSETS = List(
    "assets",
    _("Assets"),
    _all_assets,
    columns=(
        Column("code", _("Code"), lambda row: row.code, mono=True, link=lambda row: reverse("works:asset", args=[row.code])),
        Column("kind", _("Kind"), lambda row: row.kind.title),
        Column("kind_key", _("Key of the kind"), lambda row: row.kind.key, shown=False, mono=True),
        Column("name", _("Name"), lambda row: row.name, shown=False),
        Column("state", _("State"), lambda row: row.get_state_display(), cell="works/cells/state.html"),
        Column("condition", _("Condition"), lambda row: row.get_condition_display(), cell="works/cells/condition.html"),
        Column("district", _("District"), lambda row: row.district.name if row.district else None),
        Column("district_code", _("Code of the district"), lambda row: row.district.code if row.district else None,
               shown=False, mono=True),
        Column("owner", _("Owner"), lambda row: row.owner.name),
        Column("owner_code", _("Code of the owner"), lambda row: row.owner.code, shown=False, mono=True),
        Column("place", _("Place"), lambda row: row.place.name if row.place else None, shown=False),
        Column("address", _("Address"), lambda row: row.address, shown=False),
        Column("lon", _("Longitude"), lambda row: row.min_lon if _is_point(row) else None, "number", shown=False),
        Column("lat", _("Latitude"), lambda row: row.min_lat if _is_point(row) else None, "number", shown=False),
        Column("length", _("Length"), lambda row: row.length_m, "number", "m", shown=False),
        Column("installed", _("Installed"), lambda row: row.installed_on, "day", shown=False),
        Column("retired", _("Taken away"), lambda row: row.retired_on, "day", shown=False),
        Column("device", _("Device"), lambda row: row.device, shown=False, mono=True),
        Column("attributes", _("Attributes"), _attributes, shown=False, mono=True),
    ),
    sorts=(Sort("code", "code"), Sort("state", "state", "code"), Sort("condition", "condition", "code")),
    filters=(
        choice("kind", _("Kind"), _kinds(Kind.ASSET), "kind__key"),
        choice("district", _("District"), _districts, "district__code"),
        choice("owner", _("Owner"), _organisations, "owner__code"),
        choice("state", _("State"), _of(AssetState.choices)),
        choice("condition", _("Condition"), _of(Condition.choices)),
    ),
    searched="asset",
    dressed=lambda rows, _look: rows.select_related("kind", "owner", "place", "district").defer("geometry_wkb"),
)  # fmt: skip


def assets_with_shapes(asked: Asked, look: Look) -> Found:
    """A page of assets with their geometries, which may be large and which the list itself does not read.

    Raises:
        SignInNeeded, NotAllowed: the asker may see none at all. BadInput: the cursor is none.
    """
    found = ASSETS.page(asked, look)
    shapes = dict(Asset.objects.filter(pk__in=[row.pk for row in found.rows]).values_list("pk", "geometry_wkb"))
    for row in found.rows:
        row.geometry_wkb = shapes[row.pk]
    return found


def _all_orders(look: Look) -> Any:
    require_orders(look.who)
    return visible_orders(look.who, look.now)


def _in_state(rows: Any, value: str, look: Look) -> Any:
    if value == OPEN:
        return rows.filter(state__in=OPEN_STATES)
    if value == OVERDUE:
        return rows.filter(state__in=OPEN_STATES, due_at__lt=look.now)
    return rows.filter(state=value)


def _with_overdue(rows: list[WorkOrder], look: Look) -> list[WorkOrder]:
    for row in rows:
        row.overdue = is_overdue(row, look.now)
    return rows


ORDERS = List(
    "work-orders",
    _("Work orders"),
    _all_orders,
    columns=(
        Column("number", _("Number"), lambda row: row.number, mono=True,
               link=lambda row: reverse("works:order", args=[row.number])),
        Column("state", _("State"), lambda row: row.get_state_display(), cell="works/cells/order_state.html"),
        Column("title", _("Work"), lambda row: row.title),
        Column("kind", _("Kind"), lambda row: row.kind.title, shown=False),
        Column("priority", _("Priority"), lambda row: row.get_priority_display(), cell="works/cells/priority.html"),
        Column("due", _("Due"), lambda row: row.due_at, "instant"),
        Column("overdue", _("Overdue"), lambda row: row.overdue, "flag", shown=False),
        Column("district", _("District"), lambda row: row.district.name if row.district else None),
        Column("asset", _("Asset"), lambda row: row.asset.code if row.asset else None, shown=False, mono=True),
        Column("address", _("Address"), lambda row: row.address, shown=False),
        Column("owner", _("Who orders the work"), lambda row: row.owner.name, shown=False),
        Column("owner_code", _("Code of the owner"), lambda row: row.owner.code, shown=False, mono=True),
        Column("contractor", _("Who does the work"), lambda row: row.contractor.name if row.contractor else None),
        Column("contractor_code", _("Code of who does the work"),
               lambda row: row.contractor.code if row.contractor else None, shown=False, mono=True),
        Column("crew", _("Crew"), lambda row: row.crew.name if row.crew else None, shown=False),
        Column("opened", _("Opened"), lambda row: row.opened_at, "instant", shown=False),
        Column("ordered", _("Ordered"), lambda row: row.ordered_at, "instant", shown=False),
        Column("done", _("Finished"), lambda row: row.done_at, "instant", shown=False),
        Column("lon", _("Longitude"), lambda row: row.lon, "number", shown=False),
        Column("lat", _("Latitude"), lambda row: row.lat, "number", shown=False),
    ),
    sorts=(
        Sort("number", "number"),
        Sort("priority", "priority", "number"),
        Sort("due", "due_at", "number", nullable=True),
        Sort("opened", "opened_at", "number"),
        Sort("done", "done_at", "number", nullable=True),
    ),
    order="-number",
    filters=(
        choice("state", _("State"), _of([(OPEN, _("all open")), (OVERDUE, _("overdue")), *OrderState.choices]), _in_state),
        choice("kind", _("Kind"), _kinds(Kind.ORDER), "kind__key"),
        choice("priority", _("Priority"), _of(Priority.choices)),
        choice("district", _("District"), _districts, "district__code"),
        choice("owner", _("Who orders the work"), _organisations, "owner__code"),
        choice("contractor", _("Who does the work"), _organisations, "contractor__code"),
        text("asset", _("Code of the asset"), "asset__code"),
        day("from", _("Due from"), "due_at"),
        day("to", _("Due to"), "due_at", ends=True),
    ),
    searched="work_order",
    dressed=lambda rows, _look: rows.select_related(
        "kind", "owner", "contractor", "district", "crew", "asset", "place"
    ).defer("asset__geometry_wkb"),
    finished=_with_overdue,
)  # fmt: skip


def _members(crew: Crew) -> str:
    return ", ".join(str(one.person) for one in crew.present)


CREWS = List(
    "crews",
    _("Crews"),
    lambda look: list_crews(who=look.who, now=look.now),
    columns=(
        Column("crew", _("Crew"), lambda row: row.name, link=lambda row: reverse("works:crew", args=[row.pk])),
        Column("organisation", _("Organisation"), lambda row: row.organisation.name),
        Column("organisation_code", _("Code of the organisation"), lambda row: row.organisation.code, shown=False, mono=True),
        Column("members", _("Who is in it"), _members),
        Column("people", _("People"), lambda row: len(row.present), "number", shown=False),
        Column("id", _("Id"), lambda row: str(row.pk), shown=False, mono=True),
    ),
    sorts=(
        Sort("crew", key=lambda row: (row.name.casefold(), row.organisation.code, row.pk)),
        Sort("organisation", key=lambda row: (row.organisation.name.casefold(), row.name.casefold(), row.pk)),
        Sort("people", key=lambda row: (len(row.present), row.name.casefold(), row.pk)),
    ),
    order="organisation",
    filters=(
        choice("organisation", _("Organisation"), _organisations,
               kept(lambda row, value: bool(row.organisation.code == value))),
        flag("empty", _("with nobody in it only"), kept(lambda row, _value: not row.present)),
    ),
)  # fmt: skip
