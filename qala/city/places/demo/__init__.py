"""The demo's places: a labelled schematic of Almaty, drawn by ``draw`` and kept in ``demo_almaty.geojson``."""

from __future__ import annotations

import json
from datetime import datetime

from qala.kernel.access import Who
from qala.kernel.console import Progress

from .. import actions, store
from ..rules import Kind

KINDS: tuple[Kind, ...] = ("city", "district", "zone")


def load(*, who: Who, now: datetime, progress: Progress) -> None:
    """Load what is missing of the schematic city; its borders hold since ever."""
    features = {kind: [f for f in store.schematic()["features"] if f["properties"]["kind"] == kind] for kind in KINDS}
    progress.update(total=sum(map(len, features.values())))
    for kind in KINDS:
        data = json.dumps({"type": "FeatureCollection", "features": features[kind]}).encode()
        actions.load_places(
            collection=actions.read_features(data, kind=kind), kind=kind, who=who, now=now, is_demo=True
        )
        progress.advance(len(features[kind]))
