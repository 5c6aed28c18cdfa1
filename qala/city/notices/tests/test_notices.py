"""Notices: who is told of what, once, and what they chose."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from qala.city.devices.public import Load
from qala.city.notices import actions, handlers, store
from qala.city.notices.models import Choice, Delivery, Notice, Preference
from qala.city.people.actions import set_password
from qala.city.people.public import Organisation, Person, join, who_of
from qala.city.works.public import Kind, WorkOrder
from qala.kernel import outbox
from qala.kernel.access import Who
from qala.kernel.errors import BadInput, NotAllowed, NotFound, SignInNeeded
from qala.kernel.ids import new_id
from qala.kernel.models import OutboxDelivery, OutboxEvent
from tests import factories
from tests.factories import NOW, US

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("roles")]


@pytest.fixture
def water() -> Organisation:
    return factories.organisation("water", name_ru="Водоканал")


@pytest.fixture
def power() -> Organisation:
    return factories.organisation("power")


def a_load(by: Person | None, at: Organisation | None, state: str = Load.DONE, refused: int = 0) -> Load:
    return Load.objects.create(
        file_name="may.csv", profile="test", profile_text={}, state=state, started_at=NOW, finished_at=NOW,
        who_id=by.pk if by else None, who_name=str(by or "cli"), organisation=at, rows_read=10 + refused, rows_new=10,
        rows_refused=refused, error="torn" if state == Load.FAILED else "",
    )  # fmt: skip


def tell(event: str, payload: dict[str, Any], now: datetime = NOW, event_id: UUID | None = None) -> int:
    return actions.make_notices(event=event, event_id=event_id or new_id(), payload=payload, now=now)


def told(person: Person) -> list[str]:
    return sorted(Notice.objects.filter(person=person).values_list("kind", flat=True))


def test_a_load_is_told_to_who_loaded_it_and_to_managers_of_its_organisation(
    water: Organisation, power: Organisation
) -> None:
    engineer, manager = factories.person("engineer", water), factories.person("manager", water)
    others = [
        factories.person("engineer", water), factories.person("manager", power), factories.person("manager"),
        factories.person("administrator"),
    ]  # fmt: skip
    for load, kind in (
        (a_load(engineer, water), "devices.load_done"),
        (a_load(engineer, water, refused=3), "devices.load_refused"),
        (a_load(engineer, water, Load.FAILED), "devices.load_failed"),
    ):
        Notice.objects.all().delete()
        assert tell("devices.load_ended", {"load": str(load.pk)}) == 2
        assert told(engineer) == told(manager) == [kind]
        assert [told(one) for one in others] == [[]] * 4
        mails = Delivery.objects.filter(channel=Delivery.EMAIL).count()
        assert mails == (0 if kind == "devices.load_done" else 2)


def test_the_same_news_is_told_once(water: Organisation) -> None:
    engineer = factories.person("engineer", water)
    load, key = a_load(engineer, water, refused=1), new_id()
    payload = {"load": str(load.pk)}
    assert tell("devices.load_ended", payload, event_id=key) == 1
    assert tell("devices.load_ended", payload, event_id=key) == 0
    assert Delivery.objects.count() == 2
    notice = Notice.objects.get()
    with pytest.raises(IntegrityError), transaction.atomic():
        Notice.objects.create(event=key, kind=notice.kind, person=engineer, made_at=NOW)


def test_news_reach_people_through_the_outbox(water: Organisation) -> None:
    manager = factories.person("manager", water)
    event = outbox.tell("devices.load_ended", {"load": str(a_load(None, water).pk)}, now=NOW)
    waiting = OutboxDelivery.objects.get(event=event)
    assert waiting.handler == "qala.city.notices.handlers.happened"
    handlers.happened(event.payload, event.pk, NOW)
    assert told(manager) == ["devices.load_done"]


def test_closed_accounts_are_told_nothing(water: Organisation) -> None:
    manager = factories.person("manager", water)
    Person.objects.filter(pk=manager.pk).update(is_active=False)
    assert tell("devices.load_ended", {"load": str(a_load(manager, water).pk)}) == 0
    assert tell("people.second_factor_reset", {"person": str(manager.pk)}) == 0


def test_nobody_is_told_of_what_they_may_not_see(water: Organisation) -> None:
    gone = factories.person("resident")  # loaded it once, and may see no loads any more
    assert tell("devices.load_ended", {"load": str(a_load(gone, water).pk)}) == 0


def test_what_one_may_not_see_any_more_is_shown_no_more(water: Organisation, power: Organisation) -> None:
    person = factories.person("manager", water)
    tell("devices.load_ended", {"load": str(a_load(None, water).pk)})
    who = who_of(person, NOW)
    notice = store.list_notices(who=who)[0][0]
    assert store.count_unread(who) == 1
    person.memberships.update(valid_to=NOW + timedelta(hours=1))
    join(who=US, now=NOW, person=person, role="manager", organisation=power)
    later = who_of(person, NOW + timedelta(hours=2))
    assert later.may("devices.load", power.pk)
    assert store.list_notices(who=later) == ([], ())
    assert store.count_unread(later) == 0
    with pytest.raises(NotFound):
        actions.mark_read(who=later, now=NOW, key=notice.pk)


@pytest.mark.parametrize(
    ("event", "makes", "role", "told_of"),
    [
        ("people.second_factor_reset", "person", "engineer", "self"),
        ("people.person_disabled", "person", "engineer", "administrators"),
        ("city.work_failed", "work", "engineer", "administrators"),
        ("city.backup_failed", "backup", "engineer", "administrators"),
    ],
)
def test_who_is_told_of_accounts_and_of_the_city(
    water: Organisation, event: str, makes: str, role: str, told_of: str
) -> None:
    person, admin = factories.person(role, water), factories.person("administrator")
    manager = factories.person("manager", water)
    payload = {
        "person": {"person": str(person.pk)},
        "work": {"kind": "job", "key": "x", "name": "lake.maintain", "reason": "full"},
        "backup": {"folder": "b", "reason": "full"},
    }[makes]
    assert tell(event, payload) == 1
    assert (len(told(person)), len(told(admin)), len(told(manager))) == ((1, 0, 0) if told_of == "self" else (0, 1, 0))


def test_a_role_is_told_to_who_holds_it(water: Organisation) -> None:
    person = factories.person("engineer", water)
    held = person.memberships.get()
    payload = {"membership": str(held.pk), "person": str(person.pk), "role": "engineer", "organisation": str(water.pk)}
    assert tell("people.role_given", payload) == 1
    notice = Notice.objects.get()
    subject, text = store.words_of(store.BY_KEY[notice.kind], notice.data, "ru")
    assert "Инженер" in subject and "Водоканал" in text
    person.memberships.update(valid_to=NOW + timedelta(minutes=1))
    assert tell("people.role_given", payload, NOW + timedelta(hours=1)) == 0


def test_silent_devices_are_told_to_who_fits_them_and_to_nobody_else(water: Organisation, power: Organisation) -> None:
    fitter, other = factories.person("crew", water), factories.person("crew", power)
    whole = factories.person("administrator")
    payload = {"organisation": str(water.pk), "count": 30, "serials": ["W-1", "W-2"], "at": NOW.isoformat()}
    assert tell("devices.silent_found", payload) == 1
    assert (told(fitter), told(other), told(whole)) == (["devices.silent"], [], [])
    nobodys = {**payload, "organisation": None}
    assert tell("devices.silent_found", nobodys) == 1
    assert told(whole) == ["devices.silent"]


def test_the_same_work_that_fails_again_is_told_once_a_day() -> None:
    admin = factories.person("administrator")
    payload = {"kind": "job", "key": "x", "name": "lake.maintain", "reason": "full"}
    assert tell("city.work_failed", payload) == 1
    assert tell("city.work_failed", payload, NOW + timedelta(hours=23)) == 0
    assert tell("city.work_failed", {**payload, "name": "other"}, NOW + timedelta(hours=23)) == 1
    assert tell("city.work_failed", payload, NOW + timedelta(hours=25)) == 1
    assert len(told(admin)) == 3


# what people chose


def choose(who: Who, now: datetime = NOW, **changes: Any) -> None:
    given = {"digest": "off", "digest_hour": 8, "quiet_from": None, "quiet_to": None, "channels": {}, **changes}
    actions.set_preferences(who=who, now=now, **given)


def test_channels_that_are_off_carry_nothing(water: Organisation) -> None:
    engineer = factories.person("engineer", water)
    who, payload = who_of(engineer, NOW), {"load": str(a_load(engineer, water, refused=1).pk)}
    choose(who, channels={"devices.load_refused": frozenset({"email"})})
    assert tell("devices.load_ended", payload) == 1
    assert Delivery.objects.get().channel == Delivery.EMAIL
    assert store.count_unread(who) == 0
    choose(who, channels={"devices.load_refused": frozenset()})
    assert tell("devices.load_ended", payload) == 0
    choose(who, channels={"people.second_factor_reset": frozenset()})  # its mail can't be turned off
    assert tell("people.second_factor_reset", {"person": str(engineer.pk)}) == 1
    assert Delivery.objects.filter(notice__kind="people.second_factor_reset").get().channel == Delivery.EMAIL


def test_quiet_hours_and_digests_hold_mails_back_unless_they_are_urgent(water: Organisation) -> None:
    engineer = factories.person("engineer", water)
    who, payload = who_of(engineer, NOW), {"load": str(a_load(engineer, water, refused=1).pk)}
    night = datetime(2026, 5, 12, 20, tzinfo=UTC)  # 1:00 in Almaty
    choose(who, quiet_from=time(22), quiet_to=time(7))
    tell("devices.load_ended", payload, night)
    mail = Delivery.objects.get(channel=Delivery.EMAIL)
    assert (mail.next_try_at, mail.in_digest) == (datetime(2026, 5, 13, 2, tzinfo=UTC), False)
    tell("people.second_factor_reset", {"person": str(engineer.pk)}, night)
    urgent = Delivery.objects.get(channel=Delivery.EMAIL, notice__kind="people.second_factor_reset")
    assert urgent.next_try_at == night
    choose(who, night, digest="daily", digest_hour=9, quiet_from=time(22), quiet_to=time(7))  # what waits comes along
    mail.refresh_from_db()
    urgent.refresh_from_db()
    assert (mail.next_try_at, mail.in_digest) == (datetime(2026, 5, 13, 4, tzinfo=UTC), True)
    assert (urgent.next_try_at, urgent.in_digest) == (night, False)
    choose(who, night)
    mail.refresh_from_db()
    assert (mail.next_try_at, mail.in_digest) == (night, False)


@pytest.mark.parametrize(
    "wrong",
    [
        {"digest": "hourly"}, {"digest_hour": 24}, {"quiet_from": time(22)}, {"quiet_from": time(1), "quiet_to": time(1)},
        {"channels": {"no.such": frozenset()}},
    ],
)  # fmt: skip
def test_a_choice_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    who = who_of(factories.person("engineer"), NOW)
    with pytest.raises(BadInput):
        choose(who, **wrong)
    assert not Preference.objects.exists() and not Choice.objects.exists()


@pytest.mark.parametrize(
    "wrong",
    [{"digest": "hourly"}, {"digest_hour": 24}, {"quiet_from": time(22)}, {"quiet_from": time(1), "quiet_to": time(1)}],
)
def test_the_database_keeps_no_choice_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises((IntegrityError, ValidationError)), transaction.atomic():
        Preference.objects.create(person=factories.person("engineer"), **wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "sent"}, {"state": "waiting", "next_try_at": None}, {"state": "merged", "next_try_at": None},
        {"state": "lost"}, {"channel": "pigeon"}, {"state": "given_up"}, {"sent_at": NOW},
    ],
)  # fmt: skip
def test_the_database_keeps_no_delivery_that_cannot_be(wrong: dict[str, Any]) -> None:
    notice = Notice.objects.create(event=new_id(), kind="x", person=factories.person("engineer"), made_at=NOW)
    given = {"channel": "email", "state": "waiting", "next_try_at": NOW, **wrong}
    with pytest.raises(IntegrityError), transaction.atomic():
        Delivery.objects.create(notice=notice, made_at=NOW, **given)


# reading, keeping, erasing


def test_reading_is_ones_own_alone(water: Organisation) -> None:
    one, two = factories.person("manager", water), factories.person("manager", water)
    tell("devices.load_ended", {"load": str(a_load(None, water).pk)})
    mine, theirs = who_of(one, NOW), who_of(two, NOW)
    key = Notice.objects.get(person=one).pk
    with pytest.raises(NotFound):
        actions.mark_read(who=theirs, now=NOW, key=key)
    actions.mark_read(who=mine, now=NOW, key=key)
    assert (store.count_unread(mine), store.count_unread(theirs)) == (0, 1)
    assert actions.mark_all_read(who=theirs, now=NOW) == 1
    assert store.count_unread(theirs) == 0
    token = Who("token", "script", one.pk, mine.grants)
    with pytest.raises(NotAllowed):
        store.list_notices(who=token)
    with pytest.raises(SignInNeeded):
        store.list_notices(who=Who("anonymous", "nobody"))


def test_unread_ones_come_first_page_by_page(water: Organisation) -> None:
    manager = factories.person("manager", water)
    who = who_of(manager, NOW)
    for minute in range(5):
        at = NOW + timedelta(minutes=minute)
        tell("devices.load_ended", {"load": str(a_load(None, water).pk)}, at)
    newest = Notice.objects.order_by("-made_at")
    for read in newest[:2]:
        actions.mark_read(who=who, now=NOW, key=read.pk)
    wanted = [one.pk for one in newest[2:]] + [one.pk for one in newest[:2]]
    found, after = [], ()
    while True:
        rows, after = store.list_notices(who=who, after=after, limit=2)
        found += [row.pk for row in rows]
        if not after:
            break
    assert found == wanted


def test_old_notices_are_forgotten_and_an_erased_person_leaves_nothing(water: Organisation) -> None:
    one, two = factories.person("manager", water), factories.person("manager", water)
    payload = {"load": str(a_load(None, water).pk)}
    tell("devices.load_ended", payload)
    Notice.objects.update(made_at=NOW - timedelta(days=181))
    tell("devices.load_ended", payload)
    assert actions.forget_old(now=NOW) == 2
    assert Notice.objects.count() == 2
    choose(who_of(one, NOW), digest="daily", channels={"devices.silent": frozenset()})
    exported = store.export_person(one.pk)
    assert {name: len(rows) for name, rows in exported.items()} == {
        "notices": 1, "deliveries": 1, "preferences": 1, "choices": 1,
    }  # fmt: skip
    assert actions.erase(one.pk, NOW) == 4
    assert actions.erase(one.pk, NOW) == 0
    assert {one.person_id for one in Notice.objects.all()} == {two.pk}
    assert not any(store.export_person(one.pk).values())


@pytest.mark.parametrize("kind", store.KINDS, ids=lambda kind: kind.key)
def test_every_kind_reads_in_three_languages_and_leads_somewhere(kind: store.Kind) -> None:
    words = {language: store.words_of(kind, kind.sample, language) for language in ("kk", "ru", "en")}
    assert len({subject for subject, _text in words.values()}) == 3
    assert all(subject and text and "\n" not in subject for subject, text in words.values())
    assert not any("{" in text or "&" in text for _subject, text in words.values())
    assert kind.link(kind.sample).startswith("/console/")


def test_orders_are_told_to_their_crew_and_to_who_checks_them(water: Organisation, power: Organisation) -> None:
    kind = Kind.objects.create(of=Kind.ORDER, key="lamp", title_kk="ш", title_ru="ф", title_en="Lamp")
    order = WorkOrder.objects.create(
        number="2026-1", kind=kind, title="Replace a lamp", lon=76.9, lat=43.2, owner=water, contractor=power, state="ordered", state_at=NOW,
        opened_at=NOW, ordered_at=NOW,
    )  # fmt: skip
    fitter, stranger = factories.person("crew", power), factories.person("crew", water)
    checks, other = factories.person("inspector", water), factories.person("inspector", power)
    payload = {"order": str(order.pk), "number": order.number, "crew": str(new_id())}
    persons = [str(fitter.pk), str(stranger.pk)]  # the second may do no work of the contractor
    assert tell("works.order_assigned", {**payload, "persons": persons}) == 1
    assert (told(fitter), told(stranger)) == (["works.order_assigned"], [])
    assert tell("works.order_done", payload) == 1
    assert (told(checks), told(other)) == (["works.order_done"], [])
    assert tell("works.order_done", {**payload, "number": "2026-2"}) == 0


def test_who_hears_that_their_way_to_sign_in_was_changed(water: Organisation) -> None:
    person = factories.person("engineer", water, password=factories.PASSWORD)
    other = factories.person("engineer", water)
    set_password(who=US, now=NOW, person=person, password="another long sentence 42")
    event = OutboxEvent.objects.get(name="people.sign_in_changed")
    handlers.happened(event.payload, event.pk, NOW)
    assert (told(person), told(other)) == (["people.sign_in_changed"], [])
    assert Delivery.objects.filter(notice__person=person, channel=Delivery.EMAIL).exists()


def test_who_gets_a_first_password_hears_nothing(water: Organisation) -> None:
    set_password(who=US, now=NOW, person=factories.person("engineer", water), password="another long sentence 42")
    assert not OutboxEvent.objects.filter(name="people.sign_in_changed").exists()


def test_an_erasure_takes_the_name_out_of_others_notices(roles: None, water: Organisation) -> None:
    person, boss = factories.person("engineer", water), factories.person("administrator")
    tell("people.person_disabled", {"person": str(person.pk)})
    tell("devices.load_ended", {"load": str(a_load(person, water).pk)})
    assert told(boss)
    assert actions.erase(person.pk, NOW) > 0
    assert not Notice.objects.filter(data__person=str(person.pk)).exists() and not Delivery.objects.exists()
