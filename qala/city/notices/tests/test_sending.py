"""Sending: at least once, by several at once, again after a failure, against a real mail server."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from django.db import connection

from qala.city.notices import actions, store
from qala.city.notices.models import Attempt, Delivery, Notice, Preference
from qala.city.people.public import Person, set_language
from qala.kernel.access import system
from qala.kernel.clock import SetClock
from qala.kernel.errors import Conflict, NotAllowed
from qala.kernel.ids import new_id
from tests import factories
from tests.factories import NOW, US
from tests.mailbox import Mailbox

from .conftest import use

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("roles")]


def mail_for(person: Person, now: datetime = NOW, kind: str = "people.second_factor_reset") -> Delivery:
    actions.make_notices(event=kind, event_id=new_id(), payload={"person": str(person.pk)}, now=now)
    return Delivery.objects.filter(notice__person=person, channel=Delivery.EMAIL).order_by("-pk")[0]


def send(now: datetime = NOW) -> int:
    return actions.send_due(clock=SetClock(now))


def again(row: Delivery) -> Delivery:
    return Delivery.objects.get(pk=row.pk)


def test_a_mail_says_what_happened_in_its_persons_language(mailbox: Mailbox, settings: Any) -> None:
    settings.QALA = settings.QALA.model_copy(update={"public_url": "https://qala.example/"})
    person = factories.person("engineer", factories.organisation("water", name_ru="Водоканал"))
    set_language(who=US, now=NOW, person=person, language="ru")
    held = person.memberships.get()
    payload = {"membership": str(held.pk), "person": str(person.pk), "role": "engineer", "organisation": None}
    actions.make_notices(event="people.role_given", event_id=new_id(), payload=payload, now=NOW)
    assert send() == 1
    row = Delivery.objects.get(channel=Delivery.EMAIL)
    assert (row.state, row.sent_at, row.attempts, row.claim) == ("sent", NOW, 1, None)
    assert list(Attempt.objects.values_list("number", "at", "reason")) == [(1, NOW, "")]
    mail = mailbox.taken[0]
    assert "Инженер" in mail["Subject"] and mail["Subject"].strip().startswith("Qala: ")
    assert mail["Message-ID"].strip() == f"<{row.pk}@qala.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    link = mail["List-Unsubscribe"].strip(" <>")
    assert link.startswith("https://qala.example/notices/off/")
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None and html is not None
    assert "Водоканал" in plain.get_content() and "https://qala.example/console/me/" in plain.get_content()
    assert 'lang="ru"' in html.get_content() and link in html.get_content()
    assert plain.get_content().split() == row.text.split()


def test_words_of_people_do_no_harm_in_a_mail(mailbox: Mailbox) -> None:
    person = factories.person("administrator")
    payload = {"kind": "job", "key": "x", "name": "a<b>\r\nBcc: all@city.example", "reason": "<script>"}
    actions.make_notices(event="city.work_failed", event_id=new_id(), payload=payload, now=NOW)
    assert send() == 1
    mail = mailbox.sent_to(person.email)[0]
    assert mail["Bcc"] is None and "a<b>" in mail["Subject"]
    html = mail.get_body(("html",))
    assert html is not None and "<script>" not in html.get_content()


@pytest.mark.parametrize("answer", ["550 no such mailbox", "552 too large"])
@pytest.mark.parametrize("whole", [False, True])
def test_what_is_refused_for_good_is_given_up_at_once(mailbox: Mailbox, answer: str, whole: bool) -> None:
    person = factories.person("engineer")
    (mailbox.answers if whole else mailbox.recipients)[person.email] = answer
    row = mail_for(person)
    assert send() == 1
    assert (again(row).state, again(row).next_try_at) == ("given_up", None)
    assert answer[:3] in Attempt.objects.get().reason
    assert send(NOW + timedelta(days=1)) == 0


@pytest.mark.parametrize("answer", ["451 come later", "drop"])
def test_what_failed_is_tried_again_until_it_is_taken(mailbox: Mailbox, answer: str) -> None:
    person, other = factories.person("engineer"), factories.person("engineer")
    mailbox.answers[person.email] = answer
    row, fine = mail_for(person), mail_for(other)
    assert send() == 2
    assert again(fine).state == "sent"  # one that fails keeps no other waiting
    now = NOW
    for attempt in (1, 2, 3):
        assert again(row).state == "failed" and again(row).attempts == attempt
        following = again(row).next_try_at
        assert following is not None and now < following <= now + timedelta(seconds=30) * 2 ** (attempt - 1)
        assert send(following - timedelta(microseconds=1)) == 0
        now = following
        if attempt == 3:
            mailbox.answers.clear()
        assert send(now) == 1
    assert again(row).state == "sent"
    assert [one.number for one in Attempt.objects.filter(delivery=row).order_by("number")] == [1, 2, 3, 4]
    assert {one["Message-ID"] for one in mailbox.sent_to(person.email)} == {f"<{row.pk}@localhost>"}


def test_a_server_that_is_away_costs_one_try_a_mail_and_is_given_up_in_time(
    start_server: Callable[[Mailbox], Controller], settings: Any
) -> None:
    mailbox = Mailbox()
    controller = start_server(mailbox)
    use(mailbox, settings)
    controller.stop()
    rows = [mail_for(factories.person("engineer")) for _number in range(3)]
    assert send() == 3
    assert {again(row).state for row in rows} == {"failed"}
    assert "refused" in Attempt.objects.all()[0].reason
    now = NOW
    while Delivery.objects.filter(state="failed").exists():
        now = Delivery.objects.filter(state="failed").order_by("next_try_at")[0].next_try_at or now
        send(now)
    assert NOW + timedelta(hours=40) < now <= NOW + timedelta(hours=48)
    start_server(mailbox)
    who = factories.asker("administrator")
    actions.repeat(who=who, now=now, delivery=rows[0])
    assert send(now) == 1
    assert [again(row).state for row in rows] == ["sent", "given_up", "given_up"]
    for who_else, row, error in ((who, rows[0], Conflict), (factories.asker("engineer"), rows[1], NotAllowed)):
        with pytest.raises(error):
            actions.repeat(who=who_else, now=now, delivery=row)


def test_a_server_that_is_slow_is_waited_for_and_then_left(mailbox: Mailbox) -> None:
    person = factories.person("engineer")
    row = mail_for(person)
    mailbox.seconds = 3.0
    assert send() == 1
    assert again(row).state == "failed"
    mailbox.seconds = 0.3
    assert send(NOW + timedelta(hours=1)) == 1
    assert again(row).state == "sent"


def test_a_refused_password_is_no_refused_mail() -> None:
    import smtplib

    assert not actions.is_refused(smtplib.SMTPAuthenticationError(535, b"no"))
    assert not actions.is_refused(smtplib.SMTPRecipientsRefused({"a@b": (550, b"no"), "c@d": (450, b"later")}))
    assert actions.is_refused(smtplib.SMTPSenderRefused(553, b"no", "a@b"))


def test_who_left_or_may_not_see_it_any_more_gets_no_mail(mailbox: Mailbox, settings: Any) -> None:
    closed, admin = factories.person("engineer"), factories.person("administrator")
    mail_for(closed)
    payload = {"folder": "b", "reason": "full"}
    actions.make_notices(event="city.backup_failed", event_id=new_id(), payload=payload, now=NOW)
    Person.objects.filter(pk=closed.pk).update(is_active=False)
    admin.memberships.update(valid_to=NOW + timedelta(seconds=1))
    assert send(NOW + timedelta(minutes=1)) == 2
    assert mailbox.taken == []
    assert set(Delivery.objects.filter(channel="email").values_list("state", flat=True)) == {"given_up"}


def test_a_lease_keeps_others_away_and_ends(mailbox: Mailbox) -> None:
    row = mail_for(factories.person("engineer"))
    held = {"claim": new_id(), "leased_until": NOW + timedelta(minutes=10)}
    Delivery.objects.filter(pk=row.pk).update(**held)  # as a worker leaves it that is killed
    assert send() == 0
    assert send(NOW + timedelta(minutes=9)) == 0
    assert send(NOW + timedelta(minutes=10)) == 1
    assert again(row).state == "sent"


def test_a_mail_that_ends_its_process_each_time_is_given_up(mailbox: Mailbox) -> None:
    row = mail_for(factories.person("engineer"))
    Delivery.objects.filter(pk=row.pk).update(first_tried_at=NOW - timedelta(hours=49), attempts=40)
    assert send() == 1
    assert again(row).state == "given_up" and mailbox.taken == []


@pytest.mark.django_db(transaction=True)
def test_several_workers_send_each_mail_once(mailbox: Mailbox) -> None:
    people = [factories.person("engineer") for _number in range(40)]
    for person in people:
        mail_for(person)
    mailbox.seconds = 0.01
    faults: list[BaseException] = []

    def work() -> None:
        try:
            while actions.send_due(clock=SetClock(NOW), most=5):
                pass
        except BaseException as error:
            faults.append(error)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert faults == []
    assert sorted(one["To"] for one in mailbox.taken) == sorted(person.email for person in people)
    assert set(Delivery.objects.filter(channel="email").values_list("state", "attempts")) == {("sent", 1)}


# digests


def digest_of(person: Person, **changes: Any) -> None:
    Preference.objects.create(person=person, digest="daily", digest_hour=9, **changes)


def test_a_digest_merges_what_waits_into_one_mail(mailbox: Mailbox) -> None:
    water = factories.organisation("water")
    admin, fitter = factories.person("administrator"), factories.person("crew", water)
    digest_of(admin)
    for name in ("one", "two", "three"):
        payload = {"kind": "job", "key": "x", "name": f"job.{name}", "reason": "full"}
        actions.make_notices(event="city.work_failed", event_id=new_id(), payload=payload, now=NOW)
    actions.make_notices(
        event="city.backup_failed", event_id=new_id(), payload={"folder": "b", "reason": "full"}, now=NOW
    )
    assert fitter.email and send() == 1  # the urgent one by itself
    due = datetime(2026, 5, 13, 4, tzinfo=UTC)  # 9:00 in Almaty
    assert send(due - timedelta(seconds=1)) == 0
    assert send(due) == 1
    assert len(mailbox.taken) == 2
    digest = Delivery.objects.get(notice__kind=store.DIGEST)
    assert digest.state == "sent" and digest.merged.count() == 3
    text = mailbox.taken[1].get_body(("plain",))
    assert text is not None
    assert all(f"job.{name}" in text.get_content() for name in ("one", "two", "three"))
    assert send(due + timedelta(days=7)) == 0
    assert Notice.objects.filter(kind=store.DIGEST, is_shown=True).count() == 0


def test_digests_are_sent_early_by_hand_and_made_once(mailbox: Mailbox) -> None:
    admin = factories.person("administrator")
    digest_of(admin, quiet_from=time(22), quiet_to=time(7))
    payload = {"kind": "job", "key": "x", "name": "job", "reason": "full"}
    actions.make_notices(event="city.work_failed", event_id=new_id(), payload=payload, now=NOW)
    assert actions.merge_digests(now=NOW) == 0
    assert actions.merge_digests(now=NOW, early=True, person=factories.person("engineer")) == 0
    assert actions.merge_digests(now=NOW, early=True) == 1
    assert actions.merge_digests(now=NOW, early=True) == 0
    assert send() == 1
    assert len(mailbox.taken) == 1


def test_a_digest_of_what_one_may_not_see_any_more_is_not_sent(mailbox: Mailbox) -> None:
    admin = factories.person("administrator")
    digest_of(admin)
    payload = {"kind": "job", "key": "x", "name": "job", "reason": "full"}
    actions.make_notices(event="city.work_failed", event_id=new_id(), payload=payload, now=NOW)
    admin.memberships.update(valid_to=NOW + timedelta(hours=1))
    assert send(NOW + timedelta(days=1)) == 1
    assert mailbox.taken == []


def test_demo_accounts_and_who_was_only_invited_get_no_mail(settings: Any) -> None:
    from pydantic import SecretStr

    settings.QALA = settings.QALA.model_copy(update={"email_url": SecretStr("smtp://127.0.0.1")})
    demo, invited = factories.person("engineer"), factories.person("engineer")
    Person.objects.filter(pk=demo.pk).update(is_demo=True)
    Person.objects.filter(pk=invited.pk).update(invitation=new_id())
    for person in (demo, invited):
        actions.make_notices(
            event="people.second_factor_reset", event_id=new_id(), payload={"person": str(person.pk)}, now=NOW
        )
    assert set(Delivery.objects.values_list("channel", flat=True)) == {"in_app"}
    assert system("x").may(store.MANAGE)
