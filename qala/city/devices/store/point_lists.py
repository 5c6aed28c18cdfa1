"""The lists of meter points, as they are declared: the points, who uses them, the claim codes for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from qala.city.people.public import Organisation, list_organisations
from qala.kernel import search
from qala.kernel.lists import Choice, Column, List, Look, Sort, choice, day, text
from qala.kernel.lists.filters import Filter

from ..models import ClaimCode, Device, Occupancy
from .occupancies import visible_codes, visible_occupancies
from .points import NOBODYS
from .registry import visible_to

SOURCES = {
    Occupancy.CONSOLE: _("entered by hand"), Occupancy.API: _("over the API"), Occupancy.FILE: _("file"),
    Occupancy.CODE: _("claim code"), Occupancy.DEMO: _("Demo"),
}  # fmt: skip
CODE_STATES = {"open": _("open"), "used": _("used"), "revoked": _("revoked"), "expired": _("expired")}


@dataclass(frozen=True, slots=True)
class ShownPoint:
    """A meter point in the list of them; ``devices``: how many stand there, retired ones included."""

    owner: Organisation | None
    code: str
    address: str
    district: str
    devices: int


def _of(titles: Iterable[tuple[str, Any]]) -> Callable[[Look], Sequence[Choice]]:
    found = [Choice(key, title) for key, title in titles]
    return lambda _look: found


def _owners(_look: Look) -> Sequence[Choice]:
    return [Choice(one.code, one.name) for one in list_organisations()]


def _page_of(owner: Organisation | None, code: str) -> str:
    return reverse("devices:point", args=[NOBODYS if owner is None else owner.code, code])


def _with_device(those: Q) -> Exists:
    """Whether at the meter point of a row stands a device like that. Owners are compared in a way that no index carries:
    the one of meter points does."""
    of = Coalesce("owner_id", Value(UUID(int=0)))
    others = Device.objects.annotate(of=of).filter(those, meter_point=OuterRef("meter_point"))
    return Exists(others.exclude(meter_point="").filter(of=Coalesce(OuterRef("owner_id"), Value(UUID(int=0)))))


def _all_points(look: Look) -> QuerySet[Device]:
    """One device of each meter point: that with the first serial. Whoever sees one device of a point sees all of them."""
    look.who.require("devices.view")
    return visible_to(look.who).exclude(meter_point="").filter(~_with_device(Q(serial__lt=OuterRef("serial"))))


def _points_found(rows: QuerySet[Device], words: str) -> QuerySet[Device]:
    """Meter points with a device that the words find."""
    return rows.filter(_with_device(Q(pk__in=search.matching("device", words))))


def _shown_points(rows: list[Device], _look: Look) -> list[ShownPoint]:
    there: dict[tuple[UUID | None, str], list[str]] = {(row.owner_id, row.meter_point): [] for row in rows}
    devices = Device.objects.filter(meter_point__in={row.meter_point for row in rows}).exclude(meter_point="")
    for owner, code, address in devices.values_list("owner_id", "meter_point", "address"):
        if (owner, code) in there:
            there[owner, code].append(address)
    found = []
    for row in rows:
        addresses = there[row.owner_id, row.meter_point]
        found.append(
            ShownPoint(
                row.owner, row.meter_point, max(addresses), row.district.name if row.district else "", len(addresses)
            )
        )
    return found


POINTS = List(
    "meter-points",
    _("Meter points"),
    _all_points,
    columns=(
        Column("point", _("Meter point"), lambda row: row.code, mono=True, link=lambda row: _page_of(row.owner, row.code)),
        Column("owner", _("Owner of the meters"), lambda row: row.owner.name if row.owner else None),
        Column("owner_code", _("Code of the owner"), lambda row: row.owner.code if row.owner else None, shown=False, mono=True),
        Column("address", _("Address"), lambda row: row.address),
        Column("district", _("District"), lambda row: row.district, shown=False),
        Column("devices", _("Devices"), lambda row: row.devices, "number"),
    ),
    sorts=(Sort("point", "meter_point", "serial"),),
    filters=(choice("owner", _("Owner of the meters"), _owners, "owner__code"),),
    searched="device",
    finds=_points_found,
    dressed=lambda rows, _look: rows.select_related("owner", "district"),
    finished=_shown_points,
)  # fmt: skip


def _holds(rows: Any, at: datetime, _look: Look) -> Any:
    return rows.filter(Q(valid_to__isnull=True) | Q(valid_to__gt=at), valid_from__lte=at)


def _occupants_found(rows: Any, words: str) -> Any:
    """By pieces of a person's name or address, and by the beginning of a meter point or of an organisation's code."""
    begins = Q(meter_point__istartswith=words) | Q(organisation__code__istartswith=words)
    return rows.filter(begins | Q(person__in=search.matching("person", words)))


def _occupant(row: Occupancy) -> Any:
    if row.person is not None:
        return row.person.name
    return row.organisation.name if row.organisation is not None else _("erased")


OCCUPANCIES = List(
    "occupancies",
    _("Occupants"),
    lambda look: visible_occupancies(look.who).order_by(),
    columns=(
        Column("meter_point", _("Meter point"), lambda row: row.meter_point, mono=True,
               link=lambda row: _page_of(row.owner, row.meter_point)),
        Column("owner", _("Code of the owner"), lambda row: row.owner.code, shown=False, mono=True),
        Column("owner_name", _("Owner of the meters"), lambda row: row.owner.name),
        Column("occupant", _("Occupant"), _occupant),
        Column("person", _("E-mail"), lambda row: row.person.email if row.person else None, shown=False),
        Column("organisation", _("Code of the organisation"), lambda row: row.organisation.code if row.organisation else None,
               shown=False, mono=True),
        Column("from", _("From"), lambda row: row.valid_from, "instant"),
        Column("to", _("To"), lambda row: row.valid_to, "instant"),
        Column("source", _("Where from"), lambda row: SOURCES[row.source]),
        Column("entered", _("Entered"), lambda row: row.entered_at, "instant", shown=False),
        Column("id", _("Id"), lambda row: str(row.pk), shown=False, mono=True),
    ),
    sorts=(
        Sort("from", "valid_from", "id"),
        Sort("to", "valid_to", "id", nullable=True),
        Sort("meter_point", "meter_point", "id"),
        Sort("entered", "entered_at", "id"),
    ),
    order="-from",
    filters=(
        choice("owner", _("Owner of the meters"), _owners, "owner__code"),
        text("meter_point", _("Meter point"), "meter_point"),
        choice("source", _("Where from"), _of(SOURCES.items())),
        Filter("at", _("In use on"), _holds, "day"),
    ),
    finds=_occupants_found,
)  # fmt: skip


def code_state(row: ClaimCode, now: datetime) -> str:
    """What became of a claim code: a key of ``CODE_STATES``."""
    if row.used_at is not None:
        return "used"
    if row.revoked_at is not None:
        return "revoked"
    return "expired" if row.expires_at <= now else "open"


def _in_state(rows: Any, value: str, look: Look) -> Any:
    if value == "used":
        return rows.filter(used_at__isnull=False)
    rows = rows.filter(used_at__isnull=True)
    if value == "revoked":
        return rows.filter(revoked_at__isnull=False)
    rows = rows.filter(revoked_at__isnull=True)
    return rows.filter(expires_at__gt=look.now) if value == "open" else rows.filter(expires_at__lte=look.now)


def _with_state(rows: list[ClaimCode], look: Look) -> list[ClaimCode]:
    for row in rows:
        row.state = code_state(row, look.now)
    return rows


CLAIM_CODES = List(
    "claim-codes",
    _("Claim codes"),
    lambda look: visible_codes(look.who).order_by(),
    columns=(
        Column("meter_point", _("Meter point"), lambda row: row.meter_point, mono=True,
               link=lambda row: _page_of(row.owner, row.meter_point)),
        Column("owner", _("Owner of the meters"), lambda row: row.owner.name),
        Column("owner_code", _("Code of the owner"), lambda row: row.owner.code, shown=False, mono=True),
        Column("state", _("State"), lambda row: CODE_STATES[row.state], cell="devices/cells/code_state.html"),
        Column("issued", _("Issued"), lambda row: row.made_at, "instant"),
        Column("by", _("By"), lambda row: row.made_by.name if row.made_by else None, shown=False),
        Column("expires", _("Good until"), lambda row: row.expires_at, "instant"),
        Column("from", _("Occupied from"), lambda row: row.valid_from, "instant", shown=False),
        Column("used", _("Used"), lambda row: row.used_at, "instant", shown=False),
        Column("revoked", _("Revoked"), lambda row: row.revoked_at, "instant", shown=False),
        Column("id", _("Id"), lambda row: str(row.pk), shown=False, mono=True),
    ),
    sorts=(
        Sort("issued", "made_at", "id"),
        Sort("meter_point", "meter_point", "id"),
        Sort("expires", "expires_at", "id"),
        Sort("used", "used_at", "id", nullable=True),
    ),
    order="-issued",
    filters=(
        choice("state", _("State"), _of(CODE_STATES.items()), _in_state),
        choice("owner", _("Owner of the meters"), _owners, "owner__code"),
        day("from", _("First day"), "made_at"),
        day("to", _("Last day"), "made_at", ends=True),
    ),
    finds=lambda rows, words: rows.filter(meter_point__istartswith=words),
    finished=_with_state,
)  # fmt: skip
