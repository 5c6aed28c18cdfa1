"""The back-up of each day, by settings: when it is due, and the job that takes it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings as django_settings
from django.utils import timezone
from django.utils.translation import gettext as _

from qala.kernel import work
from qala.kernel.config import Settings
from qala.kernel.errors import Unavailable
from qala.kernel.models import AuditEntry

JOB = "site.back_up"
TAKEN = "city.back_up"  # verb of the audit
LATE = timedelta(hours=2)  # after the hour that a back-up is due, before somebody is told


@dataclass(frozen=True, slots=True)
class Last:
    """The latest back-up that the audit knows of; ``bytes`` and ``into`` as it was told."""

    name: str
    at: datetime
    bytes: int
    into: str


def last_of(into: str | None = None) -> Last | None:
    """The latest back-up, or the latest one in a folder."""
    for entry in AuditEntry.objects.filter(thing_kind="backup", verb=TAKEN).order_by("-at")[:200]:
        told = entry.after or {}
        if into is None or told.get("into") == into:
            return Last(entry.thing_key, entry.at, int(told.get("bytes", 0)), str(told.get("into", "")))
    return None


def due_since(settings: Settings, now: datetime) -> datetime:
    """The latest instant, not after ``now``, at which a daily back-up is due, in the city's zone."""
    local = timezone.localtime(now)
    due = local.replace(hour=settings.backup_hour, minute=0, second=0, microsecond=0)
    if due > local:
        due = (local - timedelta(days=1)).replace(hour=settings.backup_hour, minute=0, second=0, microsecond=0)
    return due


def is_late(settings: Settings, now: datetime) -> bool:
    """Whether the back-up that was due last is missing although it should be there by now."""
    last = last_of(str(settings.backup_dir))
    due = due_since(settings, now)
    if now - due < LATE:
        due = due_since(settings, due - timedelta(seconds=1))
    return last is None or last.at < due


def last_failure(since: datetime | None) -> work.Work | None:
    """Why the daily back-up failed last, where it did after ``since``."""
    return work.last_failure(JOB, since=since)


def run(*, now: datetime) -> None:
    """Take the back-up that is due, in a process of its own, as this one holds the lake; and delete the oldest ones.

    Raises:
        Unavailable: it failed; the next hour tries again.
    """
    settings: Settings = django_settings.QALA
    if settings.backup_dir is None:
        return
    last = last_of(str(settings.backup_dir))
    if last is not None and last.at >= due_since(settings, now):
        return
    environment = {name: value for name, value in os.environ.items() if name != "PROMETHEUS_MULTIPROC_DIR"}
    command = [sys.executable, "-m", "qala", "backup", str(settings.backup_dir), "--keep", str(settings.backup_keep)]
    done = subprocess.run(
        [*command, "--json", "--data-dir", str(settings.data_dir)], env=environment, capture_output=True, text=True,
        stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise Unavailable(_("The daily back-up failed: {why}").format(why=_said(done.stderr)))


def _said(errors: str) -> str:
    """What is wrong, of what a command told on standard error."""
    for line in reversed(errors.strip().splitlines()):
        try:
            return str(json.loads(line)["what"])
        except (ValueError, KeyError, TypeError):
            continue
    return errors.strip()[-300:] or "?"
