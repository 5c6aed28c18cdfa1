"""A row of a file of assets: what its cells say, before anybody looks at what there is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from .kinds import COLUMNS, read_date

CODE = r"[A-Za-z0-9_-]{1,64}"
NEEDED = ("code", "kind")
CONDITIONS = ("good", "fair", "poor", "bad")
STATES = ("planned", "in_use", "out_of_order", "retired")
MOST_NAME = MOST_ADDRESS = 200


@dataclass(frozen=True, slots=True)
class AssetRow:
    """What a row says of an asset; ``""`` or ``None`` where it says nothing.

    Args:
        geometry: a GeoJSON geometry object, or text: WKT in degrees, longitude first.
        attributes: cells by attribute, as they came.
    """

    line: int
    code: str
    kind: str
    content: str
    owner: str = ""
    name: str = ""
    place: str = ""
    address: str = ""
    condition: str = ""
    state: str = ""
    device: str = ""
    installed_on: date | None = None
    retired_on: date | None = None
    geometry: Any = None
    attributes: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that is not taken, and why; ``detail`` names the cell where the reason alone does not say it."""

    line: int
    code: str
    reason: str
    content: str
    detail: str = ""


def is_code(text: str) -> bool:
    """Whether a text can be an asset's code."""
    return re.fullmatch(CODE, text) is not None


def read_row(line: int, cells: Mapping[str, object], *, today: date) -> AssetRow | RefusedRow:
    """The asset that cells by column tell of; columns beside ``COLUMNS`` are attributes.

    Args:
        cells: texts or JSON values; ``geometry`` is a GeoJSON geometry.
        today: the city's day, which no date may lie behind by more than the planned ones: an installation may be planned.
    """
    said = {name: value for name, value in cells.items() if value is not None and value != ""}
    texts = {name: str(said.get(name, "")).strip() for name in COLUMNS}
    content = ",".join(str(value) for value in said.values() if not isinstance(value, dict | list))[:300]
    code = texts["code"]

    def refused(reason: str, detail: str = "") -> RefusedRow:
        return RefusedRow(line, code[:64], reason, content, detail[:200])

    if any("\x00" in str(value) for value in said.values()):
        return refused("bad_text")
    if not code:
        return refused("no_code")
    if not is_code(code):
        return refused("bad_code")
    if len(texts["name"]) > MOST_NAME or len(texts["address"]) > MOST_ADDRESS:
        return refused("too_long")
    if texts["device"] and not is_code(texts["device"]):
        return refused("bad_device")
    if texts["condition"] and texts["condition"] not in CONDITIONS:
        return refused("bad_condition", texts["condition"])
    if texts["state"] and texts["state"] not in STATES:
        return refused("bad_state", texts["state"])
    days: dict[str, date | None] = {}
    for name in ("installed_on", "retired_on"):
        days[name] = read_date(texts[name]) if texts[name] else None
        if texts[name] and days[name] is None:
            return refused("bad_date", f"{name}: {texts[name]}")
    retired, installed = days["retired_on"], days["installed_on"]
    if retired is not None and retired > today:
        return refused("future_date", f"retired_on: {retired}")
    if retired is not None and installed is not None and retired < installed:
        return refused("dates_order")
    geometry = said.get("geometry") or texts["wkt"] or None
    if texts["lon"] or texts["lat"]:
        point = _point(texts["lon"], texts["lat"])
        if point is None or geometry is not None:
            return refused("bad_geometry", f"{texts['lon']}, {texts['lat']}")
        geometry = {"type": "Point", "coordinates": list(point)}
    return AssetRow(
        line=line, code=code, kind=texts["kind"], content=content, owner=texts["owner"], name=texts["name"],
        place=texts["place"], address=texts["address"], condition=texts["condition"], state=texts["state"],
        device=texts["device"], installed_on=installed, retired_on=retired, geometry=geometry,
        attributes={name: value for name, value in said.items() if name not in COLUMNS and name != "geometry"},
    )  # fmt: skip


def _point(lon: str, lat: str) -> tuple[float, float] | None:
    try:
        return float(lon.replace(",", ".")), float(lat.replace(",", "."))
    except ValueError:
        return None
