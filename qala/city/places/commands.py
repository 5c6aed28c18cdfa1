"""Commands of places."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import click
from django.conf import settings
from django.utils.translation import gettext as _

from qala.kernel import console, outbox
from qala.kernel.access import system
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.errors import BadInput
from qala.kernel.instants import Instant
from qala.kernel.list_commands import export_command
from qala.kernel.lists import Asked, Look
from qala.kernel.ranges import day_start

from . import actions, rules, store


def prepare() -> None:
    """What places need after migrations: all of them can be found."""
    actions.put_words()


@click.command(
    "places",
    help=_(
        "Load places from a GeoJSON file, address points also from CSV or XLSX: the whole file or nothing of it."
    ),
)  # fmt: skip
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--kind", type=click.Choice(rules.KINDS), default="district", show_default=True, help=_("What the features are.")
)
@click.option(
    "--valid-from",
    type=click.DateTime(["%Y-%m-%d"]),
    help=_("Day since which these borders hold. Unset: new places since ever, changed borders from now on."),
)
@click.option("--owner", metavar="CODE", help=_("Organisation whose zones these are, where the file names none."))
@click.option("--use", type=click.Choice(rules.USES), help=_("What these zones are for, where the file says nothing."))
@click.option("--dry-run", is_flag=True, help=_("Check the file and say what would change; write nothing."))
def load_places(
    file: Path, kind: rules.Kind, valid_from: datetime | None, owner: str | None, use: str | None, dry_run: bool
) -> None:
    if kind != "zone" and (owner or use):
        raise BadInput(_("Only zones have an owner and a use."), fix=_("Add --kind zone."))
    with console.progress(_("Reading {file}").format(file=file.name), unit=_("places")) as progress:
        collection = actions.read_file(file, name=file.name, kind=kind, advance=progress.advance)
    summary = actions.load_places(
        collection=collection,
        kind=kind,
        who=system(f"cli:{console.operator()}"),
        now=SYSTEM_CLOCK.now(),
        valid_from=None if valid_from is None else day_start(valid_from.date(), ZoneInfo(settings.TIME_ZONE)),
        owner=owner,
        use=use,
        dry_run=dry_run,
    )
    if summary.refused:
        raise actions.refusal(summary.refused)
    if dry_run:
        console.say(_("Nothing was written (--dry-run)."))
    elif kind != "address" and (summary.new or summary.changed):
        with console.progress(_("Computing what follows from it")):
            outbox.deliver_due()
    console.result(
        {"read": _("read"), "new": _("new"), "changed": _("changed"), "unchanged": _("unchanged")},
        read=summary.read,
        new=summary.new,
        changed=summary.changed,
        unchanged=summary.unchanged,
    )


@click.command(
    "places", help=_("Write places to a GeoJSON file, address points also to CSV, as they were at an instant.")
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--kind", type=click.Choice(rules.KINDS), help=_("Places of one kind only."))
@click.option("--owner", metavar="CODE", default="", help=_("Zones of one organisation only."))
@click.option("--at", type=Instant(), help=_("Day or instant whose borders are wanted. Unset: now."))
@click.option(
    "--format", "form", type=click.Choice(["geojson", "csv"]), default="geojson", show_default=True, help=_("Form.")
)
def export_places(
    file: Path, kind: rules.Kind | None, owner: str, at: datetime | None, form: Literal["geojson", "csv"]
) -> None:
    at = at or SYSTEM_CLOCK.now()
    look = Look(system(f"cli:{console.operator()}"), SYSTEM_CLOCK.now())
    if form == "csv":
        if kind not in (None, "address"):
            raise BadInput(_("Borders don't fit into CSV."), fix=_("Take --format geojson, or --kind address."))
        count = store.export_addresses(file, Asked(values={"kind": "address"}), look, at=at)
    else:
        count = store.export_geojson(file, Asked(values={"kind": kind or "", "owner": owner}), look, at=at)
    console.result({"places": _("places"), "file": _("file")}, places=count, file=file)


export_list = export_command(store.PLACES, _("Write the list of places, without their borders, to a CSV or XLSX file."))


@click.command(
    "basemap",
    help=_("Draw real streets and water behind the map, from PMTiles with vector tiles or from GeoJSON."),
)  # fmt: skip
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@click.option(
    "--attribution", default="", help=_("Whom every map names. Unset: what the file says, else OpenStreetMap.")
)
@click.option("--remove", is_flag=True, help=_("Draw none any more, and delete its file."))
def load_basemap(file: Path | None, attribution: str, remove: bool) -> None:
    who, now = system(f"cli:{console.operator()}"), SYSTEM_CLOCK.now()
    if remove == (file is not None):
        raise BadInput(_("Name a file, or give --remove."))
    if file is None:
        actions.remove_base_map(who=who, now=now)
        console.say(_("The base map was removed."))
        return
    with console.progress(_("Reading {file}").format(file=file.name)):
        made = actions.load_base_map(path=file, name=file.name, who=who, now=now, attribution=attribution)
    console.result(
        {"kind": _("kind"), "bytes": _("bytes kept"), "features": _("features"), "zooms": _("zooms"),
         "layers": _("layers"), "attribution": _("attribution")},
        kind=made.kind, bytes=made.bytes, features=made.features or None,
        zooms=f"{made.min_zoom}–{made.max_zoom}" if made.kind == "vector" else None,
        layers=", ".join(made.layers) or None, attribution=made.attribution,
    )  # fmt: skip
