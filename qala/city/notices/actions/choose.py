"""What a person does with their notices: read them, and say which ones they want and when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from qala.kernel import audit
from qala.kernel.access import Who
from qala.kernel.errors import BadInput

from .. import rules, store
from ..models import Choice, Delivery, Notice, Preference


def mark_read(*, who: Who, now: datetime, key: UUID) -> None:
    """One of one's own notices is read; that alone is no matter for the audit.

    Raises:
        NotFound: there is none.
        NotAllowed, SignInNeeded: as ``store.person_of``.
    """
    notice = store.find_notice(key, who=who)
    Notice.objects.filter(pk=notice.pk, read_at__isnull=True).update(read_at=now)


def mark_all_read(*, who: Who, now: datetime) -> int:
    """All of one's own notices made up to now are read; returns how many were not."""
    unread = Notice.objects.filter(store.seen_by(who), person=store.person_of(who), is_shown=True, read_at__isnull=True)
    return unread.filter(made_at__lte=now).update(read_at=now)


@transaction.atomic
def set_preferences(
    *,
    who: Who,
    now: datetime,
    digest: str,
    digest_hour: int,
    quiet_from: time | None,
    quiet_to: time | None,
    channels: Mapping[str, frozenset[str]],
) -> None:
    """One's own choice of channels, digest and quiet hours; mails that wait are planned anew.

    Args:
        channels: by key of a kind; kinds that are not named stay as they are.

    Raises:
        BadInput: there is no such kind, digest or hour, or quiet hours have one end only; every fault is named.
        NotAllowed, SignInNeeded: as ``store.person_of``.
    """
    person = store.person_of(who)
    faults = [_("There is no kind of notice {kind}.").format(kind=one) for one in channels if one not in store.BY_KEY]
    if digest not in (rules.OFF, rules.DAILY, rules.WEEKLY) or not 0 <= digest_hour <= 23:
        faults.append(_("A digest comes daily or weekly, at a full hour."))
    if (quiet_from is None) != (quiet_to is None):
        faults.append(_("Quiet hours need a start and an end."))
    elif quiet_from is not None and quiet_from == quiet_to:
        faults.append(_("Quiet hours begin and end at different times."))
    if faults:
        raise BadInput(faults[0], rows=faults)
    kept = {"digest": digest, "digest_hour": digest_hour, "quiet_from": quiet_from, "quiet_to": quiet_to}
    Preference.objects.update_or_create(person_id=person, defaults=kept)
    for kind, wanted in channels.items():
        _choose(person, kind, wanted)
    _plan_anew(person, now)
    _audit(who, now, person, kinds={kind: sorted(wanted) for kind, wanted in channels.items()}, digest=digest)


@transaction.atomic
def turn_off(*, now: datetime, secret: str) -> list[store.Kind]:
    """Turn the mails off that a link in one of them is for; no sign-in is needed, doing it again changes nothing.

    Raises:
        NotFound: the link is not one of ours.
    """
    person, kinds = store.read_unsubscribe(secret)
    before = store.choices_of(person.pk)
    changed = [kind for kind in kinds if Delivery.EMAIL in before[kind.key]]
    for kind in changed:
        _choose(person.pk, kind.key, before[kind.key] - {Delivery.EMAIL})
    if changed:
        who = Who("person", str(person), person.pk)
        _audit(who, now, person.pk, turned_off=[kind.key for kind in changed])
    return kinds


def _choose(person: UUID, kind: str, wanted: frozenset[str]) -> None:
    channels = {"in_app": Delivery.IN_APP in wanted, "email": Delivery.EMAIL in wanted or store.BY_KEY[kind].fixed}
    Choice.objects.update_or_create(person_id=person, kind=kind, defaults=channels)


def _plan_anew(person: UUID, now: datetime) -> None:
    """Mails that nobody tried yet go out by the new plan."""
    plan, zone = store.plan_of(person), ZoneInfo(settings.TIME_ZONE)
    waiting = Delivery.objects.filter(
        notice__person=person, channel=Delivery.EMAIL, state=Delivery.WAITING, attempts=0, claim__isnull=True
    )
    normal = [kind.key for kind in store.KINDS if not kind.urgent]
    due, in_digest = rules.when_to_send(now, plan, zone, urgent=False)
    waiting.filter(notice__kind__in=normal).update(next_try_at=due, in_digest=in_digest)


def _audit(who: Who, now: datetime, person: UUID, **after: object) -> None:
    audit.record(who=who, now=now, verb="notices.choose", thing="person", key=person, after=dict(after))
