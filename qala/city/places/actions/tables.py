"""Reading a table of address points (CSV or XLSX): every row that is wrong is named, none is half-read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import shapely
from django.conf import settings
from django.utils.translation import gettext as _

from qala.kernel.errors import BadInput, TooMuch
from qala.kernel.tables import csv_rows, is_xlsx, xlsx_rows

from .. import rules
from ..rules import Collection, Feature
from .reading import MOST_BYTES, MOST_FEATURES

COLUMNS = ("code", "name_kk", "name_ru", "name_en", "lon", "lat", "parent")
NEEDED = ("code", "lon", "lat")
# exports hold these too, so that what was exported loads again; what they say follows from the point
DERIVED = ("district", "since", "until")
MOST_RATIO = 200  # of an archive: unpacked to packed
CHUNK = 4 << 20


def read_addresses(path: Path, *, name: str, near: tuple[float, float] | None = None) -> Collection:
    """The address points of a CSV file (UTF-8, ``,`` or ``;``) or of an XLSX file's first sheet.

    The first line names the columns, in any order: ``code``, ``lon`` and ``lat`` are needed, ``name_kk``, ``name_ru``,
    ``name_en`` hold the address text, ``parent`` the code of a place above (else the district is found by the point).

    Args:
        name: how the file is called to people.
        near: about where the city lies, (longitude, latitude), to see that coordinates are swapped.

    Raises:
        BadInput: it is no such file, or its columns are unknown, twice there or missing. Faults of single rows are in
            ``refused``.
        TooMuch: it is larger, or holds more rows, than is read at once.
    """
    lines = _xlsx(path, name) if is_xlsx(path) else _csv(path, name)
    _first, header = next(lines, (0, []))
    names = [cell.strip().lower() for cell in header]
    while names and not names[-1]:  # spreadsheets leave empty columns at the end
        names.pop()
    _check_header(names, name)
    features: dict[str, Feature] = {}
    refused: list[str] = []
    read = 0
    for number, cells in lines:
        if not any(cell.strip() for cell in cells):
            continue
        read += 1
        if read > MOST_FEATURES:
            raise TooMuch(
                _("{file} has more than {most} rows.").format(file=name, most=MOST_FEATURES), fix=_("Load it in parts.")
            )
        where = _("line {number}").format(number=number)
        try:
            if len(cells) < len(names) or any(cell.strip() for cell in cells[len(names) :]):
                raise BadInput(f"{where}: " + _("has another number of columns than the header."))
            feature = _feature(dict(zip(names, (cell.strip() for cell in cells), strict=False)), where, near)
            if (twin := features.get(feature.code)) is not None:
                raise BadInput(
                    _("{where}: the code {code} is that of {other} too.").format(
                        where=feature.where, code=feature.code, other=twin.where
                    )
                )
        except BadInput as error:
            refused.append(error.what)
        else:
            features[feature.code] = feature
    if not read:
        raise BadInput(_("{file} holds no rows.").format(file=name))
    return Collection(tuple(features.values()), tuple(refused))


def _check_header(names: list[str], file: str) -> None:
    rows = [_("column {name} is missing").format(name=one) for one in NEEDED if one not in names]
    rows += [
        _("column {name} is unknown").format(name=one[:60] or "“”") for one in names if one not in COLUMNS + DERIVED
    ]
    rows += [_("column {name} stands twice").format(name=one) for one in sorted(set(names)) if names.count(one) > 1]
    if rows:
        raise BadInput(
            _("The header of {file} is wrong.").format(file=file), rows=rows,
            fix=_("Columns are {columns}.").format(columns=", ".join(COLUMNS)),
        )  # fmt: skip


def _feature(row: dict[str, str], where: str, near: tuple[float, float] | None) -> Feature:
    def refuse(what: str) -> NoReturn:
        raise BadInput(f"{where}: {what}")

    # what was exported has an apostrophe before cells that a spreadsheet would take for a formula
    row = {key: value[1:] if value.startswith("'") else value for key, value in row.items()}
    code = rules.slug(row["code"])
    if not code:
        refuse(_("has no code: give it one of Latin letters and digits."))
    where = f"{where} ({code})"
    try:
        names = rules.names_of(row, settings.LANGUAGE_CODE) or {settings.LANGUAGE_CODE: code}
    except ValueError as error:
        refuse(
            _("{key} is not text of at most {most} characters that can be written.").format(
                key=error, most=rules.LONGEST_NAME
            )
        )
    try:
        lon, lat = (float(row[side].replace(",", ".")) for side in ("lon", "lat"))
    except ValueError:
        refuse(_("lon and lat are not numbers of degrees."))
    if near is not None and abs(lat) <= 180 and abs(lon) <= 90 and rules.looks_swapped(lon, lat, near):
        refuse(
            _("lies at longitude {lon}, latitude {lat}: they look swapped.").format(
                lon=round(lon, 3), lat=round(lat, 3)
            )
        )
    if not (abs(lon) <= 180 and abs(lat) <= 90):  # not-a-number is refused too
        refuse(_("lon and lat are not on the Earth (longitude ±180°, latitude ±90°)."))
    return Feature(where, code, names, shapely.Point(lon, lat), row.get("parent") or None)


def _csv(path: Path, name: str) -> Iterator[tuple[int, list[str]]]:
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise TooMuch(
            _("The file is larger than {most} MiB.").format(most=MOST_BYTES // 1024**2), fix=_("Load it in parts.")
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(
            _("The file is not UTF-8: byte {byte} cannot be read.").format(byte=error.start),
            fix=_("Save it as UTF-8 and load it again."),
        ) from None
    return csv_rows(text, name=name)


def _xlsx(path: Path, name: str) -> Iterator[tuple[int, list[str]]]:
    return xlsx_rows(path, name=name, most_bytes=min(MOST_BYTES, max(path.stat().st_size, 1 << 20) * MOST_RATIO))
