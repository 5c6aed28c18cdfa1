"""Who uses a meter point when: entered, ended, corrected, loaded from a file; and who may know it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from qala.city.devices import store
from qala.city.devices.actions import (
    begin_occupancy,
    correct_occupancy,
    end_occupancy,
    load_devices,
    load_occupancies,
    withdraw_occupancy,
)
from qala.city.devices.models import Device, DevicePoint, Occupancy
from qala.city.people.models import Organisation, Person
from qala.city.people.public import who_of
from qala.kernel.access import ANONYMOUS, Who
from qala.kernel.errors import BadInput, Conflict, NotAllowed, NotFound, QalaError, SignInNeeded
from qala.kernel.models import AuditEntry
from tests import factories

from .conftest import NOW, US

DAY = timedelta(days=1)
START = datetime(2026, 4, 30, 19, tzinfo=UTC)  # midnight of 1 May in Almaty


@pytest.fixture
def utilities(roles: None) -> dict[str, Organisation]:
    """Two utilities, both with a meter point that they call P-1; the second also has P-2."""
    found = {code: factories.organisation(code) for code in ("mine", "other")}
    for code, owner in found.items():
        factories.device(f"{code}-1", owner=owner, meter_point="P-1", address=f"{code} street 1")
    factories.device("other-2", owner=found["other"], meter_point="P-2")
    return found


@pytest.fixture
def resident(roles: None) -> Person:
    return factories.person(email="resident@city.example")


def begin(person: str = "", *, who: Who = US, owner: str = "mine", point: str = "P-1", start: datetime = START,
          end: datetime | None = None, organisation: str = "") -> Occupancy:  # fmt: skip
    return begin_occupancy(
        who=who, now=NOW, owner=owner, meter_point=point, person=person, organisation=organisation, valid_from=start,
        valid_to=end,
    )  # fmt: skip


def test_a_household_has_several_people_but_nobody_twice(utilities: dict[str, Organisation], resident: Person) -> None:
    other = factories.person()
    first = begin(resident.email)
    begin(other.email)
    begin(organisation="other")
    begin(resident.email, owner="other")  # the same code of another owner is another meter point
    for start, end in ((START, None), (START - DAY, START + DAY), (START + DAY, START + 2 * DAY)):
        with pytest.raises(Conflict):
            begin(resident.email, start=start, end=end)
    begin(resident.email, start=START - DAY, end=START)  # half-open: they touch
    end_occupancy(key=first.pk, who=US, now=NOW, at=START + 5 * DAY)
    begin(resident.email, start=START + 5 * DAY)
    assert Occupancy.objects.filter(person=resident, owner=utilities["mine"]).count() == 3


def test_it_is_ended_corrected_and_withdrawn_and_the_audit_names_nobody(
    utilities: dict[str, Organisation], resident: Person
) -> None:
    held = begin(resident.email)
    end_occupancy(key=held.pk, who=US, now=NOW, at=START + 9 * DAY, why="moved out")
    with pytest.raises(Conflict):
        end_occupancy(key=held.pk, who=US, now=NOW, at=START + 10 * DAY)
    correct_occupancy(key=held.pk, who=US, now=NOW, valid_from=START + DAY, valid_to=None)
    for start, end in ((START, START), (START, START - DAY), (datetime(2026, 5, 1), None)):
        with pytest.raises(BadInput):
            correct_occupancy(key=held.pk, who=US, now=NOW, valid_from=start, valid_to=end)
    held.refresh_from_db()
    assert (held.valid_from, held.valid_to) == (START + DAY, None)
    withdraw_occupancy(key=held.pk, who=US, now=NOW, why="wrong person")
    assert not Occupancy.objects.exists()
    rows = list(AuditEntry.objects.filter(thing_kind="occupancy").order_by("at", "number"))
    assert [row.verb for row in rows] == [
        "devices.begin_occupancy", "devices.end_occupancy", "devices.correct_occupancy", "devices.withdraw_occupancy",
    ]  # fmt: skip
    assert rows[1].before != rows[1].after
    for row in rows:
        assert str(resident.pk) not in f"{row.before}{row.after}{row.thing_key}{row.who_id}"
        assert resident.email not in f"{row.before}{row.after}"


def test_what_can_not_be_is_refused(utilities: dict[str, Organisation], resident: Person) -> None:
    factories.device("nobodys", meter_point="P-9")
    wrong: list[tuple[dict[str, Any], type[QalaError]]] = [
        ({"person": "nobody@city.example"}, NotFound),
        ({"person": resident.email, "point": "nothing"}, NotFound),
        ({"person": resident.email, "point": "P-2"}, NotFound),
        ({"organisation": "nothing"}, NotFound),
        ({}, BadInput),
        ({"person": resident.email, "organisation": "mine"}, BadInput),
        ({"person": resident.email, "end": START}, BadInput),
        ({"person": resident.email, "owner": "-", "point": "P-9"}, BadInput),
    ]
    for given, kind in wrong:
        with pytest.raises(kind):
            begin(**given)
    assert not Occupancy.objects.exists()


# Each role, where it is held, and what it may do with the occupants of the meter points of "mine": a table.
ACCESS = [
    ("manager", "mine", True),
    ("manager", None, True),
    ("administrator", None, True),
    ("manager", "other", False),
    ("engineer", "mine", False),
    ("operator", "mine", False),
    ("crew", "mine", False),
    ("analyst", None, False),
    ("mayor", None, False),
    (None, None, False),
]


@pytest.mark.parametrize(("role", "at", "may"), ACCESS)
def test_who_may_know_and_enter_occupants(
    utilities: dict[str, Organisation], resident: Person, role: str | None, at: str | None, may: bool
) -> None:
    held = begin(resident.email)
    person = factories.person(role, utilities[at] if at else None)
    who = who_of(person, NOW)
    client = Client(SERVER_NAME="localhost", headers={"accept": "application/json"})
    client.force_login(person)
    listed = client.get("/api/v1/occupancies")
    missing = client.post(
        f"/api/v1/occupancies/{factories.person().pk}/end", {"at": NOW.isoformat()}, content_type="application/json"
    )
    answer = client.post(f"/api/v1/occupancies/{held.pk}/end", {"at": NOW.isoformat()}, content_type="application/json")
    if may:
        assert [one["person"] for one in listed.json()["items"]] == [resident.email]
        assert answer.status_code == 200
        assert client.get("/console/meter-points/mine/P-1/").content.count(resident.email.encode()) == 1
        assert client.get(f"/console/occupancies/{held.pk}/").status_code == 200
        return
    if listed.status_code == 200:
        assert listed.json()["items"] == []
    else:
        assert listed.status_code == 403
    assert (answer.status_code, answer.json()["detail"]) == (missing.status_code, missing.json()["detail"])
    assert answer.status_code in (403, 404)
    assert resident.email.encode() not in client.get("/console/meter-points/mine/P-1/").content
    assert client.get(f"/console/occupancies/{held.pk}/").status_code in (403, 404)
    acts: list[Callable[[], object]] = [
        lambda: begin(resident.email, who=who, start=START - 9 * DAY, end=START),
        lambda: correct_occupancy(key=held.pk, who=who, now=NOW, valid_from=START, valid_to=None),
        lambda: withdraw_occupancy(key=held.pk, who=who, now=NOW),
        lambda: store.get_occupancy(held.pk, who=who),
    ]
    for act in acts:
        with pytest.raises((NotAllowed, NotFound)):
            act()
    held.refresh_from_db()
    assert held.valid_to is None


def test_nobody_knows_anything_without_signing_in(utilities: dict[str, Organisation], resident: Person) -> None:
    held = begin(resident.email)
    for path in ("occupancies", "meter-points", "my/meters", "my/readings", "claim-codes?owner=mine&meter_point=P-1"):
        assert Client(SERVER_NAME="localhost").get(f"/api/v1/{path}").status_code == 401
    for act in (
        lambda: store.get_occupancy(held.pk, who=ANONYMOUS),
        lambda: store.list_own(ANONYMOUS),
        lambda: begin(resident.email, who=ANONYMOUS),
    ):
        with pytest.raises(SignInNeeded):
            act()


def test_a_utility_names_whom_it_may_know_alone(utilities: dict[str, Organisation], resident: Person) -> None:
    """Else its manager could ask of any address whether it has an account; residents come by claim code."""
    manager = factories.asker("manager", utilities["mine"])
    colleague = factories.person("crew", utilities["mine"])
    told = set()
    for email in (resident.email, "nobody@city.example"):
        with pytest.raises(NotFound) as error:
            begin(email, who=manager)
        told.add(error.value.what)
    assert len(told) == 1
    assert begin(colleague.email, who=manager).person == colleague


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "occupancies.csv"
    path.write_text(text)
    return path


def load(path: Path, *, who: Who = US, **more: Any) -> Any:
    return load_occupancies(path=path, name=path.name, who=who, now=NOW, **more)


def test_a_file_is_kept_whole_or_not_and_again_adds_nothing(
    utilities: dict[str, Organisation], resident: Person, tmp_path: Path
) -> None:
    good = (
        f"owner,meter_point,person,organisation,from,to\nmine,P-1,{resident.email.upper()},,2026-05-01,\n"
        "other,P-2,,mine,01.04.2026,01.05.2026\n"
    )
    path = write(tmp_path, good)
    tried = load(path, dry_run=True)
    assert (tried.outcome, tried.new, Occupancy.objects.count()) == ("tried", 2, 0)
    done = load(path)
    assert (done.outcome, done.read, done.new, done.refused) == ("kept", 2, 2, 0)
    assert Occupancy.objects.get(person=resident).valid_from == START
    again = load(path)
    assert (again.new, again.unchanged) == (0, 2)
    ended = load(write(tmp_path, good.replace("2026-05-01,", "2026-05-01,2026-05-10")))
    assert (ended.changed, ended.unchanged) == (1, 1)
    assert Occupancy.objects.get(person=resident).valid_to == START + 9 * DAY
    assert AuditEntry.objects.filter(verb="devices.load_occupancies").count() == 3


def test_bad_rows_are_listed_with_line_and_reason(
    utilities: dict[str, Organisation], resident: Person, tmp_path: Path
) -> None:
    rows = [
        (f"mine,P-1,{resident.email},,2026-05-01,", ""),
        (f"mine,P-1,{resident.email},,2026-05-03,", "overlaps"),
        (f"mine,,{resident.email},,2026-05-01,", "no_meter_point"),
        (f"mine,P-7,{resident.email},,2026-05-01,", "unknown_meter_point"),
        (f"nowhere,P-1,{resident.email},,2026-05-01,", "unknown_meter_point"),
        (f",P-1,{resident.email},,2026-05-01,", "no_owner"),
        ("mine,P-1,,,2026-05-01,", "no_occupant"),
        (f"mine,P-1,{resident.email},mine,2026-05-01,", "two_occupants"),
        ("mine,P-1,x@city.example,,2026-05-01,", "unknown_person"),
        ("mine,P-1,,nothing,2026-05-01,", "unknown_organisation"),
        (f"mine,P-1,{resident.email},,,", "no_start"),
        (f"mine,P-1,{resident.email},,yesterday,", "bad_date"),
        (f"mine,P-1,{resident.email},,2026-05-01,2026-05-01", "dates_order"),
        (f"mine,{'P' * 65},{resident.email},,2026-05-01,", "too_long"),
        ("mine,P-1", "columns"),
    ]
    path = write(
        tmp_path, "owner,meter_point,person,organisation,from,to\n" + "".join(f"{row}\n" for row, _why in rows)
    )
    found = load(path)
    assert (found.outcome, Occupancy.objects.count()) == ("refused", 0)
    assert [(one.line, one.reason) for one in found.rows] == [
        (line, why) for line, (_row, why) in enumerate(rows, 2) if why
    ]
    kept = load(path, keep_good=True)
    assert (kept.outcome, kept.new, Occupancy.objects.count()) == ("kept", 1, 1)
    with pytest.raises(BadInput):
        load(write(tmp_path, "meter_point,whatever\nP-1,2026-05-01\n"))
    with pytest.raises(NotAllowed):
        load(path, who=factories.asker("engineer", utilities["mine"]))


def test_a_manager_loads_for_their_own_meter_points(utilities: dict[str, Organisation], tmp_path: Path) -> None:
    manager = factories.asker("manager", utilities["mine"])
    path = write(tmp_path, "owner,meter_point,organisation,from\n,P-1,other,2026-05-01\nother,P-1,mine,2026-05-01\n")
    found = load(path, who=manager, keep_good=True)
    assert [(one.line, one.reason) for one in found.rows] == [(3, "unknown_meter_point")]
    assert Occupancy.objects.get().owner == utilities["mine"]


def test_a_meter_point_shows_its_devices_over_time(utilities: dict[str, Organisation], tmp_path: Path) -> None:
    """A file that gives a device another meter point keeps when: what it measured before stays at the former one."""
    device = Device.objects.get(serial="mine-1")
    path = tmp_path / "devices.csv"
    for point, at in (("P-5", NOW), ("P-6", NOW + DAY)):
        path.write_text(f"serial,model,meter_point\nmine-1,{device.model},{point}\n")
        load_devices(path=path, name="devices.csv", who=US, now=at)
    owner = utilities["mine"].pk
    found = store.devices_at([(owner, "P-1"), (owner, "P-5"), (owner, "P-6")])
    assert [(one.start, one.end) for one in found[owner, "P-1"]] == [(None, NOW)]
    assert [(one.start, one.end) for one in found[owner, "P-5"]] == [(NOW, NOW + DAY)]
    assert [(one.start, one.end) for one in found[owner, "P-6"]] == [(NOW + DAY, None)]
    assert DevicePoint.objects.count() == 2
    assert store.get_point("mine", "P-1", who=US).code == "P-1"


def test_pages_take_what_people_enter(utilities: dict[str, Organisation], resident: Person) -> None:
    client = Client(SERVER_NAME="localhost", headers={"accept": "text/html"})
    client.force_login(factories.person("administrator"))
    address = "/console/meter-points/mine/P-1/"
    assert b"other street 1" in client.get("/console/meter-points/", {"q": "other street"}).content
    page = client.post(address, {"person": resident.email, "valid_from": "2026-05-01"})
    assert page.status_code == 302
    assert client.post(address, {"person": resident.email, "valid_from": "2026-05-01"}).status_code == 409
    assert client.post(address, {"person": "x", "valid_from": ""}).status_code == 422
    held = Occupancy.objects.get()
    one = f"/console/occupancies/{held.pk}/"
    assert client.post(one, {"do": "end", "at": "2026-05-10"}).status_code == 302
    assert client.post(one, {"do": "correct", "valid_from": "2026-05-02", "valid_to": ""}).status_code == 302
    held.refresh_from_db()
    assert (held.valid_from, held.valid_to) == (START + DAY, None)
    assert resident.email.encode() in client.get("/console/occupancies/?form=csv").getvalue()
    assert client.post(one, {"do": "withdraw"}).status_code == 302
    assert not Occupancy.objects.exists()


@pytest.mark.parametrize(
    "path", ["/console/meter-points/", "/api/v1/meter-points", "/api/v1/occupancies", "/console/meter-points/mine/P-1/"]
)
def test_lists_ask_as_often_for_three_rows_as_for_one(utilities: dict[str, Organisation], path: str) -> None:
    client = Client(SERVER_NAME="localhost")
    client.force_login(factories.person("manager"))
    counts = []
    for codes in (["a"], ["b", "c"]):
        for code in codes:
            factories.device(code, owner=utilities["mine"], meter_point="P-1")
            factories.device(f"p-{code}", owner=utilities["mine"], meter_point=code)
            begin(factories.person().email)
        client.get(path)
        with CaptureQueriesContext(connection) as asked:
            assert client.get(path).status_code == 200
        counts.append(len(asked))
    assert counts[0] == counts[1]
