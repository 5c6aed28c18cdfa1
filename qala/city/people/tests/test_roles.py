"""Roles of the city's own, roles that need a second factor, and organisations that close."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from click.testing import CliRunner
from django.core.cache import cache
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from qala.city.people import actions, commands, store
from qala.city.people.models import Membership, Organisation, Person, Role
from qala.kernel import console, plug
from qala.kernel.access import Who
from qala.kernel.errors import BadInput, Conflict, NotAllowed
from qala.kernel.models import AuditEntry, OutboxEvent
from tests import factories
from tests.factories import PASSWORD, US

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("roles")]


@pytest.fixture(autouse=True)
def fresh_limits() -> None:
    cache.clear()


@pytest.fixture
def water() -> Organisation:
    return factories.organisation("water")


@pytest.fixture
def power() -> Organisation:
    return factories.organisation("power")


def browser_of(person: Person, **more: Any) -> Any:
    client: Any = Client(SERVER_NAME="localhost", headers={"accept-language": "en", **more})
    client.force_login(person)
    return client


def who_of(person: Person) -> Who:
    return store.who_of(person, timezone.now())


def new_role(key: str = "fitter", **more: Any) -> Role:
    given = {"permissions": ["devices.view"], "title_en": key.capitalize(), **more}
    return actions.create_role(who=US, now=timezone.now(), key=key, **given)


def give_factor(person: Person) -> None:
    Authenticator.objects.create(user=person, type=Authenticator.Type.TOTP, data={"secret": "x"})


# roles of the city's own


def test_a_role_is_copied_renamed_changed_and_retired_on_pages(water: Organisation) -> None:
    admin = browser_of(factories.person("administrator"))
    copy = admin.get("/console/role-new/?copy=engineer")
    held = Role.objects.get(pk="engineer").permissions
    assert copy.context["form"].initial["permissions"] == held
    form = {"key": "fitter", "title_kk": "Монтаждаушы", "title_ru": "", "title_en": "Fitter", "permissions": held[:2]}
    answer = admin.post("/console/role-new/", form)
    assert (answer.status_code, answer.url) == (302, "/console/roles/fitter/")
    made = Role.objects.get(pk="fitter")
    assert (made.permissions, made.title_kk, made.needs_second_factor) == (held[:2], "Монтаждаушы", False)
    assert b"there is a role" in admin.post("/console/role-new/", form).content.lower()
    fitter = factories.person("fitter", water)
    assert who_of(fitter).may(held[0], water.pk)
    changed = {"title_en": "Meter fitter", "permissions": held[:1], "needs_second_factor": "on", "why": "fewer"}
    assert admin.post("/console/roles/fitter/", changed).status_code == 302
    made.refresh_from_db()
    assert (made.title_en, made.title_kk, made.permissions, made.needs_second_factor) == (
        "Meter fitter", "", held[:1], True,
    )  # fmt: skip
    row = AuditEntry.objects.filter(verb="people.change_role").get()
    assert (row.why, row.after) == (
        "fewer",
        {"title_kk": "", "title_en": "Meter fitter", "permissions": held[:1], "needs_second_factor": True},
    )
    assert b"1 person holds the role" in admin.get("/console/roles/fitter/").content
    assert admin.post("/console/roles/fitter/retire/", {"why": "merged"}).status_code == 302
    assert not store.memberships_of(fitter, who=US, now=timezone.now())
    assert Membership.objects.filter(person=fitter, valid_to__isnull=False).count() == 1  # nothing is lost
    verbs = AuditEntry.objects.order_by("id").values_list("verb", "why")
    assert list(verbs)[-2:] == [("people.end_membership", "merged"), ("people.retire_role", "merged")]
    assert "Meter fitter" in admin.get("/console/roles/?state=retired").content.decode()
    assert "Meter fitter" not in admin.get("/console/roles/?state=used").content.decode()
    assert "Meter fitter" not in admin.get("/console/people/invite/").content.decode()
    with pytest.raises(Conflict, match="retired"):
        actions.join(who=US, now=timezone.now(), person=fitter, role="fitter", organisation=water)
    for verb in (actions.retire_role, actions.change_role):
        with pytest.raises(Conflict, match="retired"):
            verb(who=US, now=timezone.now(), role=made)


def test_default_roles_stay_and_may_be_called_otherwise() -> None:
    now = timezone.now()
    for key in actions.DEFAULT_ROLES:
        with pytest.raises(Conflict, match="comes with Qala"):
            actions.retire_role(who=US, now=now, role=Role.objects.get(pk=key))
    admin = browser_of(factories.person("administrator"))
    assert admin.post("/console/roles/administrator/", {"title_en": "Head"}).status_code == 302
    actions.prepare_roles(who=US, now=now)
    head = Role.objects.get(pk="administrator")
    assert head.title_en == "Head"
    assert set(head.permissions) == {one.key for one in plug.declared("permissions")}
    with pytest.raises(IntegrityError), transaction.atomic():
        Role.objects.filter(pk="administrator").update(retired_at=now)


@pytest.mark.parametrize(
    "wrong",
    [{"key": "қала"}, {"key": ""}, {"key": "x" * 51}, {"title_en": " "}, {"title_en": "x" * 101},
     {"permissions": ["fly"]}],
)  # fmt: skip
def test_what_cannot_be_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        new_role(**{"key": "fitter", **wrong})
    assert not AuditEntry.objects.filter(verb="people.create_role").exists()


def test_nobody_makes_or_changes_a_role_of_more_than_they_hold(water: Organisation) -> None:
    new_role("chief", permissions=["people.manage", "people.view"])
    chief, now = who_of(factories.person("chief")), timezone.now()
    given: dict[str, Any] = {"who": chief, "now": now}
    made = actions.create_role(**given, key="clerk", permissions=["people.view"], title_en="Clerk")
    with pytest.raises(NotAllowed, match=r"devices\.view"):
        actions.create_role(**given, key="more", permissions=["devices.view"], title_en="More")
    engineer = Role.objects.get(pk="engineer")
    for change in ({"title_en": "Nobody"}, {"needs_second_factor": True}):
        with pytest.raises(NotAllowed):
            actions.change_role(**given, role=engineer, **change)
    fitter = new_role()
    with pytest.raises(NotAllowed):
        actions.retire_role(**given, role=fitter)
    actions.retire_role(**given, role=made)


@pytest.mark.parametrize(
    ("name", "role", "may"), [("all", "administrator", True), ("there", "chief", False), ("none", None, False)]
)
def test_who_makes_and_retires_roles_and_closes_organisations(
    name: str, role: str | None, may: bool, water: Organisation
) -> None:
    new_role("chief", permissions=["people.manage", "people.view"])
    new_role("old")
    person = factories.person(role, water if role == "chief" else None)
    machine = browser_of(person, accept="application/json")
    body: dict[str, Any]
    for path, body, status in (
        ("roles", {"key": "new", "permissions": [], "title_en": "New"}, 201),
        ("roles/old/retire", {}, 200),
        ("organisations/water/close", {"why": "merged"}, 200),
        ("organisations/water/reopen", {}, 200),
    ):
        answer = machine.post(f"/api/v1/{path}", json.dumps(body), content_type="application/json")
        assert answer.status_code == (status if may else 403), (path, answer.content)
    changed = machine.put("/api/v1/roles/crew", {"needs_second_factor": True}, content_type="application/json")
    assert changed.status_code == (200 if may else 403)
    for path in ("/console/role-new/", "/console/roles/crew/retire/", "/console/organisations/water/close/"):
        assert browser_of(person).post(path).status_code == ({True: 200, False: 403}[may] if "new" in path
                                                             else (409 if "crew" in path else 302) if may else 403)  # fmt: skip
    listed = [one["key"] for one in machine.get("/api/v1/roles").json()["items"]]
    assert ("old" in listed) == (not may)
    assert "old" in [one["key"] for one in machine.get("/api/v1/roles?retired=true").json()["items"]]


def test_a_role_of_the_citys_own_reaches_what_it_holds(water: Organisation, power: Organisation) -> None:
    """Every permission in a role of its own × own and other organisation, and the whole city."""
    for number, one in enumerate(plug.declared("permissions")):
        new_role(f"own-{number}", permissions=[one.key])
        for where in (water, None):
            who = who_of(factories.person(f"own-{number}", where))
            everywhere = where is None or not one.scoped
            told = (who.may(one.key, water.pk), who.may(one.key, power.pk), who.may(one.key, None))
            assert told == (True, everywhere, everywhere)
            assert set(who.grants) == {one.key}


def test_commands_of_roles_and_organisations(water: Organisation) -> None:
    def run(command: Any, *arguments: str) -> list[dict[str, Any]]:
        console.speak("json")
        try:
            result = CliRunner().invoke(command, list(arguments))
        finally:
            console.speak(None)
        assert result.exception is None, result.output
        return [json.loads(line) for line in result.stdout.splitlines()]

    run(commands.create_role, "fitter", "--title-en", "Fitter", "--copy", "crew", "--permission", "devices.load")
    made = Role.objects.get(pk="fitter")
    assert set(made.permissions) == {*Role.objects.get(pk="crew").permissions, "devices.load"}
    run(commands.change_role, "fitter", "--title-kk", "Монтаждаушы", "--needs-second-factor")
    made.refresh_from_db()
    assert (made.title_kk, made.title_en, made.needs_second_factor) == ("Монтаждаушы", "Fitter", True)
    assert set(made.permissions) > {"devices.load"}
    run(commands.change_role, "fitter", "--permission", "devices.view", "--needs-no-second-factor")
    made.refresh_from_db()
    assert (made.permissions, made.needs_second_factor) == (["devices.view"], False)
    factories.person("fitter", water)
    assert run(commands.retire_role, "fitter")[-1]["ended"] == 1
    assert run(commands.list_roles)[-1]["roles"] == len(actions.DEFAULT_ROLES)
    assert run(commands.list_roles, "--retired")[-1]["roles"] == len(actions.DEFAULT_ROLES) + 1
    factories.person("engineer", water)
    assert run(commands.close_organisation, "water", "--why", "merged")[-1]["ended"] == 1
    assert run(commands.list_organisations)[0]["closed_at"]
    run(commands.reopen_organisation, "water")
    water.refresh_from_db()
    assert water.closed_at is None


# a role that needs a second factor


def test_nothing_opens_before_the_second_factor_is_set_up(water: Organisation) -> None:
    factories.device("w-1", owner=water)
    person = factories.person("engineer", water, password=PASSWORD)
    _token, secret = actions.create_token(
        who=who_of(person), now=timezone.now(), name="script", permissions=["devices.view"], days=3
    )

    def ask() -> int:
        program = Client(SERVER_NAME="localhost", headers={"authorization": f"Bearer {secret}"})
        return int(program.get("/api/v1/devices").status_code)

    inside = browser_of(person)
    assert (inside.get("/console/devices/").status_code, ask()) == (200, 200)
    engineer = Role.objects.get(pk="engineer")
    actions.change_role(who=US, now=timezone.now(), role=engineer, needs_second_factor=True)
    for path in ("/console/", "/console/devices/", "/console/me/", "/console/me/tokens/new/", "/console/roles/"):
        answer = inside.get(path)
        assert (answer.status_code, answer.url) == (302, "/console/me/second-factor/"), path
        assert inside.post(path).status_code == 302
    page = inside.get("/console/me/second-factor/")
    assert (page.status_code, b"Engineer" in page.content) == (200, True)
    assert inside.get("/api/v1/devices", headers={"accept": "application/json"}).status_code == 403
    assert ask() == 403  # nor does a token of theirs
    assert not who_of(person).grants
    assert inside.get("/accounts/2fa/totp/activate/").status_code == 302  # the password once more
    give_factor(person)
    assert inside.get("/console/devices/").status_code == 200
    assert inside.get("/console/me/second-factor/").status_code == 302
    assert ask() == 200
    Authenticator.objects.filter(user=person).update(type=Authenticator.Type.RECOVERY_CODES)
    assert inside.get("/console/devices/").status_code == 302  # recovery codes alone are none


def test_who_asks_is_known_by_one_query_still(water: Organisation) -> None:
    new_role(needs_second_factor=True)
    person = factories.person("fitter", water)
    for more in (None, "engineer", "crew"):
        if more:
            actions.join(who=US, now=timezone.now(), person=person, role=more, organisation=water)
        with CaptureQueriesContext(connection) as asked:
            assert not who_of(person).grants
        assert len(asked) == 1
    other = factories.person("engineer", water)
    assert who_of(other).grants
    assert not other.lacks_second_factor


# news of roles, and organisations that close


def test_a_given_role_is_told(water: Organisation) -> None:
    for where in (water, None):
        person = factories.person("engineer", where)
        told = OutboxEvent.objects.filter(name="people.role_given").order_by("-id")[0].payload
        assert told == {
            "membership": str(person.memberships.get().pk), "person": str(person.pk), "role": "engineer",
            "organisation": str(water.pk) if where else None,
        }  # fmt: skip


def test_a_closed_organisation_ends_its_roles_and_loses_nothing(water: Organisation, power: Organisation) -> None:
    now = timezone.now()
    engineer, planned = factories.person("engineer", water), factories.person()
    actions.join(who=US, now=now, person=engineer, role="crew", organisation=power)
    actions.join(who=US, now=now, person=planned, role="crew", organisation=water, valid_from=now + timedelta(days=1))
    device = factories.device("w-1", owner=water)
    _token, secret = actions.create_token(
        who=US, now=now, name="gateway", permissions=["devices.view"], days=3, owner=water
    )
    admin = browser_of(factories.person("administrator"))
    assert b"Close the organisation" in admin.get("/console/organisations/water/").content
    assert admin.post("/console/organisations/water/close/", {"why": "merged"}).status_code == 302
    assert not who_of(engineer).may("devices.view", water.pk)
    assert who_of(engineer).may("devices.view", power.pk)
    assert not planned.memberships.exists()
    water.refresh_from_db()
    assert water.closed_at is not None
    row = AuditEntry.objects.filter(verb="people.close_organisation").get()
    after: Any = row.after
    assert (row.why, after["memberships_ended"], after["tokens_revoked"]) == ("merged", 2, 1)
    assert OutboxEvent.objects.get(name="people.organisation_closed").payload == {"organisation": str(water.pk)}
    assert store.who_of_token(secret, "", timezone.now()).kind == "anonymous"
    device.refresh_from_db()
    assert device.owner_id == water.pk
    page = admin.get("/console/organisations/water/").content.decode()
    assert "Open it again" in page and "New API token" not in page
    assert 'value="water"' not in admin.get("/console/people/invite/").content.decode()
    for verb in (
        lambda: actions.join(who=US, now=now, person=engineer, role="crew", organisation=water),
        lambda: actions.create_token(who=US, now=now, name="g", permissions=["devices.view"], days=3, owner=water),
        lambda: actions.close_organisation(who=US, now=now, organisation=water),
    ):
        with pytest.raises(Conflict, match="closed"):
            verb()
    assert admin.post("/console/organisations/water/reopen/").status_code == 302
    actions.join(who=US, now=timezone.now(), person=engineer, role="crew", organisation=store.get_organisation("water"))
    with pytest.raises(Conflict, match="open"):
        actions.reopen_organisation(who=US, now=timezone.now(), organisation=water)
