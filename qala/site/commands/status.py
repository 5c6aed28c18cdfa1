"""``qala status``."""

from __future__ import annotations

from typing import Any

import click
from django.conf import settings
from django.utils.translation import gettext as _

from qala.kernel import console
from qala.site.formats.text import bytes_text
from qala.site.status import gather


@click.command(help=_("Say whether the city runs and what its data folder holds."))
def status() -> None:
    found = gather(settings.QALA)
    if console.form() == "json":
        console.result(**found)
        return
    console.say(_("Data folder {folder}").format(folder=found["data_dir"]))
    if not found["prepared"]:
        console.say(_("Nothing is in it yet; the first command prepares it."))
        return
    if found["running"]:
        console.say(_("Running at {address}, process {pid}").format(address=found["address"], pid=found["pid"]))
        console.table(
            "part",
            [{**part, "last_exit": (part["last_exit"] or {}).get("why", "")} for part in found["parts"]],
            {
                "part": _("Part"), "state": _("State"), "pid": _("Process"), "restarts": _("Restarts"),
                "last_exit": _("Last end"),
            },
        )  # fmt: skip
    else:
        console.say(_("Not running; start it with: qala up"))
    if found["demo"]:
        console.say(_("This is the demonstration city."))
    lines: dict[str, Any] = {}
    for matter, counts in found["counts"].items():
        for name, value in counts.items():
            lines[f"{matter}: {name.replace('_', ' ')}"] = value
    for name, size in found["bytes"].items():
        lines[_("{part} on disk").format(part=name)] = bytes_text(size)
    lines[_("disk free")] = bytes_text(found["disk_free_bytes"])
    lines.update(found["versions"])
    console.result(**lines)
