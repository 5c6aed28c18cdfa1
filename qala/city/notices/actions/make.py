"""Making notices from news."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction

from qala.city.people.public import Person, who_of
from qala.kernel.jobs import run_later

from .. import rules, store
from ..models import Choice, Delivery, Notice, Preference

SEND = "notices.send"


@transaction.atomic
def make_notices(*, event: str, event_id: UUID, payload: dict[str, Any], now: datetime) -> int:
    """A notice of each kind that the news is of, for everybody who is told of it; returns how many are new.

    A person whose account is closed gets none, and nobody gets one of a thing that they may not see. Doing it again
    with the same event makes nothing.
    """
    made: list[Notice] = []
    deliveries: list[Delivery] = []
    for kind in store.kinds_of(event):
        found = kind.find(payload, now)
        if found is None:
            continue
        people = {one.pk: one for one in found.people if one.is_active}
        for key in _told_already(kind, event_id, found.about, people, now):
            people.pop(key, None)
        choices = {one.person_id: one for one in Choice.objects.filter(person__in=people, kind=kind.key)}
        plans = {one.person_id: one.plan for one in Preference.objects.filter(person__in=people)}
        organisation = found.organisation.pk if found.organisation is not None else None
        words: dict[str, tuple[str, str]] = {}
        for person in people.values():
            is_own = found.own == person.pk
            channels = store.channels_of(kind, choices.get(person.pk))
            if not _may_be_mailed(person):
                channels -= {Delivery.EMAIL}
            if not channels or not store.may_see(kind, who_of(person, now), organisation=organisation, is_own=is_own):
                continue
            notice = Notice(
                event=event_id, kind=kind.key, person=person, organisation_id=organisation, is_own=is_own,
                about=found.about[:200], data=found.data, made_at=now, is_shown=Delivery.IN_APP in channels,
            )  # fmt: skip
            made.append(notice)
            if Delivery.IN_APP in channels:
                language = person.language or settings.LANGUAGE_CODE
                if language not in words:
                    words[language] = store.words_of(kind, found.data, language)
                subject, text = words[language]
                deliveries.append(
                    Delivery(
                        notice=notice, channel=Delivery.IN_APP, state=Delivery.SENT, made_at=now, sent_at=now,
                        subject=subject, text=text,
                    )
                )  # fmt: skip
            if Delivery.EMAIL in channels:
                due, in_digest = rules.when_to_send(
                    now, plans.get(person.pk, rules.Plan()), ZoneInfo(settings.TIME_ZONE), urgent=kind.urgent
                )
                deliveries.append(
                    Delivery(
                        notice=notice, channel=Delivery.EMAIL, made_at=now, address=person.email, next_try_at=due,
                        in_digest=in_digest,
                    )
                )  # fmt: skip
    Notice.objects.bulk_create(made, batch_size=500)
    Delivery.objects.bulk_create(deliveries, batch_size=500)
    if any(one.next_try_at is not None and one.next_try_at <= now for one in deliveries):
        run_later(SEND)
    return len(made)


def _told_already(kind: store.Kind, event_id: UUID, about: str, people: dict[UUID, Person], now: datetime) -> set[UUID]:
    """Who has the notice of this event, or heard of the same thing a short while ago."""
    of_kind = Notice.objects.filter(kind=kind.key, person__in=people)
    told = set(of_kind.filter(event=event_id).values_list("person_id", flat=True))
    if kind.once_a and about:
        told |= set(
            of_kind.filter(about=about[:200], made_at__gt=now - kind.once_a).values_list("person_id", flat=True)
        )
    return told


def _may_be_mailed(person: Person) -> bool:
    """Who has not come in yet has a mail of invitation; a demo account's address is nobody's, so no server gets it."""
    return person.state == Person.ACTIVE and not (person.is_demo and settings.QALA.email_url is not None)
