"""A device's life: moved, exchanged, retired; who may do so, and what its readings then count for."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import shapely
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from qala.city.devices.actions import DeviceSummary, load_devices, move_device, retire_device, swap_device
from qala.city.devices.models import Device, DeviceChange, DeviceStay
from qala.city.devices.store import list_changes
from qala.city.people.models import Organisation
from qala.city.people.public import who_of
from qala.city.places.public import Place, load_places, read_features
from qala.kernel import measures, outbox
from qala.kernel.access import ANONYMOUS, Who
from qala.kernel.clock import SetClock
from qala.kernel.errors import BadInput, Conflict, NotAllowed, NotFound, QalaError, SignInNeeded
from qala.kernel.lake import Lake
from qala.kernel.models import AuditEntry
from tests import factories

from . import conftest
from .conftest import NOW, US
from .seen import current

START = datetime(2026, 5, 4, 19, tzinfo=UTC)  # midnight of the city


@pytest.fixture
def city(db: None) -> dict[str, Place]:
    features = [
        {"type": "Feature", "properties": {"code": code, "name_en": code}, "geometry": shapely.geometry.mapping(shapely.box(west, 43.2, west + 0.1, 43.3))}
        for code, west in (("west", 76.8), ("east", 76.9))
    ]  # fmt: skip
    data = json.dumps({"type": "FeatureCollection", "features": features}).encode()
    load_places(collection=read_features(data, kind="district"), kind="district", who=US, now=NOW)
    return {place.code: place for place in Place.objects.all()}


def settle() -> None:
    """Deliver all news."""
    while outbox.deliver_due(clock=SetClock(NOW + timedelta(hours=1))):
        pass


def day_values(place: Place) -> dict[int, float]:
    """Day of May → m³ of a place."""
    found = measures.ask("meters.water_m3", grain="day", subjects=[str(place.pk)])
    return {(one.period_start + timedelta(hours=5)).day: round(one.value, 6) for one in found if one.value is not None}


def test_a_moved_meter_counts_where_it_stood(load: conftest.Load, city: dict[str, Place]) -> None:
    factories.device("W-1", "daiad-swm", district_id=city["west"].pk)
    load("".join(f"W-1,{(START + timedelta(hours=hour)).isoformat()},{10 * hour}\n" for hour in range(97)))
    settle()
    assert day_values(city["west"]) == {5: 0.24, 6: 0.24, 7: 0.24, 8: 0.24}
    move_device(
        serial="W-1", who=US, now=NOW, at=START + timedelta(days=2), lon=76.95, lat=43.25, why="the family moved house"
    )
    settle()
    assert day_values(city["west"]) == {5: 0.24, 6: 0.24}
    assert day_values(city["east"]) == {7: 0.24, 8: 0.24}
    assert day_values(city["almaty"]) == {5: 0.24, 6: 0.24, 7: 0.24, 8: 0.24}
    assert len(current("W-1")) == 97, "readings stay"
    one = Device.objects.get(serial="W-1")
    assert (one.district, one.lon, bool(one.h3_cell)) == (city["east"], 76.95, True)
    change = list_changes(one)[0]
    assert (change.kind, change.why, change.who_name) == ("moved", "the family moved house", "test")
    assert (change.before["district"], change.after["district"]) == (str(city["west"].pk), str(city["east"].pk))
    assert AuditEntry.objects.get(verb="devices.moved").thing_key == str(one.pk)
    # back again, later
    move_device(serial="W-1", who=US, now=NOW, at=START + timedelta(days=3), place="west")
    settle()
    assert day_values(city["west"]) == {5: 0.24, 6: 0.24, 8: 0.24}
    assert day_values(city["east"]) == {7: 0.24}


def test_an_exchange_loses_nothing_between_two_registers(load: conftest.Load, city: dict[str, Place]) -> None:
    water = factories.organisation("water")
    old = factories.device("W-1", "daiad-swm", water, district_id=city["west"].pk, meter_point="MP-7", address="Abay 5")
    at = START + timedelta(hours=12)
    load("".join(f"W-1,{(START + timedelta(hours=hour)).isoformat()},{10 * hour}\n" for hour in range(12)))
    new = swap_device(
        serial="W-1", new_serial="W-2", who=US, now=NOW, at=at, final={"water_volume": Decimal("0.125")},
        first={"water_volume": Decimal("3.5")}, why="battery",
    )  # fmt: skip
    load("".join(f"W-2,{(at + timedelta(hours=hour)).isoformat()},{3500 + 10 * hour}\n" for hour in range(1, 13)))
    settle()
    assert (new.owner, new.district_id, new.meter_point, new.address, new.installed_at) == (
        water, city["west"].pk, "MP-7", "Abay 5", at,
    )  # fmt: skip
    old.refresh_from_db()
    assert (old.state, old.removed_at) == (Device.RETIRED, at)
    stamp = at.strftime("%Y-%m-%dT%H:%M:%S")
    assert (current("W-1")[stamp], current("W-2")[stamp]) == (125, 3500)
    assert day_values(city["west"]) == {5: pytest.approx(0.125 + 0.12)}
    assert [change.after["other"] for change in (*list_changes(old), *list_changes(new))] == ["W-2", "W-1"]
    assert list_changes(old)[0].after["registers"] == {"water_volume": {"value": "0.125", "unit": "m3"}}
    new.refresh_from_db()
    assert new.state == Device.ACTIVE
    settle()
    assert len(current("W-1")) == 13, "told again, kept once"


def test_a_device_from_stock_is_hung(city: dict[str, Place], lake: Lake) -> None:
    water = factories.organisation("water")
    factories.device("W-1", "daiad-swm", water, district_id=city["west"].pk)
    stock = factories.device("W-2", "daiad-swm", water)
    register = {"water_volume": Decimal(0)}
    swap_device(serial="W-1", new_serial="W-2", who=US, now=NOW, at=NOW, final=register, first=register)
    stock.refresh_from_db()
    assert (stock.district, stock.installed_at) == (city["west"], NOW)


def test_a_retired_device_keeps_its_readings(load: conftest.Load) -> None:
    factories.device("W-1", "daiad-swm")
    load(f"W-1,{START.isoformat()},5\n")
    retire_device(serial="W-1", who=US, now=NOW, at=NOW, final={"water_volume": Decimal("0.01")}, why="house is gone")
    settle()
    assert list(current("W-1").values()) == [5, 10]
    with pytest.raises(Conflict, match="was retired"):
        retire_device(serial="W-1", who=US, now=NOW, at=NOW)
    with pytest.raises(Conflict, match="was retired"):
        move_device(serial="W-1", who=US, now=NOW, at=NOW, lon=76.9, lat=43.2)


ZERO = {"water_volume": Decimal(0)}
MOVE = {"at": NOW, "place": "east"}
SWAP: dict[str, Any] = {"at": NOW, "new_serial": "W-9", "final": ZERO, "first": ZERO}


@pytest.mark.parametrize(
    ("verb", "changes", "error"),
    [
        (move_device, {"at": NOW + timedelta(minutes=1)}, BadInput),
        (move_device, {"at": datetime(2026, 5, 1)}, BadInput),
        (move_device, {"at": START}, BadInput),
        (move_device, {"place": "nowhere"}, BadInput),
        (move_device, {"place": ""}, BadInput),
        (move_device, {"place": "", "lon": 76.9}, BadInput),
        (move_device, {"place": "", "lon": 43.25, "lat": 76.95}, BadInput),
        (move_device, {"place": "", "lon": float("nan"), "lat": 43.2}, BadInput),
        (move_device, {"place": "west", "lon": 76.95, "lat": 43.25}, BadInput),
        (move_device, {"place": "west"}, Conflict),
        (swap_device, {"new_serial": "W 9"}, BadInput),
        (swap_device, {"new_serial": "W-1"}, Conflict),
        (swap_device, {"new_serial": "hung-1"}, Conflict),
        (swap_device, {"new_serial": "other-1"}, Conflict),
        (swap_device, {"new_serial": "heat-1"}, Conflict),
        (swap_device, {"model": "nothing"}, NotFound),
        (swap_device, {"model": "demo-heat-15", "first": {"heat_energy": Decimal(0)}}, BadInput),
        (swap_device, {"final": {}}, BadInput),
        (swap_device, {"first": {}}, BadInput),
        (swap_device, {"final": {"water_volume": Decimal("0.0001")}}, BadInput),
        (swap_device, {"final": {"water_volume": Decimal(-1)}}, BadInput),
        (swap_device, {"final": {"water_volume": Decimal("NaN")}}, BadInput),
        (swap_device, {"final": {"water_volume": Decimal("1e30")}}, BadInput),
        (swap_device, {"final": {**ZERO, "heat_energy": Decimal(0)}}, BadInput),
        (swap_device, {"at": START}, BadInput),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    city: dict[str, Place], verb: Callable[..., Any], changes: dict[str, Any], error: type[QalaError]
) -> None:
    water, other = factories.organisation("water"), factories.organisation("other")
    west = city["west"]
    factories.device("W-1", "daiad-swm", water, place_id=west.pk, district_id=west.pk, installed_at=START)
    factories.device("hung-1", "daiad-swm", water, place_id=west.pk, district_id=west.pk)
    factories.device("other-1", "daiad-swm", other)
    factories.device("heat-1", "demo-heat-15", water)
    before = list(Device.objects.order_by("serial").values())
    with pytest.raises(error):
        verb(serial="W-1", who=US, now=NOW, **{**(MOVE if verb is move_device else SWAP), **changes})
    assert list(Device.objects.order_by("serial").values()) == before
    assert (DeviceChange.objects.count(), DeviceStay.objects.count()) == (0, 0)


def test_moves_follow_each_other_in_time(city: dict[str, Place]) -> None:
    factories.device("W-1", "daiad-swm", district_id=city["west"].pk)
    move_device(serial="W-1", who=US, now=NOW, at=START, place="east")
    with pytest.raises(BadInput, match="moved there"):
        move_device(serial="W-1", who=US, now=NOW, at=START, place="west")
    stay = DeviceStay.objects.get()
    with pytest.raises(IntegrityError), transaction.atomic():
        DeviceStay.objects.create(device=stay.device, valid_from=START, valid_to=START)


@pytest.fixture
def utilities(roles: None, city: dict[str, Place]) -> dict[str, Organisation]:
    found = {code: factories.organisation(code) for code in ("mine", "other")}
    for code, owner in found.items():
        factories.device(f"{code}-1", "daiad-swm", owner)
    factories.device("nobodys-1", "daiad-swm")
    return found


ASKERS: list[tuple[str | None, str | None, str, type[QalaError] | None]] = [
    ("manager", "mine", "mine-1", None),
    ("engineer", "mine", "mine-1", None),
    ("crew", "mine", "mine-1", None),
    ("manager", None, "other-1", None),
    ("manager", None, "nobodys-1", None),
    ("manager", "mine", "other-1", NotFound),
    ("manager", "mine", "nobodys-1", NotFound),
    ("engineer", "mine", "other-1", NotFound),
    ("crew", "mine", "none-1", NotFound),
    ("operator", "mine", "mine-1", NotAllowed),
    ("analyst", None, "mine-1", NotAllowed),
    ("mayor", None, "mine-1", NotAllowed),
    ("inspector", "mine", "mine-1", NotAllowed),
]
VERBS: dict[str, Callable[[Who, str], Any]] = {
    "move": lambda who, serial: move_device(serial=serial, who=who, now=NOW, at=NOW, place="east"),
    "retire": lambda who, serial: retire_device(serial=serial, who=who, now=NOW, at=NOW),
    "swap": lambda who, serial: swap_device(
        serial=serial, new_serial="new-1", who=who, now=NOW, at=NOW, final=ZERO, first=ZERO
    ),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(("role", "at", "serial", "error"), ASKERS)
def test_whose_devices_one_may_change(
    utilities: dict[str, Organisation], verb: str, role: str | None, at: str | None, serial: str, error: type[QalaError] | None
) -> None:  # fmt: skip
    who = who_of(factories.person(role, utilities[at] if at else None), NOW)
    if error is None:
        VERBS[verb](who, serial)
        assert DeviceChange.objects.exists()
        return
    with pytest.raises(error):
        VERBS[verb](who, serial)
    assert not DeviceChange.objects.exists() and not Device.objects.filter(serial="new-1").exists()
    with pytest.raises(SignInNeeded):
        VERBS[verb](ANONYMOUS, serial)


def test_anothers_serial_is_not_told_from_one_that_is_in_use(utilities: dict[str, Organisation]) -> None:
    who = factories.asker("manager", utilities["mine"])
    factories.device("mine-2", "daiad-swm", utilities["mine"], lon=76.9, lat=43.25)
    told = []
    for taken in ("other-1", "nobodys-1", "mine-2"):
        with pytest.raises(Conflict) as error:
            swap_device(serial="mine-1", new_serial=taken, who=who, now=NOW, at=NOW, final=ZERO, first=ZERO)
        told.append((error.value.what, error.value.fix))
    assert len(set(told)) == 1


def test_a_fitter_exchanges_a_meter_on_its_page(utilities: dict[str, Organisation], lake: Lake) -> None:
    client = Client(SERVER_NAME="localhost")
    client.force_login(factories.person("crew", utilities["mine"]))
    assert b"/console/devices/mine-1/swap/" in client.get("/console/devices/mine-1/").content
    form = client.get("/console/devices/mine-1/swap/")
    assert form.status_code == 200 and b'type="datetime-local"' in form.content
    given = {
        "at": "2026-05-12T10:00", "final_water_volume": "1.25", "new_serial": "new-1", "model": "daiad-swm",
        "first_water_volume": "0", "why": "battery",
    }  # fmt: skip
    wrong = client.post("/console/devices/mine-1/swap/", {**given, "final_water_volume": ""})
    assert wrong.status_code == 422
    taken = client.post("/console/devices/mine-1/swap/", {**given, "new_serial": "other-1"})
    assert taken.status_code == 409 and b"registered or changed by you" in taken.content
    done = client.post("/console/devices/mine-1/swap/", given)
    assert done.status_code == 302 and done["Location"] == "/console/devices/new-1/"
    page = client.get("/console/devices/mine-1/").content.decode()
    assert "exchanged for" in page and "battery" in page and "1.25" in page
    assert "/swap/" not in page, "a retired device is not exchanged again"
    assert client.get("/console/devices/other-1/swap/").status_code == 404
    moved = client.post("/console/devices/new-1/move/", {"at": "2026-05-12T11:00", "place": "east"})
    assert moved.status_code == 302
    retired = client.post("/console/devices/new-1/retire/", {"at": "2026-05-12T12:00"})
    assert retired.status_code == 302
    operator = Client(SERVER_NAME="localhost")
    operator.force_login(factories.person("operator", utilities["mine"]))
    for verb in VERBS:
        assert operator.get(f"/console/devices/mine-1/{verb}/").status_code == 403


def test_the_api_moves_exchanges_and_retires(utilities: dict[str, Organisation]) -> None:
    client = Client(SERVER_NAME="localhost")
    client.force_login(factories.person("engineer", utilities["mine"]))

    def post(path: str, **given: Any) -> Any:
        return client.post(f"/api/v1/devices/{path}", json.dumps(given), content_type="application/json")

    assert post("mine-1/move", at="2026-05-10T10:00:00+05:00", place="east").json()["kind"] == "moved"
    swapped = post("mine-1/swap", at="2026-05-11T10:00:00+05:00", new_serial="new-1", final={"water_volume": "1.25"},
                   first={"water_volume": 0})  # fmt: skip
    assert swapped.status_code == 200, swapped.content
    assert swapped.json()[0]["after"]["other"] == "mine-1"
    assert post("new-1/retire", at="2026-05-12T10:00:00+05:00", why="gone").json()["why"] == "gone"
    told = client.get("/api/v1/devices/mine-1/changes").json()
    assert [one["kind"] for one in told] == ["swapped_out", "moved"]
    for path in ("other-1", "none-1"):
        assert post(f"{path}/move", at="2026-05-10T10:00:00+05:00", place="east").status_code == 404
        assert client.get(f"/api/v1/devices/{path}/changes").status_code == 404
    assert post("new-1/move", at="2026-05-10T10:00:00+05:00", place="east").status_code == 409
    assert post("mine-1/move", at="yesterday").status_code == 422


def test_what_a_file_changes_is_computed_anew(load: conftest.Load, city: dict[str, Place], tmp_path: Any) -> None:
    factories.device("W-1", "daiad-swm")
    load("".join(f"W-1,{(START + timedelta(hours=hour)).isoformat()},{10 * hour}\n" for hour in range(25)))
    settle()
    assert (day_values(city["almaty"]), day_values(city["west"])) == ({5: 0.24}, {})
    path = tmp_path / "d.csv"
    path.write_text("serial,model,place,multiplier\nW-1,daiad-swm,west,10\n")
    load_devices(path=path, name="d.csv", who=US, now=NOW)
    settle()
    assert day_values(city["almaty"]) == day_values(city["west"]) == {5: 2.4}


@pytest.mark.parametrize("path", ["%00", "a%20b", "W-1%0A"])
def test_what_is_no_serial_is_not_found(roles: None, lake: Lake, path: str) -> None:
    client = Client(SERVER_NAME="localhost")
    client.force_login(factories.person("manager"))
    for address in (f"/console/devices/{path}/swap/", f"/api/v1/devices/{path}/changes"):
        assert client.get(address).status_code == 404
    given = json.dumps({"at": "2026-05-10T10:00:00+05:00", "place": "\0", "why": "\0"})
    answer = client.post("/api/v1/devices/W-1/move", given, content_type="application/json")
    assert answer.status_code == 422


def test_a_file_retires_and_tells_the_history(city: dict[str, Place], tmp_path: Any) -> None:
    factories.device("W-1", "daiad-swm")
    path = tmp_path / "d.csv"
    path.write_text("serial,model,removed_on\nW-1,daiad-swm,2026-05-01\n")
    found: DeviceSummary = load_devices(path=path, name="d.csv", who=US, now=NOW)
    assert found.changed == 1
    one = Device.objects.get(serial="W-1")
    assert one.state == Device.RETIRED
    assert [(change.kind, change.why) for change in list_changes(one)] == [("retired", "file d.csv")]
    assert load_devices(path=path, name="d.csv", who=US, now=NOW).unchanged == 1


def test_the_page_asks_as_often_for_three_changes_as_for_one(city: dict[str, Place], roles: None, lake: Lake) -> None:
    factories.device("W-1", "daiad-swm")
    client = Client(SERVER_NAME="localhost")
    client.force_login(factories.person("manager"))
    counts = []
    for number in range(3):
        move_device(
            serial="W-1", who=US, now=NOW, at=START + timedelta(hours=number), place=("west", "east", "west")[number]
        )
        if number != 1:
            client.get("/console/devices/W-1/")
            with CaptureQueriesContext(connection) as asked:
                client.get("/console/devices/W-1/")
            counts.append(len(asked))
    assert counts[0] == counts[1]


@pytest.mark.parametrize(("lon", "lat"), [(76.9, None), (None, 43.2), (181.0, 43.2), (76.9, -91.0)])
def test_the_database_keeps_both_coordinates_or_none(db: None, lon: float | None, lat: float | None) -> None:
    device = factories.device()
    with pytest.raises(IntegrityError), transaction.atomic():
        Device.objects.filter(pk=device.pk).update(lon=lon, lat=lat)
