"""Assets as files: CSV and XLSX with the columns that loading takes, or GeoJSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Literal

import shapely

from qala.kernel import geometry
from qala.kernel.lists import Asked, Look
from qala.kernel.sheets import defused

from ..models import Asset, Kind
from ..rules import COLUMNS
from .lists import ASSETS

Form = Literal["csv", "xlsx", "geojson"]
FORMS: tuple[Form, ...] = ("csv", "xlsx", "geojson")


def export_assets(path: Path, form: Form, asked: Asked, look: Look) -> int:
    """Write the assets that are asked for and that the asker may see, by code; what is written can be loaded. Returns how many.

    Raises:
        SignInNeeded, NotAllowed: the asker may see none at all.
        OSError: it can't be written.
    """
    found = ASSETS.narrowed(asked, look).select_related("kind", "owner", "place").order_by("code").iterator(2000)
    if form == "geojson":
        return _geojson(path, found)
    own = [attribute.key for kind in Kind.objects.filter(of=Kind.ASSET) for attribute in kind.as_asset.attribute]
    columns = [*COLUMNS, *dict.fromkeys(sorted(own))]
    rows = ([_cell(row.get(name)) for name in columns] for row in map(_row, found))
    return _csv(path, columns, rows) if form == "csv" else _xlsx(path, columns, rows)


def _row(asset: Asset) -> dict[str, Any]:
    shape = asset.shape
    is_point = shape is not None and shape.geom_type == "Point"
    return {
        **asset.attributes, "code": asset.code, "kind": asset.kind.key, "owner": asset.owner.code, "name": asset.name,
        "place": asset.place.code if asset.place else "", "address": asset.address, "condition": asset.condition,
        "state": asset.state, "installed_on": asset.installed_on, "retired_on": asset.retired_on, "device": asset.device,
        "lon": round(shape.x, 7) if is_point else None, "lat": round(shape.y, 7) if is_point else None,
        "wkt": shapely.to_wkt(shape, rounding_precision=7, trim=True) if shape is not None and not is_point else "",
    }  # fmt: skip


def _cell(value: object) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, date):
        return value.isoformat()
    return defused(value) if isinstance(value, str) else value


def _csv(path: Path, columns: list[str], rows: Iterator[list[Any]]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(columns)
        for row in rows:
            table.writerow(row)
            count += 1
    return count


def _xlsx(path: Path, columns: list[str], rows: Iterator[list[Any]]) -> int:
    import xlsxwriter

    count = 0
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    with xlsxwriter.Workbook(str(path), options) as book:
        sheet = book.add_worksheet("assets")
        sheet.write_row(0, 0, columns)
        sheet.freeze_panes(1, 1)
        for count, row in enumerate(rows, 1):
            sheet.write_row(count, 0, row)
    return count


def _geojson(path: Path, found: Iterator[Asset]) -> int:
    count = 0
    with path.open("w", encoding="utf-8") as file:
        file.write('{"type": "FeatureCollection", "features": [')
        for asset in found:
            shape = asset.shape
            told = {name: value for name, value in _row(asset).items() if name not in ("lon", "lat", "wkt")}
            feature = {
                "type": "Feature", "id": asset.code,
                "geometry": geometry.to_geojson(shape, digits=7) if shape is not None else None,
                "properties": {name: value for name, value in told.items() if value not in (None, "")},
            }  # fmt: skip
            file.write(",\n" if count else "\n")
            json.dump(feature, file, ensure_ascii=False, default=str)
            count += 1
        file.write("\n]}\n")
    return count
