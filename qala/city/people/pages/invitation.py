"""The page that a link of invitation leads to: choose a password."""

from __future__ import annotations

from allauth.core import ratelimit
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.errors import BadInput, NotFound

from .. import actions, store
from .forms import ChoosePasswordForm
from .shared import tell


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def accept(request: HttpRequest, key: str) -> HttpResponse:
    limited: HttpResponse | None = ratelimit.consume_or_429(request, action="reset_password_from_key")
    if limited is not None:
        return limited
    now = SYSTEM_CLOCK.now()
    try:
        person = store.get_invited(key, now=now)
    except NotFound:
        return render(request, "account/invitation.html", {"dead": True}, status=404)
    form = ChoosePasswordForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            actions.accept_invitation(now=now, key=key, password=form.cleaned_data["password1"])
        except BadInput as error:
            tell(form, error)
        except NotFound:
            return render(request, "account/invitation.html", {"dead": True}, status=404)
        else:
            return redirect("account_invitation_done")
    return render(request, "account/invitation.html", {"form": form, "person": person})


@require_safe
def done(request: HttpRequest) -> HttpResponse:
    return render(request, "account/invitation_done.html")
