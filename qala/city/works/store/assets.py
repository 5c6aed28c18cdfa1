"""Reading assets: always told who asks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext as _

from qala.city.places.public import Place
from qala.kernel import geometry
from qala.kernel.access import Who
from qala.kernel.errors import NotFound

from ..models import Asset, AssetChange, WorkOrder
from ..rules import is_code

VIEW = "works.view"
MOST_ON_MAP = 50_000
CODES_AT_ONCE = 5000
Bounds = tuple[float, float, float, float]


def visible_to(who: Who) -> QuerySet[Asset]:
    """The assets that the asker may see: all, or those of their organisations."""
    scope = who.scope(VIEW)
    if scope.everything:
        return Asset.objects.all()
    return Asset.objects.filter(owner__in=scope.organisations) if scope else Asset.objects.none()


def get_asset(code: str, *, who: Who) -> Asset:
    """The asset of that code, with kind, owner, place and district.

    Raises:
        NotFound: there is none, or none that the asker may know of.
    """
    who.require(VIEW)
    rows = visible_to(who).select_related("kind", "owner", "place", "district").filter(code=code)
    found = rows.first() if is_code(code) else None
    if found is None:
        raise NotFound(
            _("There is no asset {code}.").format(code=code[:64]), fix=_("Look it up in the list of assets.")
        )
    return found


def assets_by_code(codes: Iterable[str]) -> dict[str, Asset]:
    """The assets of these codes, whoever owns them: for actions, which ask what the asker may do with each."""
    wanted, found = sorted(set(codes)), dict[str, Asset]()
    for start in range(0, len(wanted), CODES_AT_ONCE):
        some = Asset.objects.filter(code__in=wanted[start : start + CODES_AT_ONCE]).select_related("kind")
        found.update({one.code: one for one in some})
    return found


def places_by_code(codes: Iterable[str], *, who: Who) -> dict[str, Place]:
    """The places of these codes that the asker may see, with the three above each."""
    seen = Q() if who.may("places.view") else ~Q(kind="address")
    wanted, found = sorted(set(codes)), dict[str, Place]()
    for start in range(0, len(wanted), CODES_AT_ONCE):
        some = Place.objects.filter(seen, code__in=wanted[start : start + CODES_AT_ONCE])
        found.update({place.code: place for place in some.select_related("parent__parent__parent")})
    return found


def district_of(place: Place | None) -> UUID | None:
    """The district that a place is or lies in."""
    above = place
    while above is not None:
        if above.kind == "district":
            return above.pk
        above = above.parent
    return None


def changes_of(asset: Asset, *, limit: int = 100) -> list[AssetChange]:
    """What changed of an asset, latest first."""
    return list(AssetChange.objects.filter(asset=asset).order_by("-at", "-id")[:limit])


def shapes_in(who: Who, bounds: Bounds | None = None, *, limit: int = MOST_ON_MAP) -> list[dict[str, Any]]:
    """Assets with a geometry within bounds (west, south, east, north; ``None``: anywhere), retired ones left out:
    code, name, state, condition, kind (id), shape."""
    found = visible_to(who).filter(geometry_wkb__isnull=False).exclude(state="retired").order_by("code")
    if bounds is not None:
        west, south, east, north = bounds
        found = found.filter(min_lon__lte=east, max_lon__gte=west, min_lat__lte=north, max_lat__gte=south)
    columns = ("code", "name", "state", "condition", "kind_id", "geometry_wkb")
    return [
        {
            "code": code,
            "name": name,
            "state": state,
            "condition": condition,
            "kind": kind,
            "shape": geometry.from_wkb(wkb),
        }
        for code, name, state, condition, kind, wkb in found.values_list(*columns)[:limit]
        if wkb is not None
    ]


def count_assets(who: Who) -> dict[str, int]:
    """How many assets the asker may see, by state."""
    rows = visible_to(who).order_by().values_list("state").annotate(n=Count("pk"))
    return dict(rows)


def status() -> dict[str, int | float | str]:
    """Figures for ``qala status``."""
    return {"assets": Asset.objects.count(), "orders": WorkOrder.objects.count()}
