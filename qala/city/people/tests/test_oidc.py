"""Sign-in by a service of the city's own: a real one beside the test, honest and forged."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from cryptography.hazmat.primitives.asymmetric import rsa
from django.core.cache import cache
from django.test import Client

from qala.city.people import actions
from qala.city.people.models import Person, SignIn
from qala.kernel.config import Settings, get_settings
from qala.kernel.models import AuditEntry
from tests import factories
from tests.factories import NOW, PASSWORD, US
from tests.oidc_provider import Provider

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("roles")]
EMAIL = "aigerim@city.test"


@pytest.fixture(autouse=True)
def fresh_limits() -> None:
    cache.clear()


@pytest.fixture
def provider(settings: Any) -> Iterator[Provider]:
    with Provider() as running:
        running.claims = {"email": EMAIL, "email_verified": True, "name": "Айгерім"}
        settings.SOCIALACCOUNT_PROVIDERS = running.settings()
        yield running


@pytest.fixture
def aigerim() -> Person:
    return factories.person("engineer", factories.organisation(), email=EMAIL, password=PASSWORD)


def arrive(client: Any = None, way: str = "/accounts/oidc/") -> tuple[Any, Any]:
    """Go there and come back as a browser does; returns the browser and the last answer."""
    client = client or Client(SERVER_NAME="localhost", headers={"accept-language": "en"})
    away = client.get(way)
    assert away.status_code == 302, away.content
    back = requests.get(away.url, allow_redirects=False, timeout=10).headers["Location"]
    where = urlsplit(back)
    return client, client.get(f"{where.path}?{where.query}")


def is_in(client: Any) -> bool:
    return bool(client.get("/console/me/").status_code == 200)


def test_an_invited_person_comes_in_and_is_known_from_then_on(provider: Provider, aigerim: Person) -> None:
    client, answer = arrive(way="/accounts/oidc/?next=/console/roles/")
    assert (answer.status_code, answer.url) == (302, "/console/roles/")
    assert is_in(client)
    kept = SocialAccount.objects.get()
    assert (kept.user_id, kept.uid, kept.provider, kept.extra_data) == (aigerim.pk, "u-1", "oidc", {})
    assert SignIn.objects.filter(person=aigerim).count() == 1
    row = AuditEntry.objects.filter(verb="people.join_outside_account").get()
    assert (row.who_id, row.after) == (aigerim.pk, {"provider": "oidc"})
    # the account there is known by its own id: its address may change
    provider.claims["email"] = "another@city.test"
    again, _answer = arrive()
    assert is_in(again)
    assert SocialAccount.objects.get().extra_data == {}
    page = client.get("/console/me/").content.decode()
    assert "You also sign in by" in page
    assert client.post("/console/me/outside/leave/").status_code == 302
    assert not SocialAccount.objects.exists()
    assert client.post("/console/me/outside/leave/").status_code == 404
    gone, answer = arrive()
    assert not is_in(gone)


def test_who_is_not_known_or_may_not_come_gets_one_answer(provider: Provider, aigerim: Person) -> None:
    told: set[tuple[str, ...]] = set()

    def refused(**claims: Any) -> None:
        provider.claims.update(claims)
        client, answer = arrive()
        assert not is_in(client)
        assert answer.url == "/accounts/login/"
        told.add(tuple(map(str, client.get(answer.url).context["messages"])))

    refused(email="nobody@city.test")
    refused(email=EMAIL, email_verified=False)
    refused(email=EMAIL, email_verified="true")
    provider.userinfo = {"sub": "u-1"}
    refused(email=None)
    provider.claims.update(email=EMAIL, email_verified=True)
    actions.disable_person(who=US, now=NOW, person=aigerim)
    refused()
    actions.enable_person(who=US, now=NOW, person=aigerim)
    Person.objects.filter(pk=aigerim.pk).update(is_demo=True)
    refused()
    Person.objects.filter(pk=aigerim.pk).update(is_demo=False)
    SocialAccount.objects.create(user=aigerim, provider="oidc", uid="somebody-else")
    refused()  # an address that went to somebody else there
    (one,) = told
    assert one[0].startswith("No account here")
    assert Person.objects.count() == 1


def test_a_closed_account_stays_out_also_when_it_was_joined(provider: Provider, aigerim: Person) -> None:
    client, _answer = arrive()
    assert is_in(client)
    actions.disable_person(who=US, now=NOW, person=aigerim)
    assert not is_in(client)
    again, _answer = arrive()
    assert not is_in(again)


def test_somebody_new_gets_an_account_where_the_settings_say_so(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = get_settings().model_copy(update={"oidc_register": True})
    monkeypatch.setattr("qala.city.people.adapter.get_settings", lambda: held)
    client, _answer = arrive()
    assert is_in(client)
    made = Person.objects.get(email=EMAIL)
    assert (made.name, made.memberships.count(), made.has_usable_password()) == ("Айгерім", 0, False)
    provider.claims.update(sub="u-2", email="other@city.test", email_verified=False)
    assert not is_in(arrive()[0])


def test_the_second_factor_is_asked_for_all_the_same(provider: Provider, aigerim: Person) -> None:
    Authenticator.objects.create(user=aigerim, type=Authenticator.Type.TOTP, data={"secret": "x"})
    client, answer = arrive()
    assert answer.url.startswith("/accounts/2fa/authenticate/")
    assert not is_in(client)


@pytest.mark.parametrize(
    ("name", "claims"),
    [
        ("of another service", {"iss": "https://elsewhere.example"}),
        ("for another city", {"aud": "somebody"}),
        ("for another, named beside us", {"aud": ["qala", "other"], "azp": "other"}),
        ("too old", {"exp": int(time.time()) - 3600}),
        ("without an end", {"exp": None}),
        ("of nobody", {"sub": None}),
        ("from the future", {"iat": int(time.time()) + 3600}),
    ],
)
def test_a_token_that_is_not_for_us_is_refused(
    provider: Provider, aigerim: Person, name: str, claims: dict[str, Any]
) -> None:
    provider.claims.update(claims)
    client, answer = arrive()
    assert b"That did not work" in answer.content
    assert not is_in(client)
    assert not SocialAccount.objects.exists()


@pytest.mark.parametrize(
    ("signed_by", "algorithm"),
    [("another", "RS256"), ("a secret between two, long enough to sign", "HS256"), (None, "none")],
)
def test_a_forged_token_is_refused(provider: Provider, aigerim: Person, signed_by: Any, algorithm: str) -> None:
    if signed_by == "another":
        signed_by = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    provider.signed_by, provider.algorithm = signed_by, algorithm
    client, answer = arrive()
    assert b"That did not work" in answer.content
    assert not is_in(client)


def test_the_userinfo_counts_where_the_token_has_no_address_and_is_of_the_same_account(
    provider: Provider, aigerim: Person
) -> None:
    provider.claims = {}
    provider.userinfo = {"sub": "u-2", "email": EMAIL, "email_verified": True}
    client, answer = arrive()
    assert b"That did not work" in answer.content
    provider.userinfo["sub"] = "u-1"
    client, _answer = arrive()
    assert is_in(client)


def test_a_way_back_that_nobody_began_leads_nowhere(provider: Provider, aigerim: Person) -> None:
    client: Any = Client(SERVER_NAME="localhost", headers={"accept-language": "en"})
    for query in ("", "?code=x", "?code=x&state=y", "?error=access_denied", "?state=y"):
        answer = client.get(f"/accounts/oidc/back/{query}")
        assert answer.status_code in (302, 401)
        assert not is_in(client)
    # a state of one browser is of no use in another
    away = client.get("/accounts/oidc/")
    back = urlsplit(requests.get(away.url, allow_redirects=False, timeout=10).headers["Location"])
    victim: Any = Client(SERVER_NAME="localhost")
    victim.get(f"{back.path}?{back.query}")
    assert not is_in(victim)
    # and a code is good once
    assert client.get(f"{back.path}?{back.query}").status_code == 302
    other: Any = Client(SERVER_NAME="localhost")
    other.get(f"{back.path}?{back.query}")
    assert not is_in(other)


def test_it_begins_here_goes_nowhere_else_and_gives_another_session(provider: Provider, aigerim: Person) -> None:
    client: Any = Client(SERVER_NAME="localhost", headers={"accept-language": "en"})
    crossed = client.get("/accounts/oidc/", headers={"sec-fetch-site": "cross-site"})
    assert crossed.url == "/accounts/login/"
    away = client.get("/accounts/oidc/?next=https://evil.example/&process=connect")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(away.url).query).items()}
    assert asked["redirect_uri"] == "http://localhost/accounts/oidc/back/"
    assert asked["code_challenge_method"] == "S256"
    before = client.session.session_key
    back = urlsplit(requests.get(away.url, allow_redirects=False, timeout=10).headers["Location"])
    answer = client.get(f"{back.path}?{back.query}")
    assert answer.url == "/console/"
    assert is_in(client)
    assert client.session.session_key != before


def test_a_service_that_is_silent_is_told_and_one_not_set_is_not_there(provider: Provider, settings: Any) -> None:
    provider.__exit__()
    client: Any = Client(SERVER_NAME="localhost", headers={"accept-language": "en", "accept": "text/html"})
    answer = client.get("/accounts/oidc/")
    assert answer.status_code == 503
    assert b"City ID does not answer" in answer.content
    settings.SOCIALACCOUNT_PROVIDERS = {}
    for path in ("/accounts/oidc/", "/accounts/oidc/back/?code=x&state=y"):
        assert client.get(path).status_code == 404
    assert b"Sign in by" not in client.get("/accounts/login/").content


@pytest.mark.parametrize("wrong", ["http://idp.example", "ftp://idp.example", "idp.example", "https://"])
def test_a_service_without_tls_is_refused_by_the_settings(wrong: str) -> None:
    with pytest.raises(ValueError, match="https"):
        Settings(oidc_server_url=wrong)
    assert (
        Settings(oidc_server_url="https://idp.example/realms/city/").oidc_server_url
        == "https://idp.example/realms/city"
    )
