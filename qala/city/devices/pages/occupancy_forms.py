"""Forms of meter points, occupants and claim codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from qala.city.people.public import Organisation

from ..actions.claims import DAYS, DAYS_MOST


def _day(label: Any, help_text: Any = "", *, required: bool = True) -> forms.DateField:
    return forms.DateField(
        label=label, help_text=help_text, required=required,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )  # fmt: skip


def _why() -> forms.CharField:
    return forms.CharField(label=_("Why"), max_length=500, required=False)


LAST_DAY = _("The first day that does not belong to it; empty: it has no end yet.")


class PeriodForm(forms.Form):
    """From which day to which."""

    valid_from = _day(_("First day"))
    valid_to = _day(_("Ends on"), LAST_DAY, required=False)
    why = _why()


class BeginForm(PeriodForm):
    """Who uses a meter point, and when."""

    person = forms.EmailField(
        label=_("E-mail address of the person"), required=False,
        help_text=_("Somebody whom you may know of. For others issue a claim code."),
    )  # fmt: skip
    organisation = forms.ChoiceField(label=_("Or an organisation"), required=False)
    field_order = ("person", "organisation", "valid_from", "valid_to", "why")

    def __init__(self, *args: Any, organisations: Sequence[Organisation], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choice = self.fields["organisation"]
        assert isinstance(choice, forms.ChoiceField)
        choice.choices = [("", "–"), *((one.code, one.name) for one in organisations)]


class EndForm(forms.Form):
    """The day on which an occupancy ends."""

    at = _day(_("Ends on"), _("The first day that does not belong to it."))
    why = _why()


class CodeForm(forms.Form):
    """How long a claim code is good, and from when the meter point is the resident's."""

    days = forms.IntegerField(label=_("Good for days"), min_value=1, max_value=DAYS_MOST, initial=DAYS)
    valid_from = _day(
        _("The meter point is theirs from"), _("Empty: from the day on which the code is entered."), required=False
    )


class BulkCodesForm(CodeForm):
    """Claim codes for many meter points."""

    owner = forms.ChoiceField(label=_("Owner of the meters"))
    meter_points = forms.CharField(
        label=_("Meter points"), help_text=_("One a line."), max_length=2_000_000,
        widget=forms.Textarea(attrs={"rows": 10, "spellcheck": "false"}),
    )  # fmt: skip
    field_order = ("owner", "meter_points", "days", "valid_from")

    def __init__(self, *args: Any, organisations: Sequence[Organisation], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choice = self.fields["owner"]
        assert isinstance(choice, forms.ChoiceField)
        choice.choices = [(one.code, one.name) for one in organisations]


class OccupancyLoadForm(forms.Form):
    """A file of occupancies to load."""

    file = forms.FileField(
        label=_("File of occupancies"), help_text=_("CSV in UTF-8, also in gzip or zip, or XLSX; 64 MiB at most."),
        widget=forms.FileInput(attrs={"accept": ".csv,.gz,.zip,.xlsx"}),
    )  # fmt: skip
    dry_run = forms.BooleanField(label=_("Only check it, keep nothing"), required=False)
    keep_good = forms.BooleanField(label=_("Keep the good rows although others are bad"), required=False)


class ClaimForm(forms.Form):
    """A code that came with a letter."""

    code = forms.CharField(
        label=_("Code from the letter"), max_length=60,
        widget=forms.TextInput(
            attrs={"autocapitalize": "characters", "autocomplete": "off", "spellcheck": "false", "placeholder": "7K3M-Q9XA-2HTRD"}
        ),
    )  # fmt: skip
