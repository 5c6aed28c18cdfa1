"""The page of how the city runs, and doing failed work again."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django_tasks_db.models import DBTaskResult, get_date_max

from qala.kernel import audit, outbox, work
from qala.kernel.access import ANONYMOUS, Who, system
from qala.kernel.errors import NotAllowed, NotFound, SignInNeeded
from qala.kernel.ids import new_id
from qala.kernel.models import AuditEntry, OutboxDelivery, OutboxEvent
from qala.kernel.work import list_jobs, list_news, repeat
from qala.site.backup.daily import Last
from qala.site.pages.operation import backup_line, backup_told, lines
from tests import factories

NOW = datetime(2026, 5, 12, 9, 0, tzinfo=UTC)
US = system("test")
TASKS: Any = DBTaskResult.objects
pytestmark = pytest.mark.django_db
WELL: dict[str, Any] = {
    "parts": [{"part": "web", "state": "running", "restarts": 0}],
    "records": {"state": "ok"}, "lake": {"state": "ok"}, "disk": {"state": "ok", "free_bytes": 2**40},
    "outbox": {"state": "ok"}, "worker": {"state": "ok", "doing": None},
}  # fmt: skip


def failed_job(name: str = "lake.maintain") -> UUID:
    task = TASKS.create(
        args_kwargs={"args": [name, {}], "kwargs": {}}, task_path="qala.kernel.jobs.run_job", queue_name="default",
        backend_name="default", run_after=get_date_max(), status="FAILED", finished_at=NOW, worker_ids=["a", "b"],
        traceback="Traceback\n  File x\nOSError: the disk is full\n", exception_class_path="builtins.OSError",
    )  # fmt: skip
    return UUID(str(task.pk))


def given_up() -> UUID:
    event = OutboxEvent.objects.create(name="devices.registered", payload={}, told_at=NOW)
    row = OutboxDelivery.objects.create(
        event=event, handler="qala.city.meters.handlers.close", state=OutboxDelivery.FAILED, due_at=NOW,
        attempts=outbox.MAX_ATTEMPTS, error="ValueError: no such series",
    )  # fmt: skip
    return row.pk


def client_of(role: str | None) -> Client:
    client = Client(SERVER_NAME="localhost")
    if role is not None:
        client.force_login(factories.person(role))
    return client


@pytest.mark.parametrize(("role", "status"), [("administrator", 200), ("manager", 403), ("mayor", 403), (None, 302)])
def test_who_may_operate(roles: None, role: str | None, status: int) -> None:
    key = failed_job()
    client = client_of(role)
    assert client.get("/console/operation/").status_code == status
    answer = client.post("/console/operation/repeat/", {"kind": "job", "key": str(key)})
    assert answer.status_code == (302 if status == 200 else status)
    assert TASKS.get(pk=key).status == ("READY" if status == 200 else "FAILED")
    for who, error in ((ANONYMOUS, SignInNeeded), (Who("person", "x"), NotAllowed)):
        with pytest.raises(error):
            list_jobs(who=who, state="failed")
        with pytest.raises(error):
            list_news(who=who, state="failed")
        with pytest.raises(error):
            repeat("job", key, who=who, now=NOW)


def test_failed_work_with_its_reason_and_once_more(roles: None) -> None:
    job, news = failed_job(), given_up()
    client = client_of("administrator")
    page = client.get("/console/operation/").content.decode()
    assert "OSError: the disk is full" in page
    assert "ValueError: no such series" in page
    assert "1 delivery was given up" in page
    for kind, key in (("job", job), ("news", news)):
        answer = client.post("/console/operation/repeat/", {"kind": kind, "key": str(key)}, follow=True)
        assert "It is queued again." in answer.content.decode()
        entry = AuditEntry.objects.get(verb="city.repeat_work", thing_key=str(key))
        assert (entry.thing_kind, entry.who_kind) == (kind, "person")
        assert client.post("/console/operation/repeat/", {"kind": kind, "key": str(key)}).status_code == 404
    task = TASKS.get(pk=job)
    assert (task.status, task.worker_ids, task.traceback) == ("READY", [], "")
    delivery = OutboxDelivery.objects.get(pk=news)
    assert (delivery.state, delivery.attempts, delivery.claim) == (OutboxDelivery.DUE, 0, None)
    assert [one.key for one in list_jobs(who=US, state="waiting")] == [job]
    waiting = [one.key for one in list_news(who=US, state="waiting") if one.name != "people.role_given"]
    assert waiting == [news]  # beside the news of the administrator's own role
    with pytest.raises(NotFound):
        repeat("news", new_id(), who=US, now=NOW)
    assert client.post("/console/operation/repeat/", {"kind": "job", "key": "x"}).status_code == 404


def test_a_list_asks_as_much_for_three_as_for_one(roles: None) -> None:
    client, counts = client_of("administrator"), []
    for more in (1, 2):
        for _ in range(more):
            failed_job()
            given_up()
        with CaptureQueriesContext(connection) as asked:
            client.get("/console/operation/")
        counts.append(len(asked))
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    ("changes", "title", "state", "words"),
    [
        ({}, "Records", "ok", "answer"),
        ({"records": {"state": "failed"}}, "Records", "bad", "do not answer"),
        ({"lake": {"state": "slow"}}, "The lake: measurements", "warn", "slowly"),
        ({"lake": {"state": "failed", "why": "Gone."}}, "The lake: measurements", "bad", "Gone."),
        ({"disk": {"state": "low", "free_bytes": 2**20}}, "Disk", "bad", "1.0\u00a0MiB are free"),
        ({"outbox": {"state": "late", "oldest_seconds": 600.0}}, "News between parts", "warn", "10 minutes"),
        ({"outbox": {"state": "failed", "failed": 3}}, "News between parts", "bad", "3 deliveries"),
        ({"worker": {"state": "stuck", "seconds_since_beat": 190.0}}, "Worker", "bad", "no sign of life for 3 minutes"),
        (
            {"parts": [{"part": "worker", "state": "waiting", "restarts": 4, "since": "2026-05-12T09:00:00+00:00"}]},
            "Work in the background",
            "bad",
            "does not run",
        ),
        (
            {"parts": [{"part": "worker", "state": "waiting", "restarts": 4}]},
            "Work in the background",
            "bad",
            "not run",
        ),
        ({"parts": [{"part": "web", "state": "running", "restarts": 1}]}, "Pages", "warn", "restarted 1 time"),
    ],
)
def test_health_in_words(changes: dict[str, Any], title: str, state: str, words: str) -> None:
    found = next(one for one in lines({**WELL, **changes}) if one["title"] == title)
    assert found["state"] == state
    assert words in found["what"]
    assert bool(found["fix"]) == (state != "ok")
    assert ("since 12 May 2026, 14:00" in found["since"]) == any("since" in part for part in changes.get("parts", ()))


def test_a_backup_that_is_old_is_told() -> None:
    assert backup_line(None, NOW)["state"] == "warn"
    assert backup_line(Last("x", NOW - timedelta(hours=30), 5, ""), NOW)["state"] == "ok"
    old = backup_line(Last("x", NOW - timedelta(days=9), 5, ""), NOW)
    assert (old["state"], old["what"]) == ("warn", "9 days old")


def test_the_page_tells_of_a_backup(roles: None) -> None:
    audit.record(who=US, now=datetime.now(UTC), verb="city.back_up", thing="backup", key="x", after={"bytes": 2048})
    assert "taken just now, 2.0\u00a0KiB" in client_of("administrator").get("/console/operation/").content.decode()
    assert set(work.STATES.values()) == {"waiting", "running", "failed", "done"}


def test_how_the_daily_back_up_fares(tmp_path: Path) -> None:
    daily_one = settings.QALA.model_copy(update={"backup_dir": tmp_path, "backup_hour": 3})
    now = datetime(2026, 5, 12, 9, 0, tzinfo=UTC)  # 14:00 in the city; due at 22:00 of the day before
    assert backup_told(daily_one, now)["what"] == "there is none"
    taken: dict[str, Any] = {"who": US, "verb": "city.back_up", "thing": "backup", "key": "x"}
    audit.record(now=now - timedelta(hours=1), after={"bytes": 5, "into": "/elsewhere"}, **taken)
    assert backup_told(daily_one, now)["what"] == "there is none"
    audit.record(now=now - timedelta(hours=30), after={"bytes": 5, "into": str(tmp_path)}, **taken)
    found = backup_told(daily_one, now)
    assert (found["state"], found["what"][:14]) == ("warn", "the last is of")
    audit.record(now=now - timedelta(hours=10), after={"bytes": 2048, "into": str(tmp_path)}, **taken)
    found = backup_told(daily_one, now)
    assert (found["state"], found["what"]) == ("ok", "taken 10 hours ago, 2.0\u00a0KiB")
    failed_job("site.back_up")
    TASKS.update(finished_at=now - timedelta(hours=20))
    assert backup_told(daily_one, now)["state"] == "ok"  # what failed before it worked again
    TASKS.update(finished_at=now - timedelta(minutes=20))
    found = backup_told(daily_one, now)
    assert (found["state"], found["what"]) == ("bad", "failed 20 minutes ago: OSError: the disk is full")
    late = now + timedelta(hours=14)  # 04:00 in the city: it may still be under way
    TASKS.all().delete()
    assert backup_told(daily_one, late)["state"] == "ok"
    assert backup_told(daily_one, late + timedelta(hours=2))["state"] == "warn"


def test_more_than_fit_at_once(roles: None) -> None:
    for _ in range(52):
        failed_job()
    client = client_of("administrator")
    page = client.get("/console/operation/").content.decode()
    assert page.count('name="kind" value="job"') == 50
    later = re.search(r'href="(\?[^"]*shown=100[^"]*)"', page)
    assert later
    page = client.get("/console/operation/" + later[1].replace("&amp;", "&")).content.decode()
    assert page.count('name="kind" value="job"') == 52
    assert "Show more" not in page
    for odd in ("x", "-1", "9" * 30, "²"):
        assert client.get("/console/operation/", {"shown": odd}).status_code == 200
