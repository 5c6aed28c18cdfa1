"""allauth's forms in our own words: labels in three languages, and no placeholders that stand in for them."""

from __future__ import annotations

from typing import Any, ClassVar

from allauth.account import forms
from django.contrib.auth.password_validation import get_default_password_validators
from django.forms import Form
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _


class _InOurWords(Form):
    """A form of allauth with our labels, without its placeholders and help."""

    labels: ClassVar[dict[str, Any]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, label in self.labels.items():
            self.fields[name].label, self.fields[name].help_text = label, ""
            self.fields[name].widget.attrs.pop("placeholder", None)


class SignInForm(_InOurWords, forms.LoginForm):  # type: ignore[misc]
    labels: ClassVar = {"login": _("E-mail"), "password": _("Password"), "remember": _("Stay signed in on this device")}


class RequestCodeForm(_InOurWords, forms.RequestLoginCodeForm):  # type: ignore[misc]
    labels: ClassVar = {"email": _("E-mail")}


class ConfirmCodeForm(_InOurWords, forms.ConfirmLoginCodeForm):  # type: ignore[misc]
    labels: ClassVar = {"code": _("One-time code")}


class ResetPasswordForm(_InOurWords, forms.ResetPasswordForm):  # type: ignore[misc]
    labels: ClassVar = {"email": _("E-mail")}


class NewPasswordForm(_InOurWords, forms.ResetPasswordKeyForm):  # type: ignore[misc]
    labels: ClassVar = {"password1": _("New password"), "password2": _("New password again")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        least = max((getattr(one, "min_length", 0) for one in get_default_password_validators()), default=0)
        self.fields["password1"].help_text = gettext(
            "At least {least} characters. A few words are easier to remember than signs."
        ).format(least=least)

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        first, second = cleaned.get("password1"), cleaned.get("password2")
        if first and second and first != second:
            self.add_error("password2", gettext("The two passwords differ."))
        return cleaned
