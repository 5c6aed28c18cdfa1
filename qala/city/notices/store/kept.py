"""How long notices are kept."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings

from qala.kernel.retention import Going

from ..models import Notice


def kept_days() -> int:
    """Days, of the settings."""
    return int(settings.QALA.notices_keep_days)


def count_old(before: datetime, now: datetime) -> Going:
    """Notices that were made before an instant."""
    return Going(Notice.objects.filter(made_at__lt=before).count())
