"""Forms of work orders and crews."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from ..models import Priority
from .forms import Choices


class OrderForm(forms.Form):
    """What is told of a work order."""

    title = forms.CharField(label=_("Title"), max_length=200)
    text = forms.CharField(label=_("Text"), max_length=5000, required=False, widget=forms.Textarea(attrs={"rows": 4}))
    contractor = forms.ChoiceField(label=_("Who does the work"), required=False)
    priority = forms.TypedChoiceField(label=_("Priority"), choices=Priority.choices, coerce=int)
    due_at = forms.DateTimeField(
        label=_("Due"), required=False, help_text=_("In the city's time."),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )  # fmt: skip

    def __init__(self, *args: Any, contractors: Choices, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.choose("contractor", [("", "–"), *contractors])

    def choose(self, name: str, choices: Choices) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = list(choices)


class NewOrderForm(OrderForm):
    """A work order that is not there yet: also of which kind, whose, and where."""

    kind = forms.ChoiceField(label=_("Kind"))
    owner = forms.ChoiceField(label=_("Who orders the work"))
    asset = forms.CharField(label=_("Code of the asset"), max_length=64, required=False)
    place = forms.ChoiceField(label=_("Place"), required=False)
    address = forms.CharField(label=_("Address"), max_length=200, required=False)
    lon = forms.FloatField(label=_("Longitude"), required=False, min_value=-180, max_value=180)
    lat = forms.FloatField(label=_("Latitude"), required=False, min_value=-90, max_value=90)
    field_order = (
        "kind",
        "title",
        "text",
        "owner",
        "contractor",
        "priority",
        "due_at",
        "asset",
        "place",
        "address",
        "lon",
        "lat",
    )

    def __init__(self, *args: Any, kinds: Choices, places: Choices, owners: Choices, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.choose("kind", kinds)
        self.choose("place", [("", "–"), *places])
        self.choose("owner", owners)
        self.fields["due_at"].help_text = _("In the city's time. Empty: as the kind of work says.")
        for name in ("lon", "lat"):
            self.fields[name].widget.attrs |= {"inputmode": "decimal", "step": "any"}


class CrewForm(forms.Form):
    """A crew to be made."""

    organisation = forms.ChoiceField(label=_("Organisation"))
    name_kk = forms.CharField(label=_("Name in Kazakh"), max_length=200, required=False)
    name_ru = forms.CharField(label=_("Name in Russian"), max_length=200, required=False)
    name_en = forms.CharField(label=_("Name in English"), max_length=200, required=False)

    def __init__(self, *args: Any, organisations: Choices, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["organisation"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = list(organisations)


class MemberForm(forms.Form):
    """Somebody who joins a crew."""

    email = forms.EmailField(label=_("E-mail"), max_length=254)
