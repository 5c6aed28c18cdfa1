"""Who uses which meter point when, as far as the asker may know; and the codes that were issued for it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from qala.kernel.access import Who
from qala.kernel.errors import NotFound
from qala.kernel.sheets import defused

from ..models import ClaimCode, Occupancy

VIEW = "devices.occupancy_view"
MANAGE = "devices.occupancy_manage"
COLUMNS = ("owner", "meter_point", "person", "organisation", "from", "to", "source", "entered_at", "id")


def visible_occupancies(who: Who) -> QuerySet[Occupancy]:
    """The occupancies of the meter points whose occupants the asker may know.

    Raises:
        SignInNeeded, NotAllowed: of none.
    """
    scope = who.require(VIEW)
    found = Occupancy.objects.select_related("owner", "person", "organisation", "entered_by")
    return found if scope.everything else found.filter(owner__in=scope.organisations)


def list_occupancies(
    *, who: Who, owner: str = "", meter_point: str = "", at: datetime | None = None,
    after: tuple[datetime, UUID] | None = None, limit: int = 50,
) -> tuple[list[Occupancy], tuple[datetime, UUID] | None]:  # fmt: skip
    """A page of occupancies, the latest begun first, and where the next begins.

    Args:
        owner: code of the organisation whose meter points they are.
        at: only those that hold at that instant.
    """
    found = visible_occupancies(who).order_by("-valid_from", "-pk")
    if owner:
        found = found.filter(owner__code=owner)
    if meter_point:
        found = found.filter(meter_point=meter_point)
    if at is not None:
        found = found.filter(Q(valid_to__isnull=True) | Q(valid_to__gt=at), valid_from__lte=at)
    if after is not None:
        found = found.filter(Q(valid_from__lt=after[0]) | Q(valid_from=after[0], pk__lt=after[1]))
    rows = list(found[: limit + 1])
    following = (rows[limit - 1].valid_from, rows[limit - 1].pk) if len(rows) > limit else None
    return rows[:limit], following


def get_occupancy(key: UUID, *, who: Who) -> Occupancy:
    """One occupancy.

    Raises:
        NotFound: there is none, or none that the asker may know of.
    """
    found = visible_occupancies(who).filter(pk=key).first()
    if found is None:
        raise NotFound(_("There is no such occupancy."), fix=_("Look it up on the page of its meter point."))
    return found


def export_occupancies(path: Path, *, who: Who) -> int:
    """Write the occupancies that the asker may know of to a CSV file, formulas defused; returns how many.

    Its first six columns are those of a file that is loaded; times are instants in UTC.
    """
    count = 0
    found = visible_occupancies(who).order_by("owner__code", "meter_point", "valid_from", "pk")
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for row in found.iterator(2000):
            table.writerow(
                [
                    row.owner.code, defused(row.meter_point), defused(row.person.email) if row.person else "",
                    row.organisation.code if row.organisation else "", _instant(row.valid_from), _instant(row.valid_to),
                    row.source, _instant(row.entered_at), row.pk,
                ]
            )  # fmt: skip
            count += 1
    return count


def _instant(value: datetime | None) -> str:
    return "" if value is None else value.astimezone(UTC).isoformat()


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
