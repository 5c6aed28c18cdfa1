"""Command line verbs of works."""

from __future__ import annotations

from pathlib import Path

import click
from django.utils.translation import gettext as _

from qala.kernel import console
from qala.kernel.access import system
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.list_commands import export_command
from qala.kernel.lists import Asked, Look

from . import actions, store


@click.command(
    "assets",
    help=_("Load a file of assets (CSV, XLSX or GeoJSON): all rows, or none where one is bad; again adds nothing."),
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help=_("Read, check and count everything; keep nothing."))
def load_assets(file: Path, dry_run: bool) -> None:
    with console.progress(_("Loading {file}").format(file=file.name)):
        summary = actions.load_assets(
            path=file, name=file.name, who=system(f"cli:{console.operator()}"), now=SYSTEM_CLOCK.now(), dry_run=dry_run
        )
    console.result(
        {"read": _("rows read"), "new": _("new"), "changed": _("changed"), "unchanged": _("unchanged"),
         "refused": _("rows refused"), "kept": _("kept")},
        read=summary.read, new=summary.new, changed=summary.changed, unchanged=summary.unchanged,
        refused=summary.refused_count, kept=summary.kept,
    )  # fmt: skip
    if summary.refused:
        raise actions.refusal(summary, name=file.name)


@click.command("kinds", help=_("Load a file of kinds of assets and of work orders (TOML); again changes nothing."))
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def load_kinds(file: Path) -> None:
    made, changed = actions.keep_kinds(
        kinds=store.read_kinds_file(file), who=system(f"cli:{console.operator()}"), now=SYSTEM_CLOCK.now()
    )
    console.result({"new": _("new"), "changed": _("changed")}, new=made, changed=changed)


@click.command("assets", help=_("Write assets to a file that can be loaded again."))
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--format", "form", type=click.Choice(store.FORMS), required=True, help=_("Form of the file."))
@click.option("--query", default="", help=_("Only what these words find."))
@click.option("--kind", default="", help=_("Only assets of this kind, e.g. lamp."))
@click.option("--owner", default="", help=_("Only assets of this organisation, by its code."))
@click.option("--district", default="", help=_("Only assets of this district, by its code."))
@click.option("--state", default="", help=_("Only assets in this state."))
@click.option("--condition", default="", help=_("Only assets in this condition."))
def export_assets(file: Path, form: store.Form, query: str, **values: str) -> None:
    look = Look(system(f"cli:{console.operator()}"), SYSTEM_CLOCK.now())
    with console.progress(_("Writing {file}").format(file=file.name)):
        rows = store.export_assets(file, form, Asked(query=query, values=values), look)
    console.result({"rows": _("rows"), "file": _("file")}, rows=rows, file=file)


export_orders = export_command(store.ORDERS, _("Write the list of work orders to a CSV or XLSX file."))
export_crews = export_command(store.CREWS, _("Write the list of crews to a CSV or XLSX file."))


def prepare() -> None:
    """What a data folder needs of works: the kinds that ship."""
    actions.prepare_kinds(who=system("prepare"), now=SYSTEM_CLOCK.now())
