"""Reading a GeoJSON file of places: every feature that is wrong is named, none is half-read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NoReturn

from django.conf import settings
from django.utils.translation import gettext as _
from shapely.geometry.base import BaseGeometry

from qala.kernel import geometry
from qala.kernel.errors import BadInput, TooMuch

from .. import rules
from ..rules import Collection, Feature, Kind

MOST_BYTES = 256 * 1024 * 1024
MOST_FEATURES = 50_000  # written in one transaction, while which others wait to write
WGS_84 = re.compile(r"CRS:?84|EPSG:(:|\d*:)?4326$", re.IGNORECASE)


def read_features(
    data: bytes,
    *,
    kind: Kind,
    near: tuple[float, float] | None = None,
    advance: Callable[[int], None] | None = None,
) -> Collection:
    """The places in a GeoJSON FeatureCollection.

    Properties: the code comes from the first usable of ``code``, ``ref``, ``wikidata``, the English name and the
    feature's id; names from ``name:kk`` or ``name_kk`` and so on (``rules.names_of``); ``parent`` is the code of the
    place above; ``population`` a number of people.

    Args:
        data: the file.
        kind: what the features are; address points are points, all others areas.
        near: about where the city lies, (longitude, latitude), to see that coordinates are swapped.
        advance: told the number of features read so far, now and then.

    Raises:
        BadInput: it is no such file at all. Faults of single features are in ``refused``.
        TooMuch: more bytes or features than are read at once.
    """
    found = raw_features(data, most=MOST_FEATURES)
    features: dict[str, Feature] = {}
    refused: list[str] = []
    for number, raw in enumerate(found, start=1):
        where = _("feature {number}").format(number=number)
        try:
            feature = _feature(raw, where, kind, near)
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
        if advance is not None and number % 500 == 0:
            advance(500)
    if kind == "city" and len(found) > 1:
        refused.append(_("The file holds {count} features; a city is one.").format(count=len(found)))
    return Collection(tuple(features.values()), tuple(refused))


def raw_features(data: bytes, *, most: int | None) -> list[Any]:
    """The members of ``features`` of a GeoJSON FeatureCollection, unread.

    Args:
        most: more are refused; ``None``: any number.

    Raises:
        BadInput: it is no such file.
        TooMuch: more bytes or features than are read at once.
    """
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
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadInput(
            _("The file is not JSON: line {line}, column {column}: {what}.").format(
                line=error.lineno, column=error.colno, what=error.msg
            )
        ) from None
    except RecursionError:
        raise BadInput(_("The file is not GeoJSON: it is nested too deep.")) from None
    except ValueError:  # Python reads no whole numbers of thousands of digits
        raise BadInput(_("The file is not GeoJSON: it holds a number of thousands of digits.")) from None
    if not isinstance(found, dict) or found.get("type") != "FeatureCollection":
        raise BadInput(
            _("The file is not a GeoJSON FeatureCollection."),
            fix=_("Export the layer as GeoJSON (RFC 7946), in WGS 84."),
        )
    _check_crs(found.get("crs"))
    features = found.get("features")
    if not isinstance(features, list) or not features:
        raise BadInput(_("The file holds no features."))
    if most is not None and len(features) > most:
        raise TooMuch(
            _("The file holds {count} features, more than {most}.").format(count=len(features), most=most),
            fix=_("Load it in parts."),
        )
    return features


def _check_crs(crs: object) -> None:
    """Older GeoJSON names its reference system; any but WGS 84 is refused."""
    if crs is None:
        return
    properties = crs.get("properties") if isinstance(crs, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    if not isinstance(name, str) or not WGS_84.search(name):
        raise BadInput(
            _("The file is in the reference system {name}.").format(name=repr(name)[:80]),
            fix=_("Convert the file to WGS 84 (EPSG:4326)."),
        )


def _feature(raw: object, where: str, kind: Kind, near: tuple[float, float] | None) -> Feature:
    def refuse(what: str) -> NoReturn:
        raise BadInput(f"{where}: {what}")

    if not isinstance(raw, dict) or raw.get("type") != "Feature":
        refuse(_("is not a GeoJSON feature."))
    properties = raw.get("properties")
    if properties is None:
        properties = {}
    if not isinstance(properties, dict):
        refuse(_("its properties are not an object."))
    try:
        names = rules.names_of(properties, settings.LANGUAGE_CODE)
    except ValueError as error:
        refuse(
            _("{key} is not text of at most {most} characters that can be written.").format(
                key=error, most=rules.LONGEST_NAME
            )
        )
    code = settings.QALA.city_code if kind == "city" else rules.code_of(properties, names, raw.get("id"))
    if not code:
        refuse(_("has no code: give it a property code, ref, wikidata or name:en of Latin letters and digits."))
    where = f"{where} ({code})"
    if not names:
        if kind != "address":
            refuse(_("has no name: give it name:kk, name:ru or name:en."))
        names = {settings.LANGUAGE_CODE: code}
    try:
        population = rules.population_of(properties)
    except ValueError:
        refuse(_("population is not a whole number of people."))
    owner, use = properties.get("owner"), properties.get("use")
    if owner is not None and (kind != "zone" or not isinstance(owner, str) or not owner):
        refuse(_("owner is not the code of an organisation, or this is no zone."))
    if use is not None and (kind != "zone" or use not in rules.USES):
        refuse(_("use is none of {uses}, or this is no zone.").format(uses=", ".join(rules.USES)))
    parent = properties.get("parent")
    if parent is not None and (not isinstance(parent, str) or not parent):
        refuse(_("parent is not the code of a place."))
    shape = geometry.from_geojson(
        raw.get("geometry"), where=where, kinds=geometry.POINT if kind == "address" else geometry.AREA
    )
    west, south, east, north = geometry.bbox(shape)
    if near is not None and rules.looks_swapped((west + east) / 2, (south + north) / 2, near):
        refuse(
            _("lies at longitude {lon}, latitude {lat}: they look swapped (GeoJSON has longitude first).").format(
                lon=round((west + east) / 2, 3), lat=round((south + north) / 2, 3)
            )
        )
    return Feature(where, code, names, shape, parent if kind != "city" else None, population, owner, use)


def read_outline(data: bytes) -> BaseGeometry:
    """The one outline of a GeoJSON file: a geometry, a feature, or a collection of one feature.

    Raises:
        BadInput: it is no such file, or its outline is wrong.
    """
    try:
        found = json.loads(data.decode("utf-8-sig"))
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise BadInput(
            _("The file is not GeoJSON."), fix=_("Export the outline as GeoJSON (RFC 7946), in WGS 84.")
        ) from None
    if isinstance(found, dict) and found.get("type") == "FeatureCollection":
        _check_crs(found.get("crs"))
        features = found.get("features")
        if not isinstance(features, list) or len(features) != 1:
            raise BadInput(_("The file does not hold one outline alone."))
        found = features[0]
    if isinstance(found, dict) and found.get("type") == "Feature":
        found = found.get("geometry")
    return geometry.from_geojson(found, where=_("the outline"))
