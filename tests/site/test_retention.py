"""How long data are kept: chosen by who may, told before it happens, deleted and audited."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from qala.city.devices.models import Load
from qala.city.people.models import SignIn
from qala.kernel import jobs, outbox, plug, retention
from qala.kernel.access import ANONYMOUS, Who, system
from qala.kernel.errors import BadInput, Conflict, NotAllowed, NotFound, SignInNeeded
from qala.kernel.lake import Lake
from qala.kernel.models import AuditEntry, OutboxDelivery, OutboxEvent, RetentionRule
from qala.kernel.work import TASKS
from qala.site.pytest_plugin import with_databases
from qala.site.testing import run_command
from tests import factories

NOW = datetime(2026, 6, 1, 9, tzinfo=UTC)
OLD = NOW - timedelta(days=400)
US = system("test")
PAGE, API = "/console/operation/storage/retention/", "/api/v1/operation/retention"
pytestmark = pytest.mark.django_db


def client_of(role: str | None) -> Client:
    client = Client(SERVER_NAME="localhost")
    if role is not None:
        client.force_login(factories.person(role))
    return client


@pytest.mark.parametrize(("role", "status"), [("administrator", 200), ("manager", 403), ("mayor", 403), (None, 401)])
def test_who_may(roles: None, lake: Lake, role: str | None, status: int) -> None:
    client = client_of(role)
    assert client.get(PAGE).status_code == {401: 302}.get(status, status)
    assert client.get(API).status_code == status
    put = client.put(f"{API}/refusals", json.dumps({"days": 30}), content_type="application/json")
    assert put.status_code == status
    assert client.post(PAGE, {"key": "refusals", "days": "40"}).status_code == (302 if status in (200, 401) else status)
    assert retention.days_of("refusals") == (40 if status == 200 else None)
    for who, error in ((ANONYMOUS, SignInNeeded), (Who("person", "x"), NotAllowed)):
        with pytest.raises(error):
            retention.list_classes(who=who, now=NOW)
        with pytest.raises(error):
            retention.set_retention("refusals", days=1, who=who, now=NOW)
        with pytest.raises(error):
            retention.run(who=who, now=NOW)


def test_a_choice_is_audited_and_checked() -> None:
    retention.set_retention("refusals", days=90, who=US, now=NOW)
    retention.set_retention("refusals", days=None, who=US, now=NOW)
    told = AuditEntry.objects.filter(verb="city.set_retention").order_by("number")
    assert [(one.thing_key, one.before, one.after) for one in told] == [
        ("refusals", {"days": None}, {"days": 90}), ("refusals", {"days": 90}, {"days": None}),
    ]  # fmt: skip
    for key in ("audit", "measures", "intervals", "notices"):
        with pytest.raises(Conflict):
            retention.set_retention(key, days=90, who=US, now=NOW)
    for key, days in (("readings.register", 30), ("refusals", 0), ("refusals", 40_000), ("outbox.deliveries", 6)):
        with pytest.raises(BadInput):
            retention.set_retention(key, days=days, who=US, now=NOW)
    with pytest.raises(NotFound):
        retention.set_retention("nothing", days=90, who=US, now=NOW)


def test_what_the_city_keeps_unless_somebody_chose(lake: Lake) -> None:
    found = {one.key: one.days for one in retention.list_classes(who=US, now=NOW)}
    assert found == {**dict.fromkeys(found), "jobs.finished": 7, "notices": 180}
    assert {"audit", "measures", "intervals"} <= set(found)
    keys = [one.key for one in plug.declared("retained")]
    assert len(set(keys)) == len(keys)


def test_each_class_goes_and_what_is_young_or_in_use_stays(lake: Lake) -> None:
    def refused(at: datetime) -> str:
        return f"('load:x', 1, 's', NULL, 'c', 'no_time', TIMESTAMP '{at.replace(tzinfo=None)}')"

    lake.commit(lambda cursor: cursor.execute(f"INSERT INTO lake.refusals VALUES {refused(OLD)}, {refused(NOW)}"))
    for at in (OLD, NOW):
        load = Load.objects.create(
            file_name="f", profile="p", profile_text={}, started_at=at, finished_at=at, who_name="w", state="done"
        )
        folder = Path(django_settings.QALA.loads_dir) / str(load.pk)
        folder.mkdir(parents=True)
        (folder / "refused.csv").write_text("line,reason,content\n")
        jobs.run_job.enqueue("people.erase_due", {})
    TASKS.update(status="SUCCESSFUL", finished_at=OLD)
    TASKS.filter(pk=TASKS.first().pk).update(finished_at=NOW)
    with transaction.atomic():
        for state, done in ((OutboxDelivery.DONE, OLD), (OutboxDelivery.DONE, NOW), (OutboxDelivery.FAILED, None)):
            event = outbox.tell("city.backup_failed", {"folder": "f", "reason": "r"}, now=OLD)
            OutboxDelivery.objects.filter(event=event).delete()
            OutboxDelivery.objects.create(event=event, handler="x.y", due_at=OLD, state=state, done_at=done)
    person = factories.person(None)
    for key, seen in (("a" * 32, OLD), ("b" * 32, OLD), ("c" * 32, NOW)):
        SignIn.objects.create(person=person, session_key=key, began_at=OLD, last_seen_at=seen)
    Session.objects.create(session_key="b" * 32, session_data="", expire_date=datetime.now(UTC) + timedelta(days=1))
    keys = ("refusals", "loads.refused_files", "outbox.deliveries", "people.sign_ins")
    for key in keys:
        retention.set_retention(key, days=300, who=US, now=NOW)
    counted = {one.key: one.rows for one in retention.run(who=US, now=NOW, dry_run=True)}
    assert counted == dict.fromkeys((*keys, "jobs.finished"), 1)
    gone = {one.key: one.rows for one in retention.run(who=US, now=NOW) if one.state == "done"}
    assert gone == counted
    assert retention.run(who=US, now=NOW) == []
    told = AuditEntry.objects.filter(verb="city.forget")
    assert {one.thing_key: one.after["rows"] for one in told if one.after} == counted
    with lake.question() as cursor:
        assert cursor.execute("SELECT count(*) FROM lake.refusals").fetchone() == (1,)
    assert TASKS.count() == 1
    assert OutboxEvent.objects.count() == 2
    assert sorted(SignIn.objects.values_list("session_key", flat=True)) == ["b" * 32, "c" * 32]


@pytest.mark.parametrize(("language", "word"), [("kk", "мерзімсіз"), ("ru", "бессрочно"), ("en", "for ever")])
def test_the_page(roles: None, lake: Lake, language: str, word: str) -> None:
    client = client_of("administrator")
    client.cookies["qala_language"] = language
    page = client.get(PAGE + "?class=refusals").content.decode()
    assert word in page
    assert '<option value="refusals" selected' in page and '<option value="audit"' not in page
    assert client.post(PAGE, {"key": "outbox.deliveries", "days": "1"}).status_code == 422
    assert client.post(PAGE, {"key": "audit", "days": "1"}).status_code == 422
    assert client.post(PAGE, {"key": "refusals", "days": "30"}).status_code == 302
    assert client.post(PAGE, {"key": "refusals", "days": ""}).status_code == 302
    assert retention.days_of("refusals") is None
    assert PAGE in client.get("/console/operation/storage/").content.decode()


def test_the_api_and_as_many_queries_for_more(roles: None, lake: Lake) -> None:
    client = client_of("administrator")
    counts = []
    for days in (100, 200, 300):
        told = client.put(f"{API}/readings.instant", json.dumps({"days": days}), content_type="application/json").json()
        assert (told["days"], told["by_month"], told["going"]["rows"]) == (days, True, 0)
        RetentionRule.objects.update_or_create(key=f"other.{days}")
        for address in (PAGE, API):
            with CaptureQueriesContext(connection) as asked:
                client.get(address)
            counts.append(len(asked))
    assert counts[2:4] == counts[4:]
    refused = client.put(f"{API}/audit", json.dumps({"days": 9}), content_type="application/json")
    assert (refused.status_code, refused["Content-Type"]) == (409, "application/problem+json")
    assert client.put(f"{API}/none", json.dumps({"days": 9}), content_type="application/json").status_code == 404


def test_the_command(tmp_path: Path) -> None:
    folder = with_databases(tmp_path / "city")
    assert run_command("retention", "set", "refusals", "30", data_dir=folder).returncode == 0
    lines = [
        json.loads(line) for line in run_command("retention", "list", "--json", data_dir=folder).stdout.splitlines()
    ]
    assert {line["class"]: line["days"] for line in lines}["refusals"] == 30
    assert run_command("retention", "set", "refusals", "forever", data_dir=folder).returncode == 0
    assert run_command("retention", "set", "refusals", "soon", data_dir=folder).returncode == 2
    assert run_command("retention", "set", "audit", "30", data_dir=folder).returncode == 2
    for more in ((), ("--dry-run",)):
        ran = run_command("retention", "run", "--json", *more, data_dir=folder)
        assert json.loads(ran.stdout.splitlines()[-1])["rows"] == 0, ran.stderr
