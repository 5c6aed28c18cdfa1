"""Who uses which meter point when, as far as the asker may know; and the codes that were issued for it."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from qala.kernel.access import Who
from qala.kernel.errors import NotFound

from ..models import ClaimCode, Occupancy

VIEW = "devices.occupancy_view"
MANAGE = "devices.occupancy_manage"


def visible_occupancies(who: Who) -> QuerySet[Occupancy]:
    """The occupancies of the meter points whose occupants the asker may know.

    Raises:
        SignInNeeded, NotAllowed: of none.
    """
    scope = who.require(VIEW)
    found = Occupancy.objects.select_related("owner", "person", "organisation", "entered_by")
    return found if scope.everything else found.filter(owner__in=scope.organisations)


def list_occupants(*, who: Who, owner: UUID, meter_point: str, limit: int = 200) -> list[Occupancy]:
    """The occupancies of a meter point, the latest begun first."""
    found = visible_occupancies(who).filter(owner=owner, meter_point=meter_point)
    return list(found.order_by("-valid_from", "-pk")[:limit])


def get_occupancy(key: UUID, *, who: Who) -> Occupancy:
    """One occupancy.

    Raises:
        NotFound: there is none, or none that the asker may know of.
    """
    found = visible_occupancies(who).filter(pk=key).first()
    if found is None:
        raise NotFound(_("There is no such occupancy."), fix=_("Look it up on the page of its meter point."))
    return found


def visible_codes(who: Who) -> QuerySet[ClaimCode]:
    """The claim codes of the meter points whose occupants the asker manages."""
    scope = who.require(MANAGE)
    found = ClaimCode.objects.select_related("owner", "made_by").order_by("-made_at", "-pk")
    return found if scope.everything else found.filter(owner__in=scope.organisations)


def list_codes(*, who: Who, owner: UUID, meter_point: str, limit: int = 50) -> list[ClaimCode]:
    """The claim codes of a meter point, the latest first; never the codes themselves, which nobody keeps."""
    return list(visible_codes(who).filter(owner=owner, meter_point=meter_point)[:limit])


def get_code(key: UUID, *, who: Who) -> ClaimCode:
    """One claim code.

    Raises:
        NotFound: there is none, or none that the asker may know of.
    """
    found = visible_codes(who).filter(pk=key).first()
    if found is None:
        raise NotFound(_("There is no such claim code."))
    return found


def occupancies_of(owners: Sequence[UUID], points: Sequence[str]) -> list[Occupancy]:
    """All occupancies of meter points, whoever asks: for actions, which ask who may."""
    found = Occupancy.objects.filter(owner__in=owners, meter_point__in=points)
    return list(found.select_related("person", "organisation"))
