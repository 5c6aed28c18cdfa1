"""Forms of devices."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from ..actions import Chosen
from ..actions.credentials import MOST_OVERLAP_HOURS
from ..models import Series


class LoadForm(forms.Form):
    """A file of devices to load."""

    file = forms.FileField(
        label=_("File of devices"), help_text=_("CSV in UTF-8, also in gzip or zip, or XLSX; 64 MiB at most."),
        widget=forms.FileInput(attrs={"accept": ".csv,.gz,.zip,.xlsx"}),
    )  # fmt: skip
    dry_run = forms.BooleanField(label=_("Only check it, keep nothing"), required=False)
    keep_good = forms.BooleanField(label=_("Keep the good rows although others are bad"), required=False)


class CredentialsForm(forms.Form):
    """Which devices get credentials, or lose theirs."""

    serials = forms.CharField(
        label=_("Serials"), required=False, max_length=2_000_000,
        help_text=_("One a line; or leave it empty and choose all devices in use of an owner or a model."),
        widget=forms.Textarea(attrs={"rows": 4, "autocomplete": "off", "spellcheck": "false"}),
    )  # fmt: skip
    owner = forms.ChoiceField(label=_("Owner"), required=False)
    model = forms.ChoiceField(label=_("Model"), required=False)
    renew = forms.BooleanField(label=_("Also renew those that have one"), required=False)
    overlap_hours = forms.IntegerField(
        label=_("Hours that the one before stays good"), initial=24, min_value=0, max_value=MOST_OVERLAP_HOURS,
        help_text=_("Until every device was told its new secret."),
    )  # fmt: skip
    why = forms.CharField(label=_("Why"), max_length=500, required=False)

    def __init__(
        self, *args: Any, owners: Sequence[tuple[str, str]], models: Sequence[tuple[str, str]], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        for name, choices in (("owner", owners), ("model", models)):
            choice = self.fields[name]
            assert isinstance(choice, forms.ChoiceField)
            choice.choices = [("", "–"), *choices]

    def chosen(self) -> Chosen:
        given = self.cleaned_data
        return Chosen(tuple(given["serials"].split()), given["owner"], given["model"])


class _AtAnInstant(forms.Form):
    """Something that happened to a device at an instant, in the city's time."""

    at = forms.DateTimeField(
        label=_("When"), help_text=_("In the city's time."),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )  # fmt: skip
    why = forms.CharField(label=_("Why"), max_length=500, required=False)


class MoveForm(_AtAnInstant):
    """Where a device stands from now on."""

    place = forms.ChoiceField(label=_("Place"), required=False)
    lon = forms.FloatField(label=_("Longitude"), required=False, min_value=-180, max_value=180)
    lat = forms.FloatField(label=_("Latitude"), required=False, min_value=-90, max_value=90)
    field_order = ("at", "place", "lon", "lat", "why")

    def __init__(self, *args: Any, places: Sequence[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choice = self.fields["place"]
        assert isinstance(choice, forms.ChoiceField)
        choice.choices = [("", "–"), *places]
        for name in ("lon", "lat"):
            self.fields[name].widget.attrs |= {"inputmode": "decimal", "step": "any"}


class _WithRegisters(_AtAnInstant):
    """What happened, and the registers that were read off then: a field for each, by ``PREFIX`` and property."""

    def add_registers(self, prefix: str, registers: Sequence[Series], label: Any, *, required: bool) -> None:
        for one in registers:
            self.fields[f"{prefix}{one.property}"] = forms.DecimalField(
                label=label, required=required, min_value=0, max_digits=18,
                decimal_places=max(0, -one.exponent),
                widget=forms.NumberInput(attrs={"inputmode": "decimal", "step": "any"}),
            )  # fmt: skip

    def registers(self, prefix: str) -> dict[str, Decimal]:
        """The registers that were entered, by property."""
        given = {name.removeprefix(prefix): self.cleaned_data[name] for name in self.fields if name.startswith(prefix)}
        return {name: value for name, value in given.items() if value is not None}


class RetireForm(_WithRegisters):
    """A device measures no more."""

    def __init__(self, *args: Any, registers: Sequence[Series], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.add_registers("final_", registers, _("Final register"), required=False)


class SwapForm(_WithRegisters):
    """Another device hangs in the place of this one."""

    new_serial = forms.CharField(
        label=_("Serial of the new device"), max_length=64,
        widget=forms.TextInput(attrs={"autocapitalize": "characters", "autocomplete": "off", "spellcheck": "false"}),
    )  # fmt: skip
    model = forms.ChoiceField(label=_("Model of the new device"))

    def __init__(
        self, *args: Any, registers: Sequence[Series], models: Sequence[tuple[str, str]], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        choice = self.fields["model"]
        assert isinstance(choice, forms.ChoiceField)
        choice.choices = list(models)
        self.add_registers("final_", registers, _("Final register of the old device"), required=True)
        self.add_registers("first_", registers, _("First register of the new device"), required=True)
        self.order_fields(["at", *(name for name in self.fields if name.startswith("final_")), "new_serial", "model"])
