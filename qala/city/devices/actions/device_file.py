"""A file of devices (or of other rows) → rows of text cells, each with its line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from qala.kernel.errors import BadInput, TooMuch
from qala.kernel.tables import csv_rows, is_xlsx, xlsx_rows

from ..rules import DEVICE_COLUMNS, NEEDED, DeviceRow, RefusedRow, header_faults, header_name, read_row
from .spool import spool

MOST_BYTES = 512 << 20  # of a file after unpacking
MOST_ROWS = 1_000_000
SHOWN = 300  # characters of a refused row
CHUNK = 4 << 20


def read_devices(path: Path, *, name: str, today: date) -> list[DeviceRow | RefusedRow]:
    """The rows of a file of devices; the form of the file and what it raises as ``read_table``.

    Args:
        today: the city's day, which no date of a device may lie behind.
    """
    found: list[DeviceRow | RefusedRow] = []
    seen: set[str] = set()
    for number, content, cells, complete in read_table(path, name=name, columns=list(DEVICE_COLUMNS), needed=NEEDED):
        if not complete:
            found.append(RefusedRow(number, cells.get("serial", ""), "columns", content))
            continue
        row = read_row(number, content, cells, today=today)
        if isinstance(row, DeviceRow) and row.serial in seen:
            row = RefusedRow(number, row.serial, "duplicate", content)
        seen.add(row.serial)
        found.append(row)
    return found


def read_table(
    path: Path, *, name: str, columns: Sequence[str], needed: Sequence[str]
) -> Iterator[tuple[int, str, dict[str, str], bool]]:
    """(line, row as it came, cells by column, whether the row has as many cells as the header) of each row of a CSV file
    (plain, gzip, or a zip of one file; UTF-8, ``,`` or ``;``) or of an XLSX file's first sheet.

    Args:
        name: how the file is called to people.
        columns: that there are; ``needed``: that must be there.

    Raises:
        BadInput: it is no such file, or its header names columns that are unknown, twice there or missing.
        TooMuch: it unpacks to more than allowed, or holds more than ``MOST_ROWS`` rows.
    """
    if not path.is_file():
        raise BadInput(
            _("{file} is not a file.").format(file=path),
            fix=_("Give the path of a CSV (plain, gzip, zip) or XLSX file."),
        )
    lines = _xlsx(path, name) if is_xlsx(path) else _csv(path, name)
    header = next(lines, None)
    if header is None:
        raise BadInput(
            _("{file} is empty.").format(file=name),
            fix=_("The first line names the columns: {columns}.").format(columns=",".join(needed)),
        )
    names = [header_name(cell) for cell in header[1]]
    while names and not names[-1]:  # spreadsheets leave empty columns at the end
        names.pop()
    _check_header(names, name, columns, needed)
    count = 0
    for number, cells in lines:
        values = [cell.strip() for cell in cells]
        if not any(values):
            continue
        if count >= MOST_ROWS:
            raise TooMuch(
                _("{file} has more than {most} rows.").format(file=name, most=MOST_ROWS), fix=_("Divide the file.")
            )
        count += 1
        complete = len(values) >= len(names) and not any(values[len(names) :])
        yield number, ",".join(values)[:SHOWN], dict(zip(names, values, strict=False)), complete


def _check_header(names: list[str], file: str, columns: Sequence[str], needed: Sequence[str]) -> None:
    missing, unknown, twice = header_faults(names, columns, needed)
    rows = [_("column {name} is missing").format(name=one) for one in missing]
    rows += [_("column {name} is unknown").format(name=one[:60] or "“”") for one in unknown]
    rows += [_("column {name} stands twice").format(name=one[:60]) for one in twice]
    if rows:
        raise BadInput(
            _("The header of {file} is wrong.").format(file=file), rows=rows,
            fix=_("Columns are {columns}.").format(columns=", ".join(columns)),
        )  # fmt: skip


def _csv(path: Path, name: str) -> Iterator[tuple[int, list[str]]]:
    parts = spool(
        path, encoding="utf-8", part_bytes=CHUNK, max_bytes=MOST_BYTES, max_ratio=settings.QALA.load_max_ratio
    )
    return csv_rows(b"".join(part.data for part in parts).decode().removeprefix("\ufeff"), name=name)


def _xlsx(path: Path, name: str) -> Iterator[tuple[int, list[str]]]:
    most = min(MOST_BYTES, max(path.stat().st_size, 1 << 20) * settings.QALA.load_max_ratio)
    return xlsx_rows(path, name=name, most_bytes=most)
