"""``qala storage``."""

from __future__ import annotations

from typing import Any

import click
from django.conf import settings
from django.utils.translation import gettext as _

from qala.kernel import console
from qala.kernel.access import system
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.errors import NotFound
from qala.site import storage as city_storage
from qala.site.formats.text import bytes_text, day_text
from qala.site.prepare import check_folder, prepare


@click.command(help=_("Say what the city takes on disk, how fast it grows, and when the disk will be full."))
def storage() -> None:
    if not check_folder(settings.QALA):
        raise NotFound(
            _("There is no city in {folder}.").format(folder=settings.QALA.data_dir), fix=_("Name it with --data-dir.")
        )
    prepare(quiet=True)
    found = city_storage.look(who=system(f"cli:{console.operator()}"), now=SYSTEM_CLOCK.now())
    as_json = console.form() == "json"

    def size(value: float | None) -> Any:
        return value if as_json else None if value is None else bytes_text(value)

    console.table(
        "part",
        [
            {"part": one.name, "bytes": size(one.bytes), "growth_bytes_per_day": size(one.growth_bytes_per_day)}
            for one in found.parts
        ],
        {"part": _("Part"), "bytes": _("Size"), "growth_bytes_per_day": _("Growth a day")},
    )
    console.table(
        "table",
        [
            {"table": one.name, "rows": one.rows, "bytes": size(one.bytes), "files": one.files}
            for one in found.tables
        ],
        {"table": _("Table"), "rows": _("Rows"), "bytes": _("Size"), "files": _("Files")},
    )  # fmt: skip
    full_on = found.full_on if as_json or found.full_on is None else day_text(found.full_on)
    console.result(
        {"free_bytes": _("disk free"), "growth_bytes_per_day": _("growth a day"), "full_on": _("disk full on")},
        free_bytes=size(found.free_bytes), growth_bytes_per_day=size(found.growth_bytes_per_day), full_on=full_on,
    )  # fmt: skip
