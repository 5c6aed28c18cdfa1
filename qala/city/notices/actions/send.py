"""Sending mails: each at least once, by any number of workers, again and again until it is taken or given up."""

from __future__ import annotations

import random
import smtplib
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.db import transaction
from django.db.models import Q
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _

from qala.city.people.public import Person, who_of
from qala.kernel import audit
from qala.kernel.access import Who
from qala.kernel.clock import SYSTEM_CLOCK, Clock
from qala.kernel.errors import Conflict
from qala.kernel.ids import new_id
from qala.kernel.jobs import run_later

from .. import rules, store
from ..models import Attempt, Delivery, Notice
from .make import SEND

BATCH = 20
LEAST_LEASE = timedelta(minutes=10)
ANSWERS = 12  # that a server gives over one mail, each as slowly as the settings allow
MOST_MERGED = 100  # notices that one digest shows
PEOPLE_AT_ONCE = 200  # whose digests are made in one go
REASON = 500
OPEN = [Delivery.WAITING, Delivery.FAILED]
log = structlog.get_logger(__name__)


def send_due(*, clock: Clock = SYSTEM_CLOCK, most: int = BATCH) -> int:
    """Hand the mails over that are due, oldest first; returns how many were tried.

    A mail is claimed by a conditional update and a lease, so that two workers never send the same one. Whoever is
    killed after the server took a mail and before that was noted leaves it to be sent once more, when the lease ends:
    its Message-ID is the same.
    """
    merge_digests(now=clock.now())
    rows = _claim(clock.now(), most)
    if not rows:
        return 0
    connection: Any = get_connection()
    down = ""
    try:
        for row in rows:
            if not _renew(row, clock.now()):
                continue
            why = _no_more(row, clock.now())
            if why:
                _give_up(row, why, clock.now())
                continue
            if not down:
                try:
                    connection.open()
                except (OSError, smtplib.SMTPException) as error:
                    down = _reason(error)
            if down:
                _failed(row, down, clock.now(), for_ever=False)
                continue
            _send(row, connection, clock)
    finally:
        connection.close()
    return len(rows)


def lease() -> timedelta:
    """How long a mail is left to who claimed it: longer than its server may take."""
    return max(LEAST_LEASE, timedelta(seconds=ANSWERS * settings.QALA.email_timeout_seconds))


def _claim(now: datetime, most: int) -> list[Delivery]:
    claim = new_id()
    free = Q(leased_until__isnull=True) | Q(leased_until__lte=now)
    due = Delivery.objects.filter(free, state__in=OPEN, in_digest=False, next_try_at__lte=now)
    keys = list(due.order_by("next_try_at").values_list("pk", flat=True)[:most])
    if not keys:
        return []
    due.filter(pk__in=keys).update(claim=claim, leased_until=now + lease())
    mine = Delivery.objects.filter(claim=claim).select_related("notice__person")
    return list(mine.order_by("next_try_at", "pk"))


def _renew(row: Delivery, now: datetime) -> bool:
    """Begin an attempt where the row is still ours; counted before it begins, so that one that kills us counts."""
    row.attempts += 1
    row.first_tried_at = row.first_tried_at or now
    return bool(_ours(row).update(attempts=row.attempts, first_tried_at=row.first_tried_at, leased_until=now + lease()))


def _ours(row: Delivery) -> Any:
    return Delivery.objects.filter(pk=row.pk, claim=row.claim, state__in=OPEN)


def _no_more(row: Delivery, now: datetime) -> str:
    """Why a mail is not to be sent any more; empty where it is."""
    person, notice = row.notice.person, row.notice
    if not person.is_active:
        return "the account is closed"
    if rules.is_over(row.first_tried_at or now, now, settings.QALA.mail_retry_hours):
        return "the process ended while it was sent, each time"
    kind = store.BY_KEY.get(notice.kind)
    if notice.kind != store.DIGEST and (
        kind is None
        or not store.may_see(kind, who_of(person, now), organisation=notice.organisation_id, is_own=notice.is_own)
    ):
        return "the person may not see it any more"
    return ""


def _send(row: Delivery, connection: Any, clock: Clock) -> None:
    try:
        message = compose(row, clock.now())
        if message is None:
            _give_up(row, "nothing is left to tell", clock.now())
            return
        message.connection = connection
        message.send()
    except (OSError, smtplib.SMTPException) as error:
        connection.close()  # the next mail begins anew
        _failed(row, _reason(error), clock.now(), for_ever=is_refused(error))
    except Exception as error:  # a fault of ours keeps no other mail waiting
        log.exception("notices.mail_failed", delivery=str(row.pk))
        connection.close()
        _failed(row, _reason(error), clock.now(), for_ever=False)
    else:
        _sent(row, clock.now())


def is_refused(error: Exception) -> bool:
    """Whether a server refused a mail for good (5xx for its recipient, sender or content).

    A refused password is not: it is our own setting, and somebody will mend it.
    """
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(500 <= code < 600 for code, _text in error.recipients.values())
    if isinstance(error, smtplib.SMTPSenderRefused | smtplib.SMTPDataError):
        return 500 <= error.smtp_code < 600
    return False


def _reason(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        answers = [f"{code} {_text(said)}" for code, said in error.recipients.values()]
        return "; ".join(answers)[:REASON]
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {_text(error.smtp_error)}"[:REASON]
    return f"{type(error).__name__}: {error}"[:REASON]


def _text(said: Any) -> str:
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)


def compose(row: Delivery, now: datetime) -> EmailMultiAlternatives | None:
    """The mail of a delivery in its person's language; its words are put onto the row. ``None``: nothing is left."""
    person, notice = row.notice.person, row.notice
    address, host = store.city_address(), store.city_host()
    with translation.override(person.language or settings.LANGUAGE_CODE):
        fixed = False
        items: list[dict[str, str]] = []
        if notice.kind == store.DIGEST:
            items = _items(row, person, now)
            if not items:
                return None
            subject = _("What happened: {n} notices").format(n=len(items))
            text, link, kind = "", f"{address}{store.link_to_list()}", store.EVERY
        else:
            found = store.BY_KEY[notice.kind]
            subject, text = store.words_of(found, notice.data)
            link, kind, fixed = f"{address}{store.link_of(notice)}", found.key, found.fixed
        off = "" if fixed else store.unsubscribe_link(person.pk, kind)
        context = {
            "name": person.name, "text": text, "items": items, "link": link, "host": host, "off": off,
            "settings": f"{address}{store.link_to_settings()}", "subject": subject,
        }  # fmt: skip
        row.subject, row.address = subject, person.email
        row.text = render_to_string("notices/mail.txt", context).strip() + "\n"
        headers = {"Message-ID": f"<{row.pk}@{host}>", "Auto-Submitted": "auto-generated"}
        if off:
            headers |= {"List-Unsubscribe": f"<{off}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
        message = EmailMultiAlternatives(
            f"{settings.ACCOUNT_EMAIL_SUBJECT_PREFIX}{subject}", row.text, None, [person.email], headers=headers
        )
        message.attach_alternative(render_to_string("notices/mail.html", context), "text/html")
    return message


def _items(row: Delivery, person: Person, now: datetime) -> list[dict[str, str]]:
    """What a digest tells: of the notices merged into it those that the person may see now, in their order."""
    who, items = who_of(person, now), []
    merged = row.merged.select_related("notice").order_by("made_at", "pk")
    for one in merged[:MOST_MERGED]:
        kind = store.BY_KEY.get(one.notice.kind)
        if kind is not None and store.may_see(
            kind, who, organisation=one.notice.organisation_id, is_own=one.notice.is_own
        ):
            subject, _words = store.words_of(kind, one.notice.data)
            items.append({"subject": subject, "link": f"{store.city_address()}{store.link_of(one.notice)}"})
    return items


@transaction.atomic
def _sent(row: Delivery, now: datetime) -> None:
    _tried(row, "", now, state=Delivery.SENT, sent_at=now, next_try_at=None)


@transaction.atomic
def _give_up(row: Delivery, why: str, now: datetime) -> None:
    _tried(row, why, now, state=Delivery.GIVEN_UP, next_try_at=None)


@transaction.atomic
def _failed(row: Delivery, why: str, now: datetime, *, for_ever: bool) -> None:
    """Note a failed attempt and when the next one is, or that there is none."""
    kind = store.BY_KEY.get(row.notice.kind)
    following = now + rules.wait_before(row.attempts, random.random())
    if kind is None or not kind.urgent:
        plan = store.plan_of(row.notice.person_id)
        following = rules.after_quiet(following, plan.quiet_from, plan.quiet_to, ZoneInfo(settings.TIME_ZONE))
    if for_ever or rules.is_over(row.first_tried_at or now, following, settings.QALA.mail_retry_hours):
        _tried(row, why, now, state=Delivery.GIVEN_UP, next_try_at=None)
    else:
        _tried(row, why, now, state=Delivery.FAILED, next_try_at=following)


def _tried(row: Delivery, why: str, now: datetime, **outcome: Any) -> None:
    done = _ours(row).update(
        **outcome, subject=row.subject[:300], text=row.text, address=row.address, claim=None, leased_until=None
    )
    if done:  # else somebody else has it, as our lease ended
        Attempt.objects.create(delivery=row, number=row.attempts, at=now, reason=why[:REASON])


def merge_digests(*, now: datetime, person: Person | None = None, early: bool = False) -> int:
    """Put what waits for a digest that is due into one mail for each person; returns how many mails that makes.

    Args:
        person: only theirs.
        early: also what is due later.
    """
    due = Delivery.objects.filter(in_digest=True, state=Delivery.WAITING, next_try_at__isnull=False)
    if not early:
        due = due.filter(next_try_at__lte=now)
    if person is not None:
        due = due.filter(notice__person=person)
    people = set(due.order_by().values_list("notice__person", flat=True).distinct()[:PEOPLE_AT_ONCE])
    return sum(_merge(due.filter(notice__person=key), key, now) for key in sorted(people))


def _merge(waiting: Any, person: Any, now: datetime) -> bool:
    with transaction.atomic():
        keys = list(waiting.order_by("made_at", "pk").values_list("pk", flat=True)[:MOST_MERGED])
        digest = Notice.objects.create(event=new_id(), kind=store.DIGEST, person_id=person, made_at=now, is_shown=False)
        mail = Delivery.objects.create(notice=digest, channel=Delivery.EMAIL, made_at=now, next_try_at=now)
        merged = Delivery.objects.filter(pk__in=keys, state=Delivery.WAITING, in_digest=True).update(
            state=Delivery.MERGED, merged_into=mail, next_try_at=None
        )
        if not merged:  # another worker was quicker
            digest.delete()
        return bool(merged)


@transaction.atomic
def repeat(*, who: Who, now: datetime, delivery: Delivery) -> None:
    """Try a mail again at once that failed or was given up, and as long as any new one.

    Raises:
        Conflict: it waits, was sent, or is part of a digest.
        NotAllowed, SignInNeeded: the asker does not manage notices.
    """
    who.require(store.MANAGE)
    changed = Delivery.objects.filter(
        pk=delivery.pk, state__in=[Delivery.FAILED, Delivery.GIVEN_UP], channel=Delivery.EMAIL
    ).update(
        state=Delivery.WAITING, next_try_at=now, first_tried_at=None, in_digest=False, claim=None, leased_until=None
    )  # fmt: skip
    if not changed:
        raise Conflict(_("Only a mail that failed or was given up is sent again."))
    audit.record(who=who, now=now, verb="notices.repeat", thing="delivery", key=delivery.pk)
    run_later(SEND)
