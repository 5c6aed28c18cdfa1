"""Forms of notices."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from ..models import Preference


class PreferenceForm(forms.Form):
    """When a person wants mails."""

    digest = forms.ChoiceField(label=_("Mails come"), choices=Preference.DIGESTS)
    digest_hour = forms.TypedChoiceField(
        label=_("Hour of the digest"), coerce=int, choices=[(hour, f"{hour:02}:00") for hour in range(24)]
    )
    quiet_from = forms.TimeField(
        label=_("No mails from"), required=False, widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        help_text=_("In the city's time. What is urgent comes all the same."),
    )  # fmt: skip
    quiet_to = forms.TimeField(
        label=_("No mails until"), required=False, widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    )
