"""What allauth asks about accounts: who may sign in from where, in which words, and that nobody signs up alone."""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64encode
from hashlib import sha256
from smtplib import SMTPException
from typing import Any
from urllib.parse import urlsplit

import structlog
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.stagekit import clear_login
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from cryptography.fernet import Fernet
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from qala.kernel import sms
from qala.kernel.access import Who
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.config import get_settings
from qala.kernel.errors import BadInput, NotFound, Unavailable

from . import actions, rules, store
from .models import Person
from .rules import SEEN

log = structlog.get_logger(__name__)


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    # allauth's own words have no Kazakh
    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "account_inactive": _("This account is closed."),
        "email_password_mismatch": _("The e-mail address or the password is not right."),
        "incorrect_code": _("This code is not right."),
        "invalid_or_expired_key": _("This link is not valid any more."),
        "invalid_password_reset": _("This link is not valid any more."),
        "rate_limited": _("Too many attempts. Wait a few minutes and try again."),
        "too_many_login_attempts": _("Too many attempts. Wait a few minutes and try again."),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def pre_login(self, request: HttpRequest, user: Person, **about: Any) -> HttpResponse | None:
        """Every way to sign in passes here, after the password or the code was right and before the session begins."""
        refused: HttpResponse | None = super().pre_login(request, user, **about)
        if refused is not None or rules.may_use(user, rules.remote_address(request.META)):
            return refused
        clear_login(request)
        messages.error(
            request,
            gettext(
                "A demo account works only on the computer that Qala runs on. "
                "Ask an administrator for an account of your own."
            ),
        )
        return HttpResponseRedirect(reverse("account_login"))

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """A wrong password is written down, with where it came from and without the name that was tried."""
        super().authentication_failed(request, **credentials)
        log.warning("sign_in.refused", address=rules.remote_address(request.META))

    def post_login(self, request: HttpRequest, user: Person, **about: Any) -> HttpResponse:
        """The session is remembered for its person; the language that they chose comes back with them on any machine."""
        response: HttpResponse = super().post_login(request, user, **about)
        now = SYSTEM_CLOCK.now()
        request.session[SEEN] = now.timestamp()
        if not request.session.session_key:
            request.session.save()
        actions.begin_session(
            now=now, person=user, session_key=request.session.session_key or "",
            address=rules.remote_address(request.META), agent=request.headers.get("User-Agent", ""),
        )  # fmt: skip
        if user.language:
            response.set_cookie(
                settings.LANGUAGE_COOKIE_NAME,
                user.language,
                max_age=settings.LANGUAGE_COOKIE_AGE,
                samesite="Lax",
                secure=settings.SESSION_COOKIE_SECURE,
            )
        return response

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Hand a mail over while its page waits.

        Raises:
            Unavailable: the mail server did not take it; whoever asked is told so.
        """
        try:
            super().send_mail(template_prefix, email, context)
        except (OSError, SMTPException) as error:
            log.warning("mail.not_sent", mail=template_prefix, error=f"{type(error).__name__}: {error}")
            raise Unavailable(
                gettext("The mail could not be sent: the mail server did not take it."),
                fix=gettext("Try again in a few minutes. If it stays so, tell an administrator of the city."),
            ) from None

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """Whoever holds no permission is a resident: their home is their own meters, not the console."""
        person = request.user
        if person.is_authenticated and not store.who_of(person, SYSTEM_CLOCK.now()).grants:
            return reverse("my_meters:list")
        url: str = super().get_login_redirect_url(request)
        return url

    def generate_phone_verification_code(self, *, user: Person, phone: str) -> str:
        return f"{secrets.randbelow(10**6):06}"

    def send_verification_code_sms(self, user: Person, phone: str, code: str, **more: Any) -> None:
        with translation.override(user.language or settings.LANGUAGE_CODE):
            text = gettext("Qala: your code is {code}").format(code=code)
        sms.send(phone, text)

    def send_unknown_account_sms(self, phone: str, **more: Any) -> None:
        """Who has no account is told so where only they read it, and nobody else can tell the two apart."""
        with translation.override(settings.LANGUAGE_CODE):
            text = gettext("Qala: there is no account for this number.")
        sms.send(phone, text)

    def set_phone_verified(self, user: Person, phone: str) -> None:
        """A number is kept only after it was proved."""

    def set_password(self, user: Person, password: str) -> None:
        """A person proved by mail that they are themselves and chose a new password."""
        who = Who("person", str(user), user.pk)
        actions.set_password(who=who, now=SYSTEM_CLOCK.now(), person=user, password=password)

    def get_reset_password_from_key_url(self, key: str) -> str:
        """The link in the mail: under the city's public address where the settings name one."""
        url: str = super().get_reset_password_from_key_url(key)
        public = get_settings().public_url
        if public is None:
            return url
        return public.rstrip("/") + url.removeprefix(self.request.build_absolute_uri("/").rstrip("/"))


class OutsideAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Who comes from the city's own sign-in service is somebody that Qala knows, or nobody."""

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        """Match somebody who comes for the first time by an address that the service verified.

        Raises:
            ImmediateHttpResponse: nobody of that address may come in so.
        """
        if sociallogin.is_existing:
            return
        verified = [one.email for one in sociallogin.email_addresses if one.verified is True]
        try:
            sociallogin.user, sociallogin.account = actions.join_outside_account(
                now=SYSTEM_CLOCK.now(), provider=sociallogin.account.provider, uid=sociallogin.account.uid,
                email=verified[0] if verified else "", name=sociallogin.user.name,
                register=get_settings().oidc_register,
            )  # fmt: skip
        except (BadInput, NotFound) as error:
            messages.error(request, f"{error.what} {error.fix}".strip())
            raise ImmediateHttpResponse(HttpResponseRedirect(reverse("account_login"))) from None


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Secrets of second factors are kept encrypted by the city's key: whoever copies the database has no codes."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "cannot_delete_authenticator": _("The second factor can't be turned off."),
        "cannot_generate_recovery_codes": _("Recovery codes come with the second factor: turn it on first."),
        "incorrect_code": _("This code is not right."),
        "unverified_email": _("Confirm your e-mail address first."),
    }

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Passkeys are bound to the city's public name, so that one made there is good there alone."""
        public = urlsplit(get_settings().public_url or "").hostname
        return {"id": public or urlsplit(f"//{context.request.get_host()}").hostname or "", "name": "Qala"}

    def generate_authenticator_name(self, user: Person, type: str) -> str:
        """What a passkey is called where its person gave it no name: the machine that it was made on."""
        made_on = rules.device_of(context.request.headers.get("User-Agent", ""))
        return made_on or gettext("Passkey")

    def encrypt(self, text: str) -> str:
        return _cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return _cipher().decrypt(encrypted_text.encode()).decode()


def _cipher() -> Fernet:
    return Fernet(urlsafe_b64encode(sha256(b"qala.people.second_factor" + settings.SECRET_KEY.encode()).digest()))
