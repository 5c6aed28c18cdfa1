"""The second factor: what a person did with it is written down; who administers the city resets a lost one."""

from __future__ import annotations

from datetime import datetime

from allauth.mfa.models import Authenticator
from django.db import transaction
from django.utils.translation import gettext as _

from qala.kernel import audit, outbox
from qala.kernel.access import Who
from qala.kernel.errors import Conflict

from ..models import Person
from .persons import require_over, tell_sign_in_changed
from .sessions import end_all_sessions


def note_second_factor(*, who: Who, now: datetime, person: Person, verb: str, kind: str) -> None:
    """Write down that a person turned a kind of second factor on or off, or made new codes.

    Args:
        verb: ``people.add_second_factor``, ``people.remove_second_factor`` or ``people.renew_second_factor``.
        kind: ``totp`` or ``recovery_codes``.
    """
    with transaction.atomic():
        audit.record(who=who, now=now, verb=verb, thing="person", key=person.pk, after={"kind": kind})
        tell_sign_in_changed(person, kind, now=now)


@transaction.atomic
def reset_second_factor(*, who: Who, now: datetime, person: Person, why: str = "") -> None:
    """Take a person's second factor away, so that they sign in without it and set up another; their sessions end.

    Raises:
        Conflict: the person has none.
        NotAllowed, SignInNeeded: the asker may not manage people everywhere, or does not hold what the person holds.
    """
    person = require_over(who, now, person)
    held = Authenticator.objects.filter(user_id=person.pk)
    kinds = sorted(held.values_list("type", flat=True))
    if not kinds:
        raise Conflict(_("{name} has no second factor.").format(name=person.name))
    held.delete()
    ended = end_all_sessions(person)
    audit.record(
        who=who, now=now, verb="people.reset_second_factor", thing="person", key=person.pk,
        before={"kinds": kinds}, after={"kinds": [], "sessions_ended": ended}, why=why,
    )  # fmt: skip
    outbox.tell("people.second_factor_reset", {"person": str(person.pk)}, now=now)
