from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import shapely
from django.test import Client

from qala.city.people.public import Organisation, Person
from qala.city.places.public import Place, load_places, read_features
from qala.city.works.actions import prepare_kinds, put_assets
from qala.city.works.models import Asset
from qala.kernel.access import system
from tests import factories

US = system("test")
NOW = datetime(2026, 5, 12, 6, 0, tzinfo=UTC)
ClientOf = Callable[..., Client]


@pytest.fixture
def city(db: None) -> dict[str, Place]:
    """Two districts side by side and a zone of the western one."""
    for kind, shapes in (("district", (("west", 76.8), ("east", 76.9))), ("zone", (("west-1", 76.8),))):
        features = [
            {"type": "Feature", "properties": {"code": code, "name_en": code, **({"parent": "west"} if kind == "zone" else {})},
             "geometry": shapely.geometry.mapping(shapely.box(west, 43.2, west + 0.1, 43.3))}
            for code, west in shapes
        ]  # fmt: skip
        data = json.dumps({"type": "FeatureCollection", "features": features}).encode()
        load_places(collection=read_features(data, kind=kind), kind=kind, who=US, now=NOW)  # type: ignore[arg-type]
    return {place.code: place for place in Place.objects.all()}


@pytest.fixture
def works(roles: None, city: dict[str, Place]) -> dict[str, Organisation]:
    """The shipped kinds and three organisations: one that orders, one that does, and another one."""
    prepare_kinds(who=US, now=NOW)
    return {
        "mine": factories.organisation("mine", "department"),
        "builder": factories.organisation("builder", "contractor"),
        "other": factories.organisation("other", "utility"),
    }


def lamp(code: str = "L-1", owner: str = "mine", **more: Any) -> Asset:
    """A street lamp in the west."""
    told = {"code": code, "kind": "lamp", "owner": owner, "lon": "76.85", "lat": "43.25", **more}
    put_assets(rows=[told], who=US, now=NOW)
    return Asset.objects.get(code=code)


@pytest.fixture
def client_of() -> ClientOf:
    """``client_of(role, organisation)``: a browser or a program of a new person of that role."""

    def make(role: str | None = None, at: Organisation | None = None, *, person: Person | None = None) -> Client:
        client = Client(SERVER_NAME="localhost", headers={"accept-language": "en"})
        client.force_login(person or factories.person(role, at))
        return client

    return make
