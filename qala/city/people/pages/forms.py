"""Forms: allauth's in our own words, without placeholders that stand in for labels; and those of our own pages."""

from __future__ import annotations

import struct
from typing import Any, ClassVar

from allauth.account import forms
from allauth.core import context, ratelimit
from allauth.mfa.base import forms as mfa
from allauth.mfa.totp import forms as totp
from allauth.mfa.webauthn import forms as webauthn
from allauth.mfa.webauthn.internal.auth import parse_authentication_response
from django import forms as plain
from django.contrib.auth.password_validation import get_default_password_validators
from django.forms import Form
from django.http import HttpRequest
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from qala.kernel import plug, sms
from qala.kernel.access import Who
from qala.kernel.errors import BadInput

from .. import actions, rules, store
from ..models import Organisation


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


def password_help() -> str:
    """What a password must be like, in a sentence."""
    least = max((getattr(one, "min_length", 0) for one in get_default_password_validators()), default=0)
    return gettext("At least {least} characters. A few words are easier to remember than signs.").format(least=least)


class NewPasswordForm(_InOurWords, forms.ResetPasswordKeyForm):  # type: ignore[misc]
    labels: ClassVar = {"password1": _("New password"), "password2": _("New password again")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password1"].help_text = password_help()

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        first, second = cleaned.get("password1"), cleaned.get("password2")
        if first and second and first != second:
            self.add_error("password2", gettext("The two passwords differ."))
        return cleaned


class SecondFactorForm(_InOurWords, mfa.AuthenticateForm):  # type: ignore[misc]
    labels: ClassVar = {"code": _("Code")}


class SecondFactorAgainForm(_InOurWords, mfa.ReauthenticateForm):  # type: ignore[misc]
    labels: ClassVar = {"code": _("Code")}


class ActivateSecondFactorForm(_InOurWords, totp.ActivateTOTPForm):  # type: ignore[misc]
    labels: ClassVar = {"code": _("Code")}


class _Careful(Form):
    """What a browser answers for a passkey is made of whatever its sender likes: allauth reads it with less care."""

    NONSENSE = (AttributeError, IndexError, KeyError, TypeError, ValueError, struct.error)

    def full_clean(self) -> None:
        try:
            super().full_clean()
        except self.NONSENSE:
            self.add_error("credential", gettext("This code is not right."))


class AddPasskeyForm(_Careful, _InOurWords, webauthn.AddWebAuthnForm):  # type: ignore[misc]
    labels: ClassVar = {"name": pgettext_lazy("passkey", "Name"), "passwordless": _("Sign in with it alone")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].widget.attrs["maxlength"] = 100
        self.fields["passwordless"].initial = True
        self.fields["passwordless"].help_text = _(
            "Asks for a finger, a face or a PIN. Take the tick out for a security key that can't: then it is asked for "
            "after the password."
        )

    def clean_name(self) -> str:
        return str(super().clean_name())[:100]


class PasskeyForm(_Careful, webauthn.AuthenticateWebAuthnForm):  # type: ignore[misc]
    """A passkey as second factor."""


class PasskeyAgainForm(_Careful, webauthn.ReauthenticateWebAuthnForm):  # type: ignore[misc]
    """A passkey once more."""


class SignInByPasskeyForm(_Careful, webauthn.LoginWebAuthnForm):  # type: ignore[misc]
    """A passkey alone is two factors only where its holder was verified: one begun as second factor does not do."""

    def clean_credential(self) -> Any:
        told = parse_authentication_response(self.cleaned_data["credential"])
        if not told.response.authenticator_data.is_user_verified():
            raise plain.ValidationError(gettext("This passkey did not say that it was you. Sign in with the password."))
        return super().clean_credential()


class PasswordAgainForm(_InOurWords, forms.ReauthenticateForm):  # type: ignore[misc]
    labels: ClassVar = {"password": _("Password")}


def clean_number(request: HttpRequest, given: str) -> str:
    """A telephone number as E.164, to which one more message may go: limits by number, by machine and for all."""
    try:
        number = sms.number_of(given)
    except BadInput:
        raise plain.ValidationError(gettext("This is no telephone number that messages go to.")) from None
    if not (
        ratelimit.consume(request, action="sms", key=number) and ratelimit.consume(request, action="sms_all", key="all")
    ):
        raise plain.ValidationError(gettext("Too many attempts. Wait a few minutes and try again."))
    return number


def _phone_field() -> plain.CharField:
    return plain.CharField(
        label=_("Phone"), max_length=40, widget=plain.TextInput(attrs={"type": "tel", "autocomplete": "tel"})
    )


class PhoneCodeForm(Form):
    """Asks for a code by text message; ``_user`` is whom allauth sends it to."""

    phone = _phone_field()

    def clean_phone(self) -> str:
        number = clean_number(context.request, self.cleaned_data["phone"])
        self._user = store.person_of_phone(number)
        return number


# our own pages


class PhoneForm(Form):
    phone = _phone_field()

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request

    def clean_phone(self) -> str:
        return clean_number(self.request, self.cleaned_data["phone"])


class ProvePhoneForm(Form):
    code = plain.CharField(
        label=_("One-time code"), max_length=20,
        widget=plain.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )  # fmt: skip


def _password(label: Any, complete: str = "new-password") -> plain.CharField:
    widget = plain.PasswordInput(attrs={"autocomplete": complete})
    return plain.CharField(label=label, widget=widget, strip=False, max_length=500)


class ChoosePasswordForm(Form):
    """A password, twice; whether it may be one is for the action to say."""

    password1 = _password(_("New password"))
    password2 = _password(_("New password again"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password1"].help_text = password_help()

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        first, second = cleaned.get("password1"), cleaned.get("password2")
        if first and second and first != second:
            self.add_error("password2", gettext("The two passwords differ."))
        return cleaned


class ChangePasswordForm(ChoosePasswordForm):
    """The old password and a new one; guesses of the old one are limited."""

    old = _password(_("Present password"), "current-password")
    field_order = ("old", "password1", "password2")

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request

    def clean_old(self) -> str:
        given: str = self.cleaned_data["old"]
        person: Any = self.request.user
        if not ratelimit.consume(self.request, action="change_password", user=person):
            raise plain.ValidationError(gettext("Too many attempts. Wait a few minutes and try again."))
        if not person.check_password(given):
            raise plain.ValidationError(gettext("The password is not right."))
        return given


LANGUAGES = [("", _("the city's")), ("kk", "Қазақша"), ("ru", "Русский"), ("en", "English")]


class MyDataForm(Form):
    name = plain.CharField(label=pgettext_lazy("person", "Name"), max_length=200)
    language = plain.ChoiceField(label=_("Language"), choices=LANGUAGES, required=False)


class GiveRoleForm(Form):
    """A role in an organisation or in the whole city: of what the asker may give."""

    CITY = "*"  # no organisation's code

    role = plain.ChoiceField(label=_("Role"))
    organisation = plain.ChoiceField(label=_("Where"))
    until = plain.DateTimeField(
        label=_("Until"), required=False, help_text=_("Empty: without an end."),
        widget=plain.DateTimeInput(attrs={"type": "date"}, format="%Y-%m-%d"), input_formats=["%Y-%m-%d"],
    )  # fmt: skip

    def __init__(self, *args: Any, who: Who, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        scope = who.scope(actions.MANAGE)
        self.organisations = {one.code: one for one in store.list_organisations(closed=False) if scope.covers(one.pk)}
        roles = [one for one in store.list_roles() if all(who.may(key) for key in one.permissions)]
        role: Any = self.fields["role"]
        role.choices = [("", "–"), *((one.key, one.title) for one in roles)]
        where: Any = self.fields["organisation"]
        city = [(self.CITY, gettext("the whole city"))] if scope.everything else []
        where.choices = [("", "–"), *city, *((code, one.name) for code, one in self.organisations.items())]

    def given(self) -> dict[str, Any]:
        """What the action takes."""
        cleaned = dict(self.cleaned_data)
        return {
            "role": cleaned["role"], "organisation": self.organisations.get(cleaned["organisation"]),
            "valid_to": cleaned["until"],
        }  # fmt: skip


class InviteForm(GiveRoleForm):
    email = plain.EmailField(label=_("E-mail"), max_length=254)
    name = plain.CharField(label=pgettext_lazy("person", "Name"), max_length=200)
    language = plain.ChoiceField(label=_("Language of the invitation"), choices=LANGUAGES, required=False)
    field_order = ("email", "name", "language", "role", "organisation", "until")

    def given(self) -> dict[str, Any]:
        return {**super().given(), **{key: self.cleaned_data[key] for key in ("email", "name", "language")}}


class OrganisationForm(Form):
    kind = plain.ChoiceField(label=_("Kind"), choices=Organisation.KINDS)
    name_kk = plain.CharField(label=_("Name in Kazakh"), max_length=200, required=False)
    name_ru = plain.CharField(label=_("Name in Russian"), max_length=200, required=False)
    name_en = plain.CharField(label=_("Name in English"), max_length=200, required=False)


class NewOrganisationForm(OrganisationForm):
    code = plain.CharField(
        label=_("Code"), max_length=50, help_text=_("Short, for files and addresses: Latin letters, digits, - and _. It stays.")
    )  # fmt: skip
    field_order = ("code",)


class RoleForm(Form):
    title_kk = plain.CharField(label=_("Title in Kazakh"), max_length=100, required=False)
    title_ru = plain.CharField(label=_("Title in Russian"), max_length=100, required=False)
    title_en = plain.CharField(label=_("Title in English"), max_length=100, required=False)
    permissions = plain.MultipleChoiceField(label=_("Permissions"), required=False, widget=plain.CheckboxSelectMultiple)
    needs_second_factor = plain.BooleanField(
        label=_("Needs a second factor"), required=False,
        help_text=_("Who holds it and has none is led to set one up; until then no role of theirs opens anything."),
    )  # fmt: skip
    why = plain.CharField(label=_("Why"), max_length=500, required=False, help_text=_("Kept in the audit log."))

    def __init__(self, *args: Any, everything: bool = False, **kwargs: Any) -> None:
        """``everything``: the administrator's role, whose permissions are not for choosing."""
        super().__init__(*args, **kwargs)
        if everything:
            del self.fields["permissions"]
        else:
            field: Any = self.fields["permissions"]
            field.choices = [(one.key, one.title) for one in plug.declared("permissions")]


class NewRoleForm(RoleForm):
    key = plain.CharField(
        label=_("Key"), max_length=50, help_text=_("Short, for files and commands: Latin letters, digits, - and _. It stays.")
    )  # fmt: skip
    field_order = ("key",)


class TokenForm(Form):
    """A token for a program: of the asker, or of an organisation."""

    name = plain.CharField(label=_("Name"), max_length=100, help_text=_("What will use it, e.g. Gateway of the north."))
    permissions = plain.MultipleChoiceField(label=_("What it may do"), widget=plain.CheckboxSelectMultiple)
    organisations = plain.MultipleChoiceField(
        label=_("Only for these organisations"), required=False, widget=plain.CheckboxSelectMultiple,
        help_text=_("None chosen: as far as you reach yourself."),
    )  # fmt: skip
    days = plain.TypedChoiceField(
        label=_("Good for"), coerce=int, initial=90,
        choices=[(30, _("30 days")), (90, _("90 days")), (365, _("365 days"))],
    )  # fmt: skip

    def __init__(self, *args: Any, who: Who, owner: Organisation | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        permissions: Any = self.fields["permissions"]
        permissions.choices = [
            (one.key, one.title)
            for one in plug.declared("permissions")
            if one.key not in rules.TOKEN_NEVER
            and (who.may(one.key, owner.pk) if owner is not None and one.scoped else who.may(one.key))
        ]
        self.theirs: dict[str, Organisation] = {}
        if owner is None:
            held = {key for key, _title in permissions.choices}
            self.theirs = {
                one.code: one
                for one in store.list_organisations(closed=False)
                if any(who.may(key, one.pk) for key in held)
            }
        if len(self.theirs) > 1:
            organisations: Any = self.fields["organisations"]
            organisations.choices = [(code, one.name) for code, one in self.theirs.items()]
        else:
            del self.fields["organisations"]

    def given(self) -> dict[str, Any]:
        """What the action takes."""
        cleaned = dict(self.cleaned_data)
        cleaned["organisations"] = [self.theirs[code] for code in cleaned.get("organisations", ())]
        return cleaned
