"""The console's page of how long data are kept: each class, what would go now, and a form."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from qala.kernel import retention
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.errors import QalaError


class RetentionForm(forms.Form):
    """How long one class is kept."""

    key = forms.ChoiceField(label=_("Data"))
    days = forms.IntegerField(
        label=_("Kept for days"), required=False, min_value=1, max_value=retention.MOST_DAYS,
        help_text=_("Leave it empty to keep them for ever."),
    )  # fmt: skip

    def __init__(self, *given: Any, classes: list[retention.Class], **named: Any) -> None:
        super().__init__(*given, **named)
        self.fields["key"].choices = [(one.key, one.title) for one in classes if one.settable]  # type: ignore[attr-defined]


@require_http_methods(["GET", "POST"])
def retention_page(request: HttpRequest) -> HttpResponse:
    who, now = request.who, SYSTEM_CLOCK.now()  # type: ignore[attr-defined]
    if request.method == "POST":
        who.require(retention.RETAIN)
    classes = retention.list_classes(who=who, now=now)
    chosen = next((one for one in classes if one.key == request.GET.get("class")), None)
    form = RetentionForm(
        request.POST or None, classes=classes, initial={"key": chosen.key, "days": chosen.days} if chosen else None
    )
    error: QalaError | None = None
    if request.method == "POST" and form.is_valid():
        told = form.cleaned_data
        try:
            retention.set_retention(told["key"], days=told["days"], who=who, now=now)
        except QalaError as found:
            error = found
        else:
            messages.success(request, _now("Saved. What is older goes with the next night."))
            return redirect("console:retention")
    status = error.status if error is not None else 422 if form.errors else 200
    return render(
        request, "site/retention.html",
        {"classes": classes, "form": form, "error": error, "may_set": who.may(retention.RETAIN)}, status=status,
    )  # fmt: skip
