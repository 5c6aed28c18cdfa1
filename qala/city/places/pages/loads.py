"""The console page on which files of places are loaded."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from qala.city.people.public import list_organisations
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.downloads import uploaded_file
from qala.kernel.errors import NotAllowed, QalaError
from qala.kernel.ranges import day_start

from .. import actions
from ..models import Place
from .forms import LoadForm
from .shared import ZONE_OF_CITY

SHOWN_FAULTS = 200


@require_http_methods(["GET", "POST"])
def load_page(request: HttpRequest) -> HttpResponse:
    """A form that takes a file; what became of it stands on the same page."""
    who = request.who  # type: ignore[attr-defined]
    who.require("places.view")
    kinds = Place.Kind.choices if who.may("places.manage") else [(Place.Kind.ZONE.value, Place.Kind.ZONE.label)]
    if not who.may("places.manage"):
        who.require("places.manage_zones")
    owners = [(one.code, one.name) for one in list_organisations() if who.may("places.manage_zones", one.pk)]
    form = LoadForm(request.POST or None, request.FILES or None, kinds=kinds, owners=owners)
    error: QalaError | None = None
    summary = None
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            with uploaded_file(given["file"]) as path:
                collection = actions.read_file(path, name=given["file"].name, kind=given["kind"])
            zone = given["kind"] == "zone"
            since = given["valid_from"]
            summary = actions.load_places(
                collection=collection, kind=given["kind"], who=who, now=SYSTEM_CLOCK.now(),
                valid_from=None if since is None else day_start(since, ZONE_OF_CITY),
                owner=(given["owner"] or None) if zone else None, use=(given["use"] or None) if zone else None,
                dry_run=given["dry_run"],
            )  # fmt: skip
            if summary.refused:
                error, summary = actions.refusal(summary.refused), None
        except NotAllowed:
            raise
        except QalaError as told:
            error = told
    rows = error.rows[:SHOWN_FAULTS] if error is not None else ()
    return render(
        request,
        "places/load.html",
        {
            "form": form, "error": error, "rows": rows, "more": len(error.rows) - len(rows) if error else 0,
            "summary": summary, "dry_run": bool(form.data.get("dry_run")) if form.is_bound else False,
            "columns": actions.COLUMNS, "needed": actions.NEEDED,
        },
        status=error.status if error is not None else 422 if form.errors else 200,
    )  # fmt: skip
