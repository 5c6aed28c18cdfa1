from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import shapely
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from qala.city.places import demo, store
from qala.city.places.commands import load_places
from qala.city.places.models import Place, PlaceShape
from qala.city.places.pages import layers
from qala.kernel import console
from qala.kernel.access import ANONYMOUS
from qala.kernel.console import Progress
from qala.kernel.errors import BadInput, TooMuch
from qala.kernel.models import AuditEntry

from .conftest import NOW, TWO, WHO, Load, collection, feature, square

pytestmark = pytest.mark.django_db


# ---- qala load places -----------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def json_lines() -> Iterator[None]:
    console.speak("json")
    yield
    console.speak(None)


class Command:
    """Runs ``qala load places`` on a file with the given content; returns the result that it told."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys

    def __call__(self, content: bytes, *options: str) -> dict[str, Any]:
        file = self.folder / "places.geojson"
        file.write_bytes(content)
        load_places.main([str(file), *options], standalone_mode=False)
        told: dict[str, Any] = json.loads(self.capsys.readouterr().out.splitlines()[-1])
        return told


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(tmp_path, capsys)


def test_a_file_is_loaded_and_loaded_again(command: Command) -> None:
    told = command(collection(*TWO))
    assert told == {"event": "result", "read": 2, "new": 2, "changed": 0, "unchanged": 0}
    assert command(collection(*TWO))["unchanged"] == 2
    assert AuditEntry.objects.filter(who_name__startswith="cli:").count() == 3


def test_a_dry_run(command: Command) -> None:
    assert command(collection(*TWO), "--dry-run")["new"] == 2
    assert not Place.objects.exists()
    with pytest.raises(BadInput) as caught:
        command(collection(*TWO, feature(None, code="empty", name_en="Empty")), "--dry-run")
    assert caught.value.rows == ("feature 3 (empty): has no geometry.",)


def test_days_begin_at_midnight_in_the_city(command: Command) -> None:
    command(collection(*TWO), "--valid-from", "2024-02-29")
    assert {str(shape.valid_from) for shape in PlaceShape.objects.all()} == {"2024-02-28 18:00:00+00:00"}  # UTC+6 then


def test_kinds(command: Command) -> None:
    command(collection(*TWO))
    command(collection(feature(square(76.81, 43.21, 0.02), code="z", name_en="Z")), "--kind", "zone")
    assert Place.objects.get(code="z").kind == "zone"
    with pytest.raises(click.BadParameter):
        command(collection(*TWO), "--kind", "river")


def test_bad_files_are_refused_by_name(command: Command, tmp_path: Path) -> None:
    swapped = [
        feature(shapely.transform(square(76.8, 43.2), lambda points: points[:, ::-1]), code="a", name_en="A"),
        feature(square(655_000, 4_790_000, 900), code="b", name_en="B"),
    ]
    with pytest.raises(BadInput) as caught:
        command(collection(*swapped))
    assert "swapped" in caught.value.rows[0] and "metres" in caught.value.rows[1]
    with pytest.raises(BadInput, match="not UTF-8"):
        command(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="nested too deep"):
        command(b"[" * 1_000_000)
    with pytest.raises(click.BadParameter):
        load_places.main([str(tmp_path / "nothing.geojson")], standalone_mode=False)
    huge = tmp_path / "huge.geojson"
    with huge.open("wb") as file:
        file.truncate(10 * 1024**3)  # takes no room on the disk
    with pytest.raises(TooMuch, match="larger than 256 MiB"):
        load_places.main([str(huge)], standalone_mode=False)
    assert not Place.objects.exists()


# ---- HTTP -----------------------------------------------------------------------------------------------------------


def get(client: Client, path: str, status: int = 200, language: str = "en") -> Any:
    answer = client.get(f"/api/v1/places{path}", headers={"accept-language": language})
    assert answer.status_code == status, answer.content
    return answer.json()


def test_lists_are_public_and_without_addresses(client: Client, load: Load) -> None:
    load(TWO)
    load([feature(shapely.Point(76.82, 43.22), code="a1", name="Abai 10")], "address")
    found = get(client, "", language="kk")
    assert [one["code"] for one in found["items"]] == ["almaty", "east", "west"] and found["next"] is None
    west = found["items"][2]
    assert west | {"id": "", "label": ""} == {
        "code": "west", "id": "", "kind": "district", "name": "Батыс", "translated": True,
        "names": {"kk": "Батыс", "ru": "", "en": "West"}, "parent": "almaty", "owner": None, "use": None, "label": "",
        "bbox": [76.8, 43.2, pytest.approx(76.9), pytest.approx(43.3)], "area_km2": pytest.approx(90.2, abs=0.2),
        "population": None, "is_demo": False,
    }  # fmt: skip
    assert get(client, "?kind=address")["items"] == []
    assert get(client, "/a1", status=404)["type"] == "urn:qala:problem:not-found"


def test_lists_are_paged(client: Client, load: Load) -> None:
    load(TWO)
    first = get(client, "?kind=district&limit=1")
    assert [one["code"] for one in first["items"]] == ["east"] and first["next"] == "east"
    second = get(client, f"?kind=district&limit=1&after={first['next']}")
    assert [one["code"] for one in second["items"]] == ["west"] and second["next"] is None
    assert get(client, "?parent=west")["items"] == []


@pytest.mark.parametrize(
    "query",
    ["?kind=river", "?limit=0", "?limit=9999", "?at=yesterday", "?at=2026-01-01T00:00:00", "?parent=%00", "?after=%00"],
)
def test_wrong_parameters(client: Client, query: str) -> None:
    assert get(client, query, status=422)["type"] == "urn:qala:problem:bad-input"


def test_one_place_now_and_before(client: Client, load: Load) -> None:
    load(TWO, valid_from=NOW)
    found = get(client, f"/west?at={NOW:%Y-%m-%dT%H:%M:%SZ}")
    assert found["properties"]["names"]["en"] == "West"
    assert found["properties"]["valid_from"] == "2026-05-12T06:00:00Z"
    assert shapely.from_geojson(json.dumps(found["geometry"])).area == pytest.approx(0.01)
    before = get(client, "/west?at=2020-01-01T00:00:00Z")
    assert before["geometry"] is None and before["properties"]["area_km2"] is None
    root = get(client, f"/almaty?at={NOW:%Y-%m-%dT%H:%M:%SZ}")
    assert root["properties"]["area_km2"] == pytest.approx(180.4, abs=0.4)


@pytest.mark.parametrize("count", [1, 3])
def test_the_number_of_queries_does_not_grow(client: Client, load: Load, count: int) -> None:
    load([feature(square(76 + number, 43.2), code=f"d{number}", name_en=f"D{number}") for number in range(count)])
    with CaptureQueriesContext(connection) as queries:
        assert len(get(client, "?kind=district")["items"]) == count
    assert len(queries) == 3


# ---- The map --------------------------------------------------------------------------------------------------------


def test_layers_of_the_map() -> None:
    assert layers.districts(ANONYMOUS)["features"] == layers.schematic(ANONYMOUS)["features"] == []
    demo.load(who=WHO, now=NOW, progress=Progress("demo"))
    districts = layers.districts(ANONYMOUS, (76.7, 43.0, 77.2, 43.4))["features"]
    assert [one["properties"]["key"] for one in districts] == sorted(one["id"] for one in districts)
    assert len(districts) == 8
    assert {"key", "name", "kind"} <= set(districts[0]["properties"])
    assert len(layers.schematic(ANONYMOUS)["features"]) == len(store.schematic_lines()["features"]) > 40


def test_the_zones_of_the_map_are_lines_with_areas(load: Load) -> None:
    load(TWO)
    load([feature(square(76.81, 43.21, 0.02), code="z", name_en="Z")], "zone")
    found = layers.zones(ANONYMOUS)
    (zone,) = found["features"]
    assert zone["geometry"]["type"] == "LineString" and found["unit"] == "km2"
    assert zone["properties"]["value"] == pytest.approx(3.61, abs=0.05)
    assert zone["properties"]["url"] == "/console/places/place/z/"
