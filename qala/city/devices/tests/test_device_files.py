"""Files of devices: what is kept, what is refused and why, and who may load them."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import shapely
import xlsxwriter
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from qala.city.devices.actions import DeviceSummary, load_devices
from qala.city.devices.models import Device, DeviceLoad, DeviceRefusal, Series
from qala.city.devices.store import DEVICES
from qala.city.people.models import Organisation
from qala.city.people.public import who_of
from qala.city.places.public import Place, load_places, read_features
from qala.kernel.access import ANONYMOUS, Who
from qala.kernel.errors import BadInput, NotAllowed, NotFound, SignInNeeded, TooMuch
from qala.kernel.lake import Lake
from qala.kernel.lists import Asked, Look
from qala.kernel.models import AuditEntry, OutboxEvent
from qala.site.testing import run_command
from tests import factories

from .conftest import NOW, US

LoadFile = Callable[..., DeviceSummary]
HEAD = "serial,model,owner,place,lon,lat,digits,multiplier,installed_on,removed_on,meter_point,address"


@pytest.fixture
def city(db: None) -> None:
    """Two districts, side by side."""
    squares = [("west", 76.8), ("east", 76.9)]
    features = [
        {"type": "Feature", "properties": {"code": code, "name_en": code}, "geometry": shapely.geometry.mapping(shapely.box(west, 43.2, west + 0.1, 43.3))}
        for code, west in squares
    ]  # fmt: skip
    data = json.dumps({"type": "FeatureCollection", "features": features}).encode()
    load_places(collection=read_features(data, kind="district"), kind="district", who=US, now=NOW)
    point = {"type": "Feature", "properties": {"code": "abay-5", "name_en": "Abay 5"}, "geometry": {"type": "Point", "coordinates": [76.85, 43.25]}}  # fmt: skip
    data = json.dumps({"type": "FeatureCollection", "features": [point]}).encode()
    load_places(collection=read_features(data, kind="address"), kind="address", who=US, now=NOW)


@pytest.fixture
def load(db: None, tmp_path: Path) -> LoadFile:
    def load_it(given: str | bytes, *, who: Who = US, name: str = "devices.csv", **more: Any) -> DeviceSummary:
        path = tmp_path / name
        path.write_bytes(given.encode() if isinstance(given, str) else given)
        found = load_devices(path=path, name=name, who=who, **{"now": NOW, **more})
        assert found.read == found.new + found.changed + found.unchanged + found.refused
        assert found.refused == sum(found.refused_by_reason.values())
        return found

    return load_it


def why(summary: DeviceSummary) -> list[tuple[int, str]]:
    return [(row.line, row.reason) for row in summary.rows]


def test_a_file_registers_devices_with_all_that_it_says(load: LoadFile, city: None) -> None:
    water = factories.organisation("water")
    found = load(
        f"{HEAD}\nW-1,daiad-swm,water,,76.95,43.25,6,1.5,2026-03-01,,MP-7,\"Abay 5, cellar\"\n"
        "W-2,daiad-swm,water,abay-5,,,,,01.02.2025,02.03.2026,,\n"
        "W-3,daiad-swm,water,west,76.81,43.21,,,,,,\n"
    )  # fmt: skip
    assert (found.outcome, found.read, found.new, found.refused) == ("kept", 3, 3, 0)
    one = Device.objects.select_related("district", "owner").get(serial="W-1")
    assert one.district is not None and (one.district.code, one.owner) == ("east", water)
    assert (one.digits, one.multiplier, one.meter_point, one.address) == (6, Decimal("1.5"), "MP-7", "Abay 5, cellar")
    assert one.installed_at == datetime(2026, 2, 28, 19, tzinfo=UTC), "midnight of the city"
    assert one.h3_cell and Series.objects.filter(device=one, property="water_volume").exists()
    two = Device.objects.select_related("place", "district").get(serial="W-2")
    assert two.place is not None and two.district is not None
    assert (two.place.code, two.district.code, two.lon, two.state) == ("abay-5", "west", 76.85, "retired")
    assert Device.objects.get(serial="W-3").place == Place.objects.get(code="west")
    entry = AuditEntry.objects.get(verb="devices.load_devices")
    assert (entry.thing_kind, entry.after and entry.after["new"]) == ("device_load", 3)
    assert OutboxEvent.objects.get(name="devices.registered").payload["count"] == 3
    assert [row.serial for row in DEVICES.page(Asked(query="MP-7"), Look(US, NOW)).rows] == ["W-1"]


def test_loading_again_changes_nothing(load: LoadFile, city: None) -> None:
    text = f"{HEAD}\nW-1,daiad-swm,,east,76.95,43.25,6,1.5,2026-03-01,,MP-7,Abay 5\nW-2,daiad-swm,,,,,,,,,,\n"
    load(text)
    before = list(Device.objects.order_by("serial").values())
    entries = AuditEntry.objects.filter(thing_kind="device").count()
    again = load(text, now=NOW + timedelta(days=1))
    assert (again.outcome, again.new, again.changed, again.unchanged) == ("kept", 0, 0, 2)
    assert list(Device.objects.order_by("serial").values()) == before
    assert AuditEntry.objects.filter(thing_kind="device").count() == entries
    assert not OutboxEvent.objects.filter(name="devices.changed").exists()


def test_what_differs_is_brought_up_to_date_and_audited(load: LoadFile, city: None) -> None:
    factories.device("W-1", "daiad-swm")
    found = load(f"{HEAD}\nW-1,daiad-swm,,,76.95,43.25,6,1.5,,,MP-7,\n")
    assert (found.new, found.changed) == (0, 1)
    one = Device.objects.select_related("district").get(serial="W-1")
    assert one.district is not None and one.district.code == "east"
    entry = AuditEntry.objects.get(verb="devices.load_devices", thing_kind="device")
    assert entry.thing_key == str(one.pk) and entry.before and entry.after
    assert (entry.before["multiplier"], entry.after["multiplier"]) == ("1.000000", "1.5")
    assert (entry.before["district_id"], entry.after["district_id"]) == (None, str(one.district_id))
    told = OutboxEvent.objects.get(name="devices.changed").payload
    assert told["devices"] == [str(one.pk)] and {"multiplier", "district_id"} <= set(told["fields"])
    assert load("serial,model\nW-1,daiad-swm\n").unchanged == 1, "what a file does not say is left"


BAD = [
    (",daiad-swm,,,,,,,,,,", "no_serial"),
    ("W 1,daiad-swm,,,,,,,,,,", "bad_serial"),
    ("W-1,,,,,,,,,,,", "no_model"),
    ("W-1,other,,,,,,,,,,", "unknown_model"),
    ("W-1,daiad-swm,nobody,,,,,,,,,", "unknown_owner"),
    ("W-1,daiad-swm,,nowhere,,,,,,,,", "unknown_place"),
    ("W-1,daiad-swm,,,76.95,,,,,,,", "bad_coordinates"),
    ("W-1,daiad-swm,,,here,there,,,,,,", "bad_coordinates"),
    ("W-1,daiad-swm,,,nan,43.2,,,,,,", "bad_coordinates"),
    ("W-1,daiad-swm,,,400,43.2,,,,,,", "bad_coordinates"),
    ("W-1,daiad-swm,,,43.25,76.95,,,,,,", "swapped"),
    ("W-1,daiad-swm,,,10.5,76.95,,,,,,", "outside_city"),
    ("W-1,daiad-swm,,,71.4,51.1,,,,,,", "outside_city"),
    ("W-1,daiad-swm,,west,76.95,43.25,,,,,,", "place_differs"),
    ("W-1,daiad-swm,,,,,0,,,,,", "bad_digits"),
    ("W-1,daiad-swm,,,,,19,,,,,", "bad_digits"),
    ("W-1,daiad-swm,,,,,6.5,,,,,", "bad_digits"),
    ("W-1,daiad-swm,,,,,,0,,,,", "bad_multiplier"),
    ("W-1,daiad-swm,,,,,,-1,,,,", "bad_multiplier"),
    ("W-1,daiad-swm,,,,,,0.0000001,,,,", "bad_multiplier"),
    ("W-1,daiad-swm,,,,,,1e400,,,,", "bad_multiplier"),
    ("W-1,daiad-swm,,,,,,,2026-02-30,,,", "bad_date"),
    ("W-1,daiad-swm,,,,,,,03/01/2026,,,", "bad_date"),
    ("W-1,daiad-swm,,,,,,,2026-05-13,,,", "future_date"),
    ("W-1,daiad-swm,,,,,,,2026-03-01,2026-02-01,,", "dates_order"),
    ("W-1,daiad-swm,,,,,,,2026-03-01,2026-03-01,,", "dates_order"),
    (f"W-1,daiad-swm,,,,,,,,,{'m' * 65},", "too_long"),
    ("W-1,daiad-swm", "columns"),
    ("W-1,daiad-swm,,,,,,,,,,,more", "columns"),
    ("good,daiad-swm,,,,,,,,,,", "duplicate"),
]
EXPECTED = [("1440", None), ("44640", None), ("0", "bad_expected"), ("44641", "bad_expected"), ("day", "bad_expected")]


@pytest.mark.parametrize(("cell", "reason"), EXPECTED)
def test_an_interval_of_its_own(load: LoadFile, cell: str, reason: str | None) -> None:
    found = load(f"serial,model,expected_minutes\nW-1,daiad-swm,{cell}\n")
    assert why(found) == ([(2, reason)] if reason else [])
    if reason is None:
        assert Device.objects.get().expected_minutes == int(cell)


@pytest.mark.parametrize(("row", "reason"), BAD)
def test_a_bad_row_is_refused_with_line_and_reason(load: LoadFile, city: None, row: str, reason: str) -> None:
    text = f"{HEAD}\ngood,daiad-swm,,,,,,,,,,\n\n{row}\nlast,daiad-swm,,,,,,,,,,\n"
    found = load(text)
    assert why(found) == [(4, reason)]
    assert (found.outcome, found.new, Device.objects.count()) == ("refused", 2, 0), "nothing half-written"
    assert found.refused_file is not None
    with found.refused_file.open(encoding="utf-8", newline="") as file:
        assert [(one["line"], one["reason"]) for one in csv.DictReader(file)] == [("4", reason)]
    assert load(text, keep_good=True).outcome == "kept"
    assert set(Device.objects.values_list("serial", flat=True)) == {"good", "last"}


def test_every_reason_is_tried() -> None:
    tried = {reason for _row, reason in BAD} | {"encoding", "bad_expected", "no_owner", "model_differs", "owner_differs", "elsewhere", "unavailable"}  # fmt: skip
    assert tried == set(DeviceRefusal.values)


def test_a_row_that_is_not_text_is_refused(load: LoadFile) -> None:
    found = load(b"serial,model,address\nW-1,daiad-swm,\xd0\x90\nW-2,daiad-swm,\xff\n")
    assert why(found) == [(3, "encoding")]


def test_what_a_file_may_not_change(load: LoadFile, city: None) -> None:
    water, power = factories.organisation("water"), factories.organisation("power")
    east = Place.objects.get(code="east")
    factories.device("W-1", "daiad-swm", water, district_id=east.pk)
    for row, reason in (
        ("W-1,demo-water-15,,,,", "model_differs"),
        (f"W-1,daiad-swm,{power.code},,,", "owner_differs"),
        ("W-1,daiad-swm,,west,,", "elsewhere"),
        ("W-1,daiad-swm,,,76.85,43.25", "elsewhere"),
    ):
        assert why(load(f"serial,model,owner,place,lon,lat\n{row}\n")) == [(2, reason)]
    assert load("serial,model,lon,lat\nW-1,daiad-swm,76.95,43.25\n").changed == 1, "coordinates in its district"


@pytest.mark.parametrize("packing", ["plain", "bom", "semicolon", "crlf", "gzip", "zip", "xlsx"])
def test_forms_of_files(load: LoadFile, packing: str) -> None:
    text = "Serial,Model,Installed on,Multiplier\nW-1,daiad-swm,2026-03-01,1.5\n0042,daiad-swm,,\n"
    name, data = "devices.csv", text.encode()
    if packing == "bom":
        data = b"\xef\xbb\xbf" + data
    elif packing == "semicolon":
        data = text.replace(",", ";").replace("1.5", "1,5").encode()
    elif packing == "crlf":
        data = data.replace(b"\n", b"\r\n")
    elif packing == "gzip":
        data = gzip.compress(data)
    elif packing == "zip":
        data = zipped("devices.csv", data)
    elif packing == "xlsx":
        name, data = "devices.xlsx", sheet(
            [["Serial", "Model", "Installed on", "Multiplier", ""], ["W-1", "daiad-swm", date(2026, 3, 1), 1.5], [], ["0042", "daiad-swm"]]
        )  # fmt: skip
    assert load(data, name=name).new == 2
    one = Device.objects.get(serial="W-1")
    assert (one.multiplier, one.installed_at) == (Decimal("1.5"), datetime(2026, 2, 28, 19, tzinfo=UTC))
    assert Device.objects.filter(serial="0042").exists()


def zipped(name: str, data: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return made.getvalue()


def sheet(rows: list[list[Any]]) -> bytes:
    made = io.BytesIO()
    book = xlsxwriter.Workbook(made)
    page, day = book.add_worksheet(), book.add_format({"num_format": "yyyy-mm-dd"})
    for y, row in enumerate(rows):
        for x, cell in enumerate(row):
            if isinstance(cell, date):
                page.write_datetime(y, x, datetime(cell.year, cell.month, cell.day), day)
            else:
                page.write(y, x, cell)
    book.close()
    return made.getvalue()


def test_lines_of_a_sheet_are_its_rows(load: LoadFile) -> None:
    data = sheet([["serial", "model", "digits"], ["W-1", "daiad-swm", 6], [], ["W-2", "daiad-swm", 6.5]])
    assert why(load(data, name="devices.xlsx")) == [(4, "bad_digits")]


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "empty"),
        (b"model\ndaiad-swm\n", "header"),
        (b"serial,model,colour\nW-1,daiad-swm,red\n", "header"),
        (b"serial,model,serial\nW-1,daiad-swm,W-1\n", "header"),
        (b"serial,model,lon\nW-1,daiad-swm,76.9\n", "header"),
        (b'serial,model\nW-1,"daiad-swm\n', "no CSV"),
        (b'serial,model\nW-1,"daiad"-swm\n', "no CSV"),
        ("serial,model\nW-1,daiad-swm\n".encode("utf-16"), "UTF-16"),
        (zipped("xl/workbook.xml", b"no"), "XLSX"),
        (gzip.compress(b"serial,model\nW-1,daiad-swm\n")[:-12], "devices"),
    ],
)
def test_a_file_with_a_fault_in_its_structure_is_refused_whole(load: LoadFile, data: bytes, what: str) -> None:
    with pytest.raises(BadInput, match=what):
        load(data, keep_good=True)
    assert (Device.objects.count(), DeviceLoad.objects.count()) == (0, 0)


def test_a_sheet_that_is_a_bomb_is_refused(load: LoadFile) -> None:
    data = zipped("xl/workbook.xml", bytes(300 << 20))
    with pytest.raises(TooMuch):
        load(data, name="devices.xlsx")


def test_a_dry_run_keeps_nothing(load: LoadFile) -> None:
    found = load("serial,model\nW-1,daiad-swm\n", dry_run=True)
    assert (found.outcome, found.new, Device.objects.count()) == ("tried", 1, 0)


@pytest.fixture
def utilities(roles: None) -> dict[str, Organisation]:
    return {code: factories.organisation(code) for code in ("mine", "other")}


@pytest.mark.parametrize(
    ("role", "at", "row", "reason"),
    [
        ("manager", "mine", "new,daiad-swm,", None),
        ("manager", "mine", "new,daiad-swm,mine", None),
        ("manager", "mine", "new,daiad-swm,other", "unknown_owner"),
        ("manager", "mine", "new,daiad-swm,nobody", "unknown_owner"),
        ("manager", "mine", "other-1,daiad-swm,", "unavailable"),
        ("manager", "mine", "nobodys-1,daiad-swm,", "unavailable"),
        ("manager", "mine", "mine-1,daiad-swm,", None),
        ("manager", None, "new,daiad-swm,", None),
        ("manager", None, "new,daiad-swm,other", None),
        ("manager", None, "other-1,daiad-swm,", None),
    ],
)
def test_whose_devices_may_be_loaded(
    load: LoadFile, utilities: dict[str, Organisation], role: str, at: str | None, row: str, reason: str | None
) -> None:
    """Another organisation's serial is refused in words that say nothing of whose it is."""
    factories.device("mine-1", "daiad-swm", utilities["mine"])
    factories.device("other-1", "daiad-swm", utilities["other"])
    factories.device("nobodys-1", "daiad-swm")
    who = factories.asker(role, utilities[at] if at else None)
    found = load(f"serial,model,owner,digits\n{row},7\n", who=who)
    assert why(found) == ([(2, reason)] if reason else [])
    if at == "mine" and reason is None and row.startswith("new"):
        assert Device.objects.get(serial="new").owner == utilities["mine"]
    if reason is not None:
        assert not Device.objects.filter(digits=7).exists()


def test_who_manages_for_two_names_the_owner(load: LoadFile, utilities: dict[str, Organisation]) -> None:
    person = factories.person("manager", utilities["mine"])
    from qala.city.people.public import join

    join(who=US, now=factories.NOW, person=person, role="manager", organisation=utilities["other"])
    assert why(load("serial,model\nnew,daiad-swm\n", who=who_of(person, NOW))) == [(2, "no_owner")]


@pytest.mark.parametrize("role", ["engineer", "analyst", "mayor", "operator", None])
def test_others_may_not_load(load: LoadFile, utilities: dict[str, Organisation], role: str | None) -> None:
    with pytest.raises(NotAllowed):
        load("serial,model\nnew,daiad-swm\n", who=who_of(factories.person(role, utilities["mine"]), NOW))
    with pytest.raises(SignInNeeded):
        load("serial,model\nnew,daiad-swm\n", who=ANONYMOUS)


def test_the_page_takes_a_file_and_shows_what_became_of_it(utilities: dict[str, Organisation], lake: Lake) -> None:
    client = Client(SERVER_NAME="localhost")
    client.force_login(factories.person("manager", utilities["mine"]))
    assert b"Load devices" in client.get("/console/devices/").content
    answer = client.post(
        "/console/loads/devices/",
        {"file": SimpleUploadedFile("d.csv", b"serial,model\nW-1,daiad-swm\n=W-2,daiad-swm\n"), "keep_good": "on"},
    )
    assert answer.status_code == 302
    page = client.get(answer["Location"])
    assert page.status_code == 200
    assert b"serial has other signs" in page.content
    taken = b"".join(client.get(f"{answer['Location']}refused.csv").streaming_content)  # type: ignore[attr-defined]
    assert b"\n3,'=W-2,bad_serial" in taken.replace(b"\r\n", b"\n")
    assert Device.objects.get().owner == utilities["mine"]
    wrong = client.post("/console/loads/devices/", {"file": SimpleUploadedFile("d.csv", b"colour\nred\n")})
    assert wrong.status_code == 422 and b"column colour is unknown" in wrong.content
    other = Client(SERVER_NAME="localhost")
    other.force_login(factories.person("manager", utilities["other"]))
    assert other.get(answer["Location"]).status_code == 404
    assert other.get(f"{answer['Location']}refused.csv").status_code == 404
    engineer = Client(SERVER_NAME="localhost")
    engineer.force_login(factories.person("engineer", utilities["mine"]))
    assert engineer.get("/console/loads/devices/").status_code == 403
    assert b"Load devices" not in engineer.get("/console/devices/").content


def test_the_api_takes_a_file(utilities: dict[str, Organisation]) -> None:
    client = Client(SERVER_NAME="localhost")
    client.force_login(factories.person("manager", utilities["mine"]))
    data = b"serial,model\nW-1,daiad-swm\nW 2,daiad-swm\n"
    told = client.post("/api/v1/devices/load", {"file": SimpleUploadedFile("d.csv", data)}).json()
    assert (told["outcome"], told["new"], told["refused"], Device.objects.count()) == ("refused", 1, 1, 0)
    assert told["rows"] == [{"line": 3, "serial": "W 2", "reason": "bad_serial", "content": "W 2,daiad-swm"}]
    told = client.post("/api/v1/devices/load", {"file": SimpleUploadedFile("d.csv", data), "keep_good": "true"}).json()
    assert (told["outcome"], Device.objects.count()) == ("kept", 1)
    wrong = client.post("/api/v1/devices/load", {"file": SimpleUploadedFile("d.csv", b"")})
    assert wrong.status_code == 422
    engineer = Client(SERVER_NAME="localhost")
    engineer.force_login(factories.person("engineer", utilities["mine"]))
    assert engineer.post("/api/v1/devices/load", {"file": SimpleUploadedFile("d.csv", data)}).status_code == 403


def test_a_file_is_loaded_with_as_many_questions_for_three_rows_as_for_one(load: LoadFile, city: None) -> None:
    counts = []
    for serials in (["a"], ["b", "c", "d"]):
        rows = "".join(f"{serial},daiad-swm,76.95,43.25\n" for serial in serials)
        with CaptureQueriesContext(connection) as asked:
            load(f"serial,model,lon,lat\n{rows}")
        counts.append(len(asked))
    assert counts[0] >= counts[1], "borders are kept after the first time"


def test_the_command_lists_bad_rows_and_says_how_to_go_on(tmp_path: Path) -> None:
    file = tmp_path / "d.csv"
    file.write_text("serial,model\nW-1,daiad-swm\nW-1,daiad-swm\n")
    found = run_command("load", "devices", str(file), data_dir=tmp_path / "city")
    assert found.returncode == 2
    assert "line 3: W-1: the serial stands in the file already" in found.stderr
    found = run_command("load", "devices", str(file), "--keep-good", "--json", data_dir=tmp_path / "city")
    assert found.returncode == 0, found.stderr
    told = json.loads(found.stdout.splitlines()[-1])
    assert (told["outcome"], told["new"], told["duplicate"]) == ("kept", 1, 1)


def test_a_load_that_is_not_there(db: None) -> None:
    from uuid import uuid4

    from qala.city.devices.store import get_device_load

    with pytest.raises(NotFound):
        get_device_load(uuid4(), who=US)
