"""Forms of devices."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _


class LoadForm(forms.Form):
    """A file of devices to load."""

    file = forms.FileField(
        label=_("File of devices"), help_text=_("CSV in UTF-8, also in gzip or zip, or XLSX; 64 MiB at most."),
        widget=forms.FileInput(attrs={"accept": ".csv,.gz,.zip,.xlsx"}),
    )  # fmt: skip
    dry_run = forms.BooleanField(label=_("Only check it, keep nothing"), required=False)
    keep_good = forms.BooleanField(label=_("Keep the good rows although others are bad"), required=False)
