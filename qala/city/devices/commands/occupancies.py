"""Command line verbs of occupancies."""

from __future__ import annotations

from pathlib import Path

import click
from django.utils.translation import gettext as _

from qala.kernel import console
from qala.kernel.access import system
from qala.kernel.clock import SYSTEM_CLOCK

from .. import actions, store
from ..models import OccupancyRefusal


@click.command(
    "occupancies",
    help=_(
        "Load a file of who uses which meter point (CSV, also in gzip or zip, or XLSX): all rows, or none where one is bad; again adds nothing."
    ),
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help=_("Read, check and count everything; keep nothing."))
@click.option("--keep-good", is_flag=True, help=_("Keep the good rows although others are bad."))
def load_occupancies(file: Path, dry_run: bool, keep_good: bool) -> None:
    with console.progress(_("Loading {file}").format(file=file.name)):
        summary = actions.load_occupancies(
            path=file, name=file.name, who=system(f"cli:{console.operator()}"), now=SYSTEM_CLOCK.now(), dry_run=dry_run,
            keep_good=keep_good,
        )  # fmt: skip
    labels = dict(OccupancyRefusal.choices)
    if summary.refused and keep_good:
        for row in summary.rows:
            console.warn(
                _("line {line}: {serial}: {reason}").format(
                    line=row.line, serial=row.serial[:64], reason=labels[row.reason]
                ),
                line=row.line, reason=row.reason,
            )  # fmt: skip
    console.result(
        {"read": _("rows read"), "new": _("new"), "changed": _("changed"), "unchanged": _("unchanged"),
         "refused": _("rows refused"), "outcome": _("outcome"),
         **{one: _("rows refused: {reason}").format(reason=labels[one]) for one in summary.refused_by_reason}},
        read=summary.read, new=summary.new, changed=summary.changed, unchanged=summary.unchanged,
        refused=summary.refused, **summary.refused_by_reason, outcome=summary.outcome,
    )  # fmt: skip
    if summary.refused and not keep_good:
        raise actions.occupancy_refusal(summary, name=file.name)


@click.command("occupancies", help=_("Write who uses which meter point to a CSV file. It names persons: keep it safe."))
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def export_occupancies(file: Path) -> None:
    with console.progress(_("Writing {file}").format(file=file.name)):
        rows = store.export_occupancies(file, who=system(f"cli:{console.operator()}"))
    console.result({"rows": _("rows"), "file": _("file")}, rows=rows, file=file)
