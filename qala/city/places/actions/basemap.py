"""Loading and removing the base map."""

from __future__ import annotations

import gzip
import hashlib
import html
import json
import os
import re
import shutil
import struct
import zlib
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import shapely
from django.db import transaction
from django.utils.translation import gettext as _
from pmtiles.reader import MmapSource, Reader
from pmtiles.tile import Compression, MagicNumberNotFound, SpecVersionUnsupported, TileType

from qala.kernel import audit, geometry
from qala.kernel.access import Who
from qala.kernel.errors import BadInput, NotFound, TooMuch

from .. import rules, store
from ..store import BaseMap
from .reading import MOST_BYTES, raw_features

OPENSTREETMAP = "© OpenStreetMap contributors"
TOLERANCE = 0.00005  # degrees, about 5 m: finer is not seen behind a map of a city
MOST_KEPT_BYTES = 24 * 1024 * 1024  # of a GeoJSON base map, unpacked: a browser reads the whole of it
MOST_PMTILES_BYTES = 20 * 1024**3
PMTiles: Any = Reader  # both come without types
Source: Any = MmapSource
MAGIC = b"PMTiles"
ANY_SHAPE = (*geometry.LINE, *geometry.AREA)


def load_base_map(*, path: Path, name: str, who: Who, now: datetime, attribution: str = "") -> BaseMap:
    """Keep a file as the base map, in place of the one before.

    Args:
        path: PMTiles (version 3) with vector tiles, or GeoJSON with lines and areas in WGS 84.
        attribution: who is to be named; by default what the tiles say, else the contributors of OpenStreetMap.

    Raises:
        NotAllowed, SignInNeeded: the asker may not manage places.
        BadInput: it is no such file.
        TooMuch: it is larger than a base map may be.
    """
    who.require("places.manage")
    with path.open("rb") as file:
        is_tiles = file.read(len(MAGIC)) == MAGIC
    folder = store.base_map_folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = folder / "loading.part"
    try:
        made = _tiles(path, part, name, now) if is_tiles else _geojson(path, part, name, now)
        said = _plain(attribution) or made.attribution or OPENSTREETMAP
        made = replace(made, attribution=said)
        before = store.find_base_map()
        with transaction.atomic():
            audit.record(
                who=who, now=now, verb="places.load_base_map", thing="base_map", key="base_map",
                before=None if before is None else {"name": before.name, "version": before.version},
                after={"name": made.name, "version": made.version, "kind": made.kind, "bytes": made.bytes},
            )  # fmt: skip
        os.replace(part, made.path)
        _write_note(made)
        if before is not None and before.path != made.path:
            before.path.unlink(missing_ok=True)
    finally:
        part.unlink(missing_ok=True)
    return made


def remove_base_map(*, who: Who, now: datetime) -> None:
    """Draw no base map any more, and delete its file.

    Raises:
        NotAllowed, SignInNeeded: the asker may not manage places.
        NotFound: there is none.
    """
    who.require("places.manage")
    found = store.find_base_map()
    if found is None:
        raise NotFound(_("There is no base map."), fix=_("Load one: qala load basemap FILE"))
    with transaction.atomic():
        audit.record(
            who=who, now=now, verb="places.remove_base_map", thing="base_map", key="base_map",
            before={"name": found.name, "version": found.version, "bytes": found.bytes},
        )  # fmt: skip
    (store.base_map_folder() / store.NOTE).unlink()
    found.path.unlink(missing_ok=True)


def _write_note(made: BaseMap) -> None:
    note = store.base_map_folder() / store.NOTE
    part = note.with_suffix(".part")
    part.write_text(store.note_of(made), encoding="utf-8")
    os.replace(part, note)


def _plain(text: str) -> str:
    """Attribution as plain text: what tiles say of it is often HTML, which no map is to run."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", text)).replace("<", "").replace(">", "").split())[:300]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


# ---- PMTiles --------------------------------------------------------------------------------------------------------


def _tiles(path: Path, part: Path, name: str, now: datetime) -> BaseMap:
    size = path.stat().st_size
    if size > MOST_PMTILES_BYTES:
        raise TooMuch(
            _("The file is larger than {most} MiB.").format(most=MOST_PMTILES_BYTES >> 20),
            fix=_("Cut out the surroundings of the city: pmtiles extract --bbox."),
        )
    try:
        with path.open("rb") as file:
            reader: Any = PMTiles(Source(file))
            header = reader.header()
            if header["tile_type"] != TileType.MVT:
                raise BadInput(_("The tiles are not vector tiles (MVT)."), fix=_("See docs/howto/basemap.md."))
            if header["tile_compression"] not in (Compression.GZIP, Compression.NONE):
                raise BadInput(_("The tiles are packed by something else than gzip."), fix=_("Convert them with gzip."))
            if header["tile_data_offset"] + header["tile_data_length"] > size:
                raise BadInput(_("The file was cut off."), fix=_("Copy it again."))
            metadata = reader.metadata()
            reader.get(header["min_zoom"], 0, 0)  # the directory can be read
    except (
        MagicNumberNotFound,
        SpecVersionUnsupported,
        struct.error,
        ValueError,
        KeyError,
        IndexError,
        EOFError,
        OSError,
        zlib.error,
    ) as error:
        raise BadInput(
            _("The file can't be read as PMTiles of version 3: {error}.").format(
                error=str(error) or type(error).__name__
            )
        ) from None
    metadata = metadata if isinstance(metadata, dict) else {}
    layers = metadata.get("vector_layers")
    shutil.copyfile(path, part)
    said = metadata.get("attribution")
    return BaseMap(
        kind="vector", version=_digest(part), name=name, bytes=size, loaded_at=now.isoformat(),
        attribution=_plain(said) if isinstance(said, str) else "",
        bounds=tuple(header[key] / 1e7 for key in ("min_lon_e7", "min_lat_e7", "max_lon_e7", "max_lat_e7")),
        min_zoom=header["min_zoom"], max_zoom=header["max_zoom"],
        layers=tuple(
            str(one["id"]) for one in layers if isinstance(one, dict) and "id" in one
        ) if isinstance(layers, list) else (),
    )  # fmt: skip


# ---- GeoJSON --------------------------------------------------------------------------------------------------------


def _geojson(path: Path, part: Path, name: str, now: datetime) -> BaseMap:
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    kept: list[str] = []
    boxes: list[tuple[float, float, float, float]] = []
    size = 0
    for number, raw in enumerate(raw_features(data, most=None), start=1):
        feature = _drawn(raw, _("feature {number}").format(number=number))
        if feature is None:
            continue
        shape, properties = feature
        text = json.dumps(
            {"type": "Feature", "properties": properties, "geometry": geometry.to_geojson(shape, digits=5)},
            ensure_ascii=False, separators=(",", ":"),
        )  # fmt: skip
        size += len(text.encode())
        if size > MOST_KEPT_BYTES:
            raise TooMuch(
                _("Even simplified, the file is larger than {most} MiB.").format(most=MOST_KEPT_BYTES >> 20),
                fix=_("Leave out buildings and paths, or make vector tiles: docs/howto/basemap.md."),
            )
        kept.append(text)
        boxes.append(geometry.bbox(shape))
    if not kept:
        raise BadInput(
            _("The file holds no streets, waters, rails, parks or buildings."), fix=_("See docs/howto/basemap.md.")
        )
    body = '{"type":"FeatureCollection","features":[' + ",".join(kept) + "]}"
    part.write_bytes(gzip.compress(body.encode(), mtime=0))
    west, south, east, north = zip(*boxes, strict=True)
    return BaseMap(
        kind="geojson", version=_digest(part), name=name, bytes=part.stat().st_size, loaded_at=now.isoformat(),
        attribution="", bounds=(min(west), min(south), max(east), max(north)), features=len(kept),
    )  # fmt: skip


def _drawn(raw: object, where: str) -> tuple[Any, dict[str, str]] | None:
    """A feature as the map draws it: simplified, with its kind and names alone; ``None`` for what is not drawn.

    Raises:
        BadInput: its geometry is wrong.
    """
    if not isinstance(raw, dict) or not isinstance(raw.get("geometry"), dict):
        return None
    given = raw.get("properties")
    properties: dict[str, Any] = given if isinstance(given, dict) else {}
    kind = rules.base_kind(properties)
    if not kind or raw["geometry"].get("type") not in ANY_SHAPE:
        return None
    shape = geometry.from_geojson(raw["geometry"], where=where, kinds=ANY_SHAPE)
    simple = shapely.simplify(shape, TOLERANCE)
    names = {key: properties.get(key) for key in ("name", "name:kk", "name:ru", "name:en")}
    told = {key: value[:200] for key, value in names.items() if isinstance(value, str) and value}
    return (shape if simple.is_empty else simple), {"kind": kind, **told}
