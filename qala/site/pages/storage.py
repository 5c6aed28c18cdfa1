"""The console's page of what the city takes on disk, and when the disk will be full."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.lake.held import Held
from qala.site import storage

from .operation import part_title


@require_safe
def storage_page(request: HttpRequest) -> HttpResponse:
    now = SYSTEM_CLOCK.now()
    found = storage.look(who=request.who, now=now)  # type: ignore[attr-defined]
    chosen = next((table for table in found.tables if table.name == request.GET.get("table")), None)
    chosen = chosen or max(found.tables, key=lambda table: table.bytes)
    soon = found.full_on is not None and found.full_on - timezone.localdate(now) < storage.SOON
    return render(
        request, "site/storage.html",
        {
            "found": found, "soon": soon,
            "parts": [(part_title(part.name), part) for part in found.parts],
            "tables": [(table_title(table.name), table) for table in found.tables],
            "total": sum(part.bytes for part in found.parts),
            "bars": [size for _day, size in found.days],
            "chosen": table_title(chosen.name),
            "months": [(month_title(one), one) for one in reversed(chosen.months)],
            "tabs": [
                {"title": table_title(one.name), "url": f"?table={one.name}", "active": one is chosen}
                for one in found.tables
            ],
        },
    )  # fmt: skip


def table_title(name: str) -> str:
    """What a table of the lake is called."""
    titles = {
        "readings": _("Readings"), "intervals": _("Consumption by the hour"), "measures": _("Measures"),
        "refusals": _("Refused rows"),
    }  # fmt: skip
    return titles.get(name, name)


def month_title(held: Held) -> str:
    if held.month is None:
        return _("All times")
    return str(held.month.year) if held.whole_year else date_format(held.month, "YEAR_MONTH_FORMAT")
