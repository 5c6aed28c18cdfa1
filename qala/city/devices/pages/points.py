"""Console pages of meter points: their devices over time, who uses them, claim codes."""

from __future__ import annotations

import csv
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from qala.city.people.public import list_organisations
from qala.kernel.access import Who
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.downloads import export_file, file_answer, uploaded_file
from qala.kernel.errors import QalaError
from qala.kernel.list_pages import list_answer
from qala.kernel.ranges import day_start
from qala.kernel.sheets import defused

from .. import actions, store
from ..models import Occupancy, OccupancyRefusal
from ..rules import OCCUPANCY_COLUMNS, OCCUPANCY_NEEDED
from .occupancy_forms import BeginForm, BulkCodesForm, CodeForm, EndForm, OccupancyLoadForm, PeriodForm

VIEW, MANAGE = "devices.occupancy_view", "devices.occupancy_manage"


@require_safe
def point_list(request: HttpRequest) -> HttpResponseBase:
    return list_answer(request, store.POINTS, "devices/points.html", **_around(request))


@require_safe
def occupancy_list(request: HttpRequest) -> HttpResponseBase:
    return list_answer(request, store.OCCUPANCIES, "devices/occupancies.html", **_around(request))


@require_safe
def code_list(request: HttpRequest) -> HttpResponseBase:
    return list_answer(request, store.CLAIM_CODES, "devices/claim_codes.html", **_around(request))


def _around(request: HttpRequest) -> dict[str, Any]:
    """What stands around each of the three lists."""
    who: Who = request.who  # type: ignore[attr-defined]
    tabs = [{"title": _("Meter points"), "url": reverse("devices:points")}]
    if who.may(VIEW):
        tabs.append({"title": _("Occupants"), "url": reverse("devices:occupancies")})
    if who.may(MANAGE):
        tabs.append({"title": _("Claim codes"), "url": reverse("devices:claim_codes")})
    shown = [{**one, "active": one["url"] == request.path} for one in tabs]
    return {"tabs": shown, "may_manage": who.may(MANAGE)}


@require_http_methods(["GET", "HEAD", "POST"])
def point_page(request: HttpRequest, owner: str, code: str) -> HttpResponse:
    """One meter point; the form on it enters an occupant."""
    who, now = request.who, SYSTEM_CLOCK.now()  # type: ignore[attr-defined]
    point = store.get_point(owner, code, who=who)
    form, error = BeginForm(request.POST or None, organisations=list_organisations()), None
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            actions.begin_occupancy(
                who=who, now=now, owner=owner, meter_point=code, person=given["person"],
                organisation=given["organisation"], valid_from=_start(given["valid_from"]),
                valid_to=_end(given["valid_to"]), why=given["why"],
            )  # fmt: skip
        except QalaError as told:
            error = told
        else:
            messages.success(request, _("The occupant is entered."))
            return redirect(_address(owner, code))
    return _point(request, point, form=form, error=error)


@require_POST
@never_cache
def issue_code(request: HttpRequest, owner: str, code: str) -> HttpResponse:
    """A new claim code, shown on this one answer."""
    who, now = request.who, SYSTEM_CLOCK.now()  # type: ignore[attr-defined]
    point = store.get_point(owner, code, who=who)
    form = CodeForm(request.POST)
    if not form.is_valid():
        return _point(request, point, code_form=form)
    day = form.cleaned_data["valid_from"]
    issued = actions.issue_codes(
        who=who, now=now, owner=owner, meter_points=[code], days=form.cleaned_data["days"],
        valid_from=_start(day) if day else None,
    )  # fmt: skip
    return _point(request, point, issued=issued[0])


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def bulk_codes(request: HttpRequest) -> HttpResponseBase:
    """Codes for many meter points as one CSV file, which is made once and kept nowhere."""
    who, now = request.who, SYSTEM_CLOCK.now()  # type: ignore[attr-defined]
    scope = who.require(MANAGE)
    owners = [one for one in list_organisations() if scope.covers(one.pk)]
    form, error = BulkCodesForm(request.POST or None, organisations=owners), None
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            issued = actions.issue_codes(
                who=who, now=now, owner=given["owner"], meter_points=given["meter_points"].splitlines(),
                days=given["days"], valid_from=_start(given["valid_from"]) if given["valid_from"] else None,
            )  # fmt: skip
        except QalaError as told:
            error = told
        else:
            with export_file() as path:
                with path.open("w", encoding="utf-8", newline="") as file:
                    table = csv.writer(file)
                    table.writerow(["meter_point", "code", "expires_at"])
                    table.writerows([defused(one.meter_point), one.code, one.expires_at.isoformat()] for one in issued)
                return file_answer(path, f"claim-codes-{now:%Y%m%d-%H%M}.csv")
    status = error.status if error is not None else 422 if form.errors else 200
    return render(request, "devices/codes.html", {"form": form, "error": error}, status=status)


@require_POST
def revoke_code(request: HttpRequest, key: UUID) -> HttpResponse:
    who = request.who  # type: ignore[attr-defined]
    held = store.get_code(key, who=who)
    actions.revoke_code(key=key, who=who, now=SYSTEM_CLOCK.now())
    messages.success(request, _("The code is good no more."))
    return redirect(_address(held.owner.code, held.meter_point))


@require_http_methods(["GET", "HEAD", "POST"])
def occupancy_page(request: HttpRequest, key: UUID) -> HttpResponse:
    """One occupancy: ended, corrected or withdrawn here."""
    who, now = request.who, SYSTEM_CLOCK.now()  # type: ignore[attr-defined]
    who.require(MANAGE)
    held = store.get_occupancy(key, who=who)
    who.require(MANAGE, held.owner_id)
    did = request.POST.get("do", "")
    end = EndForm(request.POST if did == "end" else None)
    period = PeriodForm(
        request.POST if did == "correct" else None,
        initial={"valid_from": _day(held.valid_from), "valid_to": _day(held.valid_to)},
    )
    error: QalaError | None = None
    try:
        if did == "end" and end.is_valid():
            actions.end_occupancy(
                key=key, who=who, now=now, at=_start(end.cleaned_data["at"]), why=end.cleaned_data["why"]
            )
        elif did == "correct" and period.is_valid():
            given = period.cleaned_data
            actions.correct_occupancy(
                key=key, who=who, now=now, valid_from=_same_day(held.valid_from, given["valid_from"]),
                valid_to=_same_day(held.valid_to, given["valid_to"]) if given["valid_to"] else None, why=given["why"],
            )  # fmt: skip
        elif did == "withdraw":
            actions.withdraw_occupancy(key=key, who=who, now=now, why=request.POST.get("why", "")[:500])
        else:
            did = ""
    except QalaError as told:
        error, did = told, ""
    if did:
        messages.success(request, _("The changes are kept."))
        return redirect(_address(held.owner.code, held.meter_point))
    bad = end.is_bound or period.is_bound
    return render(
        request,
        "devices/occupancy.html",
        {
            "held": held, "end": end, "period": period, "error": error,
            "point_url": _address(held.owner.code, held.meter_point),
        },
        status=error.status if error is not None else 422 if bad else 200,
    )  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
def load_page(request: HttpRequest) -> HttpResponse:
    """A file of occupancies; what became of it stands on the same page, as it names persons."""
    who = request.who  # type: ignore[attr-defined]
    who.require(MANAGE)
    form = OccupancyLoadForm(request.POST or None, request.FILES or None)
    error: QalaError | None = None
    summary: actions.OccupancySummary | None = None
    if request.method == "POST" and form.is_valid():
        upload = form.cleaned_data["file"]
        try:
            with uploaded_file(upload) as path:
                summary = actions.load_occupancies(
                    path=path, name=upload.name, who=who, now=SYSTEM_CLOCK.now(), dry_run=form.cleaned_data["dry_run"],
                    keep_good=form.cleaned_data["keep_good"],
                )  # fmt: skip
        except QalaError as told:
            error = told
    labels = dict(OccupancyRefusal.choices)
    return render(
        request,
        "devices/load_occupancies.html",
        {
            "form": form, "error": error, "summary": summary, "columns": OCCUPANCY_COLUMNS, "needed": OCCUPANCY_NEEDED,
            "refused": [
                {"row": row, "reason": labels[row.reason]} for row in (summary.rows[:200] if summary else ())
            ],
        },
        status=422 if error is not None or form.errors or (summary and summary.outcome == "refused") else 200,
    )  # fmt: skip


def _point(
    request: HttpRequest, point: store.MeterPoint, *, form: BeginForm | None = None, code_form: CodeForm | None = None,
    error: QalaError | None = None, issued: actions.IssuedCode | None = None,
) -> HttpResponse:  # fmt: skip
    who: Who = request.who  # type: ignore[attr-defined]
    owner = point.owner.pk if point.owner is not None else None
    may_view, may_manage = who.may(VIEW, owner), owner is not None and who.may(MANAGE, owner)
    occupants: list[Occupancy] = []
    if may_view and point.owner is not None:
        occupants = store.list_occupants(who=who, owner=point.owner.pk, meter_point=point.code)
    codes = store.list_codes(who=who, owner=owner, meter_point=point.code) if may_manage and owner else []
    for one in codes:
        one.state = store.code_state(one, SYSTEM_CLOCK.now())
    bad = any(one is not None and one.is_bound and one.errors for one in (form, code_form))
    return render(
        request,
        "devices/point.html",
        {
            "point": point, "devices": store.devices_at([(owner, point.code)])[owner, point.code],
            "may_view": may_view, "may_manage": may_manage, "occupants": occupants,
            "form": form or BeginForm(None, organisations=list_organisations()), "error": error,
            "codes": codes, "code_form": code_form or CodeForm(None), "issued": issued,
            "issue_url": reverse("devices:issue_code", args=[point.owner_code, point.code]),
        },
        status=error.status if error is not None else 422 if bad else 200,
    )  # fmt: skip


def _address(owner: str, code: str) -> str:
    return reverse("devices:point", args=[owner, code])


def _zone() -> ZoneInfo:
    return ZoneInfo(settings.TIME_ZONE)


def _start(day: date) -> datetime:
    return day_start(day, _zone())


def _end(day: date | None) -> datetime | None:
    return None if day is None else _start(day)


def _day(at: datetime | None) -> date | None:
    return None if at is None else at.astimezone(_zone()).date()


def _same_day(held: datetime | None, given: date) -> datetime:
    """The beginning of a day, or the instant held where it lies on that day: the form knows days alone."""
    return held if held is not None and _day(held) == given else _start(given)
