"""What the console pages of people have in common."""

from __future__ import annotations

from typing import Any

from django.forms import Form
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from qala.kernel.access import Who
from qala.kernel.errors import BadInput, Conflict, NotAllowed, SignInNeeded, Unavailable

from .. import store

MISTAKES = (BadInput, Conflict, NotAllowed, Unavailable)  # errors that belong beside the form that made them


def asking(request: HttpRequest) -> Who:
    """Who asks.

    Raises:
        SignInNeeded: nobody is signed in.
    """
    who: Who = request.who  # type: ignore[attr-defined]
    if who.kind == "anonymous":
        raise SignInNeeded(_("This page needs a signed-in person."), fix=_("Sign in and try again."))
    return who


def tabs(who: Who) -> list[dict[str, Any]]:
    """The views of people that the asker may open."""
    found = [
        {"title": _("Organisations"), "url": reverse("people:organisations")},
        {"title": _("Roles"), "url": reverse("people:roles")},
        {"title": _("API tokens"), "url": reverse("people:tokens")},
    ]
    if who.may(store.VIEW):
        found.insert(0, {"title": _("People"), "url": reverse("people:list")})
    return found


def city_address(request: HttpRequest) -> str:
    """Where people reach the city: by the settings, else as this request did."""
    return store.city_address(request.build_absolute_uri("/"))


def tell(form: Form, error: Any) -> None:
    """Say a domain error above a form."""
    for what in error.rows or [error.what]:
        form.add_error(None, what)
    if error.fix:
        form.add_error(None, error.fix)
