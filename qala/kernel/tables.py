"""Tables that people bring: rows of text from a CSV file or from the first sheet of an XLSX file."""

from __future__ import annotations

import csv
import re
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date, datetime
from io import StringIO
from pathlib import Path

from django.utils.translation import gettext as _

from .errors import BadInput, TooMuch
from .sheets import FORMULA

CHUNK = 4 << 20


def read_table(path: Path, *, name: str, most_bytes: int, most_rows: int) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of each row that is not empty, the header first; cells are stripped, an apostrophe that defuses a
    formula is taken away.

    Args:
        name: how the file is called to people.
        most_bytes: of the file, unpacked.

    Raises:
        BadInput: it is no such file.
        TooMuch: it is larger than that, or has more rows.
    """
    rows = xlsx_rows(path, name=name, most_bytes=most_bytes) if is_xlsx(path) else _csv(path, name, most_bytes)
    count = 0
    for line, cells in rows:
        values = [_plain(cell.strip()) for cell in cells]
        if not any(values):
            continue
        count += 1
        if count > most_rows + 1:
            raise TooMuch(
                _("{file} has more than {most} rows.").format(file=name, most=most_rows), fix=_("Divide the file.")
            )
        yield line, values


def _plain(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA) else cell


def _csv(path: Path, name: str, most_bytes: int) -> Iterator[tuple[int, list[str]]]:
    if path.stat().st_size > most_bytes:
        raise _too_large(name)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise BadInput(
            _("{file} is not in UTF-8, line {line}.").format(file=name, line=line), fix=_("Save it as CSV in UTF-8.")
        ) from None
    yield from csv_rows(text, name=name)


def csv_rows(text: str, *, name: str) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of CSV with ``,`` or ``;``, whichever its first line has more of.

    Raises:
        BadInput: it is no CSV from some line on.
    """
    first = text.partition("\n")[0]
    reader = csv.reader(StringIO(text), delimiter=";" if first.count(";") > first.count(",") else ",", strict=True)
    line = 1
    try:
        for cells in reader:
            yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise BadInput(
            _("{file} is no CSV file from line {line} on: {error}.").format(file=name, line=line, error=error),
            fix=_("A cell that holds quotation marks, line ends or the delimiter stands in quotation marks."),
        ) from None


def is_xlsx(path: Path) -> bool:
    """Whether a file is a workbook, whatever it is called."""
    try:
        with zipfile.ZipFile(path) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return False


def xlsx_rows(path: Path, *, name: str, most_bytes: int) -> Iterator[tuple[int, list[str]]]:
    """(row, cells as a person would have written them into a CSV file) of a workbook's first sheet.

    Raises:
        BadInput: it is no workbook.
        TooMuch: it unpacks to more than ``most_bytes``.
    """
    unreadable = _("{file} can't be read as XLSX: {error}.")
    fix = _("Save it again, or as CSV.")
    size = 0
    try:
        with zipfile.ZipFile(path) as archive:  # unpacked once, keeping nothing: what it says of sizes need not be so
            for one in archive.infolist():
                with archive.open(one) as member:
                    while chunk := member.read(CHUNK):
                        size += len(chunk)
                        if size > most_bytes:
                            raise _too_large(name)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise BadInput(unreadable.format(file=name, error=error), fix=fix) from None
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        rows = CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python(skip_empty_area=False)
    except (CalamineError, IndexError, ValueError, OSError) as error:
        raise BadInput(unreadable.format(file=name, error=error), fix=fix) from None
    for number, row in enumerate(rows, 1):
        yield number, [_text(cell) for cell in row]


def _too_large(name: str) -> TooMuch:
    return TooMuch(_("{file} unpacks to more than is allowed.").format(file=name), fix=_("Divide the file."))


def _text(cell: object) -> str:
    """A cell of a sheet as a person would have written it into a CSV file."""
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.date().isoformat()
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell)
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", "\ufffd", str(cell))
