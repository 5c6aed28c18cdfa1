"""Text messages by an HTTP gateway of the settings; where none is set, they are written to files, as mails are."""

from __future__ import annotations

import json

import phonenumbers
import requests
import structlog

from .config import get_settings
from .errors import BadInput, Unavailable
from .ids import new_id

TIMEOUT_SECONDS = 10
log = structlog.get_logger(__name__)


def number_of(text: str) -> str:
    """A telephone number as E.164, e.g. ``+77011234567``; one without a country is of ``QALA_SMS_COUNTRY``.

    Raises:
        BadInput: there is no such number, or it is of another country, to which no messages go.
    """
    country = get_settings().sms_country
    try:
        parsed = phonenumbers.parse(text[:40], country)
    except phonenumbers.NumberParseException:
        parsed = None
    if parsed is None or not phonenumbers.is_valid_number(parsed):
        raise BadInput("This is no telephone number.")
    if parsed.country_code != phonenumbers.country_code_for_region(country):
        raise BadInput("No messages go to numbers of that country.")
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def send(to: str, text: str) -> None:
    """Hand one message to the gateway: a POST of ``{"to": …, "text": …}``, answered by any 2xx.

    Args:
        to: as E.164.

    Raises:
        Unavailable: the gateway does not answer, or not so.
    """
    settings, told = get_settings(), {"to": to, "text": text}
    if settings.sms_url is None:
        folder = settings.data_dir / "outgoing-sms"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / f"{new_id()}.json").write_text(json.dumps(told, ensure_ascii=False), encoding="utf-8")
        return
    headers = {"Authorization": f"Bearer {settings.sms_token.get_secret_value()}"} if settings.sms_token else {}
    try:
        answer = requests.post(
            settings.sms_url, json=told, headers=headers, timeout=TIMEOUT_SECONDS, allow_redirects=False
        )
        why = "" if answer.ok and answer.status_code < 300 else f"status {answer.status_code}"
    except requests.RequestException as error:
        why = type(error).__name__
    if why:
        log.warning("sms.failed", why=why)  # neither number nor text
        raise Unavailable("Text messages can't be sent now.", fix="Try again in a few minutes, or take another way.")
