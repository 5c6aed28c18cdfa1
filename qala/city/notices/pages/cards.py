"""Cards of notices on other pages."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from qala.kernel.access import Who

from .. import store


def me(request: HttpRequest, who: Who) -> dict[str, Any]:
    """When one wants mails, in a word each, and the way to change it."""
    return {"preference": store.preference_of(store.person_of(who))}
