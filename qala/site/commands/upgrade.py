"""``qala upgrade``."""

from __future__ import annotations

from pathlib import Path

import click
from django.conf import settings
from django.utils.translation import gettext as _

import qala
from qala.kernel import audit, console
from qala.kernel.access import system
from qala.kernel.clock import SYSTEM_CLOCK
from qala.site.upgrade import upgrade as bring_up


@click.command(
    help=_("Bring a city that stands to this version: back-up into DIR, migrate, look; put back if anything fails.")
)
@click.argument("dir", type=click.Path(path_type=Path))
def upgrade(dir: Path) -> None:
    with console.progress(_("Upgrading")) as bar:
        done = bring_up(settings.QALA, dir, now=SYSTEM_CLOCK.now(), stage=lambda text: bar.update(note=text))
    audit.record(
        who=system(f"cli:{console.operator()}"), now=SYSTEM_CLOCK.now(), verb="city.upgrade", thing="city",
        key=settings.QALA.city_code, after={"version": qala.__version__, "migrations": done.migrations},
    )  # fmt: skip
    console.result(
        {"version": _("version"), "backup": _("back-up"), "migrations": _("migrations run")},
        version=qala.__version__, backup=done.backup, migrations=len(done.migrations),
    )  # fmt: skip
