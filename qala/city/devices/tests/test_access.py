"""Who sees and loads what, and the pages of the API."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qala.city.devices.models import Device
from qala.city.devices.store import DEVICES, find_profile, get_device, list_loads, list_series, page_readings
from qala.city.meters.actions import close
from qala.city.meters.store import page_intervals
from qala.city.people.models import Organisation, Person
from qala.city.people.public import who_of
from qala.kernel.access import ANONYMOUS, Who
from qala.kernel.errors import NotAllowed, NotFound, SignInNeeded
from qala.kernel.lake import Lake
from qala.kernel.lists import Asked, Look
from qala.kernel.paging import encode_cursor
from qala.kernel.ranges import TimeRange
from tests import factories

from . import conftest
from .conftest import NOW, US
from .seen import current, reasons, series_of

START = datetime(2026, 5, 1, tzinfo=UTC)
HOURS = 5


@pytest.fixture
def utilities(roles: None, load: conftest.Load) -> dict[str, Organisation]:
    """Two utilities with two meters each, and a meter of nobody's; each has five hourly readings."""
    found = {code: factories.organisation(code) for code in ("mine", "other")}
    for code, owner in found.items():
        for number in (1, 2):
            factories.device(f"{code}-{number}", "daiad-swm", owner)
    factories.device("nobody-1", "daiad-swm")
    load("".join(
        f"{serial},{(START + timedelta(hours=hour)).isoformat()},{10 * hour}\n"
        for serial in ("mine-1", "mine-2", "other-1", "other-2", "nobody-1")
        for hour in range(HOURS)
    ))  # fmt: skip
    close([series_of(serial) for serial in ("mine-1", "mine-2", "other-1", "other-2", "nobody-1")], now=NOW)
    return found


MINE, OTHERS = {"mine-1", "mine-2"}, {"other-1", "other-2"}
EVERYONES = MINE | OTHERS | {"nobody-1"}
SEES = [
    ("engineer", "mine", MINE),
    ("engineer", "other", OTHERS),
    ("manager", "mine", MINE),
    ("engineer", None, EVERYONES),
    ("analyst", None, EVERYONES),
    ("mayor", None, EVERYONES),
]
Client_ = Callable[[str | None, Organisation | None], Client]


@pytest.fixture
def client_of() -> Client_:
    def make(role: str | None, at: Organisation | None) -> Client:
        client = Client(SERVER_NAME="localhost", headers={"accept": "application/json"})
        client.force_login(factories.person(role, at))
        return client

    return make


@pytest.mark.parametrize(("role", "at", "serials"), SEES)
def test_everyone_sees_their_own(
    utilities: dict[str, Organisation], client_of: Client_, role: str, at: str | None, serials: set[str]
) -> None:
    client = client_of(role, utilities[at] if at else None)
    devices = client.get("/api/v1/devices").json()
    assert {one["serial"] for one in devices["items"]} == serials
    assert (devices["count"], devices["next_cursor"]) == (len(serials), None)
    readings = client.get("/api/v1/readings").json()
    assert {one["serial"] for one in readings["items"]} == serials
    assert len(readings["items"]) == HOURS * len(serials)
    intervals = client.get("/api/v1/intervals").json()
    assert {one["serial"] for one in intervals["items"]} == serials
    assert len(intervals["items"]) == (HOURS - 1) * len(serials)
    for serial in EVERYONES - serials:
        for path in ("readings", "intervals"):
            answer = client.get(f"/api/v1/{path}", {"serial": serial})
            assert answer.status_code == 404
            assert answer.headers["Content-Type"] == "application/problem+json"
            missing = client.get(f"/api/v1/{path}", {"serial": "nothing"})
            assert answer.json()["detail"].replace(serial, "nothing") == missing.json()["detail"]


@pytest.mark.parametrize("path", ["devices", "readings", "intervals"])
def test_nobody_sees_anything_without_signing_in(utilities: dict[str, Organisation], path: str) -> None:
    answer = Client(SERVER_NAME="localhost").get(f"/api/v1/{path}", {"serial": "mine-1"})
    assert answer.status_code == 401
    assert answer.json()["type"] == "urn:qala:problem:sign-in-needed"


@pytest.mark.parametrize("path", ["devices", "readings", "intervals"])
def test_a_person_without_a_role_may_not(utilities: dict[str, Organisation], client_of: Client_, path: str) -> None:
    answer = client_of(None, None).get(f"/api/v1/{path}")
    assert answer.status_code == 403


def test_the_store_itself_is_told_who_asks(utilities: dict[str, Organisation]) -> None:
    engineer = factories.asker("engineer", utilities["mine"])
    reads: list[Callable[[Who], object]] = [
        lambda who: DEVICES.page(Asked(), Look(who, NOW)),
        lambda who: list_series(who=who),
        lambda who: get_device("mine-1", who=who),
        lambda who: page_readings(
            who=who, span=TimeRange(), serial=None, property=None, as_of=None, after=None, limit=5
        ),
        lambda who: page_intervals(
            who=who, span=TimeRange(), serial=None, property=None, as_of=None, after=None, limit=5
        ),
        lambda who: list_loads(who=who),
    ]
    for read in reads:
        read(engineer)
        with pytest.raises(SignInNeeded):
            read(ANONYMOUS)
        with pytest.raises(NotAllowed):
            read(who_of(factories.person(), NOW))
    with pytest.raises(NotFound):
        get_device("other-1", who=engineer)


def test_an_engineer_loads_for_their_own_devices_alone(utilities: dict[str, Organisation], load: conftest.Load) -> None:
    """Another utility's meters are to them as unknown as meters that do not exist."""
    engineer = factories.asker("engineer", utilities["mine"])
    text = "".join(f"{serial},2026-05-02T00:00:00Z,77\n" for serial in ("mine-1", "other-1", "nobody-1", "nothing"))
    found = load(text, who=engineer, unknown="refuse", model=None, at=NOW + timedelta(hours=1))
    assert reasons(found) == [(line, "unknown_device") for line in (3, 4, 5)]
    assert current("mine-1")["2026-05-02T00:00:00"] == 77
    assert "2026-05-02T00:00:00" not in current("other-1")
    assert [row.pk for row in list_loads(who=engineer)] == [found.load_id]
    assert list_loads(who=factories.asker("engineer", utilities["other"])) == []


def test_a_manager_creates_no_second_device_of_anothers_serial(
    utilities: dict[str, Organisation], load: conftest.Load
) -> None:
    manager = factories.asker("manager", utilities["mine"])
    text = "".join(f"{serial},2026-05-02T00:00:00Z,77\n" for serial in ("new", "other-1"))
    found = load(text, who=manager, owner="mine", at=NOW + timedelta(hours=1))
    assert reasons(found) == [(3, "unknown_device")]
    assert Device.objects.get(serial="new").owner == utilities["mine"]
    assert Device.objects.get(serial="other-1").owner == utilities["other"]
    for owner in ("other", None):
        with pytest.raises(NotAllowed):
            load(text, who=manager, owner=owner)


@pytest.mark.parametrize("role", ["analyst", "mayor", "operator", None])
def test_others_may_not_load(utilities: dict[str, Organisation], load: conftest.Load, role: str | None) -> None:
    with pytest.raises(NotAllowed):
        load("mine-1,2026-05-02T00:00:00Z,77\n", who=who_of(factories.person(role, utilities["mine"]), NOW))


def walk(client: Client, path: str, **asked: Any) -> list[dict[str, Any]]:
    """All items, page by page."""
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    for _ in range(200):
        page = client.get(f"/api/v1/{path}", {**asked, **({"cursor": cursor} if cursor else {})}).json()
        assert len(page["items"]) <= asked["limit"]
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return items
        assert page["items"], "a page that is not the last is not empty"
    raise AssertionError("the pages do not end")


def key_of(item: dict[str, Any]) -> tuple[str, ...]:
    return (item["serial"], item.get("time") or item.get("start") or "")


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limit=st.integers(1, 30), path=st.sampled_from(["devices", "readings", "intervals"]))
def test_pages_walk_everything_once(utilities: dict[str, Organisation], limit: int, path: str) -> None:
    client = Client(SERVER_NAME="localhost")
    client.force_login(
        Person.objects.filter(email="walker@city.example").first()
        or factories.person("analyst", email="walker@city.example")
    )
    whole = client.get(f"/api/v1/{path}").json()["items"]
    assert walk(client, path, limit=limit) == whole
    keys = [key_of(item) for item in whole]
    assert len(set(keys)) == len(keys) == {"devices": 5, "readings": 25, "intervals": 20}[path]


def test_ranges_and_as_of(utilities: dict[str, Organisation], load: conftest.Load, client_of: Client_) -> None:
    later = NOW + timedelta(days=1)
    load(f"mine-1,{START.isoformat()},3\n", at=later)
    close([series_of("mine-1")], now=later)
    client = client_of("analyst", None)
    asked = {"serial": "mine-1", "property": "water_volume"}

    def values(path: str, **more: str) -> list[float]:
        return [float(one["value"]) for one in client.get(f"/api/v1/{path}", {**asked, **more}).json()["items"]]

    assert values("readings") == [0.003, 0.01, 0.02, 0.03, 0.04]
    assert values("readings", as_of=NOW.isoformat()) == [0, 0.01, 0.02, 0.03, 0.04]
    assert values("readings", **{"from": "2026-05-01T01:00:00Z", "to": "2026-05-01T03:00:00Z"}) == [0.01, 0.02]
    assert values("intervals") == [0.007, 0.01, 0.01, 0.01]
    assert values("intervals", as_of=NOW.isoformat()) == [0.01] * 4
    assert values("intervals", **{"from": "2026-05-01T06:00:00+05:00", "to": "2026-05-01T08:00:00+05:00"}) == [
        0.01,
        0.01,
    ]
    assert values("readings", property="heat_energy") == []
    first = client.get("/api/v1/readings", asked).json()["items"][0]
    assert {name: first[name] for name in ("time", "unit", "quality", "version")} == {
        "time": "2026-05-01T00:00:00Z", "unit": "m3", "quality": "A", "version": 2,
    }  # fmt: skip
    hour = client.get("/api/v1/intervals", asked).json()["items"][0]
    assert (hour["start"], hour["end"], hour["method"], hour["quality"]) == (
        "2026-05-01T00:00:00Z", "2026-05-01T01:00:00Z", "interpolated", "A",
    )  # fmt: skip


@pytest.mark.parametrize("path", ["readings", "intervals", "devices"])
@pytest.mark.parametrize(
    "asked",
    [
        {"cursor": "nonsense"},
        {"cursor": encode_cursor("a", "b", "c")},
        {"cursor": "жаңа"},
        {"cursor": "e30"},
        {"limit": "0"},
        {"limit": "x"},
        {"limit": "1000000"},
    ],
)
def test_bad_questions(db: None, roles: None, client_of: Client_, lake: Lake, path: str, asked: dict[str, str]) -> None:
    answer = client_of("analyst", None).get(f"/api/v1/{path}", asked)
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == 422


@pytest.mark.parametrize("path", ["readings", "intervals"])
@pytest.mark.parametrize(
    "asked",
    [
        {"from": "yesterday"},
        {"from": "2026-05-01T00:00:00"},
        {"from": "2026-05-01"},
        {"to": "0001-01-01T00:00:00+14:00"},
        {"as_of": "9999-12-31T23:59:59-14:00"},
        {"as_of": "2026-05-01T00:00:00"},
        {"from": "2026-05-02T00:00:00Z", "to": "2026-05-01T00:00:00Z"},
        {"cursor": encode_cursor("x", "2026-05-01T00:00:00+00:00")},
        {"cursor": encode_cursor("1", "yesterday")},
        {"cursor": encode_cursor("1", "0001-01-01T00:00:00+14:00")},
        {"cursor": encode_cursor("1", "0001-01-01T00:00:00")},
    ],
)
def test_bad_times(utilities: dict[str, Organisation], client_of: Client_, path: str, asked: dict[str, str]) -> None:
    answer = client_of("analyst", None).get(f"/api/v1/{path}", asked)
    assert answer.status_code == 422, answer.content
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_cursor_beyond_the_end_gives_an_empty_page(utilities: dict[str, Organisation], client_of: Client_) -> None:
    client = client_of("analyst", None)
    for number in (10**9, 10**30):
        for path in ("readings", "intervals"):
            asked = {"cursor": encode_cursor(str(number), "2026-05-01T00:00:00+00:00")}
            assert client.get(f"/api/v1/{path}", asked).json() == {"items": [], "next_cursor": None}


@pytest.mark.parametrize("path", ["/console/devices/", "/console/loads/", "/api/v1/devices", "/api/v1/readings"])
def test_lists_ask_as_often_for_three_rows_as_for_one(
    roles: None, load: conftest.Load, client_of: Client_, path: str
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client = client_of("manager", None)
    owner = factories.organisation("mine")
    counts = []
    for serials in (["a"], ["b", "c"]):
        for serial in serials:
            factories.device(serial, "daiad-swm", owner)
            load(f"{serial},2026-05-01T00:00:00Z,5\n", name=f"{serial}.csv")
        client.get(path)
        with CaptureQueriesContext(connection) as asked:
            answer = client.get(path)
        assert answer.status_code == 200
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_the_shipped_profile_of_exports_takes_what_is_exported(utilities: dict[str, Organisation]) -> None:
    assert set(find_profile("qala").columns.named()) == {"serial", "property", "time", "value", "unit", "quality"}
    assert list_series(who=US)
