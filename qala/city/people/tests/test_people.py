"""Roles, access, actions and their audit, on the database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import IntegrityError, transaction
from django.utils import translation

from qala.city.people import actions, demo, store
from qala.city.people.models import Membership, Organisation, Person, Role
from qala.kernel import plug
from qala.kernel.access import ANONYMOUS, Who, system
from qala.kernel.console import Progress
from qala.kernel.errors import BadInput, Conflict, NotAllowed, NotFound, QalaError, SignInNeeded
from qala.kernel.models import AuditEntry

NOW = datetime(2026, 3, 5, 9, tzinfo=UTC)
DAY = timedelta(days=1)
US = system("test")
PASSWORD = "a quiet lake 17"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def roles(db: None) -> None:
    actions.prepare_roles(who=US, now=NOW)


@pytest.fixture
def water() -> Organisation:
    return actions.create_organisation(who=US, now=NOW, code="water", kind="utility", name_kk="Су", name_en="Water")


@pytest.fixture
def power() -> Organisation:
    return actions.create_organisation(who=US, now=NOW, code="power", kind="utility", name_ru="Свет")


def person(email: str, role: str | None = None, organisation: Organisation | None = None, **dates: Any) -> Person:
    made = actions.create_person(who=US, now=NOW, email=email, name=email.split("@")[0])
    if role is not None:
        actions.join(who=US, now=NOW, person=made, role=role, organisation=organisation, **dates)
    return made


def last_audit() -> AuditEntry:
    return AuditEntry.objects.order_by("-id")[0]


# roles


def test_prepare_makes_the_default_roles_once() -> None:
    assert set(Role.objects.values_list("pk", flat=True)) == set(actions.DEFAULT_ROLES)
    before, audits = list(Role.objects.order_by("pk").values()), AuditEntry.objects.count()
    assert actions.prepare_roles(who=US, now=NOW + DAY) == []
    assert list(Role.objects.order_by("pk").values()) == before
    assert AuditEntry.objects.count() == audits


def test_the_administrator_holds_every_declared_permission() -> None:
    declared = sorted(one.key for one in plug.declared("permissions"))
    assert Role.objects.get(pk="administrator").permissions == declared
    Role.objects.filter(pk="administrator").update(permissions=[])
    assert actions.prepare_roles(who=US, now=NOW) == ["administrator"]
    assert Role.objects.get(pk="administrator").permissions == declared


def test_a_new_offer_is_given_and_what_was_taken_away_is_not_given_back() -> None:
    manager = Role.objects.get(pk="manager")
    assert "people.view" in manager.permissions
    taken = [one for one in manager.permissions if one != "people.view"]
    Role.objects.filter(pk="manager").update(permissions=taken)
    assert actions.prepare_roles(who=US, now=NOW) == []
    assert Role.objects.get(pk="manager").permissions == taken

    never_offered = [one for one in manager.offered if one != "people.view"]
    Role.objects.filter(pk="manager").update(offered=never_offered)
    assert actions.prepare_roles(who=US, now=NOW) == ["manager"]
    assert Role.objects.get(pk="manager").permissions == manager.permissions
    row = last_audit()
    assert (row.verb, row.thing_kind, row.thing_key) == ("people.prepare_roles", "role", "manager")
    assert row.before == {"permissions": taken}
    assert row.after == {"permissions": manager.permissions}


def test_a_role_of_the_citys_own_is_left_alone() -> None:
    Role.objects.create(key="own", title_kk="ө", title_ru="с", title_en="o", permissions=["people.view"])
    assert actions.prepare_roles(who=US, now=NOW) == []
    assert Role.objects.get(pk="own").permissions == ["people.view"]


def test_titles_are_there_in_three_languages() -> None:
    for role in Role.objects.all():
        assert role.title_kk and role.title_ru and role.title_en
    with translation.override("kk"):
        assert Role.objects.get(pk="mayor").title == "Әкім"


# access


@pytest.mark.parametrize(
    ("role", "where", "permission", "own", "other", "everywhere"),
    [
        (None, None, "people.view", False, False, False),
        ("administrator", None, "people.view", True, True, True),
        ("administrator", None, "people.manage", True, True, True),
        ("manager", "water", "people.view", True, False, False),
        ("manager", "water", "people.manage", False, False, False),
        ("manager", None, "people.view", True, True, True),
        ("resident", None, "people.view", False, False, False),
        ("resident", None, "people.manage", False, False, False),
    ],
)
def test_access_by_role_and_organisation(
    role: str | None, where: str | None, permission: str, own: bool, other: bool, everywhere: bool,
    water: Organisation, power: Organisation, django_assert_num_queries: Any,
) -> None:  # fmt: skip
    somebody = person("somebody@city.test", role, water if where else None)
    with django_assert_num_queries(1):
        who = store.who_of(somebody, NOW)
    assert (who.kind, who.id, who.name) == ("person", somebody.pk, "somebody")
    assert who.may(permission, water.pk) == own
    assert who.may(permission, power.pk) == other
    assert who.scope(permission).everything == everywhere


def test_memberships_count_from_their_start_until_before_their_end(water: Organisation) -> None:
    somebody = person("temp@city.test", "manager", water, valid_from=NOW, valid_to=NOW + DAY)
    for instant, holds in [
        (NOW - DAY, False),
        (NOW, True),
        (NOW + DAY - timedelta(seconds=1), True),
        (NOW + DAY, False),
    ]:
        assert store.who_of(somebody, instant).may("people.view", water.pk) == holds


def test_nobody_is_anonymous(water: Organisation) -> None:
    closed = person("closed@city.test", "administrator")
    closed.is_active = False
    closed.save()
    for nobody in (None, AnonymousUser(), closed):
        assert store.who_of(nobody, NOW) is ANONYMOUS


def test_persons_are_found_by_those_who_may_know_of_them(water: Organisation, power: Organisation) -> None:
    of_water, of_power = person("w@city.test", "engineer", water), person("p@city.test", "engineer", power)
    admin, chief = person("a@city.test", "administrator"), person("c@city.test", "manager", water)
    table = [
        (US, True, True),
        (store.who_of(admin, NOW), True, True),
        (store.who_of(chief, NOW), True, False),
        (store.who_of(of_water, NOW), True, False),  # themselves
        (ANONYMOUS, False, False),
    ]
    for who, water_found, power_found in table:
        assert (store.find_person(" W@City.test ", who=who, now=NOW) == of_water) == water_found
        assert (store.find_person("p@city.test", who=who, now=NOW) == of_power) == power_found
        assert store.find_person("nobody@city.test", who=who, now=NOW) is None


# actions × askers


def act(name: str, who: Who, water: Organisation, power: Organisation, target: Person) -> None:
    match name:
        case "create_person":
            actions.create_person(who=who, now=NOW, email="new@city.test", name="New")
        case "create_organisation":
            actions.create_organisation(who=who, now=NOW, code="new", kind="company", name_en="New")
        case "join_city":
            actions.join(who=who, now=NOW, person=target, role="resident")
        case "join_own":
            actions.join(who=who, now=NOW, person=target, role="resident", organisation=water)
        case "join_other":
            actions.join(who=who, now=NOW, person=target, role="resident", organisation=power)
        case "join_own_as_manager":
            actions.join(who=who, now=NOW, person=target, role="manager", organisation=water)
        case "set_language":
            actions.set_language(who=who, now=NOW, person=target, language="ru")
        case "set_password":
            actions.set_password(who=who, now=NOW, person=target, password=PASSWORD)


EVERY = {
    "create_person", "create_organisation", "join_city", "join_own", "join_other", "join_own_as_manager",
    "set_language", "set_password",
}  # fmt: skip
ALLOWED = {
    "system": EVERY,
    "administrator": EVERY,
    "clerk": {"create_person", "join_own"},  # people.manage, not people.view, in the water utility
    "manager": set(),
    "themselves": {"set_language", "set_password"},
    "anonymous": set(),
}


@pytest.mark.parametrize("asker", sorted(ALLOWED))
@pytest.mark.parametrize("name", sorted(EVERY))
def test_who_may_do_what(asker: str, name: str, water: Organisation, power: Organisation) -> None:
    Role.objects.create(key="clerk", title_kk="к", title_ru="к", title_en="clerk", permissions=["people.manage"])
    target = person("target@city.test")
    if asker == "system":
        who = US
    elif asker == "anonymous":
        who = ANONYMOUS
    elif asker == "themselves":
        who = store.who_of(target, NOW)
    else:
        somebody = person("asker@city.test", asker, None if asker == "administrator" else water)
        who = store.who_of(somebody, NOW)
    audits = AuditEntry.objects.count()
    if name in ALLOWED[asker]:
        act(name, who, water, power, target)
        assert AuditEntry.objects.count() == audits + 1
        assert last_audit().verb == "people." + name.split("_own")[0].split("_other")[0].split("_city")[0]
        assert (last_audit().who_kind, last_audit().who_id) == (who.kind, who.id)
    else:
        with pytest.raises(SignInNeeded if asker == "anonymous" else NotAllowed):
            act(name, who, water, power, target)
        assert AuditEntry.objects.count() == audits


# persons


def test_create_person_keeps_the_address_in_lower_case_and_out_of_the_audit() -> None:
    made = actions.create_person(
        who=US, now=NOW, email=" Aigerim@City.Test ", name=" Әйгерім ", password=PASSWORD, language="kk"
    )
    assert (made.email, made.name, made.language, made.joined_at) == ("aigerim@city.test", "Әйгерім", "kk", NOW)
    assert Person.objects.get(pk=made.pk).check_password(PASSWORD)
    row = last_audit()
    assert (row.verb, row.thing_kind, row.thing_key, row.at) == ("people.create_person", "person", str(made.pk), NOW)
    assert row.after == {"language": "kk", "is_demo": False, "has_password": True}


def test_without_a_password_there_is_none_to_guess() -> None:
    made = person("code@city.test")
    assert not made.has_usable_password()
    assert last_audit().after == {"language": "", "is_demo": False, "has_password": False}


def test_an_address_is_one_persons_whatever_its_case() -> None:
    person("one@city.test")
    with pytest.raises(Conflict, match=r"one@city\.test"):
        actions.create_person(who=US, now=NOW, email="ONE@city.test", name="Two")
    with pytest.raises(IntegrityError), transaction.atomic():
        Person.objects.create(email="One@city.test", name="Two")
    with pytest.raises(IntegrityError), transaction.atomic():
        Person.objects.create(email="one@city.test", name="Two")


def test_every_fault_of_a_person_is_named() -> None:
    with pytest.raises(BadInput) as caught:
        actions.create_person(who=US, now=NOW, email="no address", name=" ", password="short", language="de")
    assert len(caught.value.rows) == 4
    assert "short" not in caught.value.what.split("characters")[0].split("'no address'")[0]
    assert not Person.objects.exists()


@pytest.mark.parametrize("password", ["short", "password123", "somebody@city.test"])
def test_weak_passwords_are_refused(password: str) -> None:
    with pytest.raises(BadInput):
        actions.create_person(who=US, now=NOW, email="somebody@city.test", name="Somebody", password=password)


def test_set_language_tells_what_it_was() -> None:
    somebody = person("l@city.test")
    actions.set_language(who=US, now=NOW, person=somebody, language="ru")
    assert (last_audit().before, last_audit().after) == ({"language": ""}, {"language": "ru"})
    audits = AuditEntry.objects.count()
    actions.set_language(who=US, now=NOW, person=somebody, language="ru")
    assert AuditEntry.objects.count() == audits
    with pytest.raises(BadInput, match="de"):
        actions.set_language(who=US, now=NOW, person=somebody, language="de")
    assert Person.objects.get(pk=somebody.pk).language == "ru"


def test_set_password_holds_to_the_rules_and_says_nothing_of_it() -> None:
    somebody = person("p@city.test")
    with pytest.raises(BadInput):
        actions.set_password(who=US, now=NOW, person=somebody, password="short")
    actions.set_password(who=US, now=NOW, person=somebody, password=PASSWORD)
    assert Person.objects.get(pk=somebody.pk).check_password(PASSWORD)
    assert (last_audit().before, last_audit().after) == (None, None)


# organisations


def test_an_organisations_name_falls_back(water: Organisation, power: Organisation) -> None:
    for language, name, real in [("kk", "Су", "kk"), ("ru", "Су", "kk"), ("en", "Water", "en")]:
        with translation.override(language):
            assert (water.name, water.name_language, str(water)) == (name, real, name)
    assert store.get_organisation("water") == water
    assert [one.code for one in store.list_organisations()] == ["power", "water"]
    assert store.organisations_by_id({power.pk}) == {power.pk: power}
    with pytest.raises(NotFound, match="gas"):
        store.get_organisation("gas")


def test_create_organisation_writes_its_audit(water: Organisation) -> None:
    row = last_audit()
    assert (row.verb, row.thing_key) == ("people.create_organisation", str(water.pk))
    assert row.after == {
        "code": "water", "kind": "utility", "is_demo": False, "name_kk": "Су", "name_ru": "", "name_en": "Water",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"code": "two words"}, BadInput),
        ({"code": "x" * 51}, BadInput),
        ({"code": ""}, BadInput),
        ({"kind": "club"}, BadInput),
        ({"name_en": " "}, BadInput),
        ({"name_en": "x" * 201}, BadInput),
        ({"code": "water"}, Conflict),
    ],
)
def test_wrong_organisations_are_refused(wrong: dict[str, Any], error: type[QalaError], water: Organisation) -> None:
    with pytest.raises(error):
        actions.create_organisation(who=US, now=NOW, **({"code": "new", "kind": "utility", "name_en": "New"} | wrong))
    assert Organisation.objects.count() == 1


# memberships


def test_join_writes_its_audit(water: Organisation) -> None:
    somebody = person("m@city.test", "engineer", water, valid_to=NOW + DAY)
    row = last_audit()
    assert (row.verb, row.thing_kind) == ("people.join", "membership")
    assert row.after == {
        "person": str(somebody.pk), "role": "engineer", "organisation": "water",
        "valid_from": "2026-03-05T09:00:00+00:00", "valid_to": "2026-03-06T09:00:00+00:00",
    }  # fmt: skip


def test_what_cannot_be_is_refused(water: Organisation) -> None:
    somebody = person("m@city.test", "engineer", water)
    with pytest.raises(Conflict):
        actions.join(who=US, now=NOW, person=somebody, role="engineer", organisation=water)
    with pytest.raises(BadInput):
        actions.join(who=US, now=NOW, person=somebody, role="crew", valid_to=NOW)
    with pytest.raises(BadInput):
        actions.join(who=US, now=NOW, person=somebody, role="administrator", organisation=water)
    with pytest.raises(NotFound):
        actions.join(who=US, now=NOW, person=somebody, role="king")
    actions.join(who=US, now=NOW, person=somebody, role="engineer")
    assert Membership.objects.count() == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"role_id": "crew", "valid_to": NOW},
        {"role_id": "engineer", "of_water": True},
        {"role_id": "analyst"},
        {"role_id": "administrator", "of_water": True},
    ],
)
def test_the_database_refuses_it_too(fields: dict[str, Any], water: Organisation) -> None:
    somebody = person("m@city.test", "engineer", water)
    actions.join(who=US, now=NOW, person=somebody, role="analyst")
    organisation = water if fields.pop("of_water", False) else None
    with pytest.raises(IntegrityError), transaction.atomic():
        Membership.objects.create(person=somebody, organisation=organisation, valid_from=NOW, **fields)


# the first administrator, and the demo


def test_the_first_administrator_is_the_only_first_one() -> None:
    made = actions.create_first_administrator(who=US, now=NOW, email="a@city.test", name="A", password=PASSWORD)
    assert store.who_of(made, NOW).scope("people.manage").everything
    assert store.count_administrators(NOW) == 1
    assert [row.verb for row in AuditEntry.objects.order_by("-id")[:2]] == ["people.join", "people.create_person"]
    with pytest.raises(Conflict, match="administrator"):
        actions.create_first_administrator(who=US, now=NOW, email="b@city.test", name="B", password=PASSWORD)
    assert Person.objects.count() == 1


def test_a_first_administrator_with_a_weak_password_is_not_half_made() -> None:
    with pytest.raises(BadInput):
        actions.create_first_administrator(who=US, now=NOW, email="a@city.test", name="A", password="short")
    assert not Person.objects.exists()


def test_closed_and_demo_administrators_do_not_run_a_city() -> None:
    closed = person("closed@city.test", "administrator")
    Person.objects.filter(pk=closed.pk).update(is_active=False)
    demo_one = person("demo@city.test", "administrator")
    Person.objects.filter(pk=demo_one.pk).update(is_demo=True)
    person("past@city.test", "administrator", valid_from=NOW - DAY, valid_to=NOW)
    assert store.count_administrators(NOW) == 0
    actions.create_first_administrator(who=US, now=NOW, email="a@city.test", name="A", password=PASSWORD)


def test_the_demo_is_marked_as_one_and_loaded_once() -> None:
    accounts = demo.load(who=US, now=NOW, progress=Progress("demo"))
    assert [one["email"] for one in accounts] == list(demo.PERSONS)
    counts = (
        Person.objects.count(),
        Organisation.objects.count(),
        Membership.objects.count(),
        AuditEntry.objects.count(),
    )
    assert demo.load(who=US, now=NOW + DAY, progress=Progress("demo")) == accounts
    assert counts == (
        Person.objects.count(), Organisation.objects.count(), Membership.objects.count(), AuditEntry.objects.count()
    )  # fmt: skip
    assert not Person.objects.filter(is_demo=False).exists()
    assert len(set(Person.objects.values_list("password", flat=True))) == 1
    assert all(one.check_password(demo.PASSWORD) for one in Person.objects.all()[:1])
    for one in store.list_organisations():
        assert one.is_demo
        assert "(демо)" in one.name_kk and "(демо)" in one.name_ru and "(demo)" in one.name_en
    engineer = Person.objects.get(email="engineer.water@demo.qala")
    assert [one.organisation.code for one in engineer.memberships.all() if one.organisation] == ["demo-water"]


def test_status_counts() -> None:
    person("one@city.test")
    assert store.status() == {"people": 1, "organisations": 0}
