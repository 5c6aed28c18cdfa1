"""allauth's pages of the second factor; what a person does there is written down in the transaction of the change."""

from __future__ import annotations

from typing import Any

from allauth.mfa.base.views import AuthenticateView
from allauth.mfa.recovery_codes.views import GenerateRecoveryCodesView
from allauth.mfa.totp.views import ActivateTOTPView, DeactivateTOTPView
from allauth.mfa.webauthn.views import (
    AddWebAuthnView,
    LoginWebAuthnView,
    ReauthenticateWebAuthnView,
    RemoveWebAuthnView,
)
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse_lazy

from qala.kernel.clock import SYSTEM_CLOCK

from .. import actions, store
from .forms import (
    ActivateSecondFactorForm,
    AddPasskeyForm,
    PasskeyAgainForm,
    PasskeyForm,
    SecondFactorForm,
    SignInByPasskeyForm,
)
from .shared import asking


class _WrittenDown:
    """A page whose valid form is kept together with its row in the audit log."""

    request: HttpRequest
    verb = ""
    kind = "totp"

    @transaction.atomic
    def form_valid(self, form: Any) -> HttpResponse:
        response: HttpResponse = super().form_valid(form)  # type: ignore[misc]
        person: Any = self.request.user
        actions.note_second_factor(
            who=asking(self.request), now=SYSTEM_CLOCK.now(), person=person, verb=self.verb, kind=self.kind
        )
        return response


class TurnOn(_WrittenDown, ActivateTOTPView):  # type: ignore[misc]
    verb = "people.add_second_factor"
    form_class = ActivateSecondFactorForm


class TurnOff(_WrittenDown, DeactivateTOTPView):  # type: ignore[misc]
    verb = "people.remove_second_factor"


class RenewCodes(_WrittenDown, GenerateRecoveryCodesView):  # type: ignore[misc]
    verb, kind = "people.renew_second_factor", "recovery_codes"


class AddPasskey(_WrittenDown, AddWebAuthnView):  # type: ignore[misc]
    verb, kind = "people.add_second_factor", "webauthn"
    form_class = AddPasskeyForm


class RemovePasskey(_WrittenDown, RemoveWebAuthnView):  # type: ignore[misc]
    verb, kind = "people.remove_second_factor", "webauthn"
    success_url = reverse_lazy("people:me")


class SignInByPasskey(LoginWebAuthnView):  # type: ignore[misc]
    form_class = SignInByPasskeyForm


class PasskeyAgain(ReauthenticateWebAuthnView):  # type: ignore[misc]
    """A passkey once more before something grave; a wrong one may be tried again here."""

    form_class = PasskeyAgainForm

    def form_invalid(self, form: Any) -> HttpResponse:
        response: HttpResponse = self.render_to_response(self.get_context_data(form=form))
        return response


class Ask(AuthenticateView):  # type: ignore[misc]
    """The second factor after the first: by passkey or by code, as the person has them."""

    form_class = SecondFactorForm
    webauthn_form_class = PasskeyForm

    def get_context_data(self, **more: Any) -> dict[str, Any]:
        found: dict[str, Any] = super().get_context_data(**more)
        held = store.second_factors_of(self.stage.login.user)
        return {**found, "passkeys": held.passkeys, "app": held.app}
