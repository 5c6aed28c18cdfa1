"""Console pages of devices and loads."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.translation import get_language

from qala import drivers
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.downloads import export_file, file_answer
from qala.kernel.errors import NotFound
from qala.kernel.list_pages import list_answer
from qala.kernel.plug import cards_at

from .. import actions, store
from ..models import Device, RefusalReason, Series
from ..rules import Period, period_of
from .life import shown_changes

SHOWN_READINGS = 200


def device_list(request: HttpRequest) -> HttpResponseBase:
    who = request.who  # type: ignore[attr-defined]
    return list_answer(
        request, store.DEVICES, "devices/list.html", may_manage=who.may("devices.manage"),
        may_give_credentials=who.may(actions.CREDENTIALS),
    )  # fmt: skip


def device_page(request: HttpRequest, serial: str) -> HttpResponse:
    who, now = request.who, SYSTEM_CLOCK.now()  # type: ignore[attr-defined]
    device = store.get_device(serial, who=who)
    series = store.series_of(device)
    driver, language = drivers.drivers().get(device.model), get_language() or "en"
    period = asked_period(request, series)
    readings: list[dict[str, Any]] = [
        {
            "series": one, "at": at, "value": value, "quality": quality, "version": version, "received_at": received,
            "source": source, "load": source.removeprefix("load:") if source.startswith("load:") else "",
        }
        for one in series
        for at, value, quality, version, received, source in store.list_readings(one.pk, span=period.span)
    ]  # fmt: skip
    reasons = dict(RefusalReason.choices)
    refusals = [
        {"at": at, "line": line, "content": content, "reason": reasons.get(reason, reason), "refused_at": refused}
        for at, line, content, reason, refused in store.list_refusals(device.serial, limit=50)
    ]
    again = [row for row in readings if row["version"] > 1][:20]
    versions = store.list_versions([(row["series"].pk, row["at"]) for row in again])
    changed = [{**row, "versions": versions[row["series"].pk, row["at"]]} for row in again]
    return render(
        request,
        "devices/device.html",
        {
            "device": device, "driver": driver,
            "model": driver.title(language) if driver else device.model,
            "cannot": driver.cannot(language) if driver else "",
            "measured": [(drivers.property_title(one.property, language), one) for one in series],
            "silent": store.is_silent(device, now=now),
            "expected_minutes": store.expected_minutes(device.model, device.expected_minutes),
            "silent_minutes": round(store.silent_after(device).total_seconds() / 60),
            "changes": shown_changes(device),
            "may_fit": device.state != Device.RETIRED and who.may("devices.fit", device.owner_id),
            "period": period, "readings": readings[-SHOWN_READINGS:][::-1],
            "reading_count": len(readings), "changed": changed, "refusals": refusals,
            "cards": cards_at("devices.device", request, who, device=device, period=period),
        },
    )  # fmt: skip


def asked_period(request: HttpRequest, series: list[Series]) -> Period:
    """The period that a device's page shows."""
    return period_of(
        request.GET.get("from", ""), request.GET.get("to", ""), extent=store.extent([one.pk for one in series]),
        now=SYSTEM_CLOCK.now(), city_zone=settings.TIME_ZONE,
    )  # fmt: skip


def download_readings(request: HttpRequest, serial: str, form: str) -> HttpResponseBase:
    if form not in ("csv", "parquet"):
        raise NotFound(f"There is no download in the form {form[:20]}.", fix="Forms are csv and parquet.")
    who = request.who  # type: ignore[attr-defined]
    device = store.get_device(serial, who=who)
    period = asked_period(request, store.series_of(device))
    with export_file() as path:
        store.export_readings(path, "csv" if form == "csv" else "parquet", who=who, span=period.span, serial=serial)
        return file_answer(path, f"{serial}-readings-{period.first}-{period.last}.{form}")


def load_list(request: HttpRequest) -> HttpResponseBase:
    return list_answer(request, store.LOADS, "devices/loads.html")


def load_page(request: HttpRequest, key: UUID) -> HttpResponseBase:
    load = store.get_load(key, who=request.who)  # type: ignore[attr-defined]
    reasons = dict(RefusalReason.choices)
    return list_answer(
        request, store.REFUSED_READINGS, "devices/load.html", of=load, load=load, percent=round(100 * load.share),
        reasons=[
            {"title": reasons.get(key, key), "count": count}
            for key, count in sorted(load.refused_by_reason.items(), key=lambda pair: -pair[1])
        ],
        serials=store.serials_of_load(load, limit=30),
    )  # fmt: skip


def download_refused(request: HttpRequest, key: UUID) -> HttpResponseBase:
    load = store.get_load(key, who=request.who)  # type: ignore[attr-defined]
    path = store.refused_path(load)
    if not path.is_file():
        raise NotFound("No row of this load was refused.")
    return file_answer(path, f"refused-{load.started_at:%Y%m%d-%H%M}.csv")
