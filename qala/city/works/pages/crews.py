"""Console pages of crews: who is in them, and for a phone what a crew has to do."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from qala.city.people.public import list_organisations
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.errors import QalaError
from qala.kernel.list_pages import list_answer

from .. import actions, store
from .order_forms import CrewForm, MemberForm
from .orders import shown_order, steps_for


@require_safe
def crew_orders(request: HttpRequest) -> HttpResponse:
    """The open orders of my crews, due first."""
    who, now = request.who, SYSTEM_CLOCK.now()  # type: ignore[attr-defined]
    rows = [
        {"order": one, "is_overdue": store.is_overdue(one, now), "steps": [step for step in steps_for(one, who) if not step["wants_reason"] and step["to"] != "done"]}
        for one in store.my_orders(who, now)
    ]  # fmt: skip
    return render(request, "works/crew_orders.html", {"rows": rows})


@require_safe
def crew_order(request: HttpRequest, number: str) -> HttpResponse:
    """One order on a phone."""
    who = request.who  # type: ignore[attr-defined]
    order = store.get_order(number, who=who, now=SYSTEM_CLOCK.now())
    return render(request, "works/crew_order.html", shown_order(order, who))


@require_http_methods(["GET", "POST"])
def crew_list(request: HttpRequest) -> HttpResponseBase:
    """The crews whose work the asker gives out, and a form for a new one."""
    who, now = request.who, SYSTEM_CLOCK.now()  # type: ignore[attr-defined]
    scope = who.require("works.assign")
    organisations = {one.code: one for one in list_organisations() if scope.covers(one.pk)}
    form = CrewForm(request.POST or None, organisations=[(code, one.name) for code, one in organisations.items()])
    error: QalaError | None = None
    if request.method == "POST" and form.is_valid():
        told = form.cleaned_data
        try:
            crew = actions.make_crew(
                organisation=organisations[told["organisation"]], who=who, now=now, name_kk=told["name_kk"],
                name_ru=told["name_ru"], name_en=told["name_en"],
            )  # fmt: skip
            return redirect("works:crew", key=crew.pk)
        except QalaError as found:
            error = found
    status = error.status if error is not None else 422 if form.errors else 200
    answer = list_answer(request, store.CREWS, "works/crews.html", form=form, error=error)
    answer.status_code = status
    return answer


@require_http_methods(["GET", "POST"])
def crew_page(request: HttpRequest, key: UUID) -> HttpResponse:
    """Who is and was in a crew, and a form for who joins it."""
    who, now = request.who, SYSTEM_CLOCK.now()  # type: ignore[attr-defined]
    crew = store.get_crew(key, who=who)
    form = MemberForm(request.POST or None)
    error: QalaError | None = None
    if request.method == "POST" and form.is_valid():
        try:
            actions.join_crew(crew=key, email=form.cleaned_data["email"], who=who, now=now)
            return redirect("works:crew", key=key)
        except QalaError as found:
            error = found
    status = error.status if error is not None else 422 if form.errors else 200
    members = [
        {"member": one, "is_in": one.valid_from <= now and (one.valid_to is None or one.valid_to > now)}
        for one in store.members_of(crew)
    ]
    shown = {"crew": crew, "members": members, "form": form, "error": error}
    return render(request, "works/crew.html", shown, status=status)


@require_POST
def leave(request: HttpRequest, key: UUID, member: UUID) -> HttpResponse:
    actions.leave_crew(crew=key, member=member, who=request.who, now=SYSTEM_CLOCK.now())  # type: ignore[attr-defined]
    return redirect("works:crew", key=key)


@require_POST
def close(request: HttpRequest, key: UUID) -> HttpResponse:
    actions.close_crew(crew=key, who=request.who, now=SYSTEM_CLOCK.now())  # type: ignore[attr-defined]
    return redirect("works:crews")
