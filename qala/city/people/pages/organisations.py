"""Console pages of organisations."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.list_pages import list_answer

from .. import actions, store
from .forms import NewOrganisationForm, OrganisationForm
from .shared import MISTAKES, asking, tabs, tell


@require_safe
def organisation_list(request: HttpRequest) -> HttpResponseBase:
    who = asking(request)
    may_manage = who.scope(actions.MANAGE).everything
    return list_answer(request, store.ORGANISATIONS, "people/organisations.html", tabs=tabs(who), may_manage=may_manage)


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    who = asking(request)
    who.require(actions.MANAGE, None)
    form = NewOrganisationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = actions.create_organisation(who=who, now=SYSTEM_CLOCK.now(), **form.cleaned_data)
        except MISTAKES as error:
            tell(form, error)
        else:
            messages.success(request, _("The organisation {name} was added.").format(name=made.name))
            return redirect("people:organisation", code=made.code)
    return render(request, "people/organisation.html", {"form": form, "organisation": None})


@require_http_methods(["GET", "HEAD", "POST"])
def organisation_page(request: HttpRequest, code: str) -> HttpResponse:
    who, now = asking(request), SYSTEM_CLOCK.now()
    organisation = store.get_organisation(code)
    may_manage = who.scope(actions.MANAGE).everything
    fields = ("kind", "name_kk", "name_ru", "name_en")
    form = OrganisationForm(request.POST or None, initial={name: getattr(organisation, name) for name in fields})
    if request.method == "POST":
        who.require(actions.MANAGE, None)
        if form.is_valid():
            try:
                actions.change_organisation(who=who, now=now, organisation=organisation, **form.cleaned_data)
            except MISTAKES as error:
                tell(form, error)
            else:
                messages.success(request, _("The changes are kept."))
                return redirect("people:organisation", code=code)
    sees = who.may(store.VIEW, organisation.pk)
    people = store.people_by_organisation(who, now).get(organisation.pk, 0) if sees else None
    gives_tokens = who.may(actions.MANAGE, organisation.pk) and organisation.closed_at is None
    return render(
        request,
        "people/organisation.html",
        {
            "organisation": organisation, "form": form if may_manage else None, "people": people,
            "gives_tokens": gives_tokens,
            "tokens": store.list_tokens(who=who, organisation=organisation) if gives_tokens else [],
            "may_close": may_manage,
        },
    )  # fmt: skip


@require_POST
def close(request: HttpRequest, code: str) -> HttpResponse:
    organisation = store.get_organisation(code)
    ended = actions.close_organisation(
        who=asking(request), now=SYSTEM_CLOCK.now(), organisation=organisation, why=request.POST.get("why", "")[:500]
    )
    messages.success(
        request,
        ngettext("The organisation is closed; {n} role ended.", "The organisation is closed; {n} roles ended.", ended)
        .format(n=ended),
    )  # fmt: skip
    return redirect("people:organisation", code=code)


@require_POST
def reopen(request: HttpRequest, code: str) -> HttpResponse:
    organisation = store.get_organisation(code)
    actions.reopen_organisation(who=asking(request), now=SYSTEM_CLOCK.now(), organisation=organisation)
    messages.success(request, _("The organisation is open again."))
    return redirect("people:organisation", code=code)
