"""The base map: real streets and water behind the map, a file that a city loaded; kept in the data folder."""

from __future__ import annotations

import gzip
import json
import mmap
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from django.conf import settings
from pmtiles.reader import Reader
from pmtiles.tile import Compression

from .places import count_by_kind

NOTE = "basemap.json"
FILES: dict[str, str] = {"vector": "basemap.pmtiles", "geojson": "basemap.geojson.gz"}


@dataclass(frozen=True, slots=True)
class BaseMap:
    """What is known of the base map.

    Args:
        kind: vector tiles, or one file of GeoJSON.
        version: changes with each load; part of the addresses, so that browsers may keep what they have.
        layers: of vector tiles, the names of their layers.
        attribution: plain text that every map shows.
        bytes: of the kept file.
    """

    kind: Literal["vector", "geojson"]
    version: str
    name: str
    attribution: str
    bytes: int
    loaded_at: str
    bounds: tuple[float, float, float, float]
    min_zoom: int = 0
    max_zoom: int = 14
    layers: tuple[str, ...] = ()
    features: int = 0

    @property
    def path(self) -> Path:
        return folder() / FILES[self.kind]


def folder() -> Path:
    """Where the base map lies; a part of the city's data, so that back-ups hold it."""
    return Path(settings.QALA.data_dir) / "basemap"


def find_base_map() -> BaseMap | None:
    """The base map, where one was loaded."""
    try:
        told: dict[str, Any] = json.loads((folder() / NOTE).read_text("utf-8"))
        found = BaseMap(**{**told, "bounds": tuple(told["bounds"]), "layers": tuple(told["layers"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return found if found.path.is_file() else None


def note_of(base: BaseMap) -> str:
    """What the note beside the file holds."""
    return json.dumps(asdict(base), ensure_ascii=False)


def shown_base_map() -> dict[str, Any] | None:
    """The base map as the scripts of maps are told of it."""
    found = find_base_map()
    if found is None:
        return None
    if found.kind == "geojson":
        return {"kind": "geojson", "url": f"/map/base.geojson?v={found.version}", "attribution": found.attribution}
    return {
        "kind": "vector", "tiles": f"/map/tiles/{{z}}/{{x}}/{{y}}.mvt?v={found.version}", "minzoom": found.min_zoom,
        "maxzoom": found.max_zoom, "layers": list(found.layers), "attribution": found.attribution,
    }  # fmt: skip


# ---- Tiles ----------------------------------------------------------------------------------------------------------

PMTiles: Any = Reader  # comes without types
_opened: tuple[str, Any] | None = None
_opening = threading.Lock()


def _reader(base: BaseMap) -> Any:
    """A reader of the tiles, kept by the process until another base map is loaded."""
    global _opened
    with _opening:
        if _opened is None or _opened[0] != base.version:
            with base.path.open("rb") as file:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            _opened = (base.version, PMTiles(lambda offset, length: mapped[offset : offset + length]))
        return _opened[1]


def find_tile(z: int, x: int, y: int) -> tuple[bytes, bool] | None:
    """A tile's bytes and whether they are packed by gzip; ``None`` where there is no tile (any more)."""
    base = find_base_map()
    if base is None or base.kind != "vector" or not (base.min_zoom <= z <= base.max_zoom) or max(x, y) >= 2**z:
        return None
    reader = _reader(base)
    data = reader.get(z, x, y)
    if data is None:
        return None
    return bytes(data), reader.header()["tile_compression"] == Compression.GZIP


def unpacked(data: bytes) -> bytes:
    """A tile for whoever takes no gzip."""
    return gzip.decompress(data)


def status() -> dict[str, int | float | str]:
    """The lines of places in ``qala status``."""
    counted = count_by_kind()
    base = find_base_map()
    told: dict[str, int | float | str] = {
        "districts": counted["district"], "zones": counted["zone"], "addresses": counted["address"],
    }  # fmt: skip
    if base is None:
        return {**told, "base_map": "none"}
    return {**told, "base_map": f"{base.name} ({base.kind}, {base.loaded_at[:10]})", "base_map_bytes": base.bytes}
