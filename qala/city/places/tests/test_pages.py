"""The console pages of places, their API, and who may see and change what."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import shapely
import xlsxwriter
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.html import escape

from qala.city.people.models import Organisation
from qala.city.places import store
from qala.city.places.actions import move_border, plan_border, read_addresses, take_back_border
from qala.city.places.models import Place, PlaceShape
from qala.kernel.access import ANONYMOUS, Who
from qala.kernel.errors import BadInput, Conflict, NotAllowed, NotFound, QalaError, SignInNeeded
from qala.kernel.lists import Asked, Look
from qala.kernel.models import AuditEntry, OutboxEvent
from tests import factories

from .conftest import NOW, TWO, WHO, Load, collection, feature, square

pytestmark = pytest.mark.django_db
WIDER = shapely.box(76.8, 43.2, 76.95, 43.3)
LATER = NOW + timedelta(days=10)
Sign = Callable[..., Client]


@pytest.fixture
def utilities(roles: None, load: Load) -> dict[str, Organisation]:
    """Two districts, an address point in each, a zone of the city and one of each of two utilities."""
    load(TWO)
    load(
        [
            feature(
                shapely.Point(76.85 + 0.07 * n, 43.25),
                code=f"a{n}",
                name_kk=f"Абай даңғылы, {n}",
                name_ru=f"проспект Абая, {n}",
            )
            for n in (0, 1)
        ],
        "address",
    )
    load([feature(square(76.81, 43.21, 0.03), code="z1", name_en="Zone 1")], "zone")
    found = {code: factories.organisation(code) for code in ("mine", "other")}
    for number, code in enumerate(found):
        zone = feature(square(76.81 + number / 50, 43.21, 0.1), code=f"dma-{code}", name_en=f"DMA {code}")
        load([zone], "zone", owner=code, use="water")
    return found


@pytest.fixture
def sign() -> Sign:
    def make(role: str, at: Organisation | None = None, accept: str = "text/html") -> Client:
        client = Client(SERVER_NAME="localhost", headers={"accept": accept, "accept-language": "en"})
        client.force_login(factories.person(role, at))
        return client

    return make


# ---- Who sees and changes what --------------------------------------------------------------------------------------

PUBLIC = {"almaty", "east", "west", "z1"}
ALL = PUBLIC | {"a0", "a1", "dma-mine", "dma-other"}
SEES = [
    (None, None, PUBLIC),
    ("resident", None, PUBLIC),
    ("engineer", "mine", ALL - {"dma-other"}),
    ("manager", "other", ALL - {"dma-mine"}),
    ("operator", "mine", ALL - {"dma-other"}),
    ("desk_official", "mine", ALL - {"dma-mine", "dma-other"}),
    ("analyst", None, ALL),
    ("mayor", None, ALL),
    ("administrator", None, ALL),
]


def asker(role: str | None, at: Organisation | None) -> Who:
    return ANONYMOUS if role is None else factories.asker(role, at)


@pytest.mark.parametrize(("role", "at", "codes"), SEES)
def test_who_sees_which_zones(
    utilities: dict[str, Organisation], role: str | None, at: str | None, codes: set[str]
) -> None:
    who = asker(role, utilities[at] if at else None)
    assert {place.code for place in store.list_places(who=who)} == codes
    for code in ALL - codes:
        with pytest.raises(NotFound, match="There is no place with the code"):
            store.get_place(code, who=who)
    zones = {one["id"] for one in store.geojson_of("zone", at=NOW, who=who)["features"]}
    assert zones == codes & {"z1", "dma-mine", "dma-other"}


@pytest.mark.parametrize(
    ("role", "at", "code", "error"),
    [
        ("engineer", "mine", "dma-mine", None),
        ("manager", "mine", "dma-mine", None),
        ("engineer", "mine", "dma-other", NotFound),
        ("operator", "mine", "dma-mine", NotAllowed),
        ("engineer", "mine", "west", NotAllowed),
        ("analyst", None, "dma-mine", NotAllowed),
        ("administrator", None, "west", None),
        ("administrator", None, "dma-other", None),
        (None, None, "west", SignInNeeded),
        (None, None, "dma-mine", NotFound),
    ],
)
def test_who_moves_which_border(
    utilities: dict[str, Organisation], role: str | None, at: str | None, code: str, error: type[QalaError] | None
) -> None:
    who = asker(role, utilities[at] if at else None)
    given: dict[str, Any] = {
        "code": code,
        "outline": square(76.82, 43.22, 0.05),
        "valid_from": LATER,
        "who": who,
        "now": NOW,
    }
    if error is None:
        move_border(**given)
        assert take_back_border(code=code, who=who, now=NOW, why="wrong") == [code]
        return
    for act in (plan_border, move_border):
        with pytest.raises(error):
            act(**given)
    with pytest.raises(error):
        take_back_border(code=code, who=who, now=NOW, why="wrong")


def test_who_loads_zones(utilities: dict[str, Organisation], load: Load) -> None:
    engineer = factories.asker("engineer", utilities["mine"])
    new = feature(square(76.85, 43.22, 0.02), code="dma-2", name_en="DMA 2")
    assert load([new], "zone", who=engineer, use="water").new == 1
    assert Place.objects.get(code="dma-2").owner == utilities["mine"], "their one organisation need not be named"
    taken = feature(square(76.85, 43.22, 0.02), code="dma-other", name_en="Mine now")
    for zone in (taken, {**new, "properties": {**new["properties"], "owner": "other", "code": "dma-3"}}):
        with pytest.raises(BadInput) as caught:
            load([zone], "zone", who=engineer)
        assert "you" in caught.value.rows[0]
    with pytest.raises(NotAllowed):
        load([feature(square(76.0, 43.0), code="d9", name_en="D9")], "district", who=engineer)
    with pytest.raises(NotAllowed):
        load([new], "zone", who=factories.asker("operator", utilities["mine"]))


# ---- Pages ----------------------------------------------------------------------------------------------------------


def test_the_list_is_searched_and_narrowed(utilities: dict[str, Organisation], sign: Sign) -> None:
    client = sign("administrator")

    def names(query: str) -> str:
        answer = client.get(f"/console/places/{query}")
        assert answer.status_code == 200
        return answer.content.decode()

    assert all(f"places/place/{code}/" in names("") for code in ALL)
    found = names("?q=абая+1")
    assert "places/place/a1/" in found and "places/place/a0/" not in found
    assert "places/place/dma-mine/" in names("?kind=zone&owner=mine") and "dma-other" not in names("?owner=mine")
    assert "Nothing is like that" in names("?q=nothing-like-it")
    assert "places/place/west/?at=2026-01-05" in names("?at=2026-01-05&kind=district")
    assert client.get("/console/places/?at=1500-01-01x").status_code == 422


@pytest.mark.parametrize("count", [1, 3])
def test_lists_ask_a_fixed_number_of_questions(roles: None, load: Load, sign: Sign, count: int) -> None:
    load([feature(square(76 + number, 43.2), code=f"d{number}", name_en=f"D{number}") for number in range(count)])
    client = sign("administrator")
    client.get("/console/places/")
    with CaptureQueriesContext(connection) as queries:
        assert client.get("/console/places/?kind=district").content.decode().count("/places/place/d") == count
    pages = len(queries)
    with CaptureQueriesContext(connection) as queries:
        client.get("/console/places/export.geojson")
    assert (pages, len(queries)) == (9, 8) or pages <= 12


def test_a_place_says_its_history_and_cards(utilities: dict[str, Organisation], sign: Sign) -> None:
    move_border(code="west", outline=WIDER, valid_from=LATER, who=WHO, now=NOW, neighbours_follow=True, why="decree 7")
    client = sign("administrator")
    page = client.get("/console/places/place/west/").content.decode()
    assert "decree 7" in page and "since ever" in page and "Devices" in page
    told = client.get("/console/places/shape/west.geojson?at=2026-05-01").json()
    assert shapely.from_geojson(json.dumps(told["place"]["geometry"])).area == pytest.approx(0.01)
    assert [one["id"] for one in told["around"]["features"]] == ["east"]
    saved = client.get("/console/places/place/west.geojson").json()
    assert saved["properties"]["code"] == "west" and saved["geometry"]["type"] == "Polygon"
    engineer = sign("engineer", utilities["mine"])
    assert engineer.get("/console/places/place/dma-other/").status_code == 404
    assert engineer.get("/console/places/place/dma-other.geojson").status_code == 404
    assert engineer.get("/console/places/shape/dma-other.geojson").status_code == 404
    assert engineer.get("/console/places/place/west/border/").status_code == 403
    assert "/border/" not in engineer.get("/console/places/place/west/").content.decode()
    assert engineer.get("/console/places/place/dma-mine/border/").status_code == 200


def test_a_border_is_moved_without_a_script(utilities: dict[str, Organisation], sign: Sign) -> None:
    client = sign("administrator")
    address = "/console/places/place/west/border/"
    file = SimpleUploadedFile("west.geojson", json.dumps(feature(WIDER)).encode())
    given = {"valid_from": "2026-06-01", "neighbours_follow": "on", "why": "decree 7"}
    checked = client.post(address, {**given, "file": file, "step": "check"})
    page = checked.content.decode()
    assert checked.status_code == 200 and "Save the border" in page
    assert "1 address point changes its district" in page and "0 devices change" in page
    assert PlaceShape.objects.filter(place__code="west").count() == 1, "nothing is written by looking"
    outline = checked.context["form"].data["outline"]
    assert escape(outline) in page, "the file is kept for the next step"
    assert client.post(address, {**given, "outline": outline, "step": "save"}).status_code == 302
    old, new = PlaceShape.objects.filter(place__code="west").order_by("pk")
    assert old.valid_to == new.valid_from and str(new.valid_from) == "2026-05-31 19:00:00+00:00"
    assert (new.why, new.entered_by) != ("", "")
    # a wrong entry is taken back
    assert client.post("/console/places/place/west/take-back/", {"why": ""}).status_code == 422
    assert client.post("/console/places/place/west/take-back/", {"why": "wrong day"}).status_code == 302
    assert PlaceShape.objects.get(place__code="west").valid_to is None
    entry = AuditEntry.objects.filter(verb="places.take_back_border", thing_key="west").get()
    assert entry.before is not None and entry.before["shape"]["outline"]["type"] == "Polygon"
    for wrong in (b"{}", b"\xff", b'{"type":"FeatureCollection","features":[]}'):
        file = SimpleUploadedFile("x.geojson", wrong)
        assert client.post(address, {**given, "file": file, "step": "save"}).status_code == 422
    assert client.post(address, {**given, "step": "save"}).status_code == 422


def test_the_load_page(utilities: dict[str, Organisation], sign: Sign) -> None:
    client = sign("administrator")
    table = "code,name_kk,name_ru,lon,lat\nb1,Абай 1,Абая 1,76.85,43.25\nb2,,Абая 2,76.95,43.25\n"
    given = {"kind": "address"}
    answer = client.post("/console/places/load/", {**given, "file": SimpleUploadedFile("a.csv", table.encode())})
    assert answer.status_code == 200 and "New: 2" in answer.content.decode()
    assert Place.objects.get(code="b2").parent == Place.objects.get(code="east")
    bad = table + "b3,,,x,43.2\nb3,,,43.25,76.85\n"
    answer = client.post("/console/places/load/", {**given, "file": SimpleUploadedFile("a.csv", bad.encode())})
    page = answer.content.decode()
    assert answer.status_code == 422 and "line 4 (b3)" in page and "swapped" in page
    assert sign("operator", utilities["mine"]).get("/console/places/load/").status_code == 403
    assert sign("engineer", utilities["mine"]).get("/console/places/load/").status_code == 200


# ---- Borders --------------------------------------------------------------------------------------------------------


def test_neighbours_follow_or_are_told_of(utilities: dict[str, Organisation]) -> None:
    given: dict[str, Any] = {"code": "west", "valid_from": LATER, "who": WHO, "now": NOW}
    plan = plan_border(outline=WIDER, neighbours_follow=True, **given)
    assert [one.place.code for one in plan.changes] == ["west", "east"]
    assert sum(one.km2_after for one in plan.changes) == pytest.approx(sum(one.km2_before for one in plan.changes))
    assert (plan.addresses, plan.refused, plan.warnings) == (1, (), ())
    alone = plan_border(outline=WIDER, **given)
    assert alone.refused == ("districts west and east overlap by 50 % of the smaller.",) and len(alone.warnings) == 1
    with pytest.raises(Conflict):
        move_border(outline=WIDER, **given)
    smaller = plan_border(outline=square(76.8, 43.2, 0.09), **given)
    assert smaller.refused == () and "would belong to nobody" in smaller.warnings[0]
    given_back = plan_border(outline=shapely.box(76.8, 43.2, 76.89, 43.3), neighbours_follow=True, **given)
    assert given_back.warnings == () and given_back.changes[1].place.code == "east"
    with pytest.raises(Conflict, match="has already"):
        plan_border(outline=square(76.8, 43.2), **given)
    with pytest.raises(BadInput):
        plan_border(code="a0", outline=WIDER, valid_from=LATER, who=WHO, now=NOW)
    swallowed = plan_border(outline=shapely.box(76.8, 43.2, 77.0, 43.3), neighbours_follow=True, **given)
    assert swallowed.refused[0] == "Nothing would be left of east."


def test_a_border_follows_the_one_before(utilities: dict[str, Organisation]) -> None:
    given: dict[str, Any] = {"code": "west", "outline": WIDER, "who": WHO, "now": NOW, "neighbours_follow": True}
    move_border(valid_from=LATER, **given)
    event = OutboxEvent.objects.filter(name="places.borders_changed").latest("id")
    assert event.payload["bounds"] == pytest.approx([76.9, 43.2, 76.95, 43.3])
    assert {one.due_at for one in event.deliveries.all()} == {LATER}, "told when it begins"
    earlier = plan_border(**{**given, "outline": square(76.8, 43.2, 0.11)}, valid_from=LATER)
    assert "a new one can only follow it" in earlier.refused[0]
    at = store.get_place("west", who=WHO)
    assert store.area_at(at, at=NOW) == pytest.approx(90.2, abs=0.2)
    assert store.area_at(at, at=LATER) == pytest.approx(135.3, abs=0.3)
    # taken back in the order of entry only
    last = LATER + timedelta(days=5)
    move_border(code="east", outline=shapely.box(76.95, 43.2, 77.0, 43.29), valid_from=last, who=WHO, now=NOW)
    with pytest.raises(Conflict, match="east was changed again since"):
        take_back_border(code="west", who=WHO, now=NOW, why="wrong")
    assert take_back_border(code="east", who=WHO, now=NOW, why="wrong") == ["east"]
    assert take_back_border(code="west", who=WHO, now=NOW, why="wrong") == ["east", "west"]
    with pytest.raises(Conflict, match="no other border"):
        take_back_border(code="west", who=WHO, now=NOW, why="wrong")


def test_address_points_follow_the_district(utilities: dict[str, Organisation]) -> None:
    from qala.city.places.handlers import borders_changed

    move_border(code="west", outline=WIDER, valid_from=NOW, who=WHO, now=NOW, neighbours_follow=True)
    event = OutboxEvent.objects.filter(name="places.borders_changed").latest("id")
    for _again in range(2):
        borders_changed(event.payload, event.pk, NOW)
        assert Place.objects.get(code="a1").parent == Place.objects.get(code="west")
    assert AuditEntry.objects.filter(verb="places.follow_borders").count() == 1
    one = store.get_place("a1", who=WHO)
    assert store.district_at(one, at=NOW - timedelta(days=1)) == Place.objects.get(code="east")


# ---- Files ----------------------------------------------------------------------------------------------------------


def test_what_is_exported_loads_again(utilities: dict[str, Organisation], load: Load, tmp_path: Path) -> None:
    move_border(code="west", outline=WIDER, valid_from=LATER, who=WHO, now=NOW, neighbours_follow=True)
    path = tmp_path / "out"
    assert store.export_geojson(path, Asked(values={"kind": "district"}), Look(WHO, NOW), at=NOW) == 2
    found = json.loads(path.read_text())
    areas = {one["properties"]["code"]: one["properties"]["area_km2"] for one in found["features"]}
    assert areas["west"] == pytest.approx(90.2, abs=0.2)
    assert store.export_geojson(path, Asked(values={"kind": "zone"}), Look(WHO, NOW), at=NOW) == 3
    assert load(path.read_bytes(), "zone").unchanged == 3
    Place.objects.filter(code="a0").update(name_ru="=HYPERLINK(1)")
    assert store.export_addresses(path, Asked(values={"kind": "address"}), Look(WHO, NOW), at=LATER) == 2
    text = path.read_text()
    assert "'=HYPERLINK(1)" in text
    assert text.splitlines()[2].split(",")[-4:-2] == ["west", "east"], "the district of that day"
    from qala.city.places.actions import load_places

    again = load_places(collection=read_addresses(path, name="x.csv"), kind="address", who=WHO, now=NOW)
    assert (again.unchanged, again.new) == (2, 0)


def test_tables_of_address_points(tmp_path: Path) -> None:
    book = tmp_path / "points.xlsx"
    with xlsxwriter.Workbook(book) as written:
        sheet = written.add_worksheet()
        for number, row in enumerate(
            [["Code", "name_ru", "lon", "lat", ""], ["p1", "Абая 1", 76.9, 43.2], [], ["p2", "", 76.9, 43]]
        ):
            sheet.write_row(number, 0, row)
    read = read_addresses(book, name="points.xlsx")
    assert [(one.code, one.where, one.geometry.x) for one in read.features] == [
        ("p1", "line 2 (p1)", 76.9),
        ("p2", "line 4 (p2)", 76.9),
    ]
    table = tmp_path / "points.csv"

    def refused(text: str) -> tuple[str, ...]:
        table.write_text(text)
        return read_addresses(table, name="points.csv", near=(76.9, 43.2)).refused

    assert refused("code;lon;lat\na;76,9;43,2\na;76,9;43,2\n") == ("line 3 (a): the code a is that of line 2 (a) too.",)
    assert "swapped" in refused("code,lon,lat\na,43.2,76.9\n")[0]
    for bad in ("nan", "inf", "500", ""):
        assert len(refused(f"code,lon,lat\na,{bad},43.2\n")) == 1
    assert "columns" in refused("code,lon,lat\na,1\n")[0]
    for wrong in ("", "code,lon\n", "code,lon,lat,colour\n", "code,lon,lat,lat\n", "code,lon,lat\n"):
        with pytest.raises(BadInput):
            refused(wrong)
    table.write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match="UTF-8"):
        read_addresses(table, name="points.csv")
    book.write_bytes(book.read_bytes()[:-30])
    with pytest.raises(BadInput):
        read_addresses(book, name="points.xlsx")


# ---- HTTP -----------------------------------------------------------------------------------------------------------


def test_the_api(utilities: dict[str, Organisation], sign: Sign) -> None:
    client = sign("administrator", accept="application/json")

    def post(path: str, body: Any, status: int = 200) -> Any:
        answer = client.post(f"/api/v1/places{path}", json.dumps(body), content_type="application/json")
        assert answer.status_code == status, answer.content
        return answer.json()

    border = {"geometry": shapely.geometry.mapping(WIDER), "valid_from": LATER.isoformat(), "neighbours_follow": True}
    told = post("/west/borders", {**border, "dry_run": True})
    assert [one["code"] for one in told["changes"]] == ["west", "east"]
    assert len(client.get("/api/v1/places/west/borders").json()) == 1
    post("/west/borders", border)
    assert len(client.get("/api/v1/places/west/borders").json()) == 2
    post("/west/borders", border, 409)
    post("/west/borders", {**border, "geometry": {"type": "Point", "coordinates": [1, 2]}}, 422)
    assert post("/west/borders/take-back", {"why": "wrong"}) == ["east", "west"]
    post("/nothing/borders", border, 404)
    zone = json.loads(collection(feature(square(76.85, 43.22, 0.02), code="dma-9", name_en="DMA 9")))
    assert post("/load?kind=zone&owner=mine&use=water", zone)["new"] == 1
    assert [one["code"] for one in client.get("/api/v1/places?owner=mine&use=water").json()["items"]] == [
        "dma-9",
        "dma-mine",
    ]
    assert [one["code"] for one in client.get("/api/v1/places?q=абая 1").json()["items"]] == ["a1"]
    exported = b"".join(client.get("/api/v1/places/export.geojson?kind=zone").streaming_content)  # type: ignore[attr-defined]
    assert len(json.loads(exported)["features"]) == 4
    csv = b"".join(client.get("/api/v1/places/export.csv").streaming_content).decode()  # type: ignore[attr-defined]
    assert csv.startswith("code,name_kk") and csv.count("\n") == 3
    engineer = sign("engineer", utilities["mine"], accept="application/json")
    answer = engineer.post("/api/v1/places/dma-other/borders", json.dumps(border), content_type="application/json")
    assert answer.status_code == 404
    anonymous = Client(SERVER_NAME="localhost", headers={"accept": "application/json"})
    out = b"".join(anonymous.get("/api/v1/places/export.geojson").streaming_content)  # type: ignore[attr-defined]
    assert {one["id"] for one in json.loads(out)["features"]} == PUBLIC
    assert (
        anonymous.post("/api/v1/places/west/borders", json.dumps(border), content_type="application/json").status_code
        == 401
    )


def test_places_from_before_are_found(load: Load) -> None:
    from qala.city.places.commands import prepare
    from qala.kernel import search

    load(TWO)
    from django.db import transaction

    with transaction.atomic():
        search.drop(store.SEARCH)
    prepare()
    assert search.count(store.SEARCH) == 3
