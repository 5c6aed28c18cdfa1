"""A resident's own view: a code from a letter, then the readings of their own time, and not one more."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client

from qala.city.devices import rules, store
from qala.city.devices.actions import (
    begin_occupancy,
    claim_meter_point,
    issue_codes,
    keep_registers,
    revoke_code,
    swap_device,
)
from qala.city.devices.models import ClaimAttempt, ClaimCode, DeviceChange, Occupancy
from qala.city.meters.actions import close
from qala.city.people.models import Organisation, Person
from qala.city.people.public import who_of
from qala.kernel.access import Who
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.errors import BadInput, Conflict, NotAllowed, NotFound
from qala.kernel.models import AuditEntry, OutboxEvent
from qala.kernel.ranges import TimeRange
from tests import factories

from . import conftest
from .conftest import NOW, US
from .seen import series_of

HOUR = timedelta(hours=1)
START = datetime(2026, 5, 1, tzinfo=UTC)
MOVE, SWAP = START + 6 * HOUR, START + 8 * HOUR  # the next occupant comes, then the meter is exchanged


@pytest.fixture
def owner(roles: None) -> Organisation:
    return factories.organisation("utility")


@pytest.fixture
def people(owner: Organisation, load: conftest.Load) -> dict[str, Person]:
    """A flat: somebody until MOVE, two people after; a meter that was exchanged at SWAP. Next door another meter."""
    factories.device("old", "daiad-swm", owner, meter_point="P-1", address="Abai 1")
    factories.device("next-door", "daiad-swm", owner, meter_point="P-2")
    hours = range(12)
    load("".join(
        f"{serial},{(START + number * HOUR).isoformat()},{100 + number}\n"
        for serial in ("old", "next-door") for number in hours if serial == "next-door" or number < 8
    ))  # fmt: skip
    swap_device(
        serial="old",
        new_serial="new",
        who=US,
        now=NOW,
        at=SWAP,
        final={"water_volume": Decimal("0.108")},
        first={"water_volume": Decimal(0)},
    )
    for told in OutboxEvent.objects.filter(name="devices.registers_read"):
        keep_registers(now=NOW, **{**told.payload, "registers": [tuple(one) for one in told.payload["registers"]]})
    load("".join(f"new,{(SWAP + number * HOUR).isoformat()},{number}\n" for number in (1, 2, 3)))
    close([series_of(serial) for serial in ("old", "new", "next-door")], now=NOW)
    found = {
        name: factories.person(email=f"{name}@city.example")
        for name in ("former", "next", "partner", "neighbour", "stranger")
    }
    for name, point, start, end in (
        ("former", "P-1", START + HOUR, MOVE), ("next", "P-1", MOVE, None), ("partner", "P-1", MOVE + HOUR, None),
        ("neighbour", "P-2", START, None),
    ):  # fmt: skip
        begin_occupancy(
            who=US,
            now=NOW,
            owner="utility",
            meter_point=point,
            person=found[name].email,
            valid_from=start,
            valid_to=end,
        )
    found["engineer"] = factories.person("engineer", owner)
    found["manager"] = factories.person("manager", owner)
    found["administrator"] = factories.person("administrator")
    found["member"] = factories.person("crew", factories.organisation("tenant"))
    begin_occupancy(who=US, now=NOW, owner="utility", meter_point="P-1", organisation="tenant", valid_from=START)
    return found


def client_of(person: Person) -> Client:
    client = Client(SERVER_NAME="localhost")
    client.force_login(person)
    return client


def span(first: int, last: int) -> set[datetime]:
    return {START + number * HOUR for number in range(first, last + 1)}


# Who, and the hours whose registers they see of the old meter, of the new one and of the one next door.
SEES: list[tuple[str, set[datetime], set[datetime], set[datetime]]] = [
    ("former", span(1, 5), set(), set()),
    ("next", span(6, 8), span(8, 11), set()),
    ("partner", span(7, 8), span(8, 11), set()),
    ("neighbour", set(), set(), span(0, 11)),
    ("stranger", set(), set(), set()),
    ("engineer", set(), set(), set()),
    ("manager", set(), set(), set()),
    ("administrator", set(), set(), set()),
    ("member", set(), set(), set()),
]


@pytest.mark.parametrize(("name", "old", "new", "next_door"), SEES, ids=[row[0] for row in SEES])
def test_everyone_sees_their_own_period_and_not_a_minute_more(
    people: dict[str, Person], name: str, old: set[datetime], new: set[datetime], next_door: set[datetime]
) -> None:
    client = client_of(people[name])
    wanted = {"old": old, "new": new, "next-door": next_door}
    wide = {"from": "2020-01-01T00:00:00Z", "to": "2030-01-01T00:00:00Z"}
    for asked in ({}, wide):
        rows = client.get("/api/v1/my/readings", asked).json()
        assert {serial: {datetime.fromisoformat(one["time"]) for one in rows if one["serial"] == serial} for serial in wanted} == wanted  # fmt: skip
    own = {one["id"] for one in client.get("/api/v1/my/meters").json()}
    assert bool(own) == any(wanted.values())
    for held in Occupancy.objects.all():
        key = str(held.pk)
        page = client.get(f"/my/meters/{key}/", {"from": "2026-04-20", "to": "2026-05-11"})
        csv = client.get(f"/my/meters/{key}/readings.csv")
        api = client.get("/api/v1/my/readings", {"meter": key})
        if key not in own:
            assert {page.status_code, csv.status_code, api.status_code} == {404}
            continue
        assert page.status_code == 200
        lines = csv.getvalue().decode().splitlines()[1:]
        assert len(lines) == sum(map(len, wanted.values()))
        assert {(line.split(",")[1], datetime.fromisoformat(line.split(",")[3])) for line in lines} == {
            (serial, at) for serial, times in wanted.items() for at in times
        }
    for held in Occupancy.objects.exclude(pk__in=own):
        assert str(held.pk).encode() not in client.get("/my/meters/").content


def test_consumption_is_that_of_one_own_hours_over_the_exchange(people: dict[str, Person]) -> None:
    for name, litres in (("former", 5), ("next", 5), ("partner", 4), ("neighbour", 11)):
        held = Occupancy.objects.get(person=people[name])
        page = client_of(people[name]).get(
            f"/my/meters/{held.pk}/", {"from": "2026-04-20", "to": "2026-05-11"}, headers={"accept-language": "en"}
        )
        assert f"0.{litres:03}" in page.content.decode(), name
    next_days = Occupancy.objects.get(person=people["former"])
    page = client_of(people["former"]).get(f"/my/meters/{next_days.pk}/", {"from": "2026-05-02", "to": "2026-05-11"})
    assert b"0.00" not in page.content


def test_readings_of_a_part_lie_within_what_is_asked(people: dict[str, Person]) -> None:
    who = who_of(people["next"], NOW)
    held = store.list_own(who)
    within = TimeRange(START + 7 * HOUR, START + 9 * HOUR)
    found = store.own_readings(store.own_parts(held, within=within))
    assert {(one.serial, one.time) for one in found} == {
        ("old", START + 7 * HOUR), ("new", START + 8 * HOUR), ("old", START + 8 * HOUR),
    }  # fmt: skip
    token = Who("token", "a program", people["next"].pk)
    assert store.list_own(token) == []


# claim codes


def issue(**more: object) -> str:
    given = {"who": US, "now": NOW, "owner": "utility", "meter_points": ["P-1"], **more}
    return issue_codes(**given)[0].code  # type: ignore[arg-type]


@pytest.fixture
def flat(owner: Organisation) -> Organisation:
    factories.device("W-1", owner=owner, meter_point="P-1")
    factories.device("W-2", owner=owner, meter_point="P-2")
    return owner


@pytest.fixture
def resident(roles: None) -> Person:
    return factories.person(email="resident@city.example")


def test_a_code_is_entered_once_and_begins_with_the_day(flat: Organisation, resident: Person) -> None:
    code = issue(now=SYSTEM_CLOCK.now())
    assert ClaimCode.objects.get().digest not in code
    typed = code.lower().replace("-", " ").replace("0", "o").replace("1", "l")
    client = client_of(resident)
    assert client.post("/my/meters/", {"code": typed}).status_code == 302
    held = Occupancy.objects.get()
    assert (held.person, held.source, held.valid_to) == (resident, "code", None)
    assert held.valid_from.hour == 19  # midnight of Almaty
    assert client.post("/my/meters/", {"code": code}).status_code == 422
    other = factories.person()
    with pytest.raises(BadInput):
        claim_meter_point(code=code, who=who_of(other, NOW), now=NOW)
    row = AuditEntry.objects.get(verb="devices.begin_occupancy")
    assert (row.who_kind, row.who_id) == ("system", None)
    assert str(resident.pk) not in f"{row.after}"
    with pytest.raises(Conflict):
        claim_meter_point(code=issue(now=held.entered_at), who=who_of(resident, NOW), now=held.entered_at)


def test_a_code_begins_with_the_date_on_it_or_after_who_left_today(flat: Organisation, resident: Person) -> None:
    at = NOW - 40 * HOUR
    who = who_of(resident, NOW)
    assert claim_meter_point(code=issue(valid_from=at), who=who, now=NOW).valid_from == at
    left = NOW - HOUR
    begin_occupancy(
        who=US, now=NOW, owner="utility", meter_point="P-2", organisation="utility", valid_from=at, valid_to=left
    )
    assert claim_meter_point(code=issue(meter_points=["P-2"]), who=who, now=NOW).valid_from == left


def test_what_is_wrong_with_a_code_is_not_told(flat: Organisation, resident: Person) -> None:
    used, old, gone = issue(), issue(days=1), issue()
    revoke_code(key=ClaimCode.objects.order_by("-pk")[0].pk, who=US, now=NOW)
    claim_meter_point(code=used, who=who_of(factories.person(), NOW), now=NOW)
    later = NOW + timedelta(days=2)
    never = rules.shown_code("0" * 12)
    told = set()
    for number, code in enumerate((used, old, gone, never, "nonsense", "")):
        with pytest.raises(BadInput) as error:
            claim_meter_point(code=code, who=who_of(resident, NOW), now=later + number * HOUR)
        told.add((error.value.what, error.value.fix))
    assert len(told) == 1
    assert not Occupancy.objects.filter(person=resident).exists()


def test_wrong_codes_are_limited_by_person_and_by_address(flat: Organisation, resident: Person) -> None:
    code, who = issue(), who_of(resident, NOW)
    for _attempt in range(rules.LIMITS["person"]):
        with pytest.raises(BadInput):
            claim_meter_point(code="0", who=who, now=NOW, address="192.0.2.1")
    with pytest.raises(NotAllowed):
        claim_meter_point(code=code, who=who, now=NOW)  # a right one neither
    assert claim_meter_point(code=code, who=who, now=NOW + 2 * HOUR).person == resident
    ClaimAttempt.objects.all().delete()
    for _person in range(5):
        one = who_of(factories.person(), NOW)
        for _attempt in range(4):
            with pytest.raises(BadInput):
                claim_meter_point(code="0", who=one, now=NOW, address="192.0.2.7")
    fresh = who_of(factories.person(), NOW)
    with pytest.raises(NotAllowed):
        claim_meter_point(code="0", who=fresh, now=NOW, address="192.0.2.7")
    with pytest.raises(BadInput):
        claim_meter_point(code="0", who=fresh, now=NOW, address="192.0.2.8")
    with pytest.raises(BadInput):
        claim_meter_point(code="0", who=fresh, now=NOW + 30 * HOUR)
    assert ClaimAttempt.objects.count() == 1  # older ones are gone


def test_only_people_enter_codes(flat: Organisation, resident: Person) -> None:
    for who in (US, Who("token", "a program", resident.pk)):
        with pytest.raises(NotAllowed):
            claim_meter_point(code=issue(), who=who, now=NOW)


def test_who_may_issue_codes(flat: Organisation) -> None:
    other = factories.organisation("other")
    factories.device("other-1", owner=other, meter_point="P-1")
    manager = factories.asker("manager", flat)
    assert len(issue_codes(who=manager, now=NOW, owner="utility", meter_points=["P-1", "P-2", "P-1"], days=9)) == 2
    told = set()
    for owner, point in (("other", "P-1"), ("nothing", "P-1"), ("utility", "P-3")):
        with pytest.raises(NotFound) as error:
            issue_codes(who=manager, now=NOW, owner=owner, meter_points=[point])
        told.add(error.value.what)
    assert len(told) == 1
    for role in ("engineer", "crew", "operator"):
        with pytest.raises(NotAllowed):
            issue_codes(who=factories.asker(role, flat), now=NOW, owner="utility", meter_points=["P-1"])
    held = ClaimCode.objects.first()
    assert held is not None
    with pytest.raises(NotFound):
        revoke_code(key=held.pk, who=factories.asker("manager", other), now=NOW)
    bad: list[dict[str, object]] = [{"meter_points": []}, {"days": 0}, {"days": 401}]
    for wrong in bad:
        with pytest.raises(BadInput):
            issue(**wrong)


def test_codes_are_shown_once_on_pages(flat: Organisation) -> None:
    client = client_of(factories.person("manager", flat))
    page = client.post("/console/meter-points/utility/P-1/claim-code", {"days": "30"})
    assert page.status_code == 200
    assert page.headers["Cache-Control"].startswith("max-age=0")
    held = ClaimCode.objects.get()
    shown = re.search(rb"[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{5}", page.content)
    assert shown is not None
    assert shown[0] not in client.get("/console/meter-points/utility/P-1/").content
    file = client.post("/console/claim-codes/new/", {"owner": "utility", "meter_points": "P-1\nP-2\n", "days": "30"})
    lines = file.getvalue().decode().splitlines()
    assert lines[0] == "meter_point,code,expires_at"
    assert len(lines) == 3
    assert rules.typed_code(lines[1].split(",")[1]) is not None
    assert (
        client.post("/console/claim-codes/new/", {"owner": "utility", "meter_points": "P-9", "days": "30"}).status_code
        == 404
    )
    assert client.post(f"/console/claim-codes/{held.pk}/revoke/").status_code == 302
    held.refresh_from_db()
    assert held.revoked_at is not None


def test_one_wrong_sign_of_a_code_shows() -> None:
    signs = "7K3MQ9XA2HTR"
    assert rules.typed_code(rules.shown_code(signs)) == signs
    whole = rules.shown_code(signs).replace("-", "")
    for place, sign in enumerate(whole):
        for other in rules.SIGNS:
            if other != sign:
                assert rules.typed_code(whole[:place] + other + whole[place + 1 :]) is None
    for wrong in ("", whole[:-1], whole + "0", "U" + whole[1:], "ж" * 13):
        assert rules.typed_code(wrong) is None


def test_the_change_of_an_exchange_is_there(people: dict[str, Person]) -> None:
    assert DeviceChange.objects.filter(kind="swapped_in", device__serial="new").exists()
