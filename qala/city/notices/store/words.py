"""The words of notices: templates filled with the facts that a notice holds, in the language of whoever reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from qala.city.people.public import Person
from qala.kernel.errors import NotFound
from qala.kernel.languages import pick_text

from ..models import Notice
from .kinds import BY_KEY, KINDS, Kind

EVERY = "*"  # in a link to unsubscribe: all kinds
_signer = Signer(salt="qala.notices.unsubscribe", sep=".")  # a colon ends a link in some mail programs


def words_of(kind: Kind, data: Mapping[str, Any], language: str | None = None) -> tuple[str, str]:
    """Subject (one line) and text of a notice.

    Args:
        language: ``kk``, ``ru`` or ``en``; without one, the active language.
    """
    spoken = language or translation.get_language() or settings.LANGUAGE_CODE
    with translation.override(spoken):
        facts = {name: _in_words(value, spoken) for name, value in data.items()}
        whole = render_to_string(f"notices/kinds/{kind.template}.txt", facts).strip()
    subject, _newline, text = whole.partition("\n")
    return " ".join(subject.split())[:300], text.strip()


def _in_words(value: Any, language: str) -> Any:
    """Names by language become the one to show."""
    return pick_text(language, value)[0] if isinstance(value, dict) else value


def link_of(notice: Notice) -> str:
    """The page that a notice leads to."""
    return BY_KEY[notice.kind].link(notice.data)


def link_to_list() -> str:
    return reverse("notices:list")


def link_to_settings() -> str:
    return reverse("notices:settings")


def city_address() -> str:
    """Where people reach the city, without a slash at its end."""
    return (settings.QALA.public_url or f"http://localhost:{settings.QALA.port or 8000}").rstrip("/")


def city_host() -> str:
    return urlsplit(city_address()).hostname or "localhost"


def unsubscribe_link(person: UUID, kind: str) -> str:
    """The link by which a person turns mails of a kind (or ``EVERY``) off without signing in."""
    secret = _signer.sign_object([str(person), kind])
    return city_address() + reverse("notices_unsubscribe", args=[secret])


def read_unsubscribe(secret: str) -> tuple[Person, list[Kind]]:
    """Whose mails a link turns off, and of which kinds.

    Raises:
        NotFound: nobody signed it, or the person or the kind is gone.
    """
    try:
        key, kind = _signer.unsign_object(secret)
        person = Person.objects.filter(pk=UUID(key)).first()
    except (BadSignature, ValueError, TypeError):
        person, kind = None, ""
    kinds = [one for one in KINDS if not one.fixed and kind in (EVERY, one.key)]
    if person is None or not kinds:
        raise NotFound(
            _("This link is not valid any more."), fix=_("Sign in and choose under “Notices” what you want.")
        )
    return person, kinds
