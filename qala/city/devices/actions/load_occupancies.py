"""Loading a file of occupancies: all of its rows, or none where one is bad; again adds nothing.

The rows name persons, so that neither they nor what was refused of them are kept in a file: doors show them once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from qala.city.people.public import Organisation, Person, list_organisations, persons_by_email
from qala.kernel import audit
from qala.kernel.access import Who
from qala.kernel.errors import BadInput
from qala.kernel.ids import new_id
from qala.kernel.ranges import day_start

from ..models import Occupancy, OccupancyRefusal
from ..rules import OCCUPANCY_COLUMNS, OCCUPANCY_NEEDED, OccupancyRow, RefusedRow, meets, read_occupancy_row
from ..store import known_points, occupancies_of
from ..store.occupancies import MANAGE
from .device_file import read_table
from .occupancies import author, lock_points
from .run import writable

SHOWN = 1000  # refused rows that a summary holds
POINTS_AT_ONCE = 5000


@dataclass(slots=True)
class OccupancySummary:
    """What became of a file of occupancies; read = new + changed + unchanged + refused.

    Args:
        outcome: ``kept``, ``tried`` (dry run) or ``refused``: nothing was kept, as rows are bad.
        rows: the first refused rows; ``serial`` holds the meter point.
    """

    outcome: str
    read: int
    new: int
    changed: int
    unchanged: int
    refused: int
    refused_by_reason: dict[str, int] = field(default_factory=dict)
    rows: list[RefusedRow] = field(default_factory=list)


Occupant = Person | Organisation
Key = tuple[UUID, str, UUID]  # owner, meter point, occupant


@dataclass(slots=True)
class _Plan:
    new: list[Occupancy] = field(default_factory=list)
    changed: list[tuple[Occupancy, datetime | None]] = field(default_factory=list)  # with the end it had
    unchanged: int = 0
    refused: list[RefusedRow] = field(default_factory=list)


def load_occupancies(
    *, path: Path, name: str, who: Who, now: datetime, dry_run: bool = False, keep_good: bool = False
) -> OccupancySummary:
    """Begin the occupancies of a file, or end those that are there: all of them, or none where a row is bad.

    A row that says the same occupant, meter point and beginning as one that is there sets its end.

    Args:
        name: how the file is called to people.
        dry_run: read, check and count; keep nothing.
        keep_good: keep the good rows although others are bad.

    Raises:
        NotAllowed, SignInNeeded: the asker may not manage occupants.
        BadInput, TooMuch: the file as a whole is wrong.
    """
    scope = who.require(MANAGE)
    table = read_table(path, name=name, columns=list(OCCUPANCY_COLUMNS), needed=OCCUPANCY_NEEDED)
    rows = [
        read_occupancy_row(line, content, cells)
        if complete
        else RefusedRow(line, cells.get("meter_point", ""), OccupancyRefusal.COLUMNS.value, content)
        for line, content, cells, complete in table
    ]
    organisations = {one.code: one for one in list_organisations()}
    owners = {code: one.pk for code, one in organisations.items() if scope.covers(one.pk)}
    persons = persons_by_email([row.person for row in rows if isinstance(row, OccupancyRow)], who=who, now=now)
    only = next(iter(owners.values())) if len(owners) == 1 else None
    with transaction.atomic():
        for owner in sorted(set(owners.values()) if len(owners) < 100 else ()):
            lock_points(owner)
        plan = _plan(rows, owners, only, organisations, persons, who, now)
        keep = not dry_run and (keep_good or not plan.refused)
        summary = OccupancySummary(
            outcome="kept" if keep else "tried" if dry_run else "refused", read=len(rows), new=len(plan.new),
            changed=len(plan.changed), unchanged=plan.unchanged, refused=len(plan.refused), rows=plan.refused[:SHOWN],
            refused_by_reason=dict(Counter(one.reason for one in plan.refused).most_common()),
        )  # fmt: skip
        if keep:
            _keep(plan, name, summary, who, now)
    return summary


def occupancy_refusal(summary: OccupancySummary, *, name: str) -> BadInput:
    """The error that says which rows of a file kept the rest from being loaded."""
    labels = dict(OccupancyRefusal.choices)
    return BadInput(
        _("{file} has {count} bad rows; nothing of it was kept.").format(file=name, count=summary.refused),
        rows=[
            _("line {line}: {serial}: {reason}").format(line=row.line, serial=row.serial[:64], reason=labels[row.reason])
            for row in summary.rows
        ],
        fix=_("Correct them, or keep the good rows alone: --keep-good."),
    )  # fmt: skip


def _plan(
    rows: Sequence[OccupancyRow | RefusedRow],
    owners: dict[str, UUID],
    only: UUID | None,
    organisations: dict[str, Organisation],
    persons: dict[str, Person],
    who: Who,
    now: datetime,
) -> _Plan:
    plan = _Plan()
    good: list[tuple[OccupancyRow, UUID, Occupant]] = []
    for row in rows:
        if isinstance(row, RefusedRow):
            plan.refused.append(row)
            continue
        owner = owners.get(row.owner) if row.owner else only
        occupant: Occupant | None = persons.get(row.person) if row.person else organisations.get(row.organisation)
        if owner is None:
            wrong = OccupancyRefusal.UNKNOWN_METER_POINT if row.owner else OccupancyRefusal.NO_OWNER
        elif occupant is None:
            wrong = OccupancyRefusal.UNKNOWN_PERSON if row.person else OccupancyRefusal.UNKNOWN_ORGANISATION
        else:
            good.append((row, owner, occupant))
            continue
        plan.refused.append(_refused(row, wrong))
    points, held = _there([(owner, row.meter_point) for row, owner, _occupant in good])
    zone = ZoneInfo(settings.TIME_ZONE)
    entered_by = author(who)

    def instant(day: date | None) -> datetime | None:
        return None if day is None else day_start(day, zone)

    for row, owner, occupant in good:
        start, end = instant(row.first), instant(row.end)
        assert start is not None
        if (owner, row.meter_point) not in points:
            plan.refused.append(_refused(row, OccupancyRefusal.UNKNOWN_METER_POINT))
            continue
        mine = held.setdefault((owner, row.meter_point, occupant.pk), [])
        same = next((one for one in mine if one.valid_from == start), None)
        if meets(start, end, [(one.valid_from, one.valid_to) for one in mine if one is not same]):
            plan.refused.append(_refused(row, OccupancyRefusal.OVERLAPS))
        elif same is None:
            kind = "person" if isinstance(occupant, Person) else "organisation"
            made = Occupancy(
                owner_id=owner, meter_point=row.meter_point, valid_from=start, valid_to=end, source=Occupancy.FILE,
                entered_at=now, entered_by_id=entered_by, **{f"{kind}_id": occupant.pk},
            )  # fmt: skip
            mine.append(made)
            plan.new.append(made)
        elif end is None or same.valid_to == end:  # an empty cell leaves what is known
            plan.unchanged += 1
        elif same._state.adding:  # twice in the file with another end
            plan.refused.append(_refused(row, OccupancyRefusal.OVERLAPS))
        else:
            plan.changed.append((same, same.valid_to))
            same.valid_to = end
    plan.refused.sort(key=lambda one: one.line)
    return plan


def _there(points: Sequence[tuple[UUID, str]]) -> tuple[set[tuple[UUID, str]], dict[Key, list[Occupancy]]]:
    """Which of the meter points there are, and their occupancies by occupant."""
    known: set[tuple[UUID, str]] = set()
    held: dict[Key, list[Occupancy]] = {}
    for owner in {owner for owner, _code in points}:
        codes = sorted({code for one, code in points if one == owner})
        for begin in range(0, len(codes), POINTS_AT_ONCE):
            some = codes[begin : begin + POINTS_AT_ONCE]
            known |= {(owner, code) for code in known_points(owner, some)}
            for one in occupancies_of([owner], some):
                key = one.person_id or one.organisation_id
                if key is not None:
                    held.setdefault((owner, one.meter_point, key), []).append(one)
    return known, held


def _keep(plan: _Plan, name: str, summary: OccupancySummary, who: Who, now: datetime) -> None:
    Occupancy.objects.bulk_create(plan.new, batch_size=500)
    Occupancy.objects.bulk_update([one for one, _end in plan.changed], ["valid_to"], batch_size=500)
    file = writable(name)[:255]
    for one, end in plan.changed:
        audit.record(
            who=who, now=now, verb="devices.end_occupancy", thing="occupancy", key=one.pk, why=f"file {file}",
            before={"to": end.isoformat() if end else None},
            after={"to": one.valid_to.isoformat() if one.valid_to else None},
        )  # fmt: skip
    audit.record(
        who=who, now=now, verb="devices.load_occupancies", thing="occupancy_load", key=new_id(),
        after={
            "file": file, "read": summary.read, "new": summary.new, "changed": summary.changed,
            "unchanged": summary.unchanged, "refused": summary.refused,
        },
    )  # fmt: skip


def _refused(row: OccupancyRow, reason: OccupancyRefusal) -> RefusedRow:
    return RefusedRow(row.line, row.meter_point, reason.value, row.content)
