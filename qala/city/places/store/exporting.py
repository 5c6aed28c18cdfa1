"""Files of places: borders as GeoJSON, address points also as CSV, as they were at an instant."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from qala.kernel import geometry
from qala.kernel.lists import Asked, Look
from qala.kernel.sheets import defused

from ..models import Place, PlaceShape
from .borders import feature_of, locate_points, outline_at
from .lists import PLACES
from .places import valid_at

AT_ONCE = 2000
EXACT = 16  # digits: what is loaded again is the same border
CSV_COLUMNS = ("code", "name_kk", "name_ru", "name_en", "lon", "lat", "district", "parent", "since", "until")


def export_geojson(path: Path, asked: Asked, look: Look, *, at: datetime) -> int:
    """Write the places that the asker may see, with the outlines that they had at an instant, as a FeatureCollection;
    returns how many. It can be loaded again (``qala load places``)."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        file.write(f'{{"type":"FeatureCollection","as_of":{json.dumps(at.isoformat())},"features":[')
        for place, shape in _places(asked, look, at):
            if shape is None and place.kind != "city":
                continue
            if shape is None:
                feature = feature_of(place, *outline_at(place, at=at))
            else:
                feature = feature_of(
                    place, geometry.from_wkb(shape.geometry_wkb), shape.valid_from, shape.valid_to, digits=EXACT
                )
            feature["properties"] = _flat(feature["properties"])
            file.write(("," if count else "") + "\n" + json.dumps(feature, ensure_ascii=False, default=_text))
            count += 1
        file.write("\n]}\n")
    return count


def export_addresses(path: Path, asked: Asked, look: Look, *, at: datetime) -> int:
    """Write the address points that the asker may see as CSV, with the district that held each at an instant; returns
    how many. Cells that a spreadsheet would take for a formula are defused."""
    count = 0
    districts = dict(Place.objects.filter(kind="district").values_list("pk", "code"))
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(CSV_COLUMNS)
        rows = _places(asked, look, at)
        while some := list(islice(rows, AT_ONCE)):
            points = [(place, shape) for place, shape in some if shape is not None and place.kind == "address"]
            held = locate_points([shape.min_lon for _, shape in points], [shape.min_lat for _, shape in points], at=at)
            for (place, shape), district in zip(points, held, strict=True):
                table.writerow(
                    defused(str(cell)) if isinstance(cell, str) else cell
                    for cell in (
                        place.code, place.name_kk, place.name_ru, place.name_en, shape.min_lon, shape.min_lat,
                        districts.get(district, ""), place.parent.code if place.parent else "",
                        _text(shape.valid_from), _text(shape.valid_to),
                    )
                )  # fmt: skip
                count += 1
    return count


def _places(asked: Asked, look: Look, at: datetime) -> Iterator[tuple[Place, PlaceShape | None]]:
    """Places with the shapes that they had, in order of their codes."""
    after, found = "", PLACES.narrowed(asked, look).select_related("parent", "owner").order_by("code")
    while some := list(found.filter(code__gt=after)[:AT_ONCE]):
        after = some[-1].code
        keys = [place.pk for place in some]
        shapes = {one.place_id: one for one in PlaceShape.objects.filter(valid_at(at), place__in=keys)}
        yield from ((place, shapes.get(place.pk)) for place in some)


def _flat(properties: dict[str, Any]) -> dict[str, Any]:
    """Properties by the names that a load reads, empty ones left out."""
    names = {f"name_{language}": name for language, name in properties["names"].items() if name}
    kept = ("code", "kind", "parent", "owner", "use", "population", "area_km2", "valid_from", "valid_to", "is_demo")
    return {**names, **{key: properties[key] for key in kept if properties[key] not in (None, False)}}


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else "" if value is None else str(value)
