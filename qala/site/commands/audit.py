"""``qala export audit``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click
from django.utils.translation import gettext as _

from qala.kernel import audit, console
from qala.kernel.access import system
from qala.kernel.instants import Instant
from qala.site.audit import wanted


@click.command(help=_("Write the audit log to a CSV file: who changed what, when and why."))
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--person", default="", help=_("Only what this person did: an e-mail address or part of a name."))
@click.option("--thing", default="", help=_("Only this kind of thing, e.g. device."))
@click.option("--key", default="", help=_("Only the thing of this key."))
@click.option("--verb", default="", help=_("Only verbs that begin so, e.g. devices."))
@click.option("--from", "start", type=Instant(), help=_("From this date or instant on."))
@click.option("--to", "end", type=Instant(), help=_("Before this date or instant."))
def export_audit(
    file: Path, person: str, thing: str, key: str, verb: str, start: datetime | None, end: datetime | None
) -> None:
    who = system(f"cli:{console.operator()}")
    with console.progress(_("Writing {file}").format(file=file.name)):
        asked = wanted(who=who, person=person, kind=thing, key=key, verb=verb, start=start, end=end)
        rows = audit.export_csv(file, asked, who=who)
    console.result({"rows": _("rows"), "file": _("file")}, rows=rows, file=file)
