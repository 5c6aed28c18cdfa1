"""Pages, API and commands of people: who sees whom, who may do what, invitations, the last administrator."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from django.core import mail
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from qala.city.people import actions, commands, store
from qala.city.people.models import Membership, Organisation, Person, Role, SignIn
from qala.kernel import console
from qala.kernel.access import ANONYMOUS, Who
from qala.kernel.errors import BadInput, Conflict, NotAllowed, NotFound, SignInNeeded
from qala.kernel.lists import Asked, Look
from qala.kernel.models import AuditEntry, OutboxEvent
from tests import factories
from tests.factories import PASSWORD, US

pytestmark = pytest.mark.django_db
AT = "http://city.test/"


@pytest.fixture(autouse=True)
def ground(roles: None) -> Iterator[None]:
    cache.clear()
    Role.objects.create(
        key="chief", title_kk="б", title_ru="н", title_en="Chief", permissions=["people.manage", "people.view"]
    )
    yield
    console.speak(None)


@pytest.fixture
def water() -> Organisation:
    return factories.organisation("water")


@pytest.fixture
def power() -> Organisation:
    return factories.organisation("power")


def browser_of(person: Person, **more: Any) -> Client:
    client = Client(SERVER_NAME="localhost", headers={"accept-language": "en", **more})
    client.force_login(person)
    return client


def machine_of(person: Person) -> Client:
    return browser_of(person, accept="application/json")


def who_of(person: Person) -> Who:
    return store.who_of(person, timezone.now())


def link() -> str:
    found = re.search(r"https?://\S+", str(mail.outbox[-1].body))
    assert found is not None
    return "/" + found[0].split("/", 3)[3]


# invitations


def test_an_invited_person_chooses_a_password_and_signs_in(water: Organisation) -> None:
    admin = browser_of(factories.person("administrator"))
    form = {"email": "New@City.test", "name": "Нұрлан", "language": "kk", "role": "engineer", "organisation": "water"}
    answer: Any = admin.post("/console/people/invite/", form)
    made = Person.objects.get(email="new@city.test")
    assert (answer.status_code, answer.url) == (302, f"/console/people/{made.pk}/")
    assert (made.state, made.has_usable_password()) == ("invited", False)
    assert mail.outbox[-1].to == ["new@city.test"]
    assert "шақыр" in mail.outbox[-1].subject.lower()
    page = admin.get(f"/console/people/{made.pk}/")
    assert b"Send the invitation again" in page.content

    guest = Client(SERVER_NAME="localhost", headers={"accept-language": "en"})
    way = link()
    assert "Нұрлан" in guest.get(way).content.decode()
    assert "at least 12" in guest.post(way, {"password1": "short", "password2": "short"}).content.decode().lower()
    assert guest.post(way, {"password1": PASSWORD, "password2": "other"}).status_code == 200
    assert guest.post(way, {"password1": PASSWORD, "password2": PASSWORD}).status_code == 302
    row = AuditEntry.objects.order_by("-id")[0]
    assert (row.verb, row.who_id, row.thing_key) == ("people.accept_invitation", made.pk, str(made.pk))
    dead = guest.get(way)
    assert dead.status_code == 404
    assert b"not valid any more" in dead.content
    assert guest.post("/accounts/login/", {"login": "new@city.test", "password": PASSWORD}).status_code == 302
    made.refresh_from_db()
    assert made.state == "active"
    assert who_of(made).may("devices.view", water.pk)


def invited(**more: Any) -> Person:
    given = {"email": "n@city.test", "name": "N", "role": "resident", **more}
    return actions.invite(who=US, now=timezone.now(), address=AT, **given)


def key_of(person: Person) -> str:
    return store.invitation_link(person, address=AT).rstrip("/").rpartition("/")[2]


def test_a_link_dies_by_age_replacement_tampering_closing_and_a_password_by_mail() -> None:
    person, now = invited(), timezone.now()
    key = key_of(person)
    assert store.get_invited(key, now=now) == person
    for bad, at in [
        (key, now + timedelta(days=store.INVITATION_DAYS)),
        (key[:-1] + ("A" if key[-1] != "A" else "B"), now),
        ("", now),
        ("x" * 300, now),
        (key.replace(".", ""), now),
    ]:
        with pytest.raises(NotFound):
            store.get_invited(bad, now=at)
    actions.invite_again(who=US, now=now, address=AT, person=person)
    with pytest.raises(NotFound):
        store.get_invited(key, now=now)
    person.refresh_from_db()
    key = key_of(person)
    actions.disable_person(who=US, now=now, person=person)
    with pytest.raises(NotFound):
        store.get_invited(key, now=now)
    with pytest.raises(Conflict):
        actions.invite_again(who=US, now=now, address=AT, person=person)
    actions.enable_person(who=US, now=now, person=person)
    person.refresh_from_db()
    Person.objects.filter(pk=person.pk).update(invitation=factories.organisation().pk)
    person.refresh_from_db()
    key = key_of(person)
    actions.set_password(who=US, now=now, person=person, password=PASSWORD)
    with pytest.raises(NotFound):
        actions.accept_invitation(now=now, key=key, password=PASSWORD)


def test_somebody_who_has_an_account_is_given_the_role_and_no_link(water: Organisation) -> None:
    there = factories.person(email="there@city.test", password=PASSWORD)
    sent = len(mail.outbox)
    made = invited(email="There@City.test", name="Another name", role="engineer", organisation=water)
    assert (made.pk, made.name, made.state, len(mail.outbox)) == (there.pk, there.name, "active", sent)


def test_what_cannot_be_leaves_nothing_behind(water: Organisation) -> None:
    for wrong in ({"email": "no address"}, {"role": "king"}, {"role": "administrator", "organisation": water}):
        with pytest.raises((BadInput, NotFound)):
            invited(**wrong)
    assert not Person.objects.exists()
    assert not mail.outbox


def test_a_mail_that_cannot_leave_is_told_and_can_be_sent_again(settings: Any) -> None:
    way = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = "django.core.mail.backends.smtp.EmailBackend", "127.0.0.1"
    settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = 1, 2  # nobody listens there
    admin = browser_of(factories.person("administrator"))
    form = {"email": "n@city.test", "name": "N", "role": "resident", "organisation": "*"}
    answer = admin.post("/console/people/invite/", form)
    assert b"could not be sent" in answer.content
    made = Person.objects.get(email="n@city.test")
    assert made.state == "invited"
    settings.EMAIL_BACKEND = way
    assert admin.post(f"/console/people/{made.pk}/invite-again/").status_code == 302
    assert mail.outbox[-1].to == ["n@city.test"]


# closing accounts and ending roles


def signed_in(person: Person) -> Client:
    client = Client(SERVER_NAME="localhost", headers={"accept-language": "en", "user-agent": "X11; Linux Firefox/130"})
    answer = client.post("/accounts/login/", {"login": person.email, "password": PASSWORD})
    assert answer.status_code == 302
    return client


def test_a_closed_account_is_out_at_once_and_comes_back(water: Organisation) -> None:
    somebody = factories.person("engineer", water, password=PASSWORD)
    inside = signed_in(somebody)
    assert inside.get("/console/me/").status_code == 200
    admin = browser_of(factories.person("administrator"))
    assert admin.post(f"/console/people/{somebody.pk}/disable/", {"why": "left"}).status_code == 302
    assert inside.get("/console/me/").status_code == 302
    assert not SignIn.objects.filter(person=somebody).exists()
    row = AuditEntry.objects.order_by("-id")[0]
    assert (row.verb, row.why, row.after) == (
        "people.disable_person", "left", {"is_active": False, "sessions_ended": 1},
    )  # fmt: skip
    assert OutboxEvent.objects.get(name="people.person_disabled").payload == {"person": str(somebody.pk)}
    assert admin.post(f"/console/people/{somebody.pk}/disable/").status_code == 409
    assert admin.post(f"/console/people/{somebody.pk}/enable/").status_code == 302
    assert inside.get("/console/me/").status_code == 302  # the old session stays dead
    assert signed_in(somebody).get("/console/me/").status_code == 200


def test_the_last_administrator_stays() -> None:
    first, now = factories.person("administrator"), timezone.now()
    held = first.memberships.get()
    with pytest.raises(Conflict, match="last administrator"):
        actions.end_membership(who=US, now=now, membership=held)
    with pytest.raises(Conflict, match="last administrator"):
        actions.disable_person(who=US, now=now, person=first)
    demo = factories.person("administrator")
    Person.objects.filter(pk=demo.pk).update(is_demo=True)
    with pytest.raises(Conflict):  # a demo account cannot run a city
        actions.disable_person(who=US, now=now, person=first)
    second = factories.person("administrator")
    with pytest.raises(Conflict, match="their own"):
        actions.disable_person(who=who_of(second), now=now, person=second)
    actions.disable_person(who=who_of(second), now=now, person=first)
    with pytest.raises(Conflict):
        actions.end_membership(who=US, now=now, membership=second.memberships.get())
    actions.end_membership(who=US, now=now, membership=held)  # of a closed account: takes nothing from the city


def test_a_role_ends_once_and_is_written_down(water: Organisation) -> None:
    somebody = factories.person("engineer", water)
    held, now = somebody.memberships.get(), timezone.now()
    actions.end_membership(who=US, now=now, membership=held, why="moved")
    assert not who_of(somebody).may("devices.view")
    row = AuditEntry.objects.order_by("-id")[0]
    assert row.before == {"valid_to": None, "person": str(somebody.pk), "role": "engineer", "organisation": "water"}
    assert (row.verb, row.why, row.after) == ("people.end_membership", "moved", {"valid_to": now.isoformat()})
    with pytest.raises(Conflict):
        actions.end_membership(who=US, now=now, membership=held)
    planned = actions.join(
        who=US, now=now, person=somebody, role="crew", organisation=water, valid_from=now + timedelta(days=3)
    )
    actions.end_membership(who=US, now=now, membership=planned)
    assert not Membership.objects.filter(pk=planned.pk).exists()


# who sees whom and may do what: every asker × every address × own and other organisation

ASKERS: dict[str, tuple[str | None, bool]] = {
    "administrator": ("administrator", False), "chief of water": ("chief", True), "manager of water": ("manager", True),
    "engineer of water": ("engineer", True), "nobody's": (None, False),
}  # fmt: skip
SEES_LIST = {"administrator", "chief of water", "manager of water"}
SEES_OWN = SEES_LIST
ENDS_OWN = {"administrator"}  # the chief holds less than an engineer's role gives


def asker(name: str, water: Organisation) -> Person:
    role, in_water = ASKERS[name]
    return factories.person(role, water if in_water else None, email="asker@city.test")


@pytest.mark.parametrize("name", ASKERS)
def test_who_reaches_whom(name: str, water: Organisation, power: Organisation) -> None:
    factories.person("administrator")
    own, other = factories.person("engineer", water), factories.person("engineer", power)
    machine = machine_of(asker(name, water))
    listed = machine.get("/api/v1/people")
    if name not in SEES_LIST:
        assert listed.status_code == 403
    else:
        keys = {one["id"] for one in listed.json()["items"]}
        assert str(own.pk) in keys
        assert (str(other.pk) in keys) == (name == "administrator")
        told = machine.get("/api/v1/people", {"organisation": "power"}).json()["count"]
        assert told == (1 if name == "administrator" else 0)
        assert machine.get("/api/v1/people", {"role": "administrator"}).json()["count"] == (
            2 if name == "administrator" else 0
        )
    missing = machine.get("/api/v1/people/00000000-0000-7000-8000-000000000000")
    theirs = machine.get(f"/api/v1/people/{other.pk}")
    if name != "administrator":
        assert (theirs.status_code, theirs.json()) == (missing.status_code, missing.json())
    ours = machine.get(f"/api/v1/people/{own.pk}").status_code
    assert ours == (200 if name in SEES_OWN else missing.status_code)
    all_may = name == "administrator"
    for person, sees, ends in ((own, name in SEES_OWN, name in ENDS_OWN), (other, all_may, all_may)):
        held = person.memberships.get()
        there = machine.delete(f"/api/v1/people/{person.pk}/roles/{held.pk}")
        assert there.status_code == (204 if ends else 403 if sees else missing.status_code)
        closed = machine.post(f"/api/v1/people/{person.pk}/disable", {}, content_type="application/json")
        assert closed.status_code == (200 if name == "administrator" else 403 if sees else missing.status_code)
        assert Person.objects.get(pk=person.pk).is_active == (name != "administrator")


@pytest.mark.parametrize("name", ASKERS)
@pytest.mark.parametrize(
    ("role", "where", "may"),
    [
        ("chief", "water", {"administrator", "chief of water"}),
        ("resident", "water", {"administrator", "chief of water"}),
        ("engineer", "water", {"administrator"}),
        ("administrator", None, {"administrator"}),
        ("resident", None, {"administrator"}),
        ("resident", "power", {"administrator"}),
    ],
)
def test_who_may_invite_as_what(
    name: str, role: str, where: str | None, may: set[str], water: Organisation, power: Organisation
) -> None:
    given = {"email": "new@city.test", "name": "New", "role": role, "organisation": where}
    answer = machine_of(asker(name, water)).post("/api/v1/people", given, content_type="application/json")
    assert answer.status_code == (201 if name in may else 403)
    assert Person.objects.filter(email="new@city.test").exists() == (name in may)


@pytest.mark.parametrize("name", ASKERS)
def test_who_may_change_roles_and_organisations(name: str, water: Organisation) -> None:
    machine, all_may = machine_of(asker(name, water)), name == "administrator"
    asked = {"permissions": ["people.view", "devices.view"], "why": "tried"}
    changed = machine.put("/api/v1/roles/operator", asked, content_type="application/json")
    assert changed.status_code == (200 if all_may else 403)
    assert (Role.objects.get(pk="operator").permissions == ["devices.view", "people.view"]) == all_may
    for path, method, status in (
        ("/api/v1/organisations", machine.post, 201),
        ("/api/v1/organisations/water", machine.put, 200),
    ):
        answer = method(path, {"code": "gas", "kind": "utility", "name_en": "Gas"}, content_type="application/json")
        assert answer.status_code == (status if all_may else 403), answer.content
    assert machine.get("/api/v1/organisations").status_code == 200


def test_a_change_of_a_role_is_written_down_and_counts_at_once(water: Organisation) -> None:
    somebody, admin = factories.person("crew", water), browser_of(factories.person("administrator"))
    before = Role.objects.get(pk="crew").permissions
    given = {"title_kk": "Бригада", "title_ru": "Бригада", "title_en": "Crew"}
    asked = {**given, "permissions": [*before, "devices.load"], "why": "they look up"}
    answer = admin.post("/console/roles/crew/", asked)
    assert answer.status_code == 302
    assert who_of(somebody).may("devices.load", water.pk)
    row = AuditEntry.objects.order_by("-id")[0]
    assert (row.verb, row.thing_key, row.before, row.why) == (
        "people.change_role", "crew", {"permissions": before}, "they look up",
    )  # fmt: skip
    actions.change_role(who=US, now=timezone.now(), role=Role.objects.get(pk="crew"), permissions=[])
    actions.prepare_roles(who=US, now=timezone.now())
    assert Role.objects.get(pk="crew").permissions == []  # what was taken away is not given back
    with pytest.raises(Conflict):
        actions.change_role(who=US, now=timezone.now(), role=Role.objects.get(pk="administrator"), permissions=[])
    with pytest.raises(BadInput):
        actions.change_role(who=US, now=timezone.now(), role=Role.objects.get(pk="crew"), permissions=["fly"])


def test_nobody_puts_into_a_role_what_they_do_not_hold(water: Organisation) -> None:
    chief = who_of(factories.person("chief"))  # of the whole city
    with pytest.raises(NotAllowed, match=r"devices\.load"):
        actions.change_role(
            who=chief, now=timezone.now(), role=Role.objects.get(pk="crew"), permissions=["devices.load"]
        )
    with pytest.raises(NotAllowed):
        actions.disable_person(who=chief, now=timezone.now(), person=factories.person("administrator"))
    with pytest.raises(SignInNeeded):
        store.PEOPLE.page(Asked(), Look(ANONYMOUS, timezone.now()))


def test_every_default_role_reaches_what_it_holds_and_no_further(water: Organisation, power: Organisation) -> None:
    """Every permission × every default role × own and other organisation, and the whole city."""
    from qala.kernel.plug import declared

    for key in actions.DEFAULT_ROLES:
        held = set(Role.objects.get(pk=key).permissions)
        places: list[Organisation | None] = [None] if key == "administrator" else [water, None]
        for where in places:
            who = who_of(factories.person(key, where))
            for one in declared("permissions"):
                has = one.key in held
                everywhere = has and (where is None or not one.scoped)
                told = (who.may(one.key, water.pk), who.may(one.key, power.pk), who.may(one.key, None))
                assert told == (has, everywhere, everywhere), (key, where, one.key)
                for organisation, allowed in ((water, has), (power, everywhere)):
                    if not allowed:
                        with pytest.raises(NotAllowed):
                            who.require(one.key, organisation.pk)


# lists and pages


def test_search_filters_and_pages(water: Organisation, power: Organisation) -> None:
    us = store.who_of(factories.person("administrator", email="root@city.test"), timezone.now())
    for number, name in enumerate(["Әлия Ким", "Болат Әлиев", "Дина"]):
        person = factories.person("engineer", water if number else power, email=f"p{number}@city.test")
        actions.set_name(who=US, now=timezone.now(), person=person, name=name)
    now = timezone.now()

    def names(query: str = "", **narrowed: str) -> list[str]:
        return [one.name for one in store.PEOPLE.page(Asked(query, narrowed), Look(us, now)).rows]

    assert names(query="әли") == ["Болат Әлиев", "Әлия Ким"] or names(query="әли") == ["Әлия Ким", "Болат Әлиев"]
    assert names(query="p2@city") == ["Дина"]
    assert names(organisation="power") == ["Әлия Ким"]
    assert names(role="administrator") == ["root"]
    assert names(state="invited") == [] == names(state="nonsense")
    every, seen = names(), []
    following: tuple[str, ...] = ()
    while True:
        page = store.PEOPLE.page(Asked(after=following, limit=1), Look(us, now))
        assert page.total == 4
        seen += [one.name for one in page.rows]
        following = page.following
        if not following:
            break
    assert seen == every


@pytest.mark.parametrize(
    "path",
    ["/console/people/", "/api/v1/people", "/console/organisations/", "/console/roles/", "/api/v1/organisations"],
)
def test_lists_ask_as_often_for_many_rows_as_for_one(path: str, water: Organisation) -> None:
    client = browser_of(factories.person("administrator"))
    counts = []
    for number in (1, 3):
        for _one in range(number):
            actions.join(who=US, now=timezone.now(), person=factories.person("engineer", water), role="crew")
            factories.organisation()
        client.get(path)
        with CaptureQueriesContext(connection) as asked:
            assert client.get(path).status_code == 200
        counts.append(len(asked))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("language", ["kk", "ru", "en"])
def test_pages_stand_in_three_languages(language: str, water: Organisation) -> None:
    admin = factories.person("administrator")
    client = browser_of(admin, **{"accept-language": language})
    other = factories.person("engineer", water)
    for path in (
        "people/", "people/invite/", f"people/{other.pk}/", f"people/{admin.pk}/", "organisations/", "organisation-new/",
        "organisations/water/", "roles/", "roles/crew/", "roles/administrator/", "me/", "me/password/",
    ):  # fmt: skip
        answer = client.get(f"/console/{path}")
        assert answer.status_code == 200, path
        assert "<h1" in answer.content.decode()
    assert client.get("/accounts/invitation/none/").status_code == 404


def test_forms_say_what_is_wrong_and_keep_it(water: Organisation) -> None:
    admin = browser_of(factories.person("administrator"))
    form = {"email": "a@city.test", "name": "A", "role": "administrator", "organisation": "water"}
    answer = admin.post("/console/people/invite/", form)
    assert answer.status_code == 200
    assert b"one of the whole city" in answer.content
    assert b"a@city.test" in answer.content
    somebody = factories.person("engineer", water)
    given = {"role": "engineer", "organisation": "water"}
    again = admin.post(f"/console/people/{somebody.pk}/roles/", given)
    assert again.status_code == 422
    assert b"already" in again.content
    given = {"role": "crew", "organisation": "*", "until": "2099-01-01"}
    assert admin.post(f"/console/people/{somebody.pk}/roles/", given).status_code == 302
    ended = somebody.memberships.get(role="crew").valid_to
    assert ended is not None and timezone.localtime(ended).strftime("%Y-%m-%d %H:%M") == "2099-01-01 00:00"
    new = admin.post("/console/organisation-new/", {"code": "new one", "kind": "utility"})
    assert new.status_code == 200 and b"Latin letters" in new.content
    edited = {"kind": "company", "name_kk": "Су", "name_ru": "Вода", "name_en": "Water"}
    assert admin.post("/console/organisations/water/", edited).status_code == 302
    water.refresh_from_db()
    assert (water.kind, water.name_kk, water.code) == ("company", "Су", "water")


# my account


def test_my_sessions_are_listed_and_ended() -> None:
    me, other = factories.person(password=PASSWORD), factories.person(password=PASSWORD)
    here, there, third = signed_in(me), signed_in(me), signed_in(me)
    foreign = signed_in(other)
    page = here.get("/console/me/").content.decode()
    assert page.count("Firefox · Linux") == 3
    assert page.count("this one") == 1
    theirs = SignIn.objects.get(person=other)
    assert here.post(f"/console/me/sessions/{theirs.pk}/end/").status_code == 404
    assert foreign.get("/console/me/").status_code == 200
    key = SignIn.objects.get(session_key=there.session.session_key).pk
    assert here.post(f"/console/me/sessions/{key}/end/").status_code == 302
    assert there.get("/console/me/").status_code == 302
    assert third.get("/console/me/").status_code == 200
    assert here.post("/console/me/sessions/end-others/").status_code == 302
    assert third.get("/console/me/").status_code == 302
    assert here.get("/console/me/").status_code == 200
    assert foreign.get("/console/me/").status_code == 200


def test_a_session_is_noted_as_in_use_now_and_then() -> None:
    me = factories.person(password=PASSWORD)
    client = signed_in(me)
    long_ago = timezone.now() - timedelta(hours=1)
    SignIn.objects.update(last_seen_at=long_ago)
    client.get("/console/me/")
    assert SignIn.objects.get().last_seen_at == long_ago  # just signed in: no write a click
    session = client.session
    session["people.seen"] -= 3600
    session.save()
    client.get("/console/me/")
    assert SignIn.objects.get().last_seen_at > long_ago


def test_my_password_wants_the_old_one_and_ends_other_sessions() -> None:
    me = factories.person(password=PASSWORD)
    here, there = signed_in(me), signed_in(me)
    new = "a louder river 23"
    wrong = here.post("/console/me/password/", {"old": "guess", "password1": new, "password2": new})
    assert b"not right" in wrong.content
    weak = here.post("/console/me/password/", {"old": PASSWORD, "password1": "x", "password2": "x"})
    assert weak.status_code == 200
    done = here.post("/console/me/password/", {"old": PASSWORD, "password1": new, "password2": new})
    assert done.status_code == 302
    assert here.get("/console/me/").status_code == 200
    assert there.get("/console/me/").status_code == 302
    assert [one.session_key for one in SignIn.objects.filter(person=me)] == [here.session.session_key]
    me.refresh_from_db()
    assert me.check_password(new)
    for _attempt in range(5):
        last = here.post("/console/me/password/", {"old": "guess", "password1": new, "password2": new})
    assert b"Too many attempts" in last.content


def test_my_name_and_language() -> None:
    me = factories.person(password=PASSWORD)
    client = browser_of(me)
    answer = client.post("/console/me/", {"name": "Айгерім", "language": "kk"})
    assert answer.status_code == 302
    assert answer.cookies["qala_language"].value == "kk"
    me.refresh_from_db()
    assert (me.name, me.language) == ("Айгерім", "kk")
    assert client.post("/console/me/", {"name": "", "language": "kk"}).status_code == 200
    assert Client(SERVER_NAME="localhost").get("/console/me/").status_code == 302


# commands


def run(command: Any, *arguments: str) -> dict[str, Any]:
    console.speak("json")
    result = CliRunner().invoke(command, list(arguments))
    if result.exception is not None:
        raise result.exception
    return json.loads(result.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def test_commands_do_what_pages_do(water: Organisation) -> None:
    run(commands.add_organisation, "gas", "--kind", "utility", "--name-en", "Gas")
    made = run(
        commands.invite, "c@city.test", "--name", "C", "--role", "engineer", "--organisation", "gas", "--language", "ru"
    )
    assert made["state"] == "invited"
    assert "/accounts/invitation/" in made["link"]
    again = run(commands.invite_again, "c@city.test")
    assert again["link"] != made["link"]
    run(commands.give, "c@city.test", "crew", "--organisation", "water", "--until", "2099-01-01")
    assert run(commands.list_people, "--organisation", "water") == {"event": "result", "people": 1}
    run(commands.end, "c@city.test", "engineer", "--organisation", "gas", "--why", "moved")
    with pytest.raises(NotFound):
        run(commands.end, "c@city.test", "engineer", "--organisation", "gas")
    assert run(commands.disable, "c@city.test", "--why", "left")["state"] == "disabled"
    assert run(commands.enable, "c@city.test")["state"] == "invited"  # had not come in yet: asks for a new link
    assert run(commands.list_organisations)["organisations"] == 2
    with pytest.raises(NotFound):
        run(commands.disable, "nobody@city.test")


def test_older_folders_find_everybody_by_search() -> None:
    from qala.kernel import search

    person: Callable[[], Person] = factories.person
    person()
    from django.db import transaction

    with transaction.atomic():
        search.drop("person")
    actions.index_persons()
    assert search.count("person") == 1
