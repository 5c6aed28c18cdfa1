"""Bringing a city to this program's version: back-up, migrations, a look by the doctor; back to where it was if that fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.utils.translation import gettext as _

import qala
from qala.kernel.config import Settings
from qala.kernel.errors import NotFound, QalaError, Unavailable

from . import backup, supervisor
from .backup.manifest import Moved
from .doctor import Finding, examine
from .prepare import check_folder, let_go, migrations_applied, migrations_on_disk, prepare

Stage = Callable[[str], None]
OF_THE_PLACE = {"port", "disk"}  # findings that say nothing of the city itself


@dataclass(frozen=True, slots=True)
class Upgraded:
    """What an upgrade did: the back-up it began with, and the migrations that were run."""

    backup: Path
    migrations: list[str]


def upgrade(
    settings: Settings, into: Path, *, now: datetime, stage: Stage = lambda _text: None, moved: Moved = lambda _bytes: None
) -> Upgraded:  # fmt: skip
    """Upgrade a city that stands.

    Args:
        into: where the back-up goes; the city is put back from it where anything fails.

    Raises:
        NotFound: there is no city in the data folder.
        Conflict: the city runs.
        Unavailable: it failed, and the city is again what it was before.
        BadInput, Conflict, Unavailable: also what a back-up refuses; nothing was changed then.
    """
    if not check_folder(settings):
        raise NotFound(
            _("There is no city in {folder}.").format(folder=settings.data_dir), fix=_("Name it with --data-dir.")
        )
    settings.run_dir.mkdir(exist_ok=True, mode=0o700)
    with supervisor.take_folder(settings):
        stage(_("Backing up"))
        taken = backup.take(settings, into, now=now, moved=moved)
        pending = sorted(f"{app}.{name}" for app, name in migrations_on_disk() - migrations_applied())
        stage(_("Reading the back-up"))
        backup.verify(taken.folder, backup.read(taken.folder))
        try:
            stage(_("Migrating"))
            prepare(quiet=True, fully=True)
            let_go()  # the doctor opens the catalogue itself
            stage(_("Looking at everything"))
            faults = failures(settings)
            if faults:
                raise Unavailable(_("The doctor finds fault with the upgraded city."), rows=faults)
        except BaseException as error:  # also Ctrl-C
            stage(_("Putting the city back"))
            let_go()
            backup.restore(settings, taken.folder, replace=True)
            raise Unavailable(
                _("The upgrade to {version} failed, and the city is again what it was: {why}").format(
                    version=qala.__version__, why=error.what if isinstance(error, QalaError) else str(error)
                ),
                fix=_("Go on with the Qala that ran before. The back-up is {folder}.").format(folder=taken.folder),
                rows=error.rows if isinstance(error, QalaError) else (),
            ) from error
    return Upgraded(taken.folder, pending)


def failures(settings: Settings) -> list[str]:
    """What the doctor finds wrong with the city itself."""

    def said(finding: Finding) -> str:
        return f"{finding.check}: {finding.what}"

    return [said(one) for one in examine(settings) if one.state == "fail" and one.check not in OF_THE_PLACE]
