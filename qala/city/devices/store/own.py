"""What somebody who uses a meter point sees of it: the readings of its devices, within their own period.

Whose it is decides alone: no permission widens this and none is needed.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from qala.kernel.access import Who
from qala.kernel.errors import NotFound, SignInNeeded
from qala.kernel.lake import get_lake
from qala.kernel.ranges import TimeRange
from qala.kernel.sheets import defused

from ..models import Device, Occupancy, Series
from ..rules import common
from .points import devices_at
from .readings import current_sql

COLUMNS = ("meter_point", "serial", "property", "time", "value", "unit", "quality")
INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class OwnPart:
    """A device and the time in which its readings are of one occupancy."""

    device: Device
    span: TimeRange


@dataclass(frozen=True, slots=True)
class OwnReading:
    """A reading of one's own: ``value`` in ``unit``, exact."""

    occupancy: UUID
    serial: str
    property: str
    time: datetime
    value: Decimal
    unit: str
    quality: str


def _own(who: Who) -> QuerySet[Occupancy]:
    """The asker's own occupancies: only of a person who asks in person, not of their programs."""
    if who.kind == "anonymous":
        raise SignInNeeded(_("This needs a signed-in person."), fix=_("Sign in and try again."))
    found = Occupancy.objects.select_related("owner").order_by("-valid_from", "-pk")
    return found.filter(person_id=who.id) if who.kind == "person" and who.id is not None else found.none()


def list_own(who: Who) -> list[Occupancy]:
    """The asker's own occupancies, the latest begun first.

    Raises:
        SignInNeeded: nobody is signed in.
    """
    return list(_own(who))


def get_own(key: UUID, *, who: Who) -> Occupancy:
    """One of the asker's own occupancies.

    Raises:
        SignInNeeded: nobody is signed in.
        NotFound: there is none, or it is somebody else's.
    """
    found = _own(who).filter(pk=key).first()
    if found is None:
        raise NotFound(_("There is no such meter point among yours."), fix=_("Look at the list of your meters."))
    return found


def own_parts(occupancies: Sequence[Occupancy], *, within: TimeRange | None = None) -> dict[UUID, list[OwnPart]]:
    """The devices of each occupancy with the time that is its own, the latest first; a fixed number of queries.

    A device that was taken down shows its final register too, which is of that instant.
    """
    points = devices_at(list({(one.owner_id, one.meter_point) for one in occupancies}))
    found: dict[UUID, list[OwnPart]] = {}
    for one in occupancies:
        period: tuple[datetime | None, datetime | None] | None = (one.valid_from, one.valid_to)
        if within is not None and period is not None:
            period = common(period, (within.start, within.end))
        parts = []
        for there in points[one.owner_id, one.meter_point]:
            removed = there.device.removed_at
            end = there.end + INSTANT if there.end is not None and there.end == removed else there.end
            shared = common(period, (there.start, end)) if period is not None else None
            if shared is not None:
                parts.append(OwnPart(there.device, TimeRange(*shared)))
        found[one.pk] = parts
    return found


def own_extent(parts: Sequence[OwnPart]) -> tuple[datetime, datetime] | None:
    """First and last time of the readings within the parts; ``None`` where there are none."""
    series = _series(parts)
    if not series:
        return None
    parameters: dict[str, object] = {}
    where = _within(parts, series, parameters)
    with get_lake().question() as cursor:
        row = cursor.execute(f"SELECT min(t), max(t) FROM lake.readings WHERE {where}", parameters).fetchone()
    if row is None or row[0] is None:
        return None
    return row[0].replace(tzinfo=UTC), row[1].replace(tzinfo=UTC)


def own_readings(parts: dict[UUID, list[OwnPart]], *, limit: int | None = None) -> list[OwnReading]:
    """Current readings within the parts of each occupancy, by time; with a limit the latest ones."""
    found: list[OwnReading] = []
    for occupancy, some in parts.items():
        series = _series(some)
        if not series:
            continue
        named = {row.pk: row for rows in series.values() for row in rows}
        serials = {part.device.pk: part.device.serial for part in some}
        parameters: dict[str, object] = {}
        sql = current_sql(TimeRange(), None, parameters, f"({_within(some, series, parameters)})")
        order = f"ORDER BY t DESC, series LIMIT {int(limit)}" if limit is not None else "ORDER BY t, series"
        with get_lake().question() as cursor:
            rows = cursor.execute(f"SELECT series, t, value, quality FROM ({sql}) {order}", parameters).fetchall()
        for number, at, value, quality in rows if limit is None else rows[::-1]:
            one = named[number]
            found.append(
                OwnReading(
                    occupancy, serials[one.device_id], one.property, at.replace(tzinfo=UTC),
                    Decimal(value).scaleb(one.exponent), one.unit, quality,
                )
            )  # fmt: skip
    return found


def export_own_readings(path: Path, occupancies: Sequence[Occupancy], *, within: TimeRange | None = None) -> int:
    """Write the readings of one's own occupancies to a CSV file; returns how many."""
    points = {one.pk: one.meter_point for one in occupancies}
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for row in own_readings(own_parts(occupancies, within=within)):
            table.writerow(
                [defused(points[row.occupancy]), row.serial, row.property, _rfc3339(row.time), f"{row.value:f}",
                 row.unit, row.quality]
            )  # fmt: skip
            count += 1
    return count


def _series(parts: Sequence[OwnPart]) -> dict[UUID, list[Series]]:
    """The series of the parts' devices, by device."""
    found: dict[UUID, list[Series]] = {}
    for one in Series.objects.filter(device__in=[part.device.pk for part in parts]):
        found.setdefault(one.device_id, []).append(one)
    return found


def _within(parts: Sequence[OwnPart], series: dict[UUID, list[Series]], parameters: dict[str, object]) -> str:
    """SQL that is true of the readings within the parts."""
    arms = []
    for part in parts:
        numbers = ", ".join(str(int(one.pk)) for one in series.get(part.device.pk, []))
        if not numbers:
            continue
        arm = [f"series IN ({numbers})"]
        for sign, instant in ((">=", part.span.start), ("<", part.span.end)):
            if instant is not None:
                key = f"own{len(parameters)}"
                arm.append(f"t {sign} ${key}")
                parameters[key] = instant.astimezone(UTC).replace(tzinfo=None)
        arms.append(f"({' AND '.join(arm)})")
    return " OR ".join(arms) or "false"


def _rfc3339(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
