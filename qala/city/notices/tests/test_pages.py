"""Pages, API and commands of notices: whose they are, how much they ask the database, and the link to turn mails off."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from qala.city.notices import actions, commands, store
from qala.city.notices.models import Attempt, Delivery, Notice, Preference
from qala.city.people.public import Person, who_of
from qala.kernel import console
from qala.kernel.access import ANONYMOUS, Who
from qala.kernel.errors import NotAllowed, NotFound, SignInNeeded
from qala.kernel.ids import new_id
from qala.kernel.models import AuditEntry
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("roles")]


@pytest.fixture(autouse=True)
def ground() -> Any:
    cache.clear()
    yield
    console.speak(None)


def browser_of(person: Person, language: str = "en") -> Client:
    client = Client(SERVER_NAME="localhost", headers={"accept-language": language})
    client.force_login(person)
    return client


def a_notice(person: Person, name: str = "job") -> Notice:
    """Of work that failed; its person administers the city."""
    payload = {"kind": "job", "key": "x", "name": f"{name}-{new_id()}", "reason": "full"}
    actions.make_notices(event="city.work_failed", event_id=new_id(), payload=payload, now=timezone.now())
    return Notice.objects.filter(person=person).latest("pk")


def a_refused_mail(person: Person) -> Delivery:
    row = Delivery.objects.get(notice=a_notice(person), channel="email")
    Delivery.objects.filter(pk=row.pk).update(state="given_up", next_try_at=None, attempts=1)
    Attempt.objects.create(delivery=row, number=1, at=timezone.now(), reason="550 no such mailbox")
    return row


# own notices


def test_a_bell_counts_what_waits_and_the_page_marks_it_read() -> None:
    person = factories.person("administrator")
    browser = browser_of(person)
    assert 'class="count"' not in browser.get("/console/me/").content.decode()
    one, two = a_notice(person, "first"), a_notice(person, "second")
    page = browser.get("/console/me/").content.decode()
    assert re.search(r'class="count">2<span class="visually-hidden"> unread', page)
    page = browser.get("/console/notices/").content.decode()
    assert page.index("second-") < page.index("first-")
    answer: Any = browser.post(f"/console/notices/{one.pk}/open/")
    assert answer["Location"] == "/console/operation/"
    browser.post(f"/console/notices/{two.pk}/read/")
    assert 'class="count"' not in browser.get("/console/me/").content.decode()
    assert "first-" not in browser.get("/console/notices/?unread=1").content.decode()
    assert "first-" in browser.get("/console/notices/?kind=city.work_failed").content.decode()
    assert "first-" not in browser.get("/console/notices/?kind=devices.silent").content.decode()
    a_notice(person)
    browser.post("/console/notices/read-all/")
    assert store.count_unread(who_of(person, timezone.now())) == 0


def test_the_bell_costs_one_query_by_an_index() -> None:
    person = factories.person("administrator")
    for _number in range(3):
        a_notice(person)
    who = who_of(person, timezone.now())
    with CaptureQueriesContext(connection) as asked:
        assert store.count_unread(who) == 3
    assert len(asked) == 1
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {asked[0]['sql']}")
            plan = " ".join(str(row) for row in cursor.fetchall())
        assert "notice_unread" in plan


@pytest.mark.parametrize(
    "path", ["/console/notices/", "/console/notices/deliveries/", "/api/v1/notices", "/api/v1/notices/deliveries"]
)
def test_lists_ask_as_often_for_one_row_as_for_three(path: str) -> None:
    person = factories.person("administrator")
    browser = browser_of(person)
    counts = []
    for more in (1, 2):
        for _number in range(more):
            a_refused_mail(person)
        browser.get(path)
        with CaptureQueriesContext(connection) as asked:
            assert browser.get(path).status_code == 200
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 9


def test_pages_speak_the_three_languages() -> None:
    person = factories.person("administrator")
    a_refused_mail(person)
    for language, word in (("kk", "Хабарландырулар"), ("ru", "Уведомления"), ("en", "Notices")):
        browser = browser_of(person, language)
        for path in ("", "settings/", "deliveries/", "templates/"):
            answer = browser.get(f"/console/notices/{path}")
            assert answer.status_code == 200
            assert word in answer.content.decode()


# access


def people() -> dict[str, Who]:
    water = factories.organisation("water")
    who = {role: factories.asker(role, water) for role in ("manager", "engineer", "crew")}
    return {**who, "administrator": factories.asker("administrator"), "nobody": ANONYMOUS}


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("administrator", None), ("manager", NotAllowed), ("engineer", NotAllowed), ("crew", NotAllowed),
        ("nobody", SignInNeeded),
    ],
)  # fmt: skip
def test_who_sees_and_repeats_everybodys_deliveries(name: str, error: type[Exception] | None) -> None:
    owner = factories.person("administrator")
    row = a_refused_mail(owner)
    who = people()[name]
    calls: list[Callable[[], object]] = [
        lambda: store.list_deliveries(store.DeliveryFilter(), who=who),
        lambda: store.get_delivery(row.pk, who=who),
        lambda: actions.repeat(who=who, now=timezone.now(), delivery=row),
    ]
    for call in calls:
        if error is None:
            call()
        else:
            with pytest.raises(error):
                call()
    assert Delivery.objects.get(pk=row.pk).state == ("waiting" if error is None else "given_up")


@pytest.mark.parametrize("path", ["deliveries/", "deliveries/{row}/", "templates/"])
@pytest.mark.parametrize(("role", "status"), [("administrator", 200), ("manager", 403), ("engineer", 403)])
def test_pages_of_deliveries_are_for_who_manages_notices(path: str, role: str, status: int) -> None:
    owner = factories.person("administrator")
    row = a_refused_mail(owner)
    browser = browser_of(factories.person(role))
    assert browser.get(f"/console/notices/{path.format(row=row.pk)}").status_code == status
    assert Client(SERVER_NAME="localhost").get("/console/notices/").status_code in (302, 401)


def test_another_persons_notice_is_none() -> None:
    mine = a_notice(factories.person("administrator"))
    other = browser_of(factories.person("engineer"))
    for path in (f"/console/notices/{mine.pk}/open/", f"/console/notices/{mine.pk}/read/"):
        assert other.post(path).status_code == 404
    answer = other.post(f"/api/v1/notices/{mine.pk}/read", headers={"accept": "application/json"})
    assert answer.status_code in (403, 404)
    with pytest.raises(NotFound):
        store.get_delivery(new_id(), who=factories.asker("administrator"))


# choices


def test_a_person_chooses_on_the_page() -> None:
    person = factories.person("engineer", factories.organisation("water"))
    browser = browser_of(person)
    page = browser.get("/console/notices/settings/").content.decode()
    assert "devices.load_refused" in page and "city.backup_failed" not in page  # only what may ever come
    form = {"digest": "daily", "digest_hour": "7", "quiet_from": "22:00", "quiet_to": "06:30",
            "in_app": ["devices.load_done", "devices.silent"], "email": ["devices.load_done"]}  # fmt: skip
    assert browser.post("/console/notices/settings/", form).status_code == 302
    chosen = store.choices_of(person.pk)
    assert chosen["devices.load_done"] == {"in_app", "email"}
    assert chosen["devices.silent"] == {"in_app"}
    assert chosen["devices.load_refused"] == set()
    assert chosen["people.second_factor_reset"] == {"email"}
    assert chosen["city.backup_failed"] == {"in_app", "email"}  # untouched
    kept = Preference.objects.get(person=person)
    assert (kept.digest, kept.digest_hour, str(kept.quiet_from), str(kept.quiet_to)) == (
        "daily",
        7,
        "22:00:00",
        "06:30:00",
    )
    answer = browser.post("/console/notices/settings/", {**form, "quiet_to": ""})
    assert answer.status_code == 422
    assert "Quiet hours need a start and an end." in answer.content.decode()
    assert "22:00" in browser.get("/console/me/").content.decode()
    given = {"digest": "off", "channels": {"devices.silent": ["email"]}}
    told = browser.get("/api/v1/notices/preferences").json()
    assert (told["digest"], told["quiet_from"]) == ("daily", "22:00:00")
    answer = browser.put("/api/v1/notices/preferences", json.dumps(given), content_type="application/json")
    assert answer.status_code == 200, answer.content
    assert store.choices_of(person.pk)["devices.silent"] == {"email"}


def test_a_link_in_a_mail_turns_its_kind_off_after_asking() -> None:
    person = factories.person("administrator")
    link = "/" + store.unsubscribe_link(person.pk, "city.work_failed").split("/", 3)[3]
    program = Client(SERVER_NAME="localhost", enforce_csrf_checks=True)
    answer = program.get(link)
    assert answer.status_code == 200 and person.email not in answer.content.decode()
    assert "email" in store.choices_of(person.pk)["city.work_failed"]  # looking at it turns nothing off
    for _time in range(2):
        assert program.post(link, {"List-Unsubscribe": "One-Click"}).status_code == 200
        assert store.choices_of(person.pk)["city.work_failed"] == {"in_app"}
    assert AuditEntry.objects.filter(verb="notices.choose", who_id=person.pk).count() == 1
    every = "/" + store.unsubscribe_link(person.pk, store.EVERY).split("/", 3)[3]
    assert program.post(every).status_code == 200
    left = {kind for kind, on in store.choices_of(person.pk).items() if "email" in on}
    assert left == {"people.second_factor_reset", "people.sign_in_changed"}  # whose mails can't be turned off


@pytest.mark.parametrize("wrong", ["x", "a.b", "WyJ4Il0.aaaa"])
def test_a_forged_link_turns_nothing_off(wrong: str) -> None:
    client = Client(SERVER_NAME="localhost")
    assert client.get(f"/notices/off/{wrong}/").status_code == 404
    assert client.post(f"/notices/off/{wrong}/").status_code == 404
    fixed = "/" + store.unsubscribe_link(factories.person("engineer").pk, "people.second_factor_reset").split("/", 3)[3]
    assert client.post(fixed).status_code == 404


# deliveries


def test_an_administrator_searches_and_sends_again() -> None:
    admin, other = factories.person("administrator"), factories.person("administrator", email="other@city.example")
    row = a_refused_mail(other)
    browser = browser_of(admin)
    found = browser.get(
        "/console/notices/deliveries/?person=other&state=given_up&kind=city.work_failed"
    ).content.decode()
    assert "550 no such mailbox" in found and "other@city.example" in found and admin.email not in found
    assert "550" not in browser.get("/console/notices/deliveries/?state=sent").content.decode()
    page = browser.get(f"/console/notices/deliveries/{row.pk}/").content.decode()
    assert "Send again" in page and "550 no such mailbox" in page
    assert browser.post(f"/console/notices/deliveries/{row.pk}/repeat/").status_code == 302
    assert browser.post(f"/console/notices/deliveries/{row.pk}/repeat/").status_code == 409
    assert AuditEntry.objects.filter(verb="notices.repeat", thing_key=str(row.pk)).count() == 1
    again = a_refused_mail(other)
    told = browser.get("/api/v1/notices/deliveries?state=given_up&limit=1").json()
    assert [one["id"] for one in told["items"]] == [str(again.pk)]
    assert told["items"][0]["attempts"][0]["reason"] == "550 no such mailbox"
    assert browser.post(f"/api/v1/notices/deliveries/{again.pk}/repeat").json()["state"] == "waiting"


def test_deliveries_come_page_by_page() -> None:
    admin = factories.person("administrator")
    for _number in range(4):
        a_notice(admin)
    who = who_of(admin, timezone.now())
    whole, _end = store.list_deliveries(store.DeliveryFilter(), who=who)
    found: list[Any] = []
    after: tuple[Any, ...] = ()
    while True:
        rows, after = store.list_deliveries(store.DeliveryFilter(), who=who, after=after, limit=3)
        found += rows
        if not after:
            break
    assert [one.pk for one in found] == [one.pk for one in whole] and len(found) == 8


def run(command: Any, *arguments: str) -> list[dict[str, Any]]:
    console.speak("json")
    answer = CliRunner().invoke(command, arguments, catch_exceptions=False)
    return [json.loads(line) for line in answer.output.splitlines()]


def test_commands_list_retry_and_send_digests(settings: Any) -> None:
    admin = factories.person("administrator")
    row = a_refused_mail(admin)
    told = run(commands.list_deliveries, "--state", "given_up")
    assert [(one["id"], one["reason"]) for one in told] == [(str(row.pk), "550 no such mailbox")]
    assert run(commands.retry, "--all")[-1]["queued"] == 1
    assert Delivery.objects.get(pk=row.pk).state == "waiting"
    Preference.objects.create(person=admin, digest="weekly")
    a_notice(admin)
    told = run(commands.send_digests, "--person", admin.email)
    assert (told[-1]["digests"], told[-1]["mails"]) == (1, 2)
    assert Delivery.objects.filter(state="merged").count() == 1


# mails within a request


@pytest.mark.parametrize("path", ["/accounts/password/reset/", "/accounts/login/code/"])
def test_a_mail_that_cannot_leave_a_request_is_told(path: str, settings: Any) -> None:
    with socket.socket() as free:  # a port at which nobody answers
        free.bind(("127.0.0.1", 0))
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = free.getsockname()
        person = factories.person("engineer")
        client = Client(SERVER_NAME="localhost", headers={"accept": "text/html", "accept-language": "en"})
        answer = client.post(path, {"email": person.email})
    assert answer.status_code == 503
    assert "The mail could not be sent" in answer.content.decode()


def test_what_fails_in_the_background_reaches_who_runs_the_city() -> None:
    from qala.kernel import outbox

    admin = factories.person("administrator")
    outbox.tell_failed("job", new_id(), "lake.maintain", "full", now=timezone.now())
    outbox.deliver_due()
    assert Notice.objects.get(kind="city.work_failed").data == {"work": "lake.maintain", "reason": "full"}
    kinds = Notice.objects.filter(person=admin).values_list("kind", flat=True)
    assert sorted(kinds) == ["city.work_failed", "people.role_given"]  # of becoming an administrator they hear too
