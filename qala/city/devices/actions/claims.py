"""Codes by which residents say that a meter point is theirs: issued, revoked, entered once.

A code that was not good is answered in the same words, whatever is wrong with it, and counts against its person and the
address that it came from.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from django.conf import settings
from django.db import transaction
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from qala.city.people.public import Organisation, Person
from qala.kernel import audit
from qala.kernel.access import Who, system
from qala.kernel.errors import BadInput, Conflict, NotAllowed, NotFound, SignInNeeded
from qala.kernel.ranges import day_start, local_day

from ..models import ClaimAttempt, ClaimCode, Occupancy
from ..rules import CODE_SIGNS, LIMITS, SIGNS, WINDOW, shown_code, typed_code
from ..store import get_code, known_points
from ..store.occupancies import MANAGE
from .occupancies import author, keep_occupancy, lock_points

log = structlog.get_logger(__name__)
DAYS, DAYS_MOST = 60, 400
MOST_CODES = 20_000
KEPT = timedelta(days=1)  # of attempts


@dataclass(frozen=True, slots=True)
class IssuedCode:
    """A code as it is printed; nobody can show it again."""

    id: UUID
    meter_point: str
    code: str
    expires_at: datetime


def issue_codes(
    *, who: Who, now: datetime, owner: str, meter_points: Sequence[str], days: int = DAYS,
    valid_from: datetime | None = None,
) -> list[IssuedCode]:  # fmt: skip
    """A new code for each of some meter points of one owner; all of them or none. Older codes stay good.

    Args:
        owner: code of the organisation whose meters they are.
        days: how long they are good.
        valid_from: when the occupancies begin; by default on the day on which each code is entered.

    Raises:
        NotAllowed, SignInNeeded: the asker may not manage the occupants of these meter points.
        NotFound: no such meter point, or none that the asker may know of; every one is named.
        BadInput: no meter points or too many, or days that can't be.
    """
    who.require(MANAGE)
    codes = list(dict.fromkeys(one.strip() for one in meter_points if one.strip()))
    if not codes or len(codes) > MOST_CODES:
        raise BadInput(_("Name 1 to {most} meter points.").format(most=MOST_CODES))
    if not 1 <= days <= DAYS_MOST:
        raise BadInput(_("A code is good for 1 to {most} days.").format(most=DAYS_MOST))
    body = Organisation.objects.filter(code=owner).first()
    covered = body is not None and who.may(MANAGE, body.pk)
    there: set[str] = set()
    if covered and body is not None:
        for start in range(0, len(codes), 5000):
            there |= known_points(body.pk, codes[start : start + 5000])
    missing = [one for one in codes if one not in there]
    if missing or body is None:
        raise NotFound(
            _("There are no such meter points."), rows=missing[:100], fix=_("Look them up in the list of meter points.")
        )
    made, shown = [], []
    for code in codes:
        signs = "".join(secrets.choice(SIGNS) for _sign in range(CODE_SIGNS))
        row = ClaimCode(
            owner=body, meter_point=code, digest=digest_of(signs), valid_from=valid_from, made_at=now,
            made_by_id=author(who), expires_at=now + timedelta(days=days),
        )  # fmt: skip
        made.append(row)
        shown.append(IssuedCode(row.pk, code, shown_code(signs), row.expires_at))
    with transaction.atomic():
        ClaimCode.objects.bulk_create(made, batch_size=500)
        audit.record(
            who=who, now=now, verb="devices.issue_codes", thing="claim_code",
            key=made[0].pk if len(made) == 1 else f"{len(made)} codes",
            after={"owner": owner, "count": len(made), "meter_points": codes[:100], "days": days},
        )  # fmt: skip
    return shown


def revoke_code(*, key: UUID, who: Who, now: datetime, why: str = "") -> None:
    """A code is good no more.

    Raises:
        NotAllowed, SignInNeeded: the asker may not manage occupants.
        NotFound: there is none, or none that the asker may know of.
        Conflict: it was used or revoked.
    """
    get_code(key, who=who)
    with transaction.atomic():
        held = ClaimCode.objects.select_for_update().get(pk=key)
        if held.used_at is not None or held.revoked_at is not None:
            raise Conflict(_("This code was used or revoked already."))
        held.revoked_at = now
        held.save(update_fields=["revoked_at"])
        audit.record(who=who, now=now, verb="devices.revoke_code", thing="claim_code", key=key, why=why)


def claim_meter_point(*, code: str, who: Who, now: datetime, address: str = "") -> Occupancy:
    """Whoever is signed in and enters a good code uses its meter point from that day on.

    Args:
        address: that the request came from; ``""``: unknown, behind a proxy.

    Raises:
        SignInNeeded: nobody is signed in.
        NotAllowed: a program asks, or too many codes were wrong.
        BadInput: the code is not good; the same words whatever is wrong with it.
        Conflict: the asker has the meter point in that time already.
    """
    if who.kind == "anonymous":
        raise SignInNeeded(_("This needs a signed-in person."), fix=_("Sign in and try again."))
    person = Person.objects.filter(pk=who.id).first() if who.kind == "person" and who.id is not None else None
    if person is None:
        raise NotAllowed(_("A person enters a claim code themselves."))
    attempt = ClaimAttempt.objects.create(person=person, address=address[:45], at=now)
    if _too_many(person, address, now):
        log.warning("claim.limited", person=str(person.pk), address=address)
        raise NotAllowed(_("Too many wrong codes."), fix=_("Wait an hour and try again."))
    with transaction.atomic():
        signs = typed_code(code)
        held = ClaimCode.objects.filter(digest=digest_of(signs)).first() if signs is not None else None
        if held is not None:
            lock_points(held.owner_id)
            held = ClaimCode.objects.get(pk=held.pk)
        if held is None or held.used_at or held.revoked_at or held.expires_at <= now:
            log.warning("claim.refused", person=str(person.pk), address=address)
        else:
            made = keep_occupancy(
                owner=held.owner_id, meter_point=held.meter_point, occupant=person, valid_to=None,
                valid_from=held.valid_from or _from_today(held, now), source=Occupancy.CODE, who=system("claim code"),
                now=now, entered_by=person.pk,
            )  # fmt: skip
            held.used_at = now
            held.save(update_fields=["used_at"])
            ClaimAttempt.objects.filter(pk=attempt.pk).delete()
            return made
    raise BadInput(
        _("This code is not good: it is mistyped, too old, or was used."),
        fix=_("Look at the letter again, or ask for another."),
    )


def digest_of(signs: str) -> str:
    """What is kept of a code: keyed by the city's secret, so that a copy of the records alone can't be searched."""
    return salted_hmac("qala.devices.claim", signs, algorithm="sha256").hexdigest()


def _too_many(person: Person, address: str, now: datetime) -> bool:
    ClaimAttempt.objects.filter(at__lt=now - KEPT).delete()
    recent = ClaimAttempt.objects.filter(at__gt=now - WINDOW)
    return recent.filter(person=person).count() > LIMITS["person"] or (
        address != "" and recent.filter(address=address).count() > LIMITS["address"]
    )


def _from_today(code: ClaimCode, now: datetime) -> datetime:
    """The beginning of the city's day, or the end of whoever used it earlier on that day."""
    zone = ZoneInfo(settings.TIME_ZONE)
    today = day_start(local_day(now, zone), zone)
    ended = Occupancy.objects.filter(
        owner=code.owner_id, meter_point=code.meter_point, valid_to__gt=today, valid_to__lte=now
    )
    return max((one for one in ended.values_list("valid_to", flat=True) if one is not None), default=today)
