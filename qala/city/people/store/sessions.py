"""Sign-ins that are older than they are kept."""

from __future__ import annotations

from datetime import datetime

from django.contrib.sessions.models import Session
from django.db.models import QuerySet

from qala.kernel.retention import Going

from ..models import SignIn


def old_sign_ins(before: datetime, now: datetime) -> QuerySet[SignIn]:
    """Those last seen before an instant whose session has ended."""
    alive = Session.objects.filter(expire_date__gt=now).values("session_key")
    return SignIn.objects.filter(last_seen_at__lt=before).exclude(session_key__in=alive)


def count_old_sign_ins(before: datetime, now: datetime) -> Going:
    """How many there are."""
    return Going(old_sign_ins(before, now).count())
