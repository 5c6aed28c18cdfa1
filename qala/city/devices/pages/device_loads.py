"""Console pages on which files of devices are loaded."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from qala import drivers
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.downloads import file_answer, uploaded_file
from qala.kernel.errors import NotFound, QalaError
from qala.kernel.list_pages import file_of, list_answer, look_of, shown_list

from .. import actions, store
from ..models import DeviceRefusal
from ..rules import DEVICE_COLUMNS, NEEDED
from .forms import LoadForm


@require_http_methods(["GET", "POST"])
def load_page(request: HttpRequest) -> HttpResponseBase:
    """A form that takes a file; what became of it has a page of its own."""
    who = request.who  # type: ignore[attr-defined]
    who.require("devices.manage")
    if request.GET.get("form"):
        return file_of(request, store.DEVICE_LOADS, look_of(request))
    form = LoadForm(request.POST or None, request.FILES or None)
    error: QalaError | None = None
    if request.method == "POST" and form.is_valid():
        upload = form.cleaned_data["file"]
        try:
            with uploaded_file(upload) as path:
                summary = actions.load_devices(
                    path=path, name=upload.name, who=who, now=SYSTEM_CLOCK.now(), dry_run=form.cleaned_data["dry_run"],
                    keep_good=form.cleaned_data["keep_good"],
                )  # fmt: skip
            return redirect("devices:device_load", key=summary.load_id)
        except QalaError as told:
            error = told
    return render(
        request,
        "devices/load_devices.html",
        {
            "form": form, "error": error, "list": shown_list(request, store.DEVICE_LOADS, look_of(request)),
            "columns": DEVICE_COLUMNS, "needed": NEEDED, "models": sorted(drivers.drivers()),
        },
        status=422 if error is not None or form.errors else 200,
    )  # fmt: skip


def result_page(request: HttpRequest, key: UUID) -> HttpResponseBase:
    """What became of a file of devices, its bad rows with line and reason."""
    load = store.get_device_load(key, who=request.who)  # type: ignore[attr-defined]
    labels = dict(DeviceRefusal.choices)
    return list_answer(
        request, store.REFUSED_DEVICES, "devices/device_load.html", of=load, load=load,
        reasons=[
            {"title": labels.get(reason, reason), "count": count} for reason, count in load.refused_by_reason.items()
        ],
    )  # fmt: skip


def download_refused(request: HttpRequest, key: UUID) -> HttpResponseBase:
    """All bad rows of a file of devices, as CSV."""
    load = store.get_device_load(key, who=request.who)  # type: ignore[attr-defined]
    path = store.refused_devices_path(load.pk)
    if not path.is_file():
        raise NotFound("No row of this load was refused.")
    return file_answer(path, f"refused-devices-{load.at:%Y%m%d-%H%M}.csv")
