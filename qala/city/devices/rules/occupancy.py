"""Who uses a meter point when: rows of a file of occupancies, periods that meet, codes that people type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from qala.kernel.ranges import TimeRange

from .device_rows import RefusedRow, WrongCellError, day_of

# Column → what it means; an empty cell says nothing.
OCCUPANCY_COLUMNS: Mapping[str, str] = {
    "owner": "Code of the organisation whose meters they are. Empty: the one whose meter points you manage, where it is one.",
    "meter_point": "Code of the meter point. Needed.",
    "person": "E-mail address of the person who uses it; or",
    "organisation": "code of the organisation that uses it.",
    "from": "Day on which it begins, `2026-03-01` or `01.03.2026`. Needed.",
    "to": "Day on which it ends: the first that does not belong to it. Empty: it has no end yet.",
}
OCCUPANCY_NEEDED = ("meter_point", "from")
LONGEST_POINT = 64

# 32 signs without those that are taken for others: no I, L, O, U
SIGNS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
TAKEN_FOR = {"I": "1", "L": "1", "O": "0"}
CODE_SIGNS = 12  # 60 random bits
GROUPS = (4, 4, 5)


@dataclass(frozen=True, slots=True)
class OccupancyRow:
    """One row that is right as far as its own cells go; empty texts stand for empty cells."""

    line: int
    content: str
    owner: str
    meter_point: str
    person: str
    organisation: str
    first: date
    end: date | None


def read_occupancy_row(line: int, content: str, cells: Mapping[str, str]) -> OccupancyRow | RefusedRow:
    """A row from its cells by column, or the first thing that is wrong with it."""
    point = cells["meter_point"]
    person, organisation = cells.get("person", "").lower(), cells.get("organisation", "")
    try:
        if "\ufffd" in content:
            raise WrongCellError("encoding")
        if not point:
            raise WrongCellError("no_meter_point")
        if len(point) > LONGEST_POINT:
            raise WrongCellError("too_long")
        if not person and not organisation:
            raise WrongCellError("no_occupant")
        if person and organisation:
            raise WrongCellError("two_occupants")
        first, end = day_of(cells["from"]), day_of(cells.get("to", ""))
        if first is None:
            raise WrongCellError("no_start")
        if end is not None and end <= first:
            raise WrongCellError("dates_order")
    except WrongCellError as wrong:
        return RefusedRow(line, point, str(wrong), content)
    return OccupancyRow(line, content, cells.get("owner", ""), point, person, organisation, first, end)


def meets(start: datetime, end: datetime | None, others: Iterable[tuple[datetime, datetime | None]]) -> bool:
    """Whether ``[start, end)`` shares an instant with one of the others; ``None`` is an open end."""
    mine = TimeRange(start, end)
    return any(mine.overlaps(TimeRange(*other)) for other in others)


def common(
    first: tuple[datetime | None, datetime | None], second: tuple[datetime | None, datetime | None]
) -> tuple[datetime | None, datetime | None] | None:
    """What two half-open periods share; ``None`` sides are open; nothing: ``None``."""
    starts = [one for one in (first[0], second[0]) if one is not None]
    ends = [one for one in (first[1], second[1]) if one is not None]
    start, end = max(starts, default=None), min(ends, default=None)
    return None if start is not None and end is not None and end <= start else (start, end)


def check_sign(signs: str) -> str:
    """The last sign of a code: Luhn's sum over 32 signs, which any one wrong sign changes."""
    total = 0
    for place, sign in enumerate(reversed(signs)):
        value = SIGNS.index(sign) * (2 - place % 2)
        total += value // 32 + value % 32
    return SIGNS[-total % 32]


def shown_code(signs: str) -> str:
    """A code as it is printed, with its check sign: ``7K3M-Q9XA-2HTRD``."""
    whole = signs + check_sign(signs)
    parts, at = [], 0
    for width in GROUPS:
        parts.append(whole[at : at + width])
        at += width
    return "-".join(parts)


def typed_code(text: str) -> str | None:
    """The signs of a code that somebody typed, whatever the case, blanks and dashes; ``None``: it can be none."""
    signs = "".join(TAKEN_FOR.get(sign, sign) for sign in text.upper() if sign.isalnum())
    if len(signs) != CODE_SIGNS + 1 or any(sign not in SIGNS for sign in signs):
        return None
    return signs[:-1] if check_sign(signs[:-1]) == signs[-1] else None


LIMITS = {"person": 5, "address": 20}  # wrong codes within WINDOW
WINDOW = timedelta(hours=1)
