"""The second factor: turned on, asked for, used once, recovered, reset."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from qala.city.people import actions, store
from qala.city.people.models import Person
from qala.kernel.errors import Conflict, NotAllowed
from qala.kernel.models import AuditEntry
from tests import factories
from tests.factories import PASSWORD, US

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("roles")]
ACTIVATE = "/accounts/2fa/totp/activate/"


@pytest.fixture(autouse=True)
def fresh_limits() -> None:
    cache.clear()


@pytest.fixture
def me() -> Person:
    return factories.person("administrator", password=PASSWORD)


def arrive(person: Person, language: str = "en") -> tuple[Any, Any]:
    client: Any = Client(SERVER_NAME="localhost", headers={"accept-language": language})
    return client, client.post("/accounts/login/", {"login": person.email, "password": PASSWORD})


def is_in(client: Any) -> bool:
    return bool(client.get("/console/me/").status_code == 200)


def code_of(secret: str, ahead: int = 0) -> str:
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30 + ahead)))


def turned_on(client: Any) -> str:
    """Turn it on as a person does; returns the secret of the app."""
    page = client.get(ACTIVATE)
    if page.status_code == 302:  # the password once more
        assert page.url.startswith("/accounts/reauthenticate/")
        wrong = client.post(page.url, {"password": "a wrong lake 18", "next": ACTIVATE})
        assert wrong.status_code == 200
        client.post(page.url, {"password": PASSWORD, "next": ACTIVATE})
        page = client.get(ACTIVATE)
    secret: str = page.context["form"].secret
    assert b"data:image/svg+xml" in page.content
    assert client.post(ACTIVATE, {"code": "000000"}).status_code == 200
    done = client.post(ACTIVATE, {"code": code_of(secret)})
    assert (done.status_code, done.url) == (302, "/accounts/2fa/recovery-codes/")
    return secret


def test_it_is_asked_for_from_then_on(me: Person) -> None:
    client, _answer = arrive(me)
    secret = turned_on(client)
    assert [row.verb for row in AuditEntry.objects.filter(verb__contains="second_factor")]
    codes = client.get("/accounts/2fa/recovery-codes/").context["unused_codes"]
    assert len(codes) == 10
    assert "Recovery codes" in client.get("/console/me/").content.decode()
    kept = json.dumps(list(Authenticator.objects.values_list("data", flat=True)))
    assert secret not in kept and not any(code in kept for code in codes)

    other, answer = arrive(me)
    assert answer.url.startswith("/accounts/2fa/authenticate/")
    assert not is_in(other)
    assert b"not right" in other.post("/accounts/2fa/authenticate/", {"code": "000000"}).content
    assert not is_in(other)
    code = code_of(secret, ahead=1)
    other.post("/accounts/2fa/authenticate/", {"code": code})
    assert is_in(other)
    again, _answer = arrive(me)
    again.post("/accounts/2fa/authenticate/", {"code": code})
    assert not is_in(again)  # a code is good once
    again.post("/accounts/2fa/authenticate/", {"code": codes[0]})
    assert is_in(again)
    last, _answer = arrive(me)
    last.post("/accounts/2fa/authenticate/", {"code": codes[0]})
    assert not is_in(last)  # so is a recovery code


def test_it_is_turned_off_by_who_proves_to_be_it(me: Person) -> None:
    client, _answer = arrive(me)
    turned_on(client)
    assert client.post("/accounts/2fa/recovery-codes/generate/").status_code == 302
    assert client.post("/accounts/2fa/totp/deactivate/").status_code == 302
    assert not store.has_second_factor(me)
    other, _answer = arrive(me)
    assert is_in(other)
    verbs = list(
        AuditEntry.objects.filter(verb__contains="second_factor").order_by("id").values_list("verb", flat=True)
    )
    assert {"people.add_second_factor", "people.remove_second_factor", "people.renew_second_factor"} == set(verbs)
    assert set(AuditEntry.objects.filter(verb__contains="second_factor").values_list("who_id", flat=True)) == {me.pk}


def test_an_administrator_resets_a_lost_one(me: Person) -> None:
    client, _answer = arrive(me)
    turned_on(client)
    boss = factories.person("administrator")
    admin: Any = Client(SERVER_NAME="localhost", headers={"accept-language": "en"})
    admin.force_login(boss)
    assert b"Reset the second factor" in admin.get(f"/console/people/{me.pk}/").content
    assert admin.post(f"/console/people/{me.pk}/reset-second-factor/").status_code == 302
    assert not is_in(client)
    fresh, _answer = arrive(me)
    assert is_in(fresh)
    row = AuditEntry.objects.filter(verb="people.reset_second_factor").get()
    assert (row.who_id, row.before) == (boss.pk, {"kinds": ["recovery_codes", "totp"]})
    with pytest.raises(Conflict):
        actions.reset_second_factor(who=US, now=timezone.now(), person=me)
    manager = store.who_of(factories.person("manager"), timezone.now())
    with pytest.raises(NotAllowed):
        actions.reset_second_factor(who=manager, now=timezone.now(), person=me)


@pytest.mark.parametrize(("flags", "told"), [(0x01, "did not say that it was you"), (0x05, "This code is not right")])
def test_a_passkey_alone_says_that_it_was_its_holder(me: Person, flags: int, told: str) -> None:
    """Whatever the session was asked for before: an answer without that flag is refused for this alone."""

    def text(plain: bytes) -> str:
        return urlsafe_b64encode(plain).decode().rstrip("=")

    client: Any = Client(SERVER_NAME="localhost", headers={"accept-language": "en"})
    asked = client.get("/accounts/login/passkey/", headers={"accept": "application/json"}).json()
    assert asked["request_options"]["publicKey"]["userVerification"] == "required"
    said = {"type": "webauthn.get", "challenge": asked["request_options"]["publicKey"]["challenge"],
            "origin": "http://localhost"}  # fmt: skip
    credential = {
        "id": text(b"x" * 16), "rawId": text(b"x" * 16), "type": "public-key", "clientExtensionResults": {},
        "response": {
            "clientDataJSON": text(json.dumps(said).encode()),
            "authenticatorData": text(sha256(b"localhost").digest() + bytes([flags, 0, 0, 0, 1])),
            "signature": text(b"s"), "userHandle": text(str(me.pk).encode()),
        },
    }  # fmt: skip
    answer = client.post("/accounts/login/passkey/", {"credential": json.dumps(credential)}, follow=True)
    assert told in answer.content.decode()
    assert not is_in(client)


@pytest.mark.parametrize("broken", ["", "{", "[]", "{}", '{"id": 1}', '{"response": {"userHandle": "x"}}', "null"])
def test_a_passkeys_answer_of_nonsense_is_refused(me: Person, broken: str) -> None:
    client: Any = Client(SERVER_NAME="localhost", headers={"accept-language": "en"})
    assert client.post("/accounts/login/passkey/", {"credential": broken}).status_code == 302
    assert not is_in(client)
    inside, _answer = arrive(me)
    again = inside.get("/accounts/2fa/passkeys/add/")
    inside.post(again.url, {"password": PASSWORD, "next": "/accounts/2fa/passkeys/add/"})
    assert inside.get("/accounts/2fa/passkeys/add/").status_code == 200
    assert inside.post("/accounts/2fa/passkeys/add/", {"credential": broken}).status_code == 200
    assert inside.post("/accounts/2fa/passkeys/reauthenticate/", {"credential": broken}).status_code in (200, 302)
    assert not store.has_second_factor(me)
    turned_on(inside)
    waiting, _answer = arrive(me)
    assert waiting.post("/accounts/2fa/authenticate/", {"credential": broken}).status_code == 200
    assert not is_in(waiting)


@pytest.mark.parametrize("language", ["kk", "ru", "en"])
def test_pages_are_ours_in_three_languages(me: Person, language: str) -> None:
    client, _answer = arrive(me, language)
    again = client.get(ACTIVATE)
    pages = [client.get(again.url)] if again.status_code == 302 else []
    turned_on(client)
    pages += [client.get(f"/accounts/2fa/{path}") for path in
              ("recovery-codes/", "recovery-codes/generate/", "totp/deactivate/", "reauthenticate/")]  # fmt: skip
    other, _answer = arrive(me, language)
    pages.append(other.get("/accounts/2fa/authenticate/"))
    for page in pages:
        assert page.status_code == 200
        assert "site/base.html" in [one.name for one in page.templates]
        assert (b"Enter the code" in page.content) <= (language == "en")
