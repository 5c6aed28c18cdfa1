"""Forms of places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from ..models import Place


class LoadForm(forms.Form):
    """A file of places to load."""

    file = forms.FileField(
        label=_("File of places"),
        help_text=_("GeoJSON in WGS 84; address points also as CSV in UTF-8 or XLSX; 64 MiB at most."),
        widget=forms.FileInput(attrs={"accept": ".geojson,.json,.csv,.xlsx"}),
    )
    kind = forms.ChoiceField(label=_("Kind"))
    owner = forms.ChoiceField(label=_("Owner of the zones"), required=False)
    use = forms.ChoiceField(label=_("What the zones are for"), required=False, choices=[("", "–"), *Place.Use.choices])
    valid_from = forms.DateField(
        label=_("Borders hold from"), required=False,
        help_text=_("Unset: new places since ever, changed borders from now on."),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )  # fmt: skip
    dry_run = forms.BooleanField(label=_("Only check it, keep nothing"), required=False)

    def __init__(
        self, *args: Any, kinds: Sequence[tuple[str, Any]], owners: Sequence[tuple[str, str]], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        for name, choices in (("kind", list(kinds)), ("owner", [("", "–"), *owners])):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = choices


class BorderForm(forms.Form):
    """A border that was drawn on the map or comes as a file, and since when it holds."""

    valid_from = forms.DateField(
        label=_("Holds from"), help_text=_("Midnight of that day, in the city's time."),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )  # fmt: skip
    neighbours_follow = forms.BooleanField(
        label=_("The neighbours follow: they lose what this place takes and get what it leaves"), required=False
    )
    why = forms.CharField(label=_("Why"), max_length=500, required=False)
    file = forms.FileField(
        label=_("Border as a file, instead of drawing"), required=False,
        help_text=_("GeoJSON with one outline, in WGS 84; 64 MiB at most."),
        widget=forms.FileInput(attrs={"accept": ".geojson,.json"}),
    )  # fmt: skip
    outline = forms.CharField(required=False, widget=forms.HiddenInput, max_length=32 << 20)


class TakeBackForm(forms.Form):
    """Why a border is taken back."""

    why = forms.CharField(label=_("Why"), max_length=500)
