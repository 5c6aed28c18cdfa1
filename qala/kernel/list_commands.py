"""Lists on the command line: ``qala export NAME`` for each list that offers it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from django.utils.translation import gettext as _

from . import console, lists
from .access import system
from .clock import SYSTEM_CLOCK
from .lists import Asked, List, Look


def export_command(declared: List, help_text: str) -> click.Command:
    """The command that writes a list to a file: all of it, or what options narrow it to."""

    def export(file: Path, form: str, query: str, sort: str, columns: str, header: str, **values: str | bool) -> None:
        look = Look(system(f"cli:{console.operator()}"), SYSTEM_CLOCK.now())
        asked = Asked(
            query=lists.clean(query), sort=sort, columns=tuple(filter(None, columns.split(","))),
            values={one.key: one.read("1" if values[one.key] is True else str(values[one.key] or "")) for one in declared.filters},
        )  # fmt: skip
        written: Any = declared.filed(asked.columns)
        keys = header == "keys"
        with console.progress(_("Writing {file}").format(file=file.name)):
            rows = declared.every(asked, look)
            if form == lists.CSV:
                count = lists.write_csv(file, rows, written, keys=keys)
            else:
                count = lists.write_xlsx(
                    file, rows, written, title=str(declared.title), total=declared.count(asked, look), keys=keys
                )
        console.result({"rows": _("rows"), "file": _("file")}, rows=count, file=file)

    parameters: list[click.Parameter] = [
        click.Argument(["file"], type=click.Path(dir_okay=False, path_type=Path)),
        click.Option(["--format", "form"], type=click.Choice(["csv", "xlsx"]), required=True, help=_("Form of the file.")),
        click.Option(["--query"], default="", help=_("Only what these words find.")),
        click.Option(["--sort"], default="", metavar="COLUMN", help=_("Order by this column; - before it: the other way round.")),
        click.Option(
            ["--columns"], default="", metavar="COLUMN,…",
            help=_("Only these columns of {columns}.").format(
                columns=", ".join(one.key for one in declared.columns if one.in_file)
            ),
        ),
        click.Option(
            ["--header"], type=click.Choice(["keys", "titles"]), default="keys",
            help=_("What the first line holds: keys of columns, or titles in words."),
        ),
    ]  # fmt: skip
    for one in declared.filters:
        title = _("Only: {filter}.").format(filter=one.title)
        parameters.append(
            click.Option([f"--{one.key.replace('_', '-')}", one.key], is_flag=True, help=title)
            if one.kind == "flag"
            else click.Option([f"--{one.key.replace('_', '-')}", one.key], default="", help=title)
        )
    return click.Command(declared.key, params=parameters, callback=export, help=help_text)
