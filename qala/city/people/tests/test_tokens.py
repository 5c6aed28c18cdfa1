"""API tokens: what they reach, whom they belong to, and that a bad one says nothing."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from structlog.testing import capture_logs

from qala.city.people import actions, commands, rules, store
from qala.city.people.models import Organisation, Person, Role, Token
from qala.kernel import console, plug
from qala.kernel.access import ANONYMOUS, EVERYTHING, Who
from qala.kernel.errors import BadInput, Conflict, NotAllowed, NotFound, SignInNeeded
from qala.kernel.models import AuditEntry
from qala.kernel.secret import secret_hash
from tests import factories
from tests.factories import US

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("roles")]


@pytest.fixture
def water() -> Organisation:
    return factories.organisation("water")


@pytest.fixture
def power() -> Organisation:
    return factories.organisation("power")


def who_of(person: Person) -> Who:
    return store.who_of(person, timezone.now())


def make(who: Who, *permissions: str, **more: Any) -> tuple[Token, str]:
    given = {"name": "script", "permissions": permissions or ["devices.view"], "days": 30, **more}
    return actions.create_token(who=who, now=timezone.now(), **given)


def ask(secret: str, path: str = "/api/v1/devices", method: str = "get", **more: Any) -> Any:
    client = Client(SERVER_NAME="localhost", enforce_csrf_checks=True)
    return getattr(client, method)(path, headers={"authorization": f"Bearer {secret}"}, **more)


def test_a_token_reaches_what_it_is_for(water: Organisation, power: Organisation) -> None:
    factories.device("w-1", owner=water)
    factories.device("p-1", owner=power)
    engineer = factories.person("engineer", water)
    actions.join(who=US, now=timezone.now(), person=engineer, role="analyst", organisation=power)

    def serials(secret: str) -> set[str]:
        return {one["serial"] for one in ask(secret).json()["items"]}

    assert serials(make(who_of(engineer))[1]) == {"w-1", "p-1"}
    assert serials(make(who_of(engineer), organisations=[water])[1]) == {"w-1"}
    admin = factories.person("administrator")
    assert serials(make(who_of(admin), organisations=[power])[1]) == {"p-1"}
    assert serials(make(US, owner=water)[1]) == {"w-1"}
    places = make(who_of(engineer), "places.view")[1]
    assert ask(places).status_code == 403
    assert ask(places, "/api/v1/places").status_code == 200


def test_a_secret_is_kept_as_its_hash_alone_and_is_long_enough(water: Organisation) -> None:
    token, secret = make(US, owner=water)
    assert token.sha256 == secret_hash(secret)
    assert len(bytes.fromhex(secret.removeprefix(rules.TOKEN_PREFIX))) * 8 == 128
    assert secret not in json.dumps(list(Token.objects.values()), default=str)
    assert secret not in json.dumps(list(AuditEntry.objects.values()), default=str)


def test_every_bad_token_gets_the_same_answer(water: Organisation) -> None:
    person = factories.person("engineer", water)
    now = timezone.now()
    _good, secret = make(who_of(person))
    assert ask(secret).status_code == 200
    revoked, revoked_secret = make(who_of(person))
    actions.revoke_token(who=who_of(person), now=now, token=revoked)
    expired, expired_secret = make(who_of(person))
    Token.objects.filter(pk=expired.pk).update(made_at=now - timedelta(days=2), expires_at=now - timedelta(days=1))
    renewed, old_secret = make(who_of(person))
    new_secret = actions.renew_token(who=who_of(person), now=now, token=renewed, days=10)
    assert ask(new_secret).status_code == 200
    bad = [revoked_secret, expired_secret, old_secret, "qala_" + "0" * 32, "", "x", "ә" * 10, secret + " more"]
    answers = [ask(one.encode().decode("latin-1")) for one in bad]
    assert {one.status_code for one in answers} == {401}
    assert len({one.content for one in answers}) == 1
    assert answers[0].headers["WWW-Authenticate"] == "Bearer"
    actions.disable_person(who=US, now=now, person=person)
    assert ask(secret).content == answers[0].content
    assert store.who_of_token("nothing", "", now) is ANONYMOUS


def test_refusals_are_logged_without_the_secret(water: Organisation) -> None:
    token, secret = make(US, "places.view", owner=water)
    with capture_logs() as lines:
        assert ask(secret).status_code == 403
        actions.revoke_token(who=US, now=timezone.now(), token=token)
        assert ask(secret).status_code == 401
    told = {line["event"]: line for line in lines}
    assert (told["token.refused"]["why"], told["token.refused"]["id"]) == ("revoked", str(token.pk))
    refused = [line for line in lines if line["event"] == "api.refused"]
    assert [line["status"] for line in refused] == [403, 401]
    assert refused[0]["who_id"] == str(token.pk)
    assert secret not in str(lines)


def test_a_bad_token_beside_a_session_does_not_fall_back_to_it(water: Organisation) -> None:
    client = Client(SERVER_NAME="localhost")
    client.force_login(factories.person("administrator"))
    assert client.get("/api/v1/devices").status_code == 200
    assert client.get("/api/v1/devices", headers={"authorization": "Bearer qala_no"}).status_code == 401
    # pages know no tokens
    secret = make(US, owner=water)[1]
    page = Client(SERVER_NAME="localhost").get("/console/people/", headers={"authorization": f"Bearer {secret}"})
    assert page.status_code == 302


def test_a_token_loses_what_its_person_loses(water: Organisation) -> None:
    person = factories.person("engineer", water)
    secret = make(who_of(person))[1]
    actions.end_membership(who=US, now=timezone.now(), membership=person.memberships.get())
    assert ask(secret).status_code == 403


def test_no_token_makes_accounts_or_tokens(water: Organisation) -> None:
    admin = factories.person("administrator")
    with pytest.raises(BadInput, match=r"people\.manage"):
        make(who_of(admin), "people.manage")
    token, secret = make(who_of(admin), "people.view", "devices.view")
    Token.objects.filter(pk=token.pk).update(permissions=["people.manage", "people.view"])  # even if it stood there
    assert ask(secret, "/api/v1/people").status_code == 200
    body: dict[str, Any] = {"email": "x@city.test", "name": "X", "role": "administrator"}
    invited = ask(secret, "/api/v1/people", "post", data=json.dumps(body), content_type="application/json")
    assert invited.status_code == 403
    body = {"name": "another", "permissions": ["devices.view"]}
    made = ask(secret, "/api/v1/tokens", "post", data=json.dumps(body), content_type="application/json")
    assert made.status_code == 403
    assert ask(secret, f"/api/v1/tokens/{token.pk}", "delete").status_code == 404
    assert ask(secret, "/api/v1/tokens").json() == {"items": []}
    without = make(who_of(admin), "devices.view")[1]
    assert ask(without, f"/api/v1/people/{admin.pk}").status_code == 403  # not even its owner's own data


@pytest.mark.parametrize("role", list(actions.DEFAULT_ROLES))
def test_nobody_gives_a_token_what_they_do_not_hold(role: str, water: Organisation, power: Organisation) -> None:
    """Every permission × every default role × own and other organisation."""
    who = who_of(factories.person(role, None if role == "administrator" else water))
    held = set(Role.objects.get(pk=role).permissions)
    for one in plug.declared("permissions"):
        if one.key in rules.TOKEN_NEVER:
            continue
        for organisation, reaches in ((water, True), (power, role == "administrator" or not one.scoped)):
            if one.key in held and reaches:
                secret = make(who, one.key, organisations=[organisation])[1]
                grants = store.who_of_token(secret, "", timezone.now()).grants
                assert set(grants) == {one.key}
                assert (
                    grants[one.key] == EVERYTHING
                    if not one.scoped
                    else grants[one.key].organisations == {organisation.pk}
                )
            else:
                with pytest.raises(NotAllowed):
                    make(who, one.key, organisations=[organisation])
            if role != "administrator":
                with pytest.raises(NotAllowed):
                    make(who, one.key, owner=organisation)


def test_tokens_of_others_are_not_there(water: Organisation) -> None:
    mine, other = factories.person("engineer", water), factories.person("engineer", water)
    token, _secret = make(who_of(mine))
    service, _secret = make(US, owner=water)
    now = timezone.now()
    for one in (token, service):
        with pytest.raises(NotFound):
            store.get_token(one.pk, who=who_of(other))
        with pytest.raises(NotAllowed):
            actions.revoke_token(who=who_of(other), now=now, token=one)
        with pytest.raises(NotAllowed):
            actions.renew_token(who=who_of(other), now=now, token=one, days=3)
        with pytest.raises(SignInNeeded):
            actions.revoke_token(who=ANONYMOUS, now=now, token=one)
    admin = who_of(factories.person("administrator"))
    assert [one.pk for one in store.list_tokens(who=admin)] == [service.pk]  # persons' own stay their own
    actions.revoke_token(who=admin, now=now, token=service)
    with pytest.raises(Conflict):
        actions.revoke_token(who=admin, now=now, token=service)


@pytest.mark.parametrize(
    "wrong", [{"name": " "}, {"days": 0}, {"days": 401}, {"permissions": []}, {"permissions": ["fly"]}]
)
def test_what_cannot_be_is_named(wrong: dict[str, Any], water: Organisation) -> None:
    with pytest.raises(BadInput):
        actions.create_token(
            who=US, now=timezone.now(), owner=water,
            **{"name": "t", "permissions": ["devices.view"], "days": 3, **wrong},
        )  # fmt: skip


def test_use_is_noted_now_and_then_and_costs_two_queries(water: Organisation) -> None:
    token, secret = make(who_of(factories.person("engineer", water)))
    now = timezone.now()
    store.who_of_token(secret, "", now)
    token.refresh_from_db()
    assert token.last_used_at == now
    with CaptureQueriesContext(connection) as asked:
        assert store.who_of_token(secret, "", now + timedelta(minutes=1)).kind == "token"
    assert len(asked) == 2
    store.who_of_token(secret, "", now + timedelta(minutes=11))
    token.refresh_from_db()
    assert token.last_used_at == now + timedelta(minutes=11)


def test_pages_show_a_secret_once(water: Organisation) -> None:
    admin = Client(SERVER_NAME="localhost", headers={"accept-language": "en"})
    admin.force_login(factories.person("administrator"))
    for path, home in (("/console/me/tokens/new/", "/console/me/"),
                       ("/console/organisations/water/tokens/new/", "/console/organisations/water/")):  # fmt: skip
        assert admin.get(path).status_code == 200
        made = admin.post(path, {"name": "Gateway north", "permissions": ["devices.view"], "days": "30"})
        assert made.status_code == 201
        secret = made.context["secret"]
        assert secret in made.content.decode()
        assert "no-store" in made.headers["Cache-Control"]
        assert ask(secret).status_code == 200
        page = admin.get(home).content.decode()
        assert "Gateway north" in page and secret not in page
        key = Token.objects.get(sha256=secret_hash(secret)).pk
        renewed = admin.post(f"/console/tokens/{key}/renew/")
        assert ask(secret).status_code == 401
        assert ask(renewed.context["secret"]).status_code == 200
        assert admin.post(f"/console/tokens/{key}/revoke/").headers["Location"] == home
        assert ask(renewed.context["secret"]).status_code == 401
    nobody = Client(SERVER_NAME="localhost")
    nobody.force_login(factories.person("engineer", water))
    assert nobody.get("/console/organisations/water/tokens/new/").status_code == 403


def test_commands_make_service_accounts(water: Organisation) -> None:
    def run(command: Any, *arguments: str) -> dict[str, Any]:
        console.speak("json")
        try:
            result = CliRunner().invoke(command, list(arguments))
        finally:
            console.speak(None)
        assert result.exception is None, result.output
        return json.loads(result.stdout.splitlines()[-1])  # type: ignore[no-any-return]

    made = run(commands.create_token, "gateway", "--organisation", "water", "--permission", "devices.view")
    assert ask(made["secret"]).status_code == 200
    assert run(commands.list_tokens) == {"event": "result", "tokens": 1}
    run(commands.revoke_token, made["id"])
    assert ask(made["secret"]).status_code == 401
