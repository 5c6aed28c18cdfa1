"""The base map: loaded, served as tiles from this very server, removed, copied with the city."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import shapely
from django.conf import settings
from django.test import Client
from pmtiles.tile import Compression, TileType, zxy_to_tileid
from pmtiles.writer import write

from qala.city.places import store
from qala.city.places.actions import load_base_map, remove_base_map
from qala.city.places.models import Place
from qala.kernel.access import ANONYMOUS, Scope, Who
from qala.kernel.errors import BadInput, NotAllowed, NotFound, SignInNeeded, TooMuch
from qala.kernel.models import AuditEntry
from qala.site.backup.take import _others
from tests import factories

from .conftest import NOW, TWO, WHO, Load, collection, feature

pytestmark = pytest.mark.django_db
TILE = b"\x1a\x00 a tile of water"


def pmtiles(path: Path, *, kind: TileType = TileType.MVT, packing: Compression = Compression.GZIP) -> Path:
    """A small file, as pmtiles' own writer makes it: the city's tiles of three zooms."""
    with write(str(path)) as writer:
        for z, x, y in ((10, 730, 375), (11, 1461, 750), (12, 2922, 1500)):
            writer.write_tile(zxy_to_tileid(z, x, y), gzip.compress(TILE) if packing == Compression.GZIP else TILE)
        writer.finalize(
            {
                "tile_type": kind, "tile_compression": packing, "min_lon_e7": 767_000_000, "min_lat_e7": 430_000_000,
                "max_lon_e7": 772_000_000, "max_lat_e7": 434_000_000, "center_zoom": 11, "center_lon_e7": 769_000_000,
                "center_lat_e7": 432_000_000,
            },
            {
                "attribution": '<a href="https://osm.org/copyright" onclick="x()">© OpenStreetMap</a> &amp; others',
                "vector_layers": [{"id": "water"}, {"id": "roads"}],
            },
        )  # fmt: skip
    return path


STREETS = [
    feature(
        shapely.LineString([(76.9, 43.2), (76.90001, 43.2), (76.95, 43.2)]),
        highway="primary",
        name="Абай",
        **{"name:kk": "Абай даңғылы"},
    ),
    feature(shapely.box(76.9, 43.2, 76.91, 43.21), natural="water"),
    feature(shapely.LineString([(76.9, 43.2), (76.95, 43.25)]), railway="rail"),
    feature(shapely.Point(76.9, 43.2), highway="crossing"),
    feature(shapely.box(76.9, 43.2, 76.91, 43.21), boundary="administrative"),
]


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    yield
    for file in store.base_map_folder().glob("*"):
        file.unlink()


def keep(path: Path, **more: Any) -> store.BaseMap:
    return load_base_map(**{"path": path, "name": path.name, "who": WHO, "now": NOW, **more})


@pytest.fixture
def client(roles: None) -> Client:
    made = Client(SERVER_NAME="localhost", headers={"accept-encoding": "gzip"})
    made.force_login(factories.person("mayor"))
    return made


def test_tiles_are_served_as_they_lie_in_the_file(tmp_path: Path, client: Client, load: Load) -> None:
    made = keep(pmtiles(tmp_path / "city.pmtiles"))
    assert (made.min_zoom, made.max_zoom, made.layers) == (10, 12, ("water", "roads"))
    assert made.attribution == "© OpenStreetMap & others", "plain text: no map runs what a file brings"
    answer = client.get(f"/map/tiles/11/1461/750.mvt?v={made.version}")
    assert (answer.status_code, gzip.decompress(answer.content)) == (200, TILE)
    assert answer.headers["Content-Encoding"] == "gzip" and "immutable" in answer.headers["Cache-Control"]
    assert answer.headers["Content-Type"] == "application/vnd.mapbox-vector-tile"
    assert answer.headers["Cache-Control"].startswith("private")
    plain = client.get("/map/tiles/11/1461/750.mvt", headers={"accept-encoding": "identity"})
    assert plain.content == TILE and "Content-Encoding" not in plain.headers
    assert "immutable" not in plain.headers["Cache-Control"]
    for nothing in ("11/0/0", "3/0/0", "20/1/1", "10/9999999/0", "99999/0/0"):
        assert client.get(f"/map/tiles/{nothing}.mvt").status_code == 204
    # the map knows of it, and stays within the policy
    page = client.get("/console/map/")
    shown = page.context["config"]["base"]
    assert shown["tiles"] == f"/map/tiles/{{z}}/{{x}}/{{y}}.mvt?v={made.version}"
    assert "http" not in page.headers["Content-Security-Policy"]
    load(TWO)
    assert client.get("/console/places/place/west/").context["config"]["base"] == shown
    assert "city.pmtiles" in str(store.status()["base_map"])
    # another one takes its place
    again = keep(
        pmtiles(tmp_path / "city.pmtiles", packing=Compression.NONE), now=NOW + timedelta(1), attribution="<b>us</b>"
    )
    assert (again.version != made.version, again.attribution) == (True, "us")
    assert client.get("/map/tiles/11/1461/750.mvt").content == TILE
    assert client.get("/map/base.geojson").status_code == 404


def test_geojson_is_simplified_and_kept(tmp_path: Path, client: Client) -> None:
    file = tmp_path / "streets.geojson"
    file.write_bytes(collection(*STREETS))
    made = keep(file)
    assert (made.features, made.attribution) == (3, "© OpenStreetMap contributors")
    answer = client.get(f"/map/base.geojson?v={made.version}")
    found = json.loads(gzip.decompress(answer.content))["features"]
    assert [one["properties"]["kind"] for one in found] == ["major", "water", "rail"]
    assert found[0]["properties"]["name:kk"] == "Абай даңғылы"
    assert len(found[0]["geometry"]["coordinates"]) == 2, "what nobody sees is cut off"
    assert client.get("/console/map/").context["config"]["base"]["attribution"] == made.attribution
    tiles = keep(pmtiles(tmp_path / "city.pmtiles"))
    assert [one.name for one in store.base_map_folder().glob("basemap.[gp]*")] == [tiles.path.name]
    assert AuditEntry.objects.filter(verb="places.load_base_map").count() == 2
    remove_base_map(who=WHO, now=NOW)
    assert store.find_base_map() is None and not list(store.base_map_folder().iterdir())
    assert client.get("/console/map/").context["config"]["base"] is None
    with pytest.raises(NotFound):
        remove_base_map(who=WHO, now=NOW)


def test_wrong_files_are_refused_and_the_one_before_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = keep(pmtiles(tmp_path / "city.pmtiles"))
    whole = (tmp_path / "city.pmtiles").read_bytes()
    wrong = {
        "cut": whole[:100], "shorter": whole[:-3], "older": b"PMTiles\x02" + whole[8:], "empty": b"", "text": b"hello",
        "places": collection(*STREETS[3:]), "none": collection(),
    }  # fmt: skip
    for name, data in wrong.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(BadInput):
            keep(tmp_path / name)
    for number, more in enumerate(({"kind": TileType.PNG}, {"packing": Compression.BROTLI})):
        with pytest.raises(BadInput):
            keep(pmtiles(tmp_path / f"other-{number}.pmtiles", **more))  # type: ignore[arg-type]
    from qala.city.places.actions import basemap

    monkeypatch.setattr(basemap, "MOST_KEPT_BYTES", 10)
    (tmp_path / "large").write_bytes(collection(*STREETS))
    with pytest.raises(TooMuch):
        keep(tmp_path / "large")
    assert store.find_base_map() == kept
    assert sorted(one.name for one in store.base_map_folder().iterdir()) == ["basemap.json", "basemap.pmtiles"]


def test_who_may(tmp_path: Path, client: Client) -> None:
    file = pmtiles(tmp_path / "city.pmtiles")
    with pytest.raises(SignInNeeded):
        keep(file, who=ANONYMOUS)
    with pytest.raises(NotAllowed):
        keep(file, who=Who("person", "x", grants={"places.view": Scope(everything=True)}))
    keep(file)
    anonymous = Client(SERVER_NAME="localhost", headers={"accept": "application/json"})
    assert anonymous.get("/map/tiles/11/1461/750.mvt").status_code == 401
    assert not Place.objects.exists()


def test_a_back_up_holds_it(tmp_path: Path) -> None:
    made = keep(pmtiles(tmp_path / "city.pmtiles"))
    copied = set(_others(settings.QALA))
    assert {made.path, made.path.with_name("basemap.json")} <= copied
