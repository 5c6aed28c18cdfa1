"""Rows of a file of devices: what each cell must look like, and what is wrong with one that does not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from math import isfinite

from .serials import is_serial

# Column → what it means. `serial` and `model` must be there, the others may; an empty cell says nothing.
DEVICE_COLUMNS: Mapping[str, str] = {
    "serial": "Serial of the device: letters, digits, `_` and `-`, 64 at most. Needed.",
    "model": "Key of its model. Needed.",
    "owner": "Code of the organisation whose device it is. Empty: the one that you manage devices of, where it is one.",
    "place": "Code of its place: district, zone or address.",
    "lon": "Longitude in degrees (WGS 84).",
    "lat": "Latitude in degrees (WGS 84).",
    "digits": "How many digits its register has, 1 to 18.",
    "multiplier": "What its register is multiplied by, such as the ratio of current transformers; six decimals at most.",
    "expected_minutes": "How often it reports, in minutes, 1 to 44640; empty: as its model says.",
    "installed_on": "Day of its installation, `2026-03-01` or `01.03.2026`.",
    "removed_on": "Day of its removal; the device is then retired.",
    "meter_point": "Code of the meter point that it stands at, 64 characters at most.",
    "address": "Where it hangs, in words, 200 characters at most.",
}
NEEDED = ("serial", "model")
LONGEST = {"meter_point": 64, "address": 200}
MOST_EXPECTED = 44640  # minutes, 31 days
MOST_DIGITS, MOST_MULTIPLIER, DECIMALS = 18, Decimal(1_000_000), 6


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """One row that is right as far as its own cells go; ``None`` and ``""`` stand for empty cells.

    Args:
        line: in the file, counted from 1 with the header.
        content: the row as it came.
        lon, lat: degrees; both or none.
    """

    line: int
    content: str
    serial: str
    model: str
    owner: str = ""
    place: str = ""
    lon: float | None = None
    lat: float | None = None
    digits: int | None = None
    multiplier: Decimal | None = None
    expected_minutes: int | None = None
    installed_on: date | None = None
    removed_on: date | None = None
    meter_point: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """One row that is not taken; ``reason`` is a key of ``DeviceRefusal``."""

    line: int
    serial: str
    reason: str
    content: str


def header_name(cell: str) -> str:
    """A column's name as a header may write it: case, blanks and a mark of byte order do not count."""
    return re.sub(r"[\s-]+", "_", cell.replace("\ufeff", "").strip().lower())


def header_faults(
    names: Iterable[str], known: Iterable[str] = DEVICE_COLUMNS, needed: Iterable[str] = NEEDED
) -> tuple[list[str], list[str], list[str]]:
    """(columns that are missing, that nobody knows, that stand twice) of a header of ``header_name`` names."""
    given, columns = list(names), list(known)
    missing = [name for name in needed if name not in given]
    for one, other in (("lon", "lat"), ("lat", "lon")):
        if one in given and other not in given and other in columns:
            missing.append(other)
    unknown = [name for name in given if name not in columns]
    return missing, unknown, sorted({name for name in given if given.count(name) > 1})


def read_row(line: int, content: str, cells: Mapping[str, str], *, today: date) -> DeviceRow | RefusedRow:
    """A row from its cells by column, or the first thing that is wrong with it."""
    serial = cells["serial"]
    made = DeviceRow(line, content, serial, cells["model"], cells.get("owner", ""), cells.get("place", ""))
    try:
        if "\ufffd" in content:
            raise WrongCellError("encoding")
        if not serial:
            raise WrongCellError("no_serial")
        if not is_serial(serial):
            raise WrongCellError("bad_serial")
        if not made.model:
            raise WrongCellError("no_model")
        for name, longest in LONGEST.items():
            if len(cells.get(name, "")) > longest:
                raise WrongCellError("too_long")
        lon, lat = _coordinates(cells.get("lon", ""), cells.get("lat", ""))
        installed, removed = (day_of(cells.get(name, "")) for name in ("installed_on", "removed_on"))
        if (installed and installed > today) or (removed and removed > today):
            raise WrongCellError("future_date")
        if installed and removed and removed <= installed:
            raise WrongCellError("dates_order")
        return DeviceRow(
            line, content, serial, made.model, made.owner, made.place, lon, lat, _whole(cells.get("digits", ""), MOST_DIGITS, "bad_digits"),
            _multiplier(cells.get("multiplier", "")),
            _whole(cells.get("expected_minutes", ""), MOST_EXPECTED, "bad_expected"), installed, removed, cells.get("meter_point", ""),
            cells.get("address", ""),
        )  # fmt: skip
    except WrongCellError as wrong:
        return RefusedRow(line, serial, str(wrong), content)


class WrongCellError(Exception):
    """The reason why a row is refused."""


def _coordinates(lon: str, lat: str) -> tuple[float | None, float | None]:
    if not lon and not lat:
        return None, None
    try:
        x, y = (float(cell.replace(",", ".")) for cell in (lon, lat))
    except ValueError:
        raise WrongCellError("bad_coordinates") from None
    if not (isfinite(x) and isfinite(y)) or abs(x) > 180 or abs(y) > 180:
        raise WrongCellError("bad_coordinates")
    if abs(y) > 90:
        raise WrongCellError("swapped" if abs(x) <= 90 else "bad_coordinates")
    return x, y


def _whole(cell: str, most: int, reason: str) -> int | None:
    if not cell:
        return None
    if not re.fullmatch(r"[0-9]{1,5}", cell) or not 1 <= int(cell) <= most:
        raise WrongCellError(reason)
    return int(cell)


def _multiplier(cell: str) -> Decimal | None:
    if not cell:
        return None
    try:
        found = Decimal(cell.replace(",", "."))
    except InvalidOperation:
        raise WrongCellError("bad_multiplier") from None
    if not found.is_finite() or not 0 < found < MOST_MULTIPLIER or found != round(found, DECIMALS):
        raise WrongCellError("bad_multiplier")
    return found


def day_of(cell: str) -> date | None:
    """A day as people write it, ``2026-03-01`` or ``01.03.2026``; an empty cell is none.

    Raises:
        WrongCellError: it is neither.
    """
    if not cell:
        return None
    for shape, form in ((r"\d{4}-\d{2}-\d{2}", "%Y-%m-%d"), (r"\d{2}\.\d{2}\.\d{4}", "%d.%m.%Y")):
        if re.fullmatch(shape, cell, re.ASCII):
            try:
                found = datetime.strptime(cell, form).date()  # noqa: DTZ007 - a day has no zone
            except ValueError:
                break
            if found.year >= 1900:
                return found
    raise WrongCellError("bad_date")
