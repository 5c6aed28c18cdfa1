"""Demo notices of what the demonstration itself does not do: roles and silent devices it tells of by itself."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from qala.city.people.public import Person
from qala.kernel.access import Who
from qala.kernel.console import Progress
from qala.kernel.ids import new_id

from . import store
from .models import Attempt, Delivery, Notice

# e-mail address: kind, hours ago, whether it was read, facts
TOLD: tuple[tuple[str, str, float, bool, dict[str, Any]], ...] = (
    ("engineer.heat@demo.qala", "people.second_factor_reset", 52, False, {}),
    ("administrator@demo.qala", "people.sign_in_changed", 30, False, {"what": "password", "at": "2026-05-12T06:00:00+00:00"}),
)  # fmt: skip


@transaction.atomic
def load(*, who: Who, now: datetime, progress: Progress) -> None:
    """Notices and their deliveries; one mail of them was refused by its server."""
    progress.update(note="notices")
    people = {one.email: one for one in Person.objects.filter(email__in=[told[0] for told in TOLD], is_demo=True)}
    for email, key, hours, is_read, facts in TOLD:
        kind, person = store.BY_KEY[key], people[email]
        at = now - timedelta(hours=hours)
        read_at = at + timedelta(hours=1) if is_read else None
        notice = Notice.objects.create(event=new_id(), kind=key, person=person, data=facts, made_at=at, read_at=read_at)
        subject, text = store.words_of(kind, facts, person.language or settings.LANGUAGE_CODE)
        shared = {"notice": notice, "made_at": at, "subject": subject, "text": text}
        Delivery.objects.create(channel=Delivery.IN_APP, state=Delivery.SENT, sent_at=at, **shared)
        refused = key == "people.second_factor_reset"
        mail = Delivery.objects.create(
            channel=Delivery.EMAIL, state=Delivery.GIVEN_UP if refused else Delivery.SENT, address=email, attempts=1,
            first_tried_at=at, sent_at=None if refused else at + timedelta(seconds=2), **shared,
        )  # fmt: skip
        Attempt.objects.create(
            delivery=mail, number=1, at=at + timedelta(seconds=2), reason="550 mailbox full" if refused else ""
        )
