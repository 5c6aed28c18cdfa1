"""allauth's pages of the second factor; what a person does there is written down in the transaction of the change."""

from __future__ import annotations

from typing import Any

from allauth.mfa.recovery_codes.views import GenerateRecoveryCodesView
from allauth.mfa.totp.views import ActivateTOTPView, DeactivateTOTPView
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from qala.kernel.clock import SYSTEM_CLOCK

from .. import actions
from .forms import ActivateSecondFactorForm
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
