"""``qala retention``: how long data are kept, and the deletion of what is older."""

from __future__ import annotations

from typing import Any

import click
from django.utils.translation import gettext as _

from qala.kernel import console, retention
from qala.kernel.access import Who, system
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.errors import BadInput
from qala.site.formats.text import bytes_text

FOREVER = "forever"


def _operator() -> Who:
    return system(f"cli:{console.operator()}")


def _size(value: int | None) -> Any:
    return value if console.form() == "json" or value is None else bytes_text(value)


@click.command("list", help=_("List each class of data: how long it is kept, and what would be deleted now."))
def list_classes() -> None:
    rows = [
        {
            "class": one.key, "title": one.title, "days": one.days, "before": one.before, "rows": one.going.rows,
            "bytes": _size(one.going.bytes), "waits": one.waits or None, "horizon": one.horizon,
        }
        for one in retention.list_classes(who=_operator(), now=SYSTEM_CLOCK.now())
    ]  # fmt: skip
    if console.form() != "json":
        rows = [{**row, "days": _("for ever") if row["days"] is None else row["days"]} for row in rows]
    console.table(
        "class", rows,
        {
            "class": _("Class"), "title": _("Data"), "days": _("Kept for days"), "before": _("Goes from before"),
            "rows": _("Rows"), "bytes": _("Size"), "waits": _("Waits"),
        },
    )  # fmt: skip


@click.command("set", help=_("Set for how many days a class of data is kept, or “forever”."))
@click.argument("key", metavar="CLASS")
@click.argument("days")
def set_days(key: str, days: str) -> None:
    if days != FOREVER and not (days.isascii() and days.isdecimal() and len(days) < 7):
        raise BadInput(_("{days} is no number of days.").format(days=days), fix="qala retention set refusals 365")
    number = None if days == FOREVER else int(days)
    retention.set_retention(key, days=number, who=_operator(), now=SYSTEM_CLOCK.now())
    console.result({"class": _("Class"), "days": _("Kept for days")}, **{"class": key, "days": days})


@click.command("run", help=_("Delete what is older than it is kept, as the nightly job does."))
@click.option("--dry-run", is_flag=True, help=_("Only count what would be deleted."))
def run(dry_run: bool) -> None:
    found = retention.run(who=_operator(), now=SYSTEM_CLOCK.now(), dry_run=dry_run)
    console.table(
        "class",
        [
            {
                "class": one.key, "state": one.state, "before": one.before, "rows": one.rows,
                "bytes": _size(one.bytes), "why": one.why or None,
            }
            for one in found
        ],
        {
            "class": _("Class"), "state": _("State"), "before": _("Goes from before"), "rows": _("Rows"),
            "bytes": _("Size"), "why": _("Why"),
        },
    )  # fmt: skip
    console.result(
        {"rows": _("rows"), "dry_run": _("only counted")},
        rows=sum(one.rows for one in found if one.state != "waits"),
        dry_run=dry_run,
    )
