"""Lists as files: CSV for programs and people, XLSX for people; no cell is taken for a formula."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils.translation import gettext as _

from qala.kernel.errors import TooMuch
from qala.kernel.sheets import defused

from .columns import Column

Form = Literal["csv", "xlsx"]
CSV: Form = "csv"
XLSX: Form = "xlsx"
MOST_XLSX_ROWS = 1_048_576 - 1  # the head takes one
MOST_CELL = 32_767  # characters
EXACT_DIGITS = 15  # of a number in a spreadsheet, which is a double
EXACT_BELOW = 1_000_000_000_000_000
LINES_AT_ONCE = 500
UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def csv_lines(rows: Iterable[Any], columns: Sequence[Column], *, keys: bool = False) -> Iterator[str]:
    """A CSV file, some lines at a time; instants are RFC 3339 in the city's zone, numbers have a point.

    Args:
        keys: the head names columns by their keys, not by their titles.
    """
    made = io.StringIO()
    table = csv.writer(made)
    zone = ZoneInfo(settings.TIME_ZONE)
    table.writerow([defused(one.key if keys else str(one.title)) for one in columns])
    for number, row in enumerate(rows, start=1):
        table.writerow([_csv_cell(one.value(row), one, zone) for one in columns])
        if number % LINES_AT_ONCE == 0:
            yield made.getvalue()
            made.seek(0)
            made.truncate()
    yield made.getvalue()


def write_csv(path: Path, rows: Iterable[Any], columns: Sequence[Column], *, keys: bool = False) -> int:
    """Write rows to a CSV file; returns how many."""
    count = _Count(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        for lines in csv_lines(count, columns, keys=keys):
            file.write(lines)
    return count.number


def _csv_cell(value: Any, column: Column, zone: ZoneInfo) -> str:
    if value is None or value == "":
        return ""
    if column.kind == "flag":
        return _("yes") if value else _("no")
    if isinstance(value, datetime):
        return (
            value.astimezone(zone).isoformat()
            if column.kind == "instant"
            else value.astimezone(zone).date().isoformat()
        )
    if isinstance(value, date):
        return value.isoformat()
    if column.kind == "number" and isinstance(value, (int, float, Decimal)):
        return f"{value:f}" if isinstance(value, Decimal) else str(value)
    return defused(_clean(str(value)))


def write_xlsx(
    path: Path, rows: Iterable[Any], columns: Sequence[Column], *, title: str, total: int, keys: bool = False
) -> int:
    """Write rows to an XLSX file in constant memory; returns how many. Dates and numbers are cells of their kind;
    instants are in the city's zone, which the head names.

    Args:
        total: how many rows there are.

    Raises:
        TooMuch: more rows than a sheet holds.
    """
    if total > MOST_XLSX_ROWS:
        raise TooMuch(
            _("There are {total} rows; a sheet of XLSX holds {most}.").format(total=total, most=MOST_XLSX_ROWS),
            fix=_("Take CSV, or narrow the list."),
        )
    import xlsxwriter

    zone = ZoneInfo(settings.TIME_ZONE)
    options = {
        "constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False,
        "tmpdir": str(path.parent),
    }  # fmt: skip
    with xlsxwriter.Workbook(str(path), options) as book:
        book.set_properties({"title": title, "comments": settings.TIME_ZONE})
        sheet = book.add_worksheet(_sheet_name(title))
        bold = book.add_format({"bold": True})
        forms = {
            "instant": book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
            "day": book.add_format({"num_format": "yyyy-mm-dd"}),
        }
        sheet.freeze_panes(1, 0)
        for at, one in enumerate(columns):
            sheet.set_column(at, at, 20 if one.kind == "instant" else 12 if one.kind in ("number", "day") else 24)
        for at, one in enumerate(columns):
            head = one.key if keys else str(one.title)
            if one.kind == "instant" and not keys:
                head = f"{head} ({settings.TIME_ZONE})"
            sheet.write_string(0, at, defused(head), bold)
        count = 0
        writers = [_xlsx_writer(sheet, at, one, zone, forms.get(one.kind)) for at, one in enumerate(columns)]
        for count, row in enumerate(rows, start=1):
            if count > MOST_XLSX_ROWS:
                count -= 1
                break  # rows that came while it was written
            for one, write in zip(columns, writers, strict=True):
                value = one.value(row)
                if value is not None and value != "":
                    write(count, value)
        if count and columns:
            sheet.autofilter(0, 0, count, len(columns) - 1)
    return count


def _xlsx_writer(sheet: Any, at: int, column: Column, zone: ZoneInfo, form: Any) -> Callable[[int, Any], None]:
    """Writes a value of one column into a line."""

    def text(line: int, value: Any) -> None:
        cell = defused(_clean(str(value)))
        sheet.write_string(line, at, cell if len(cell) <= MOST_CELL else f"{cell[: MOST_CELL - 1]}…")

    def number(line: int, value: Any) -> None:
        if isinstance(value, (int, float, Decimal)) and _is_exact(value):
            sheet.write_number(line, at, value)
        else:
            text(line, value)

    def instant(line: int, value: Any) -> None:
        if isinstance(value, datetime) and value.year >= 1900:
            sheet.write_datetime(line, at, value.astimezone(zone).replace(tzinfo=None), form)
        else:
            text(line, value)

    def day(line: int, value: Any) -> None:
        found = value.astimezone(zone).date() if isinstance(value, datetime) else value
        if isinstance(found, date) and found.year >= 1900:
            sheet.write_datetime(line, at, found, form)
        else:
            text(line, found)

    def flag(line: int, value: Any) -> None:
        text(line, _("yes") if value else _("no"))

    writers = {"text": text, "number": number, "instant": instant, "day": day, "flag": flag}
    return writers[column.kind]


def _is_exact(value: int | float | Decimal) -> bool:
    """Whether a double shows the number as it is."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, Decimal):
        return bool(value.is_finite()) and len(value.normalize().as_tuple().digits) <= EXACT_DIGITS
    return abs(value) < EXACT_BELOW


def _sheet_name(title: str) -> str:
    return re.sub(r"[\[\]:*?/\\']", " ", title)[:31].strip() or "Qala"


def _clean(text: str) -> str:
    return UNPRINTABLE.sub("", text.encode("utf-8", "ignore").decode())


class _Count:
    """Rows that are counted while they go by."""

    def __init__(self, rows: Iterable[Any]) -> None:
        self._rows, self.number = rows, 0

    def __iter__(self) -> Iterator[Any]:
        for row in self._rows:
            self.number += 1
            yield row
