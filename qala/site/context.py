"""What every page's shell needs: menu, language, whether this is a demonstration. Nothing here asks the database."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from qala import __version__
from qala.kernel.access import ANONYMOUS, Who
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.plug import MenuEntry, declared

from .demo import is_demo

BAR = 5  # entries that the bottom bar of a phone holds
LANGUAGES = (("kk", "Қазақша", "Қаз"), ("ru", "Русский", "Рус"), ("en", "English", "Eng"))


def shell(request: HttpRequest) -> dict[str, Any]:
    """``who, menu, demo, now, language, languages, back, zone, version`` for templates; ``menu`` is made when first used."""
    return {
        "who": getattr(request, "who", ANONYMOUS),
        "menu": SimpleLazyObject(lambda: menu(request)),
        "demo": is_demo(settings.QALA),
        "now": SYSTEM_CLOCK.now(),
        "language": get_language() or settings.LANGUAGE_CODE,
        "languages": LANGUAGES,
        "back": request.get_full_path() if request.method == "GET" else "/",
        "zone": settings.TIME_ZONE,
        "version": __version__,
    }


def menu(request: HttpRequest) -> list[dict[str, Any]]:
    """The console's entries that the asker may open: ``title, url, icon, active``, and ``rest`` beyond the bottom bar."""
    who: Who = getattr(request, "who", ANONYMOUS)
    allowed: list[MenuEntry] = sorted(
        (entry for entry in declared("menu") if who.may(entry.permission)), key=lambda entry: entry.order
    )
    entries = [{"title": entry.title, "url": reverse(entry.url), "icon": entry.icon} for entry in allowed]
    if who.kind != "anonymous":
        entries = [*own_entries(), *entries]
    here = max(
        (entry["url"] for entry in entries if request.path.startswith(entry["url"])), key=len, default=""
    )  # the home's address begins every other one: the longest wins
    most = BAR if len(entries) <= BAR else BAR - 1
    return [
        {**entry, "active": entry["url"] == here, "rest": index >= most and len(entries) > BAR}
        for index, entry in enumerate(entries)
    ]


def own_entries() -> list[dict[str, Any]]:
    """The shell's own pages."""
    return [
        {"title": _("Overview"), "url": reverse("console:home"), "icon": "house"},
        {"title": _("Map"), "url": reverse("console:map"), "icon": "map"},
    ]
