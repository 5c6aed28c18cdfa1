"""Credentials of devices: given one by one and in bulk, shown once, renewed with an overlap, ended."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from qala.city.devices import actions, store
from qala.city.devices.actions import Chosen
from qala.city.devices.models import DeviceCredential
from qala.city.people.models import Organisation
from qala.kernel.access import ANONYMOUS, EVERYTHING, Scope, Who
from qala.kernel.errors import BadInput, NotAllowed, QalaError, SignInNeeded
from qala.kernel.models import AuditEntry, OutboxEvent
from qala.site.testing import run_command
from tests import factories
from tests.factories import US

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("roles")]
NOW = datetime(2026, 5, 12, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def water() -> Organisation:
    return factories.organisation("water")


def give(*serials: str, now: datetime = NOW, renew: bool = False, overlap_hours: int = 0) -> dict[str, str]:
    issued = actions.issue_credentials(
        Chosen(serials), who=US, now=now, renew=renew, overlap_hours=overlap_hours, why="first fitting"
    )
    return dict(issued.secrets)


def is_good(serial: str, secret: str, now: datetime = NOW) -> bool:
    return store.find_by_credential(serial, secret, now=now) is not None


def test_a_secret_is_shown_once_and_kept_as_its_hash(water: Organisation) -> None:
    device = factories.device("W-1", owner=water)
    secret = give("W-1")["W-1"]
    assert len(bytes.fromhex(secret.removeprefix("qdev_"))) * 8 == 128
    kept = json.dumps(
        [list(model.objects.values()) for model in (DeviceCredential, AuditEntry, OutboxEvent)], default=str
    )
    assert secret not in kept and secret.removeprefix("qdev_") not in kept
    assert store.find_by_credential("W-1", secret, now=NOW) == device
    entry = AuditEntry.objects.get(verb="devices.issue_credentials")
    assert entry.after is not None
    assert (entry.thing_key, entry.after["serials"], entry.why) == (str(device.pk), ["W-1"], "first fitting")
    told = OutboxEvent.objects.filter(name="devices.credentials_changed").get()
    assert told.payload == {"count": 1, "devices": [str(device.pk)]}


def test_what_is_no_credential_of_the_device(water: Organisation) -> None:
    for serial in ("W-1", "W-2"):
        factories.device(serial, owner=water)
    secrets = give("W-1", "W-2")
    for serial, secret in (
        ("W-1", secrets["W-2"]), ("W-1", ""), ("W-1", secrets["W-1"] + " "), ("W-1", secrets["W-1"].upper()),
        ("W-9", secrets["W-1"]), ("", secrets["W-1"]), ("W-1\x00", secrets["W-1"]), ("W-1", "\ud800".encode("utf-16", "surrogatepass").decode("utf-16", "replace")),
    ):  # fmt: skip
        assert not is_good(serial, secret)
    assert is_good("W-1", secrets["W-1"]) and not is_good("W-1", secrets["W-1"], NOW - HOUR)


def test_renewing_leaves_an_overlap_and_never_two_without_end(water: Organisation) -> None:
    factories.device("W-1", owner=water)
    old = give("W-1")["W-1"]
    assert give("W-1", now=NOW + HOUR) == {}, "it keeps the one that it has"
    new = give("W-1", now=NOW + HOUR, renew=True, overlap_hours=24)["W-1"]
    at = NOW + 2 * HOUR
    assert is_good("W-1", old, at) and is_good("W-1", new, at)
    assert not is_good("W-1", old, NOW + 25 * HOUR) and is_good("W-1", new, NOW + 25 * HOUR)
    assert DeviceCredential.objects.filter(ends_at__isnull=True).count() == 1
    assert actions.end_credentials(Chosen(("W-1",)), who=US, now=at) == 1
    assert not is_good("W-1", old, at) and not is_good("W-1", new, at)
    assert actions.end_credentials(Chosen(("W-1",)), who=US, now=at) == 0


def test_a_retired_or_exchanged_device_has_none(water: Organisation) -> None:
    factories.device("W-1", owner=water)
    secret = give("W-1")["W-1"]
    actions.retire_device(serial="W-1", who=US, now=NOW + HOUR, at=NOW + HOUR)
    assert not is_good("W-1", secret, NOW + HOUR)
    with pytest.raises(BadInput, match="1 serials"):
        give("W-1")


def test_all_or_none_and_every_bad_serial_is_named(water: Organisation) -> None:
    factories.device("W-1", owner=water)
    with pytest.raises(BadInput) as error:
        give("W-1", "W-8", "W-9")
    assert error.value.rows == ("W-8", "W-9") and not DeviceCredential.objects.exists()
    for chosen in (Chosen(), Chosen(owner="nobody"), Chosen(model="nothing")):
        with pytest.raises(BadInput):
            actions.issue_credentials(chosen, who=US, now=NOW)
    with pytest.raises(BadInput, match="overlap"):
        give("W-1", overlap_hours=-1)


def test_in_bulk_by_owner_and_model_at_a_fixed_number_of_queries(water: Organisation) -> None:
    power = factories.organisation("power")
    factories.device("E-1", "demo-electricity-1p", owner=power)
    for number in range(3):
        factories.device(f"W-{number}", owner=water)
    counts = []
    for count in (1, 3):
        with CaptureQueriesContext(connection) as asked:
            given = give(*(f"W-{number}" for number in range(count)), renew=True)
        assert len(given) == count
        counts.append(len(asked))
    assert counts[0] == counts[1]
    assert actions.plan_credentials(Chosen(owner="water"), who=US, now=NOW) == actions.Plan(0, 0, 3)
    assert actions.plan_credentials(Chosen(owner="water"), who=US, now=NOW, renew=True) == actions.Plan(0, 3, 0)
    assert actions.plan_credentials(Chosen(owner="power"), who=US, now=NOW) == actions.Plan(1, 0, 0)
    assert actions.plan_credentials(Chosen(owner="power", model="demo-electricity-1p"), who=US, now=NOW).first == 1


@pytest.mark.parametrize(
    ("kind", "permissions", "where", "refused"),
    [
        ("person", ("devices.view", "devices.credentials"), "own", None),
        ("person", ("devices.view", "devices.credentials"), "everywhere", None),
        ("person", ("devices.view", "devices.credentials"), "other", BadInput),
        ("person", ("devices.view", "devices.manage"), "own", NotAllowed),
        ("person", ("devices.credentials",), "own", BadInput),
        ("token", ("devices.view", "devices.credentials"), "own", NotAllowed),
        ("anonymous", (), "own", SignInNeeded),
    ],
)
def test_who_gives_and_ends(
    water: Organisation, kind: str, permissions: tuple[str, ...], where: str, refused: type[QalaError] | None
) -> None:
    factories.device("W-1", owner=water)
    other = factories.organisation("power")
    scope = {"own": Scope(organisations=frozenset({water.pk})), "other": Scope(organisations=frozenset({other.pk})), "everywhere": EVERYTHING}[where]  # fmt: skip
    who = ANONYMOUS if kind == "anonymous" else Who("token" if kind == "token" else "person", "x", grants=dict.fromkeys(permissions, scope))  # fmt: skip
    chosen = Chosen(("W-1",))
    if refused is None:
        assert len(actions.issue_credentials(chosen, who=who, now=NOW).secrets) == 1
        assert actions.end_credentials(chosen, who=who, now=NOW) == 1
        return
    for act in (actions.issue_credentials, actions.plan_credentials, actions.end_credentials):
        with pytest.raises(refused):
            act(chosen, who=who, now=NOW)
    assert not DeviceCredential.objects.exists()


def test_the_pages(water: Organisation, lake: object) -> None:
    factories.device("W-1", owner=water)
    factories.device("W-2", owner=water)
    factories.device("E-1", owner=factories.organisation("power"))
    manager = Client(SERVER_NAME="localhost")
    manager.force_login(factories.person("manager", water))
    page = manager.get("/console/credentials/").content.decode()
    assert '<option value="water">' in page and '<option value="power">' not in page
    form = {"owner": "water", "overlap_hours": "24"}
    counted = manager.post("/console/credentials/", {**form, "do": "plan"}).content.decode()
    assert "2 devices get their first credential" in counted
    answer = manager.post("/console/credentials/", {**form, "do": "issue"})
    assert answer["Content-Disposition"].startswith("attachment") and "no-store" in answer["Cache-Control"]
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert [row["serial"] for row in rows] == ["W-1", "W-2"]
    now = datetime.now(UTC)
    assert all(is_good(row["serial"], row["secret"], now) for row in rows)
    assert "W-9" in manager.post("/console/credentials/", {"serials": "W-1\r\nW-9", "overlap_hours": "0"}).content.decode()  # fmt: skip
    device = "/console/devices/W-1/"
    assert "until further notice" in manager.get(device).content.decode()
    shown = manager.post(f"{device}credential/")
    assert shown.status_code == 201 and "no-store" in shown["Cache-Control"] and "qdev_" in shown.content.decode()
    assert "qdev_" not in manager.get(device).content.decode()
    assert manager.post(f"{device}credential/end/").status_code == 302
    ended = manager.post("/console/credentials/", {**form, "do": "end"}, follow=True).content.decode()
    assert "1 device lost its credential" in ended
    assert manager.post("/console/devices/E-1/credential/").status_code == 404
    engineer = Client(SERVER_NAME="localhost")
    engineer.force_login(factories.person("engineer", water))
    assert engineer.get("/console/credentials/").status_code == 403
    assert engineer.post(f"{device}credential/").status_code == 403
    assert "Give a credential" not in engineer.get(device).content.decode()


def test_the_api(water: Organisation) -> None:
    factories.device("W-1", owner=water)
    manager = Client(SERVER_NAME="localhost")
    manager.force_login(factories.person("manager", water))

    def post(path: str, body: dict[str, object]) -> tuple[int, dict[str, object]]:
        answer = manager.post(f"/api/v1/devices/credentials{path}", json.dumps(body), content_type="application/json")
        return answer.status_code, answer.json()

    status, given = post("", {"serials": ["W-1"]})
    assert status == 200 and given["kept"] == 0
    secrets = given["secrets"]
    assert isinstance(secrets, list) and is_good("W-1", secrets[0]["secret"], datetime.now(UTC))
    assert post("", {"serials": ["W-1"]})[1]["kept"] == 1
    assert post("/end", {"owner": "water"}) == (200, {"ended": 1})
    assert post("", {})[0] == 422
    assert post("", {"serials": ["W-1", "\u0000"]})[0] == 422


def test_the_commands(tmp_path: Path) -> None:
    city, devices, out = tmp_path / "city", tmp_path / "devices.csv", tmp_path / "secrets.csv"
    devices.write_text("serial,model\nA-1,demo-water-15\nA-2,demo-water-15\n")
    assert run_command("load", "devices", str(devices), data_dir=city).returncode == 0
    issue = ("credentials", "issue", "--model", "demo-water-15", "--out", str(out))
    found = run_command(*issue, data_dir=city)
    assert found.returncode == 0, found.stderr
    assert out.stat().st_mode & 0o777 == 0o600
    rows = list(csv.DictReader(out.open()))
    assert [row["serial"] for row in rows] == ["A-1", "A-2"]
    again = run_command(*issue, data_dir=city)
    assert again.returncode == 2 and "does not exist" in again.stderr and len(out.read_text().splitlines()) == 3
    bad = run_command("credentials", "issue", "A-9", "--out", str(tmp_path / "none.csv"), data_dir=city)
    assert bad.returncode == 2 and "A-9" in bad.stderr and not (tmp_path / "none.csv").exists()

    def check(secret: str) -> int:
        return subprocess.run(
            [sys.executable, "-m", "qala", "--data-dir", str(city), "credentials", "check", "A-1"],
            input=secret, text=True, capture_output=True, timeout=60,
        ).returncode  # fmt: skip

    assert check(rows[0]["secret"] + "\n") == 0
    assert check(rows[1]["secret"]) == 2
    assert run_command("credentials", "end", "A-1", data_dir=city).returncode == 0
    assert check(rows[0]["secret"]) == 2
