"""Codes by text message: a real gateway beside the test, one that fails, and files where none is set."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from structlog.testing import capture_logs

from qala.city.people import actions
from qala.city.people.models import Person
from qala.kernel import sms
from qala.kernel.config import Settings, get_settings
from qala.kernel.errors import BadInput, Conflict, Unavailable
from qala.kernel.models import AuditEntry
from tests import factories
from tests.factories import PASSWORD

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("roles")]
NUMBER, OTHER = "+77011234567", "+77017654321"
SENT_PAGE = re.compile(r'name="csrfmiddlewaretoken" value="[^"]*"|\+7\d+')


class Gateway:
    """Takes messages as the settings' page says; ``status`` is what it answers."""

    def __init__(self) -> None:
        self.status = 202
        self.messages: list[dict[str, str]] = []
        self.tokens: list[str | None] = []
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                gateway.tokens.append(self.headers["Authorization"])
                if gateway.status < 300:
                    gateway.messages.append(body)
                self.send_response(gateway.status)
                self.send_header("Location", "http://127.0.0.1:1/")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def code(self) -> str:
        found = re.search(r"\b\d{6}\b", self.messages[-1]["text"])
        assert found is not None
        return found[0]


@pytest.fixture(autouse=True)
def fresh_limits() -> None:
    cache.clear()


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    made = Gateway()
    threading.Thread(target=made.server.serve_forever, daemon=True).start()
    held = Settings(sms_url=f"http://127.0.0.1:{made.server.server_port}/send", sms_token="between us")
    monkeypatch.setattr(sms, "get_settings", lambda: held)
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def me() -> Person:
    return factories.person("administrator", password=PASSWORD)


def with_number(person: Person, number: str = NUMBER) -> Person:
    Person.objects.filter(pk=person.pk).update(phone=number)
    return person


def new_browser(language: str = "en") -> Any:
    return Client(SERVER_NAME="localhost", headers={"accept-language": language})


def is_in(client: Any) -> bool:
    return bool(client.get("/console/me/").status_code == 200)


def ask(client: Any, number: str = NUMBER) -> Any:
    return client.post("/accounts/login/phone/", {"phone": number})


def enter(client: Any, code: str) -> Any:
    return client.post("/accounts/login/code/confirm/", {"code": code})


def test_a_number_is_proved_and_signs_in(gateway: Gateway, me: Person) -> None:
    inside = new_browser()
    inside.post("/accounts/login/", {"login": me.email, "password": PASSWORD})
    asked = inside.get("/console/me/phone/")
    assert asked.url.startswith("/accounts/reauthenticate/")  # one more way in wants the password once more
    inside.post(asked.url, {"password": PASSWORD, "next": "/console/me/phone/"})
    assert inside.post("/console/me/phone/", {"phone": "12"}).status_code == 200
    assert inside.post("/console/me/phone/", {"phone": "8 (701) 123-45-67"}).url == "/console/me/phone/prove/"
    assert gateway.messages[-1]["to"] == NUMBER
    assert gateway.tokens == ["Bearer between us"]
    assert b"not right" in inside.post("/console/me/phone/prove/", {"code": "x"}).content
    assert inside.post("/console/me/phone/prove/", {"code": gateway.code()}).url == "/console/me/"
    me.refresh_from_db()
    assert me.phone == NUMBER
    row = AuditEntry.objects.filter(verb="people.set_phone").get()
    assert (row.before, row.after) == ({"phone": False}, {"phone": True})
    assert inside.post("/console/me/phone/prove/", {"code": gateway.code()}).url == "/console/me/phone/"  # once

    client = new_browser()
    assert ask(client, "+7 701 123 45 67").url == "/accounts/login/code/confirm/"
    assert not is_in(client)
    enter(client, gateway.code())
    assert is_in(client)
    assert inside.post("/console/me/phone/remove/").status_code == 302
    again = new_browser()
    ask(again)
    assert "no account" in gateway.messages[-1]["text"] or "тіркелгі" in gateway.messages[-1]["text"]
    enter(again, "000000")
    assert not is_in(again)


def test_a_code_is_good_in_its_browser_three_times_wrong_and_not_for_long(gateway: Gateway, me: Person) -> None:
    with_number(me)
    client, other = new_browser(), new_browser()
    ask(client)
    code = gateway.code()
    enter(other, code)
    assert not is_in(other)
    for wrong in ("000000", "111111", "222222"):
        enter(client, wrong if wrong != code else "333333")
    enter(client, code)
    assert not is_in(client)


def test_the_second_factor_and_closed_accounts_hold(gateway: Gateway, me: Person) -> None:
    with_number(me)
    Authenticator.objects.create(user=me, type=Authenticator.Type.TOTP, data={"secret": "x"})
    client = new_browser()
    ask(client)
    assert enter(client, gateway.code()).url.startswith("/accounts/2fa/authenticate/")
    assert not is_in(client)
    Person.objects.filter(pk=me.pk).update(is_active=False)
    ask(new_browser())
    assert not re.search(r"\d{6}", gateway.messages[-1]["text"])


@pytest.mark.parametrize("status", [202, 500, 302, 401])
def test_a_number_that_nobody_has_looks_the_same_whether_the_gateway_works_or_not(
    gateway: Gateway, me: Person, status: int
) -> None:
    with_number(me)
    gateway.status = status
    seen = []
    for number in (NUMBER, OTHER):
        client = new_browser()
        answer = ask(client, number)
        if answer.status_code == 302:
            answer = client.get(answer.url)
        seen.append((answer.status_code, SENT_PAGE.sub("", answer.content.decode())))
        told = "sent now" in seen[-1][1]
        assert told == (status != 202)
    assert seen[0] == seen[1]
    assert len(gateway.tokens) == 2


def test_a_gateway_that_is_gone_is_told_without_number_or_text(me: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Settings(sms_url="http://127.0.0.1:1/")
    monkeypatch.setattr(sms, "get_settings", lambda: held)
    with capture_logs() as lines:
        assert b"sent now" in ask(new_browser()).content
    assert [line["event"] for line in lines if line["event"] == "sms.failed"] == ["sms.failed"]
    assert NUMBER not in str([line for line in lines if line["event"] == "sms.failed"])
    with pytest.raises(Unavailable):
        sms.send(NUMBER, "x")


def test_messages_are_limited_by_number_and_machine(gateway: Gateway, me: Person) -> None:
    with_number(me)
    for _time in range(3):
        assert ask(new_browser()).status_code == 302
    assert b"Too many attempts" in ask(new_browser()).content
    assert len(gateway.messages) == 3
    cache.clear()
    numbers = [f"+7701123450{number}" for number in range(10)] + ["+77011234520"]
    answers = [ask(new_browser(), number) for number in numbers]
    assert b"Too many attempts" in answers[-1].content
    assert len(gateway.messages) == 13


def test_one_number_is_one_persons(gateway: Gateway, me: Person) -> None:
    with_number(me)
    other = factories.person()
    with pytest.raises(Conflict):
        actions.set_phone(who=factories.US, now=timezone.now(), person=other, number=NUMBER)


@pytest.mark.parametrize("wrong", ["", "12", "abc", "+1 202 555 0123", "+7 701 123 45", "+77011234567890", "'; --"])
def test_what_is_no_number_of_the_country_is_refused(wrong: str) -> None:
    with pytest.raises(BadInput):
        sms.number_of(wrong)


def test_without_a_gateway_messages_are_files() -> None:
    folder = get_settings().data_dir / "outgoing-sms"
    before = set(folder.glob("*.json")) if folder.exists() else set()
    sms.send(NUMBER, "Сәлем")
    (made,) = set(folder.glob("*.json")) - before
    assert json.loads(made.read_text(encoding="utf-8")) == {"to": NUMBER, "text": "Сәлем"}
    with pytest.raises(ValueError, match="https"):
        Settings(sms_url="http://gateway.example/")


@pytest.mark.parametrize("language", ["kk", "ru", "en"])
def test_pages_are_ours_in_three_languages(gateway: Gateway, me: Person, language: str) -> None:
    page = new_browser(language).get("/accounts/login/phone/")
    assert page.status_code == 200
    assert (b"Sign in by phone" in page.content) == (language == "en")
