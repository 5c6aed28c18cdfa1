"""Assets: from files and one by one, how they come back, what changed, and who may."""

from __future__ import annotations

import csv
import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from qala.city.people.public import Organisation
from qala.city.places.public import Place
from qala.city.works.actions import AssetSummary, keep_kinds, load_assets, prepare_kinds, put_assets, refusal
from qala.city.works.models import Asset, AssetChange, Kind
from qala.city.works.store import ASSETS, changes_of, export_assets, get_asset, read_kinds
from qala.kernel.access import ANONYMOUS, Who
from qala.kernel.errors import BadInput, Conflict, NotAllowed, NotFound, SignInNeeded
from qala.kernel.lists import Asked, Look
from qala.kernel.models import AuditEntry
from tests import factories

from .conftest import NOW, US, ClientOf, lamp

FILE = """code,kind,owner,name,lon,lat,wkt,condition,installed_on,power_w,light_source,diameter_mm
L-1,lamp,mine,Corner,76.85,43.25,,good,01.03.2020,70,led,
P-1,pipe,mine,,,,"LINESTRING (76.81 43.21, 76.82 43.22)",poor,1984-05-01,,,300
"""


def load(tmp_path: Path, text: str | bytes, *, who: Who = US, name: str = "assets.csv", **more: Any) -> AssetSummary:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_assets(path=path, name=name, who=who, now=NOW, **more)


def test_a_file_is_kept_and_again_changes_nothing(works: object, city: dict[str, Place], tmp_path: Path) -> None:
    found = load(tmp_path, FILE)
    assert (found.read, found.new, found.changed, found.unchanged, found.kept) == (2, 2, 0, 0, True)
    one, pipe = Asset.objects.get(code="L-1"), Asset.objects.get(code="P-1")
    assert (one.name, one.condition, one.installed_on) == ("Corner", "good", date(2020, 3, 1))
    assert one.attributes == {"power_w": 70.0, "light_source": "led"}
    assert (one.district, one.min_lon, one.max_lat, one.length_m) == (city["west"], 76.85, 43.25, None)
    assert one.h3_cell and pipe.shape.geom_type == "LineString" and pipe.length_m == pytest.approx(1375, rel=0.01)
    again = load(tmp_path, FILE)
    assert (again.new, again.changed, again.unchanged) == (0, 0, 2)
    changed = load(tmp_path, FILE.replace("Corner", "Bridge").replace(",good,", ",,"))
    assert (changed.changed, changed.unchanged) == (1, 1)
    one.refresh_from_db()
    assert (one.name, one.condition) == ("Bridge", "good"), "an empty cell leaves what is known"
    last, first = changes_of(one)
    assert (last.before, last.after, last.who_name) == ({"name": "Corner"}, {"name": "Bridge"}, "test")
    assert first.before == {} and first.after["attributes"]["power_w"] == 70.0
    assert AuditEntry.objects.get(thing_key=str(one.pk)).after == {"name": "Bridge"}


def test_a_dry_run_keeps_nothing(works: object, tmp_path: Path) -> None:
    found = load(tmp_path, FILE, dry_run=True)
    assert (found.new, found.kept, Asset.objects.count()) == (2, False, 0)


BAD = [
    ("no_code", ",lamp,mine,76.85,43.25"),
    ("bad_code", "L 1,lamp,mine,76.85,43.25"),
    ("no_kind", "A,,mine,76.85,43.25"),
    ("unknown_kind", "A,lantern,mine,76.85,43.25"),
    ("no_owner", "A,lamp,,76.85,43.25"),
    ("unknown_owner", "A,lamp,nobody,76.85,43.25"),
    ("no_place", "A,lamp,mine,,"),
    ("bad_geometry", "A,lamp,mine,76.85,"),
    ("bad_geometry", "A,lamp,mine,43.25,176.85"),
    ("outside_city", "A,lamp,mine,70,43.25"),
    ("wrong_geometry", "A,pipe,mine,76.85,43.25"),
    ("unknown_place", "A,lamp,mine,76.85,43.25,place=nowhere"),
    ("place_differs", "A,lamp,mine,76.85,43.25,place=east"),
    ("bad_condition", "A,lamp,mine,76.85,43.25,condition=lovely"),
    ("bad_state", "A,lamp,mine,76.85,43.25,state=asleep"),
    ("bad_date", "A,lamp,mine,76.85,43.25,installed_on=yesterday"),
    ("future_date", "A,lamp,mine,76.85,43.25,retired_on=2026-06-01"),
    ("dates_order", "A,lamp,mine,76.85,43.25,installed_on=2020-01-01,retired_on=2019-01-01"),
    ("bad_attribute", "A,lamp,mine,76.85,43.25,power_w=bright"),
    ("bad_attribute", "A,lamp,mine,76.85,43.25,power_w=999999"),
    ("unknown_attribute", "A,lamp,mine,76.85,43.25,diameter_mm=300"),
    ("bad_device", "A,lamp,mine,76.85,43.25,device=W 1"),
    ("kind_differs", "L-9,valve,mine,76.85,43.25"),
    ("owner_differs", "L-9,lamp,other,76.85,43.25"),
    ("columns", "A,lamp"),
]


@pytest.mark.parametrize(("reason", "row"), BAD, ids=lambda value: value if "," not in value else "")
def test_each_bad_row_is_named_and_nothing_is_kept(works: object, tmp_path: Path, reason: str, row: str) -> None:
    lamp("L-9")
    plain, extra = row.split(","), {}
    while plain and "=" in plain[-1]:
        name, value = plain.pop().split("=")
        extra[name] = value
    columns = ["code", "kind", "owner", "lon", "lat", *extra]
    text = f"{','.join(columns)}\nGOOD,lamp,mine,76.85,43.25{',' * len(extra)}\n{','.join([*plain, *extra.values()])}\n"
    found = load(tmp_path, text)
    assert [(one.line, one.reason) for one in found.refused] == [(3, reason)]
    assert not found.kept and Asset.objects.count() == 1
    assert refusal(found, name="assets.csv").rows[0].startswith("line 3: ")


def test_a_code_twice_in_a_file(works: object, tmp_path: Path) -> None:
    text = FILE + "L-1,lamp,mine,,76.85,43.25,,,,,,\n"
    assert [(one.line, one.reason) for one in load(tmp_path, text).refused] == [(4, "duplicate")]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"code,kind,colour\n", "header"),
        ("a.csv", b"code,code,kind\n", "header"),
        ("a.csv", b"code,kind\n\xff\xfe,lamp\n", "UTF-8"),
        ("a.csv", b'code,kind\n"x,lamp\n', "no CSV"),
        ("a.geojson", b'{"type": "Feature"}', "FeatureCollection"),
        ("a.geojson", b"{" * 100_000, "no JSON"),
    ],
)
def test_a_file_that_is_none(works: object, tmp_path: Path, name: str, content: bytes, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        load(tmp_path, content, name=name)


def test_what_is_written_can_be_loaded(works: object, tmp_path: Path) -> None:
    load(tmp_path, FILE)
    put_assets(
        rows=[{"code": "B-1", "kind": "bench", "owner": "mine", "place": "west-1", "name": "=1+1"}], who=US, now=NOW
    )
    for form in ("csv", "xlsx", "geojson"):
        path = tmp_path / f"out.{form}"
        assert export_assets(path, form, Asked(), Look(US, NOW)) == 3
        found = load_assets(path=path, name=path.name, who=US, now=NOW)
        assert (found.unchanged, found.changed, found.new) == (3, 0, 0), form
    with (tmp_path / "out.csv").open(newline="") as file:
        assert next(csv.DictReader(file))["name"] == "'=1+1", "no spreadsheet takes it for a formula"
    with (tmp_path / "out.geojson").open() as told:
        features = {one["id"]: one for one in json.load(told)["features"]}
    assert features["P-1"]["geometry"]["type"] == "LineString" and features["B-1"]["geometry"] is None
    Asset.objects.all().delete()
    assert load_assets(path=tmp_path / "out.geojson", name="out.geojson", who=US, now=NOW).new == 3


def test_search_and_filters(works: object) -> None:
    lamp("L-1", name="Абай даңғылы")
    lamp("L-2", condition="bad")
    lamp("L-3", "other", lon="76.95")
    put_assets(rows=[{"code": "B-1", "kind": "bench", "owner": "mine", "place": "west-1"}], who=US, now=NOW)

    def codes(query: str = "", **values: str) -> list[str]:
        found = ASSETS.page(Asked(query=query, values=values), Look(US, NOW))
        assert found.total == len(found.rows)
        return [row.code for row in found.rows]

    assert codes() == ["B-1", "L-1", "L-2", "L-3"]
    assert codes(query="абай") == ["L-1"]
    assert codes(query="светильник") == ["L-1", "L-2", "L-3"]
    assert codes(kind="bench") == ["B-1"]
    assert codes(owner="other") == codes(district="east") == ["L-3"]
    assert codes(condition="bad") == ["L-2"]
    assert codes(state="planned") == []
    look = Look(US, NOW)
    first = ASSETS.page(Asked(limit=3), look)
    assert (len(first.rows), first.total, first.following) == (3, 4, ("L-2",))
    assert [row.code for row in ASSETS.page(Asked(after=first.following), look).rows] == ["L-3"]
    assert [row.code for row in ASSETS.page(Asked(sort="-code"), look).rows] == ["L-3", "L-2", "L-1", "B-1"]


def test_clearing_is_told_apart_from_leaving(works: object) -> None:
    lamp("L-1", name="Corner", power_w="70", light_source="led")
    put_assets(rows=[{"code": "L-1"}], who=US, now=NOW, clear=["name", "power_w"])
    one = Asset.objects.get()
    assert (one.name, one.attributes) == ("", {"light_source": "led"})


def test_kinds_are_data(works: object, db: None) -> None:
    text = """
        [[asset]]
        key = "fountain"
        kk = "Субұрқақ"
        [[asset.attribute]]
        key = "jets"
        en = "Jets"
        type = "whole"
    """
    assert keep_kinds(kinds=read_kinds(text, name="f.toml"), who=US, now=NOW) == (1, 0)
    assert keep_kinds(kinds=read_kinds(text, name="f.toml"), who=US, now=NOW) == (0, 0)
    lamp("F-1", kind="fountain", jets="12")
    assert Asset.objects.get().attributes == {"jets": 12}
    less = read_kinds('[[asset]]\nkey = "fountain"\nkk = "Субұрқақ"\n', name="f.toml")
    with pytest.raises(Conflict, match="jets"):
        keep_kinds(kinds=less, who=US, now=NOW)
    for wrong in (
        '[[asset]]\nkey = "A"\nen = "x"',
        '[[asset]]\nkey = "a"',
        "nonsense",
        '[[asset]]\nkey="a"\nen="a"\n[[asset.attribute]]\nkey="code"\nen="x"',
    ):
        with pytest.raises(BadInput):
            read_kinds(wrong, name="f.toml")
    with pytest.raises(NotAllowed):
        keep_kinds(kinds=less, who=factories.asker("manager", factories.organisation()), now=NOW)


def test_the_database_holds_what_must_hold(works: object) -> None:
    one = lamp()
    for wrong in ({"state": "asleep"}, {"condition": "x"}, {"min_lon": 200.0}, {"geometry_wkb": None, "min_lon": None},
                  {"installed_on": date(2020, 1, 2), "retired_on": date(2020, 1, 1)}):  # fmt: skip
        with pytest.raises(IntegrityError), transaction.atomic():
            Asset.objects.filter(pk=one.pk).update(**wrong)


# ---- who may what ---------------------------------------------------------------------------------------------------

# role → (sees its own organisation's assets, changes them)
MAY = {
    "administrator": (True, True), "manager": (True, True), "engineer": (True, True), "operator": (True, False),
    "mayor": (True, False), "analyst": (True, False), "desk_official": (True, False), "inspector": (True, False),
    "crew": (False, False), "pilot": (False, False), "reviewer": (False, False), "innovator": (False, False),
    "resident": (False, False),
}  # fmt: skip


ROWS = [(role, where) for role in MAY for where in ("mine", "other", None) if role != "administrator" or where is None]


@pytest.mark.parametrize(("role", "where"), ROWS)
def test_roles_and_organisations(works: dict[str, Organisation], role: str, where: str | None) -> None:
    lamp("L-1")
    who = factories.asker(role, works[where] if where else None)
    sees, changes = MAY[role]
    reaches = where != "other"
    if sees:
        assert [one.code for one in ASSETS.page(Asked(), Look(who, NOW)).rows] == (["L-1"] if reaches else [])
    else:
        with pytest.raises(NotAllowed):
            ASSETS.page(Asked(), Look(who, NOW))
    if sees and reaches:
        assert get_asset("L-1", who=who).code == "L-1"
    else:
        with pytest.raises(NotFound if sees else NotAllowed):
            get_asset("L-1", who=who)
    row = {"code": "L-1", "name": "New"}
    if changes and reaches:
        assert put_assets(rows=[row], who=who, now=NOW).changed == 1
    else:
        with pytest.raises(BadInput if changes else NotAllowed):
            put_assets(rows=[row], who=who, now=NOW)
    with pytest.raises(SignInNeeded):
        ASSETS.page(Asked(), Look(ANONYMOUS, NOW))


def test_anothers_code_is_refused_in_the_same_words(works: dict[str, Organisation], tmp_path: Path) -> None:
    lamp("L-1")
    found = load(tmp_path, FILE.replace(",mine,", ",,"), who=factories.asker("manager", works["other"]))
    assert [(one.code, one.reason) for one in found.refused] == [("L-1", "unavailable")]


# ---- the doors ------------------------------------------------------------------------------------------------------


def test_the_api(works: dict[str, Organisation], client_of: ClientOf, tmp_path: Path) -> None:
    client = client_of("manager", works["mine"])
    point = {"type": "Point", "coordinates": [76.85, 43.25]}
    made = client.put(
        "/api/v1/assets/L-1", {"kind": "lamp", "owner": "mine", "geometry": point, "attributes": {"power_w": 70}},
        content_type="application/json",
    )  # fmt: skip
    assert made.status_code == 200, made.content
    assert made.json()["geometry"] == point and made.json()["district"] == "west"
    bad = client.put("/api/v1/assets/L-1", {"attributes": {"power_w": "x"}}, content_type="application/json")
    assert bad.status_code == 422 and "power_w" in bad.json()["detail"]
    assert client.get("/api/v1/assets?kind=lamp").json()["count"] == 1
    assert client.get("/api/v1/assets/L-1/changes").json()[0]["after"]["attributes"] == {"power_w": 70.0}
    assert b"L-1" in b"".join(client.get("/api/v1/assets/export?format=csv").streaming_content)  # type: ignore[attr-defined]
    assert {"lamp", "repair"} <= {one["key"] for one in client.get("/api/v1/kinds").json()}
    file = tmp_path / "a.csv"
    file.write_text(FILE)
    with file.open("rb") as opened:
        loaded = client.post("/api/v1/assets/load", {"file": opened, "dry_run": "true"})
    assert (loaded.status_code, loaded.json()["changed"], loaded.json()["kept"]) == (200, 1, False)
    assert client_of("manager", works["other"]).get("/api/v1/assets/L-1").status_code == 404
    assert client_of(None).get("/api/v1/assets").status_code == 403


def test_the_pages(works: dict[str, Organisation], client_of: ClientOf, tmp_path: Path) -> None:
    client = client_of("manager", works["mine"])
    assert "No assets yet" in client.get("/console/assets/").content.decode()
    path = "/console/assets/new/?code=L-1&kind=lamp&owner=mine"
    assert "Light source" in client.get(path).content.decode()
    told = {"lon": "76.85", "lat": "43.25", "state": "in_use", "attribute_light_source": "led", "name": "<b>Corner</b>"}
    assert client.post(path, told).status_code == 302
    page = client.get("/console/assets/L-1/").content.decode()
    assert "&lt;b&gt;Corner" in page and "LED" in page and '<svg class="minimap"' in page
    assert client.post("/console/assets/L-1/edit/", {**told, "name": "", "why": "no name"}).status_code == 302
    assert (Asset.objects.get().name, AssetChange.objects.latest("at").why) == ("", "no name")
    wrong = client.post("/console/assets/L-1/edit/", {**told, "retired_on": "2099-01-01"})
    assert wrong.status_code == 422 and "date lies in the future" in wrong.content.decode()
    (tmp_path / "a.csv").write_text(FILE.replace("poor", "awful"))
    with (tmp_path / "a.csv").open("rb") as opened:
        answer = client.post("/console/loads/assets/", {"file": opened})
    assert answer.status_code == 422 and "condition is none of" in answer.content.decode()
    assert client.get("/console/assets.xlsx").status_code == 200
    assert client.get("/console/assets.exe").status_code == 404
    layer = client.get(reverse("console:map_layer", args=["works.assets"])).json()
    assert [one["properties"]["key"] for one in layer["features"]] == ["L-1"]
    stranger = client_of("manager", works["other"])
    for address in ("/console/assets/L-1/", "/console/assets/L-1/edit/"):
        assert stranger.get(address).status_code == 404
    assert client_of("operator", works["mine"]).get("/console/assets/L-1/edit/").status_code == 403


def test_lists_ask_a_fixed_number_of_times(works: dict[str, Organisation], client_of: ClientOf) -> None:
    client = client_of("manager", works["mine"])
    counts = []
    for number in (1, 2, 3):
        lamp(f"L-{number}")
        if number == 2:
            continue
        for address in ("/console/assets/", "/api/v1/assets", "/console/assets/L-1/"):
            client.get(address)
            with CaptureQueriesContext(connection) as asked:
                assert client.get(address).status_code == 200
            counts.append((address, len(asked)))
    assert counts[:3] == counts[3:]
    assert max(count for _address, count in counts) < 25


def test_kinds_of_a_city_stay_when_the_shipped_ones_are_prepared(works: object) -> None:
    Kind.objects.filter(of="asset", key="lamp").update(title_en="Lantern")
    assert prepare_kinds(who=US, now=NOW + timedelta(days=1)) == 0
    assert Kind.objects.get(of="asset", key="lamp").title_en == "Lantern"
