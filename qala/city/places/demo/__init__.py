"""The demo's places: a labelled schematic of Almaty, drawn by ``draw`` and kept in ``demo_almaty.geojson``."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from qala.city.people.public import list_organisations
from qala.kernel.access import Who
from qala.kernel.console import Progress

from .. import actions, store
from ..rules import Kind
from . import more

KINDS: tuple[Kind, ...] = ("city", "district", "zone")


def load(*, who: Who, now: datetime, progress: Progress) -> None:
    """Load what is missing of the schematic city. Its borders hold since ever, but for one that moved last year."""
    features = {kind: [f for f in store.schematic()["features"] if f["properties"]["kind"] == kind] for kind in KINDS}
    progress.update(total=sum(map(len, features.values())))

    def keep(kind: Kind, some: list[dict[str, Any]], **given: Any) -> None:
        data = json.dumps({"type": "FeatureCollection", "features": some}).encode()
        collection = actions.read_features(data, kind=kind)
        actions.load_places(collection=collection, kind=kind, who=who, now=now, is_demo=True, **given)

    for kind in KINDS:
        if kind == "district" and not store.list_places("district", who=who, limit=1):
            keep(kind, more.districts_before())
            keep(kind, features[kind], valid_from=more.moved_on(now))
        else:
            keep(kind, features[kind])
        progress.advance(len(features[kind]))
    owners = {one.code for one in list_organisations()}
    for prefix, use, owner, count, seed, *names in more.ZONES:
        if owner in owners:
            keep("zone", more.zones(prefix, count, seed, (names[0], names[1], names[2])), owner=owner, use=use)
    keep("address", more.addresses())
