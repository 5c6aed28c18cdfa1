"""Who means harm: sessions planted, secrets guessed at every door, headers that lie."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from structlog.testing import capture_logs

from qala.city.people import actions
from qala.city.people.models import Person
from qala.city.people.rules import SEEN
from tests import factories
from tests.factories import PASSWORD, US

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("roles")]
EMAIL = "aigerim@city.test"
SECRET = "JBSWY3DPEHPK3PXP"
FORWARDED: dict[str, Any] = {
    "x-forwarded-host": "evil.example", "x-forwarded-proto": "https", "x-forwarded-for": "127.0.0.1",
    "forwarded": "for=127.0.0.1;host=evil.example;proto=https", "x-real-ip": "127.0.0.1", "x-original-url": "/metrics",
    "x-rewrite-url": "/metrics", "x-http-method-override": "DELETE",
}  # fmt: skip


@pytest.fixture(autouse=True)
def fresh_limits() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def me() -> Person:
    return factories.person("administrator", email=EMAIL, password=PASSWORD)


def new_browser(**headers: Any) -> Any:
    return Client(SERVER_NAME="localhost", headers={"accept-language": "en", **headers})


def sign_in(client: Any, password: str = PASSWORD, **more: Any) -> Any:
    return client.post("/accounts/login/", {"login": EMAIL, "password": password}, **more)


def is_in(client: Any) -> bool:
    return bool(client.get("/console/me/").status_code == 200)


def with_app(person: Person) -> None:
    Authenticator.objects.create(
        user=person, type=Authenticator.Type.TOTP, data={"secret": get_adapter().encrypt(SECRET)}
    )


def code(ahead: int = 0) -> str:
    return str(format_hotp_value(hotp_value(SECRET, int(time.time()) // 30 + ahead)))


# sessions


@pytest.mark.parametrize("way", ["password", "code", "second factor"])
def test_a_session_that_was_planted_is_worth_nothing(me: Person, way: str) -> None:
    """Somebody has a victim's browser use a session key that they know; the victim signs in with it."""
    victim, thief = new_browser(), new_browser()
    session = victim.session
    session["planted"] = True
    session.save()
    planted = session.session_key
    if way == "second factor":
        with_app(me)
    if way == "code":
        victim.post("/accounts/login/code/", {"email": EMAIL})
        found = re.search(r"^\s*([A-Z0-9-]{6,})\s*$", str(mail.outbox[-1].body), re.MULTILINE)
        assert found is not None
        victim.post("/accounts/login/code/confirm/", {"code": found[1]})
    else:
        sign_in(victim)
    if way == "second factor":
        assert not is_in(victim)
        victim.post("/accounts/2fa/authenticate/", {"code": code()})
    assert is_in(victim)
    assert victim.session.session_key != planted
    thief.cookies["sessionid"] = planted
    assert not is_in(thief)


def test_a_made_up_session_key_is_not_taken_over(me: Person) -> None:
    victim = new_browser()
    victim.cookies["sessionid"] = "a" * 32
    sign_in(victim)
    assert is_in(victim)
    assert victim.session.session_key != "a" * 32


def test_cookies_are_for_us_alone(me: Person) -> None:
    client = new_browser()
    client.get("/accounts/login/")
    answer = sign_in(client)
    session = answer.cookies["sessionid"]
    assert session["httponly"]
    assert {session["samesite"], client.cookies["csrftoken"]["samesite"]} == {"Lax"}
    assert not session["domain"]


def test_the_session_of_somebody_who_signed_out_stays_dead(me: Person) -> None:
    client, thief = new_browser(), new_browser()
    sign_in(client)
    thief.cookies["sessionid"] = client.cookies["sessionid"].value
    assert is_in(thief)
    client.post("/accounts/logout/")
    assert not is_in(thief)


# guessing


def test_second_factors_are_not_guessed(me: Person) -> None:
    with_app(me)
    client = new_browser()
    sign_in(client)
    for _attempt in range(5):
        client.post("/accounts/2fa/authenticate/", {"code": "000000"})
    answer = client.post("/accounts/2fa/authenticate/", {"code": code()})
    assert b"Too many attempts" in answer.content
    # the limit is the account's: a fresh browser has no more
    other = new_browser()
    sign_in(other)
    other.post("/accounts/2fa/authenticate/", {"code": code()})
    assert not is_in(client) and not is_in(other)


def test_links_are_not_guessed() -> None:
    """They are signed, so that a guess is hopeless; trying to use one is limited all the same."""
    given = {"password1": PASSWORD, "password2": PASSWORD}
    for way in ("/accounts/invitation/guess-{}/", "/accounts/password/reset/key/a-{}/"):
        cache.clear()
        client = new_browser()
        answers = [client.post(way.format(number), given).status_code for number in range(25)]
        assert 302 not in answers
        assert answers[-1] == 429


def test_passwords_are_not_guessed_by_who_changes_browsers_and_headers(me: Person) -> None:
    for number in range(5):
        sign_in(new_browser(**{"x-forwarded-for": f"10.0.0.{number}", "user-agent": str(number)}), "a wrong lake 18")
    last = new_browser(**{"x-forwarded-for": "10.0.0.99"})
    assert b"Too many attempts" in sign_in(last).content
    assert not is_in(last)


def test_passkeys_are_not_guessed() -> None:
    client = new_browser()
    answers = [client.post("/accounts/login/passkey/", {"credential": "{}"}).status_code for _n in range(12)]
    assert answers[-1] == 429


def test_a_token_is_too_long_to_guess_and_each_try_is_refused_alike(me: Person) -> None:
    client = Client(SERVER_NAME="localhost")
    answers = {
        (answer.status_code, answer.content)
        for number in range(40)
        for answer in [client.get("/api/v1/devices", headers={"authorization": f"Bearer qala_{number:032x}"})]
    }
    assert len(answers) == 1
    assert {status for status, _body in answers} == {401}


# headers that lie


def test_an_unknown_host_is_refused_before_anything_is_done(me: Person) -> None:
    for host in ("evil.example", "localhost.evil.example", "localhost:80@evil.example", "evil.example:8000"):
        answer = new_browser().post("/accounts/password/reset/", {"email": EMAIL}, headers={"host": host})
        assert answer.status_code == 400
    assert not mail.outbox


def test_forwarding_headers_are_believed_by_nobody(me: Person) -> None:
    client = new_browser(**FORWARDED)
    client.post("/accounts/password/reset/", {"email": EMAIL})
    assert "evil.example" not in str(mail.outbox[-1].body)
    answer = sign_in(client)
    assert answer.url == "/console/"
    page = client.get("/console/people/")
    assert page.status_code == 200  # the address asked for, not the one of a header
    assert b"evil.example" not in page.content
    assert client.get("/metrics").status_code in (401, 403, 404)
    actions.invite(
        who=US, now=timezone.now(), address="http://localhost/", email="n@city.test", name="N", role="resident"
    )
    sent = new_browser(**FORWARDED)
    sent.force_login(me)
    given = {"email": "m@city.test", "name": "M", "role": "resident", "organisation": "*"}
    assert sent.post("/console/people/invite/", given).status_code == 302
    assert "evil.example" not in str(mail.outbox[-1].body)


def test_a_demo_account_is_not_let_in_by_a_made_up_address(me: Person) -> None:
    Person.objects.filter(pk=me.pk).update(is_demo=True)
    for name, value in FORWARDED.items():
        if name.startswith(("x-forwarded", "forwarded", "x-real")):
            client = new_browser(**{name: value})
            sign_in(client, REMOTE_ADDR="203.0.113.9")
            assert not is_in(client)


@pytest.mark.parametrize(("stay", "hours", "is_in"), [(False, 11, True), (False, 13, False), (True, 13, True)])
def test_a_session_that_lies_idle_ends(stay: bool, hours: int, is_in: bool) -> None:
    person = factories.person("engineer", factories.organisation("water"), password=factories.PASSWORD)
    client = Client(SERVER_NAME="localhost")
    form = {"login": person.email, "password": factories.PASSWORD, **({"remember": "on"} if stay else {})}
    assert client.post("/accounts/login/", form).status_code == 302
    assert client.get("/console/me/").status_code == 200
    session = client.session
    session[SEEN] -= hours * 3600
    session.save()
    assert (client.get("/console/me/").status_code == 200) == is_in
    assert Session.objects.filter(session_key=session.session_key).exists() == is_in


def test_a_wrong_password_is_written_down_without_the_name() -> None:
    client = Client(SERVER_NAME="localhost")
    with capture_logs() as written:
        client.post("/accounts/login/", {"login": "somebody@city.example", "password": "a wrong one"})
    refused = [one for one in written if one["event"] == "sign_in.refused"]
    assert len(refused) == 1 and "somebody" not in str(refused)
