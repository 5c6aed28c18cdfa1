"""Command line verbs of occupancies."""

from __future__ import annotations

from pathlib import Path

import click
from django.utils.translation import gettext as _

from qala.kernel import console
from qala.kernel.access import system
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.list_commands import export_command

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


export_points = export_command(store.POINTS, _("Write the list of meter points to a CSV or XLSX file."))
export_occupancies = export_command(
    store.OCCUPANCIES, _("Write who uses which meter point to a CSV or XLSX file. It names persons: keep it safe.")
)
export_codes = export_command(
    store.CLAIM_CODES, _("Write what became of claim codes to a CSV or XLSX file; not the codes.")
)
