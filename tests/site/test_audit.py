"""The audit as its doors show it: page, CSV, API; who sees what of it."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from qala.city.people.public import Person, join, who_of
from qala.kernel import audit
from qala.kernel.access import Who, system
from qala.kernel.sheets import defused
from qala.site.audit import changes
from qala.site.commands.audit import export_audit
from tests import factories

NOW = datetime(2026, 5, 12, 9, 0, tzinfo=UTC)
pytestmark = pytest.mark.django_db


def did(person: Person | None, key: str, *, at: datetime = NOW, **more: Any) -> None:
    who = system("job") if person is None else Who("person", str(person), person.pk)
    audit.record(who=who, now=at, verb="devices.rename", thing="device", key=key, **more)


def client_of(person: Person | None) -> Client:
    client = Client(SERVER_NAME="localhost", headers={"accept": "application/json"})
    if person is not None:
        client.force_login(person)
    return client


@pytest.fixture
def people(roles: None) -> dict[str, Person]:
    """Somebody of each kind, each with one act of theirs under their own key."""
    mine, other = factories.organisation("mine"), factories.organisation("other")
    found = {
        "administrator": factories.person("administrator", None),
        "manager of mine": factories.person("manager", mine),
        "engineer of mine": factories.person("engineer", mine),
        "engineer of other": factories.person("engineer", other),
        "analyst of the city": factories.person("analyst", None),
        "of both": factories.person("engineer", mine),
    }
    join(who=system("test"), now=NOW, person=found["of both"], role="engineer", organisation=other)
    for name, person in found.items():
        did(person, name)
    did(None, "the system")
    return found


SEES = [
    ("administrator", "all"),
    ("manager of mine", {"manager of mine", "engineer of mine"}),
    ("engineer of mine", 403),
    ("engineer of other", 403),
    ("analyst of the city", 403),
    (None, 401),
]


@pytest.mark.parametrize(("name", "sees"), SEES)
def test_who_sees_what(people: dict[str, Person], name: str | None, sees: Any) -> None:
    client = client_of(people[name] if name else None)
    answer = client.get("/api/v1/audit", {"thing": "device"})
    page = client.get("/console/audit/", {"thing": "device"}, headers={"accept": "text/html"})
    table = client.get("/console/audit/", {"thing": "device", "form": "csv"})
    if isinstance(sees, int):
        assert answer.status_code == sees
        assert page.status_code == (302 if sees == 401 else sees)
        assert table.status_code == sees or sees == 401
        assert b"engineer of mine" not in page.content
        return
    wanted = {*people, "the system"} if sees == "all" else sees
    assert {row["key"] for row in answer.json()["items"]} == wanted
    text = page.content.decode()
    rows = list(csv.DictReader(io.StringIO(b"".join(table.streaming_content).decode())))  # type: ignore[attr-defined]
    assert {row["Its key"] for row in rows} == wanted
    for key in [*people, "the system"]:
        assert (f">{key}<" in text) == (key in wanted)


def test_what_one_may_not_know_of_is_as_if_it_were_not(people: dict[str, Person]) -> None:
    client = client_of(people["manager of mine"])
    for address in (people["engineer of other"].email, "nobody@city.example"):
        assert client.get("/api/v1/audit", {"person": address}).json() == {"items": [], "next_cursor": None}
    known = client.get("/api/v1/audit", {"person": people["engineer of mine"].email}).json()
    assert [row["key"] for row in known["items"]] == ["engineer of mine"]


def test_searching_and_paging(people: dict[str, Person]) -> None:
    client = client_of(people["administrator"])
    for n in range(60):
        did(None, f"many-{n:02}", at=NOW + timedelta(days=1, seconds=n), before={"name": "a"}, after={"name": "b"})
    counts = []
    for narrowed in ({"key": "many-01"}, {"from": "2026-05-13", "to": "2026-05-13"}):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            page = client.get("/console/audit/", narrowed, headers={"accept": "text/html"}).content.decode()
        counts.append(len(queries))
        assert "many-01" in page or "many-59" in page
        assert "<s>a</s> → b" in page
    assert counts[0] == counts[1], "the page asks more where it shows more"
    assert page.count("<s>a</s>") == 50
    assert 'rel="next"' in page
    first = client.get("/api/v1/audit", {"verb": "devices.", "limit": "40"}).json()
    second = client.get(
        "/api/v1/audit", {"verb": "devices.", "limit": "40", "cursor": str(first["next_cursor"])}
    ).json()
    keys = [row["key"] for row in first["items"] + second["items"]]
    assert len(keys) == len(set(keys)) == 60 + len(people) + 1
    for wrong in ({"from": "yesterday"}, {"after": "x"}):
        assert client.get("/console/audit/", wrong).status_code == 422


def test_formulas_are_defused(people: dict[str, Person]) -> None:
    did(None, "=cmd|' /C calc'!A0", why="+1+1", after={"name": "=1"})
    client = client_of(people["administrator"])
    found = client.get("/console/audit/", {"key": "=cmd|' /C calc'!A0", "form": "csv"})
    row = next(csv.DictReader(io.StringIO(b"".join(found.streaming_content).decode())))  # type: ignore[attr-defined]
    assert (row["Its key"], row["Why"]) == ("'=cmd|' /C calc'!A0", "'+1+1")
    for text in ("=1", "+1", "-1", "@x", "\tx", "\rx", "\nx", "＝1"):
        assert defused(text) == f"'{text}"
    assert defused("K-17 = 3") == "K-17 = 3"


def test_changes_are_told_by_field() -> None:
    row = audit.record(
        who=system("t"), now=NOW, verb="v", thing="t", key=1,
        before={"name": "Abai 1", "roles": ["a", "b"], "same": 1, "gone": True},
        after={"name": "Abai 2", "roles": [], "odd": "2026-13-12T09:00:00+00:00", "same": 1, "made_at": {"x": None}, "from": "2026-05-12T09:00:00+00:00"},
    )  # fmt: skip
    assert changes(row) == [
        {"field": "name", "before": "Abai 1", "after": "Abai 2"},
        {"field": "roles", "before": "a, b", "after": ""},
        {"field": "gone", "before": "yes", "after": ""},
        {"field": "odd", "before": "", "after": "2026-13-12T09:00:00+00:00"},
        {"field": "made at", "before": "", "after": "x: –"},
        {"field": "from", "before": "", "after": "12 May 2026, 14:00"},
    ]


def test_exported_by_command(people: dict[str, Person], tmp_path: Path) -> None:
    done = CliRunner().invoke(
        export_audit, [str(tmp_path / "a.csv"), "--format", "csv", "--thing", "device", "--key", "the system"]
    )
    assert done.exit_code == 0, done.output
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["who"] for row in rows] == ["job"]
    assert str(UUID(rows[0]["id"])) == rows[0]["id"]


def test_a_person_of_nothing_sees_nothing(roles: None) -> None:
    person = factories.person(None, None)
    assert not who_of(person, NOW).may("audit.view")
