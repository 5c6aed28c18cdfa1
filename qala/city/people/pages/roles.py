"""Console pages of roles: which role holds which permissions."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from qala.kernel import plug
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.list_pages import list_answer

from .. import actions, store
from ..rules import ADMINISTRATOR
from .forms import RoleForm
from .shared import MISTAKES, asking, tabs, tell


@require_safe
def role_list(request: HttpRequest) -> HttpResponseBase:
    return list_answer(request, store.ROLES, "people/roles.html", tabs=tabs(asking(request)))


@require_http_methods(["GET", "HEAD", "POST"])
def role_page(request: HttpRequest, key: str) -> HttpResponse:
    who = asking(request)
    role = store.get_role(key)
    may_change = who.scope(actions.MANAGE).everything and role.key != ADMINISTRATOR
    form = RoleForm(request.POST or None, initial={"permissions": role.permissions})
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
    context = {"role": role, "permissions": permissions, "form": form if may_change else None}
    return render(request, "people/role.html", context)
