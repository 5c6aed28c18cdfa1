"""A file of assets → rows, each with its line: CSV, XLSX or GeoJSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from qala.kernel.errors import BadInput, TooMuch
from qala.kernel.tables import read_table

from ..rules import COLUMNS, NEEDED, AssetRow, RefusedRow, read_row

MOST_BYTES = 256 << 20
MOST_ROWS = 500_000


def read_assets(path: Path, *, name: str, known: frozenset[str], today: date) -> list[AssetRow | RefusedRow]:
    """The rows of a file; of GeoJSON the line is the feature's number.

    Args:
        name: how the file is called to people.
        known: columns that kinds add: their attributes.
        today: the city's day.

    Raises:
        BadInput: it is no such file, or its header names columns that are unknown, twice there or missing.
        TooMuch: it is too large.
    """
    if not path.is_file():
        raise BadInput(
            _("{file} is not a file.").format(file=path), fix=_("Give the path of a CSV, XLSX or GeoJSON file.")
        )
    with path.open("rb") as file:
        begins = file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    return _features(path, name, today) if begins == b"{" else _table(path, name, known, today)


def read_cells(rows: Iterable[tuple[int, Mapping[str, object]]], *, today: date) -> list[AssetRow | RefusedRow]:
    """Rows from cells by column; a code that stands there already is refused."""
    found: list[AssetRow | RefusedRow] = []
    seen: set[str] = set()
    for line, cells in rows:
        row = read_row(line, cells, today=today)
        if isinstance(row, AssetRow) and row.code in seen:
            row = RefusedRow(line, row.code, "duplicate", row.content)
        seen.add(row.code)
        found.append(row)
    return found


def _table(path: Path, name: str, known: frozenset[str], today: date) -> list[AssetRow | RefusedRow]:
    lines = read_table(path, name=name, most_bytes=MOST_BYTES, most_rows=MOST_ROWS)
    header = next(lines, None)
    if header is None:
        raise BadInput(_("{file} is empty.").format(file=name), fix=_("The first line names the columns."))
    names = [cell.lower().replace(" ", "_") for cell in header[1]]
    while names and not names[-1]:  # spreadsheets leave empty columns at the end
        names.pop()
    wrong = [_("column {name} is missing").format(name=one) for one in NEEDED if one not in names]
    wrong += [
        _("column {name} is unknown").format(name=one[:60] or "“”")
        for one in names
        if one not in COLUMNS and one not in known
    ]
    wrong += [
        _("column {name} stands twice").format(name=one[:60]) for one in sorted(set(names)) if names.count(one) > 1
    ]
    if wrong:
        raise BadInput(
            _("The header of {file} is wrong.").format(file=name), rows=wrong,
            fix=_("Columns are {columns}, and the attributes of kinds: {attributes}.").format(
                columns=", ".join(COLUMNS), attributes=", ".join(sorted(known))
            ),
        )  # fmt: skip
    cells: list[tuple[int, Mapping[str, object]]] = []
    torn: list[AssetRow | RefusedRow] = []
    for line, values in lines:
        if len(values) < len(names) or any(values[len(names) :]):
            torn.append(RefusedRow(line, "", "columns", ",".join(values)[:300]))
        else:
            cells.append((line, dict(zip(names, values, strict=False))))
    return sorted([*read_cells(cells, today=today), *torn], key=lambda row: row.line)


def _features(path: Path, name: str, today: date) -> list[AssetRow | RefusedRow]:
    if path.stat().st_size > MOST_BYTES:
        raise TooMuch(_("{file} unpacks to more than is allowed.").format(file=name), fix=_("Divide the file."))
    try:
        told = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise BadInput(_("{file} is no JSON: {error}").format(file=name, error=error)) from None
    features = told.get("features") if isinstance(told, dict) and told.get("type") == "FeatureCollection" else None
    if not isinstance(features, list) or not all(isinstance(one, dict) for one in features):
        raise BadInput(_("{file} is no GeoJSON FeatureCollection.").format(file=name))
    if len(features) > MOST_ROWS:
        raise TooMuch(
            _("{file} has more than {most} rows.").format(file=name, most=MOST_ROWS), fix=_("Divide the file.")
        )
    return read_cells(((line, _cells(feature)) for line, feature in enumerate(features, 1)), today=today)


def _cells(feature: dict[str, Any]) -> dict[str, object]:
    properties = feature.get("properties")
    cells: dict[str, object] = dict(properties) if isinstance(properties, dict) else {}
    if "code" not in cells and isinstance(feature.get("id"), str | int):
        cells["code"] = feature["id"]
    cells.pop("wkt", None)
    return {**cells, "geometry": feature.get("geometry")}
