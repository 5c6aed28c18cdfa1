"""The demonstration city: each matter's own part of it, loaded once, in the order of the house."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from django.apps import apps
from django.utils.translation import gettext as _

from qala.kernel import console
from qala.kernel.access import system
from qala.kernel.config import Settings
from qala.kernel.errors import Conflict
from qala.kernel.models import AuditEntry
from qala.kernel.plug import MatterConfig, load

from .prepare import write_json

LOADER = "demo"


def is_demo(settings: Settings) -> bool:
    """Whether the data folder holds the demonstration city."""
    return _path(settings).exists()


def load_demo(settings: Settings, *, now: datetime) -> list[dict[str, Any]]:
    """Load what is not loaded yet.

    Returns:
        The accounts that may be used, as the matters tell them (``email``, ``password``, ``role`` …).

    Raises:
        Conflict: the folder holds a real city.
    """
    done = _done(settings)
    if done is None:
        if (
            AuditEntry.objects.exclude(who_kind="system").exists()
            or AuditEntry.objects.filter(who_name__startswith="cli:").exists()
        ):
            raise Conflict(
                _("The data folder {folder} holds a real city; demonstration data would be mixed in.").format(
                    folder=settings.data_dir
                ),
                fix=_("Name another folder with --data-dir, or start without --demo."),
            )
        done = {}
        write_json(_path(settings), {"loaded": done})
    for config in apps.get_app_configs():
        if not isinstance(config, MatterConfig) or config.plug.demo is None or config.label in done:
            continue
        with console.progress(_("Demonstration data: {matter}").format(matter=config.verbose_name)) as progress:
            accounts = load(config.plug.demo)(who=system(LOADER), now=now, progress=progress)
        done[config.label] = accounts or []
        write_json(_path(settings), {"loaded": done})
    return accounts_of(settings)


def accounts_of(settings: Settings) -> list[dict[str, Any]]:
    """The demonstration's accounts, whose passwords everybody may know: they work from this machine alone."""
    return [account for accounts in (_done(settings) or {}).values() for account in accounts]


def _path(settings: Settings) -> Path:
    return settings.data_dir / "demo.json"


def _done(settings: Settings) -> dict[str, list[dict[str, Any]]] | None:
    try:
        found: dict[str, list[dict[str, Any]]] = json.loads(_path(settings).read_text())["loaded"]
        return found
    except FileNotFoundError:
        return None
