"""Django's settings, made from Qala's own (``qala.kernel.config``)."""

from __future__ import annotations

import secrets
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from django.utils.translation import gettext_lazy as _

from qala.kernel.config import MAIL_PORTS, Settings, get_settings

QALA: Settings = get_settings()
PACKAGE = Path(__file__).resolve().parent.parent


def _secret_key() -> str:
    if QALA.secret_key is not None:
        return QALA.secret_key.get_secret_value()
    path = QALA.data_dir / "secret_key"  # made by qala.site.prepare; until then nothing signed lasts
    return path.read_text() if path.exists() else secrets.token_urlsafe(48)


def _database() -> dict[str, Any]:
    if QALA.database_url is None:
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(QALA.records_path),
            "TEST": {
                "NAME": str(QALA.data_dir / "test-records.sqlite")
            },  # threads wait for a file's locks, not memory's
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-32000",
            },
        }
    url = urlsplit(QALA.database_url.get_secret_value())
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(url.path.lstrip("/")),
        "USER": unquote(url.username or ""),
        "PASSWORD": unquote(url.password or ""),
        "HOST": url.hostname or "",
        "PORT": str(url.port or ""),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
    }


def _email() -> dict[str, Any]:
    if QALA.email_url is None:
        return {
            "EMAIL_BACKEND": "django.core.mail.backends.filebased.EmailBackend",
            "EMAIL_FILE_PATH": str(QALA.data_dir / "outgoing-mail"),
        }
    url = urlsplit(QALA.email_url.get_secret_value())
    return {
        "EMAIL_BACKEND": "qala.site.mail.Backend",
        "EMAIL_HOST": url.hostname or "localhost",
        "EMAIL_PORT": url.port or MAIL_PORTS[url.scheme],
        "EMAIL_HOST_USER": unquote(url.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(url.password or ""),
        "EMAIL_USE_SSL": url.scheme == "smtps",
        "EMAIL_USE_TLS": url.scheme == "smtp+starttls",
        "EMAIL_TIMEOUT": QALA.email_timeout_seconds,
    }


def _outside() -> dict[str, Any]:
    """The city's own sign-in service, where the settings name one."""
    if QALA.oidc_server_url is None:
        return {}
    app = {
        "provider_id": "oidc", "name": QALA.oidc_name, "client_id": QALA.oidc_client_id,
        "secret": QALA.oidc_client_secret.get_secret_value() if QALA.oidc_client_secret is not None else "",
        "settings": {"server_url": QALA.oidc_server_url, "oauth_pkce_enabled": True},
    }  # fmt: skip
    return {"openid_connect": {"APPS": [app]}}


SECRET_KEY = _secret_key()
DEBUG = False
_public = urlsplit(QALA.public_url) if QALA.public_url else None
_behind_tls = QALA.tls_certificate is not None or (_public is not None and _public.scheme == "https")
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", *QALA.allowed_hosts]
if _public is not None and _public.hostname:
    ALLOWED_HOSTS.append(_public.hostname)
CSRF_TRUSTED_ORIGINS = [f"{_public.scheme}://{_public.netloc}"] if _public is not None else []
SECURE_HSTS_SECONDS = QALA.hsts_seconds if _behind_tls else 0  # told to those who came by HTTPS alone
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _behind_tls
CSRF_FAILURE_VIEW = "qala.site.problems.csrf_failed"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_REFERRER_POLICY = "same-origin"

# Words of an earlier app win: Django and allauth come last, so that a page says what our own messages say.
INSTALLED_APPS = [
    "qala.kernel",
    "qala.city.people",
    "qala.city.places",
    "qala.city.devices",
    "qala.city.works",
    "qala.city.meters",
    "qala.city.notices",
    "qala.site",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_tasks",
    "django_tasks_db",
]
MIDDLEWARE = [
    "qala.site.forwarded.Forwarded",
    "django.middleware.security.SecurityMiddleware",
    "qala.site.middleware.SecurityHeaders",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "qala.site.middleware.RequestLog",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "qala.site.middleware.AskingPerson",
    "qala.site.middleware.Problems",
]
ROOT_URLCONF = "qala.site.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [PACKAGE / "site" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.messages.context_processors.messages",
                "qala.site.context.shell",
            ],
            "builtins": ["django.templatetags.i18n", "django.templatetags.static", "qala.site.templatetags.qala"],
        },
    }
]
DATABASES = {"default": _database()}
AUTH_USER_MODEL = "people.Person"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "console:home"
LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_ADAPTER = "qala.city.people.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_LOGIN_BY_CODE_TIMEOUT = 180
ACCOUNT_RATE_LIMITS = {"sms": "10/m/ip,3/10m/key", "sms_all": "300/h/key"}
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_SUBJECT_PREFIX = "Qala: "
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_PREVENT_ENUMERATION = True
MFA_ADAPTER = "qala.city.people.adapter.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "Qala"
MFA_TOTP_TOLERANCE = 1  # steps of 30 seconds that a phone's clock may be off
SOCIALACCOUNT_ADAPTER = "qala.city.people.adapter.OutsideAdapter"
SOCIALACCOUNT_LOGIN_ON_GET = True  # the policy stops forms that end elsewhere; qala.city.people.pages.oidc guards it
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_REQUESTS_TIMEOUT = 5
SOCIALACCOUNT_PROVIDERS = _outside()
DEFAULT_FROM_EMAIL = SERVER_EMAIL = QALA.email_from
globals().update(_email())

TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend", "QUEUES": ["default"]}}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

LANGUAGE_CODE = QALA.language
LANGUAGES = [("kk", _("Kazakh")), ("ru", _("Russian")), ("en", _("English"))]
LOCALE_PATHS = [PACKAGE / "site" / "locale"]
LANGUAGE_COOKIE_NAME = "qala_language"
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
FORMAT_MODULE_PATH = ["qala.site.formats"]
USE_I18N = True
USE_THOUSAND_SEPARATOR = True
USE_TZ = True
TIME_ZONE = QALA.city_zone

STATIC_URL = "/static/"
STATIC_ROOT = QALA.data_dir / "static"
# Swagger UI comes with Ninja's wheel; Ninja itself is no app here, as every command would then import it.
_ninja = find_spec("ninja")
STATICFILES_DIRS: list[tuple[str, Path]] = []
if _ninja is not None and _ninja.origin is not None:
    STATICFILES_DIRS.append(("ninja", Path(_ninja.origin).parent / "static" / "ninja"))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "qala.site.staticstore.Store"},
}
WHITENOISE_ROOT = None
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_500_000
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SILENCED_SYSTEM_CHECKS: list[str] = []
LOGGING_CONFIG = None  # structlog is set up by qala.site.logs
