"""Commands of places."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from django.conf import settings
from django.utils.translation import gettext as _

from qala.kernel import console
from qala.kernel.access import system
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.ranges import day_start

from . import actions, rules, store


@click.command("places", help=_("Load places from a GeoJSON file: the whole file or nothing of it."))
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--kind", type=click.Choice(rules.KINDS), default="district", show_default=True, help=_("What the features are.")
)
@click.option(
    "--valid-from",
    type=click.DateTime(["%Y-%m-%d"]),
    help=_("Day since which these borders hold. Unset: new places since ever, changed borders from now on."),
)
@click.option("--dry-run", is_flag=True, help=_("Check the file and say what would change; write nothing."))
def load_places(file: Path, kind: rules.Kind, valid_from: datetime | None, dry_run: bool) -> None:
    with file.open("rb") as opened:
        data = opened.read(actions.MOST_BYTES + 1)
    with console.progress(_("Reading {file}").format(file=file.name), unit=_("places")) as progress:
        collection = actions.read_features(
            data, kind=kind, near=store.reference_point(settings.TIME_ZONE), advance=progress.advance
        )
    summary = actions.load_places(
        collection=collection,
        kind=kind,
        who=system(f"cli:{console.operator()}"),
        now=SYSTEM_CLOCK.now(),
        valid_from=None if valid_from is None else day_start(valid_from.date(), ZoneInfo(settings.TIME_ZONE)),
        dry_run=dry_run,
    )
    if summary.refused:
        raise actions.refusal(summary.refused)
    if dry_run:
        console.say(_("Nothing was written (--dry-run)."))
    console.result(
        {"read": _("read"), "new": _("new"), "changed": _("changed"), "unchanged": _("unchanged")},
        read=summary.read,
        new=summary.new,
        changed=summary.changed,
        unchanged=summary.unchanged,
    )
