"""Console pages of roles: which role holds which permissions; roles of the city's own."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from qala.kernel import plug
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.list_pages import list_answer

from .. import actions, store
from ..models import Role
from ..rules import ADMINISTRATOR
from .forms import NewRoleForm, RoleForm
from .shared import MISTAKES, asking, tabs, tell

FIELDS = ("title_kk", "title_ru", "title_en", "permissions", "needs_second_factor")


@require_safe
def role_list(request: HttpRequest) -> HttpResponseBase:
    who = asking(request)
    may_manage = who.scope(actions.MANAGE).everything
    return list_answer(request, store.ROLES, "people/roles.html", tabs=tabs(who), may_manage=may_manage)


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """A role of the city's own, as a copy of another where ``?copy=`` names one."""
    who = asking(request)
    who.require(actions.MANAGE, None)
    copied = store.get_role(request.GET["copy"]) if request.GET.get("copy") else None
    form = NewRoleForm(request.POST or None, initial=_of(copied) if copied is not None else {})
    if request.method == "POST" and form.is_valid():
        try:
            made = actions.create_role(who=who, now=SYSTEM_CLOCK.now(), **form.cleaned_data)
        except MISTAKES as error:
            tell(form, error)
        else:
            messages.success(request, _("The role {role} was added.").format(role=made.title))
            return redirect("people:role", key=made.key)
    return render(request, "people/role.html", {"role": None, "copied": copied, "form": form})


@require_http_methods(["GET", "HEAD", "POST"])
def role_page(request: HttpRequest, key: str) -> HttpResponse:
    who = asking(request)
    role = store.get_role(key)
    may_manage = who.scope(actions.MANAGE).everything
    may_change = may_manage and role.retired_at is None
    form = RoleForm(request.POST or None, initial=_of(role), everything=key == ADMINISTRATOR)
    if request.method == "POST":
        who.require(actions.MANAGE, None)
        if form.is_valid():
            try:
                actions.change_role(who=who, now=SYSTEM_CLOCK.now(), role=role, **form.cleaned_data)
            except MISTAKES as error:
                tell(form, error)
            else:
                messages.success(request, _("The changes are kept."))
                return redirect("people:role", key=key)
    permissions = [one for one in plug.declared("permissions") if one.key in role.permissions]
    context = {
        "role": role, "permissions": permissions, "form": form if may_change else None, "may_manage": may_manage,
        "may_retire": may_change and key not in actions.DEFAULT_ROLES,
        "people": store.people_by_role(who, SYSTEM_CLOCK.now()).get(key, 0) if may_change else None,
    }  # fmt: skip
    return render(request, "people/role.html", context)


@require_POST
def retire(request: HttpRequest, key: str) -> HttpResponse:
    role = store.get_role(key)
    actions.retire_role(
        who=asking(request), now=SYSTEM_CLOCK.now(), role=role, why=request.POST.get("why", "")[:500]
    )  # fmt: skip
    messages.success(request, _("The role {role} is retired.").format(role=role.title))
    return redirect("people:roles")


def _of(role: Role) -> dict[str, Any]:
    return {name: getattr(role, name) for name in FIELDS}
