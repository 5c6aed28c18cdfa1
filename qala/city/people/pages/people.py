"""Console pages of people: the list, one person, inviting, roles, closing and opening an account."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.list_pages import list_answer

from .. import actions, store
from ..models import Person
from .forms import GiveRoleForm, InviteForm
from .shared import MISTAKES, asking, city_address, tabs, tell

MANAGE = actions.MANAGE


@require_safe
def people_list(request: HttpRequest) -> HttpResponseBase:
    who = asking(request)
    return list_answer(request, store.PEOPLE, "people/list.html", tabs=tabs(who), may_manage=who.may(MANAGE))


@require_POST
def erase(request: HttpRequest, key: UUID) -> HttpResponse:
    who, now = asking(request), SYSTEM_CLOCK.now()
    person = store.get_person(key, who=who, now=now)
    try:
        actions.erase_person(who=who, now=now, person=person, why=request.POST.get("why", "")[:500])
    except MISTAKES as error:
        messages.error(request, error.what)
        return redirect("people:person", key=key)
    messages.success(request, _("The person was erased."))
    return redirect("people:list")


@require_http_methods(["GET", "HEAD", "POST"])
def invite(request: HttpRequest) -> HttpResponse:
    who = asking(request)
    who.require(MANAGE)
    form = InviteForm(request.POST or None, who=who)
    if request.method == "POST" and form.is_valid():
        try:
            person = actions.invite(
                who=who, now=SYSTEM_CLOCK.now(), address=city_address(request), **form.given()
            )  # fmt: skip
        except MISTAKES as error:
            tell(form, error)
        else:
            if person.state == Person.INVITED:
                messages.success(request, _("The invitation was sent to {email}.").format(email=person.email))
            else:
                messages.success(request, _("{name} has the role now.").format(name=person.name))
            return redirect("people:person", key=person.pk)
    return render(request, "people/invite.html", {"form": form, "days": store.INVITATION_DAYS})


@require_safe
def person_page(request: HttpRequest, key: UUID) -> HttpResponse:
    return _person(request, key)


def _person(request: HttpRequest, key: UUID, form: GiveRoleForm | None = None) -> HttpResponse:
    who, now = asking(request), SYSTEM_CLOCK.now()
    person = store.get_person(key, who=who, now=now)
    everywhere = who.scope(MANAGE).everything
    return render(
        request,
        "people/person.html",
        {
            "person": person,
            "memberships": [
                {"held": one, "may_end": who.may(MANAGE, one.organisation_id)} for one in person.shown_memberships
            ],
            "may_manage": who.may(MANAGE), "everywhere": everywhere, "is_self": who.id == person.pk,
            "second_factor": everywhere and store.has_second_factor(person),
            "form": (form or GiveRoleForm(who=who)) if who.may(MANAGE) else None,
        },
        status=422 if form is not None else 200,
    )  # fmt: skip


@require_POST
def give_role(request: HttpRequest, key: UUID) -> HttpResponse:
    who, now = asking(request), SYSTEM_CLOCK.now()
    person = store.get_person(key, who=who, now=now)
    form = GiveRoleForm(request.POST, who=who)
    if not form.is_valid():
        return _person(request, key, form)
    try:
        actions.join(who=who, now=now, person=person, **form.given())
    except MISTAKES as error:
        tell(form, error)
        return _person(request, key, form)
    messages.success(request, _("{name} has the role now.").format(name=person.name))
    return redirect("people:person", key=key)


@require_POST
def end_role(request: HttpRequest, key: UUID, membership: UUID) -> HttpResponse:
    who, now = asking(request), SYSTEM_CLOCK.now()
    person = store.get_person(key, who=who, now=now)
    found = store.get_membership(membership, person=person, who=who, now=now)
    actions.end_membership(who=who, now=now, membership=found)
    messages.success(request, _("The role {role} of {name} has ended.").format(role=found.role.title, name=person.name))
    if who.id == key or who.scope(store.VIEW).everything:
        return redirect("people:person", key=key)
    return redirect("people:list")  # the person may be out of sight now


@require_POST
def disable(request: HttpRequest, key: UUID) -> HttpResponse:
    who, now = asking(request), SYSTEM_CLOCK.now()
    person = store.get_person(key, who=who, now=now)
    actions.disable_person(who=who, now=now, person=person, why=request.POST.get("why", "")[:500])
    messages.success(request, _("The account of {name} is closed; open sessions ended.").format(name=person.name))
    return redirect("people:person", key=key)


@require_POST
def enable(request: HttpRequest, key: UUID) -> HttpResponse:
    who, now = asking(request), SYSTEM_CLOCK.now()
    person = store.get_person(key, who=who, now=now)
    actions.enable_person(who=who, now=now, person=person)
    messages.success(request, _("The account of {name} is open again.").format(name=person.name))
    return redirect("people:person", key=key)


@require_POST
def reset_second_factor(request: HttpRequest, key: UUID) -> HttpResponse:
    who, now = asking(request), SYSTEM_CLOCK.now()
    person = store.get_person(key, who=who, now=now)
    actions.reset_second_factor(who=who, now=now, person=person)
    messages.success(
        request, _("{name} signs in without a second factor now; open sessions ended.").format(name=person.name)
    )
    return redirect("people:person", key=key)


@require_POST
def invite_again(request: HttpRequest, key: UUID) -> HttpResponse:
    who, now = asking(request), SYSTEM_CLOCK.now()
    person = store.get_person(key, who=who, now=now)
    actions.invite_again(who=who, now=now, address=city_address(request), person=person)
    messages.success(request, _("The invitation was sent to {email}.").format(email=person.email))
    return redirect("people:person", key=key)
