"""Command line verbs of meters."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click
from django.utils.translation import gettext as _

from qala.kernel import console
from qala.kernel.access import system
from qala.kernel.instants import Instant
from qala.kernel.paging import span_of

from . import store


@click.command("intervals", help=_("Write hourly consumption to a file: the current one, or as known at an instant."))
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--format", "form", type=click.Choice(["csv", "parquet"]), required=True, help=_("Form of the file."))
@click.option("--serial", help=_("Only this device."))
@click.option("--property", help=_("Only this property, e.g. water_volume."))
@click.option("--from", "start", type=Instant(), help=_("From this date or instant on."))
@click.option("--to", "end", type=Instant(), help=_("Before this date or instant."))
@click.option("--as-of", type=Instant(), help=_("As it was known at this instant."))
def export_intervals(
    file: Path, form: str, serial: str | None, property: str | None, start: datetime | None, end: datetime | None,
    as_of: datetime | None,
) -> None:  # fmt: skip
    with console.progress(_("Writing {file}").format(file=file.name)):
        rows = store.export_intervals(
            file, "csv" if form == "csv" else "parquet", who=system(f"cli:{console.operator()}"),
            span=span_of(start, end), serial=serial, property=property, as_of=as_of,
        )  # fmt: skip
    console.result({"rows": _("rows"), "file": _("file")}, rows=rows, file=file)
