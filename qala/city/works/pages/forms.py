"""Forms of works."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from qala.kernel.languages import pick_text

from ..models import Asset, AssetState, Condition
from ..rules import AssetKind, Attribute

DAY = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
Choices = Sequence[tuple[str, str]]


class LoadForm(forms.Form):
    """A file of assets to load."""

    file = forms.FileField(
        label=_("File of assets"), help_text=_("CSV in UTF-8, XLSX or GeoJSON; 64 MiB at most."),
        widget=forms.FileInput(attrs={"accept": ".csv,.xlsx,.geojson,.json"}),
    )  # fmt: skip
    dry_run = forms.BooleanField(label=_("Only check it, keep nothing"), required=False)


class AssetForm(forms.Form):
    """What is told of an asset; the attributes of its kind have fields of their own, ``attribute_KEY``."""

    name = forms.CharField(label=_("Name"), max_length=200, required=False)
    place = forms.ChoiceField(label=_("Place"), required=False)
    address = forms.CharField(label=_("Address"), max_length=200, required=False)
    lon = forms.FloatField(label=_("Longitude"), required=False, min_value=-180, max_value=180)
    lat = forms.FloatField(label=_("Latitude"), required=False, min_value=-90, max_value=90)
    state = forms.ChoiceField(label=_("State"), choices=AssetState.choices, required=False)
    condition = forms.ChoiceField(label=_("Condition"), choices=[("", "–"), *Condition.choices], required=False)
    installed_on = forms.DateField(label=_("Installed"), required=False, widget=DAY)
    retired_on = forms.DateField(label=_("Taken away"), required=False, widget=DAY)
    device = forms.CharField(label=_("Serial of the device"), max_length=64, required=False)
    why = forms.CharField(label=_("Why"), max_length=500, required=False)

    def __init__(self, *args: Any, kind: AssetKind, places: Choices, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choice = self.fields["place"]
        assert isinstance(choice, forms.ChoiceField)
        choice.choices = [("", "–"), *places]
        for name in ("lon", "lat"):
            self.fields[name].widget.attrs |= {"inputmode": "decimal", "step": "any"}
        if kind.geometry == "line":
            del self.fields["lon"], self.fields["lat"]
        for one in kind.attribute:
            self.fields[f"attribute_{one.key}"] = _attribute_field(one)
        self.order_fields([name for name in self.fields if name != "why"])

    def cleared(self) -> list[str]:
        """The columns and attributes that are left empty."""
        return [name.removeprefix("attribute_") for name in self.fields if self.cleaned_data[name] in (None, "")]

    def cells(self, held: Asset | None = None) -> dict[str, object]:
        """What was entered, by column; of an asset that is there only what differs from it."""
        said = {
            name.removeprefix("attribute_"): value
            for name, value in self.cleaned_data.items()
            if name != "why" and value not in (None, "")
        }
        if held is not None and {name: said.get(name) for name in ("lon", "lat")} == spot_of(held):
            said.pop("lon", None)
            said.pop("lat", None)
        return said


def spot_of(asset: Asset) -> dict[str, float | None]:
    """Longitude and latitude of an asset that is a point."""
    shape = asset.shape
    is_point = shape is not None and shape.geom_type == "Point"
    return {"lon": round(shape.x, 7) if is_point else None, "lat": round(shape.y, 7) if is_point else None}


def _attribute_field(one: Attribute) -> forms.Field:
    language = get_language()
    label = pick_text(language, one.titles)[0] + (f", {one.unit}" if one.unit else "")
    if one.type == "choice":
        choices = [(choice.key, pick_text(language, choice.titles)[0]) for choice in one.choices]
        return forms.ChoiceField(label=label, required=False, choices=[("", "–"), *choices])
    if one.type == "yes_no":
        return forms.ChoiceField(label=label, required=False, choices=[("", "–"), ("yes", _("yes")), ("no", _("no"))])
    if one.type == "date":
        return forms.DateField(label=label, required=False, widget=DAY)
    if one.type in ("number", "whole"):
        field = forms.FloatField(label=label, required=False, min_value=one.least, max_value=one.most)
        field.widget.attrs |= {"inputmode": "decimal", "step": "any"}
        return field
    return forms.CharField(label=label, required=False, max_length=200)


class NewAssetForm(forms.Form):
    """Which asset is to be made."""

    code = forms.CharField(label=_("Code"), max_length=64)
    kind = forms.ChoiceField(label=_("Kind"))
    owner = forms.ChoiceField(label=_("Owner"))

    def __init__(self, *args: Any, kinds: Choices, owners: Choices, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, choices in (("kind", kinds), ("owner", owners)):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = list(choices)
