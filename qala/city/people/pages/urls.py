"""The addresses of allauth that make sense here, under the names that allauth gives them."""

from __future__ import annotations

from allauth.account import views
from allauth.mfa.base import views as mfa
from allauth.mfa.recovery_codes import views as codes
from django.urls import path, re_path
from django.views.generic import RedirectView

from qala.kernel.config import get_settings

from . import forms, invitation, oidc, phone, second_factor


def outside_name() -> str:
    """What the sign-in page calls the city's own service; empty where there is none."""
    held = get_settings()
    return held.oidc_name if held.oidc_server_url else ""


urlpatterns = [
    path(
        "login/",
        views.LoginView.as_view(form_class=forms.SignInForm, extra_context={"outside": outside_name}),
        name="account_login",
    ),
    path(
        "login/code/",
        views.RequestLoginCodeView.as_view(form_class=forms.RequestCodeForm),
        name="account_request_login_code",
    ),
    path(
        "login/code/confirm/",
        views.ConfirmLoginCodeView.as_view(form_class=forms.ConfirmCodeForm),
        name="account_confirm_login_code",
    ),
    path("logout/", views.logout, name="account_logout"),
    path("inactive/", views.account_inactive, name="account_inactive"),
    path("signup/", views.signup, name="account_signup"),  # says that it is closed; allauth's mails want its address
    path(
        "password/reset/",
        views.PasswordResetView.as_view(form_class=forms.ResetPasswordForm),
        name="account_reset_password",
    ),
    path("password/reset/done/", views.password_reset_done, name="account_reset_password_done"),
    re_path(
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        views.PasswordResetFromKeyView.as_view(form_class=forms.NewPasswordForm),
        name="account_reset_password_from_key",
    ),
    path(
        "password/reset/key/done/",
        views.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    path(
        "reauthenticate/",
        views.ReauthenticateView.as_view(form_class=forms.PasswordAgainForm),
        name="account_reauthenticate",
    ),
    path("2fa/", RedirectView.as_view(pattern_name="people:me"), name="mfa_index"),
    path(
        "2fa/authenticate/",
        second_factor.Ask.as_view(),
        name="mfa_authenticate",
    ),
    path(
        "2fa/reauthenticate/",
        mfa.ReauthenticateView.as_view(form_class=forms.SecondFactorAgainForm),
        name="mfa_reauthenticate",
    ),
    path("2fa/totp/activate/", second_factor.TurnOn.as_view(), name="mfa_activate_totp"),
    path("2fa/totp/deactivate/", second_factor.TurnOff.as_view(), name="mfa_deactivate_totp"),
    path("2fa/passkeys/", RedirectView.as_view(pattern_name="people:me"), name="mfa_list_webauthn"),
    path("2fa/passkeys/add/", second_factor.AddPasskey.as_view(), name="mfa_add_webauthn"),
    path("2fa/passkeys/<int:pk>/remove/", second_factor.RemovePasskey.as_view(), name="mfa_remove_webauthn"),
    path("2fa/passkeys/reauthenticate/", second_factor.PasskeyAgain.as_view(), name="mfa_reauthenticate_webauthn"),
    path("login/phone/", phone.SendCode.as_view(), name="account_request_phone_code"),
    path("login/passkey/", second_factor.SignInByPasskey.as_view(), name="mfa_login_webauthn"),
    path("oidc/", oidc.begin, name="openid_connect_login"),
    path("oidc/back/", oidc.back, name="openid_connect_callback"),
    path("oidc/cancelled/", oidc.cancelled, name="socialaccount_login_cancelled"),
    path("2fa/recovery-codes/", codes.view_recovery_codes, name="mfa_view_recovery_codes"),
    path("2fa/recovery-codes/generate/", second_factor.RenewCodes.as_view(), name="mfa_generate_recovery_codes"),
    path("2fa/recovery-codes/download/", codes.download_recovery_codes, name="mfa_download_recovery_codes"),
    path("invitation/<str:key>/", invitation.accept, name="account_invitation"),
    path("invitation-done/", invitation.done, name="account_invitation_done"),
]
