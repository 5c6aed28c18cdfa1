"""One's telephone number: proved by a code, taken away; and the page that sends a code to sign in."""

from __future__ import annotations

import secrets
from hashlib import sha256
from typing import Any

from allauth.account.decorators import reauthentication_required
from allauth.account.views import RequestLoginCodeView
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from qala.kernel import sms
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.errors import Unavailable

from .. import actions
from .forms import PhoneCodeForm, PhoneForm, ProvePhoneForm
from .shared import MISTAKES, asking, tell

WAITING = "people.phone"  # name in a session's data: the number that a code went to
MOST_ATTEMPTS = 3


@method_decorator(never_cache, name="dispatch")
class SendCode(RequestLoginCodeView):  # type: ignore[misc]
    """A code by text message. A number that nobody has gets a message too, that says so: as long, and failing alike."""

    template_name = "account/request_phone_code.html"
    form_class = PhoneCodeForm

    def form_valid(self, form: Any) -> HttpResponse:
        try:
            answer: HttpResponse = super().form_valid(form)
        except Unavailable:
            form.add_error(None, _("Text messages can't be sent now. Try again in a few minutes, or take another way."))
            answer = self.form_invalid(form)
        return answer


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@reauthentication_required(app="allauth.mfa")  # type: ignore[untyped-decorator]
def phone(request: HttpRequest) -> HttpResponse:
    """Where a code goes first that proves the number to be one's own."""
    asking(request)
    person: Any = request.user
    form = PhoneForm(request.POST or None, request=request)
    if request.method == "POST" and form.is_valid():
        number, code = form.cleaned_data["phone"], f"{secrets.randbelow(10**6):06}"
        try:
            sms.send(number, _("Qala: your code is {code}").format(code=code))
        except Unavailable:
            form.add_error(None, _("Text messages can't be sent now. Try again in a few minutes, or take another way."))
        else:
            request.session[WAITING] = {
                "number": number, "code": _hash(request, code), "left": MOST_ATTEMPTS,
                "until": SYSTEM_CLOCK.now().timestamp() + settings.ACCOUNT_LOGIN_BY_CODE_TIMEOUT,
            }  # fmt: skip
            return redirect("people:prove_phone")
    return render(request, "people/phone.html", {"form": form, "person": person})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def prove(request: HttpRequest) -> HttpResponse:
    who, now = asking(request), SYSTEM_CLOCK.now()
    person: Any = request.user
    waiting = request.session.get(WAITING)
    if waiting is None or waiting["until"] <= now.timestamp() or waiting["left"] <= 0:
        request.session.pop(WAITING, None)
        messages.error(request, _("This code is too old. Have a new one sent."))
        return redirect("people:phone")
    form = ProvePhoneForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        request.session[WAITING] = {**waiting, "left": waiting["left"] - 1}
        if secrets.compare_digest(_hash(request, form.cleaned_data["code"].strip()), waiting["code"]):
            del request.session[WAITING]
            try:
                actions.set_phone(who=who, now=now, person=person, number=waiting["number"])
            except MISTAKES as error:
                tell(form, error)
            else:
                messages.success(request, _("You can sign in by this number now."))
                return redirect("people:me")
        else:
            form.add_error("code", _("This code is not right."))
    return render(request, "people/phone.html", {"form": form, "person": person, "number": waiting["number"]})


@require_POST
@reauthentication_required(app="allauth.mfa")  # type: ignore[untyped-decorator]
def remove(request: HttpRequest) -> HttpResponse:
    person: Any = request.user
    actions.set_phone(who=asking(request), now=SYSTEM_CLOCK.now(), person=person, number=None)
    messages.success(request, _("The number is taken away."))
    return redirect("people:me")


def _hash(request: HttpRequest, code: str) -> str:
    return sha256(f"{request.session.session_key}:{settings.SECRET_KEY}:{code}".encode()).hexdigest()
