"""What every page's shell needs: menu, language, whether this is a demonstration, and the tools of its head.

Nothing here asks the database but the counts of tools, one cheap query each, where a page of a signed-in person shows them.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from qala import __version__
from qala.kernel.access import ANONYMOUS, Who
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.plug import MenuEntry, declared, load

from .demo import is_demo

BAR = 5  # entries that the bottom bar of a phone holds
LANGUAGES = (("kk", "Қазақша", "Қаз"), ("ru", "Русский", "Рус"), ("en", "English", "Eng"))


def shell(request: HttpRequest) -> dict[str, Any]:
    """``who, menu, tools, demo, now, language, languages, back, zone, version`` for templates; ``menu`` and ``tools`` are
    made when first used."""
    return {
        "who": getattr(request, "who", ANONYMOUS),
        "menu": SimpleLazyObject(lambda: menu(request)),
        "tools": SimpleLazyObject(lambda: tools(request)),
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
    entries = [
        {
            "title": entry.title,
            "url": reverse(entry.url),
            "icon": entry.icon,
            "pages": [reverse(name) for name in (entry.url, *entry.also)],
        }
        for entry in allowed
    ]
    if who.kind != "anonymous":
        entries = [*own_entries(), *entries]
    home = reverse("console:home")  # begins the address of every other page
    here = max(
        (page for entry in entries for page in entry["pages"] if _lies_below(request.path, page, home)),
        key=len,
        default=None,
    )
    most = BAR if len(entries) <= BAR else BAR - 1
    return [
        {**entry, "active": here in entry["pages"], "rest": index >= most and len(entries) > BAR}
        for index, entry in enumerate(entries)
    ]


def tools(request: HttpRequest) -> list[dict[str, Any]]:
    """The icons in the head of a signed-in person's pages: ``title, url, icon, count``; without a count where the
    records do not answer, as a page that says so has a head too."""
    who: Who = getattr(request, "who", ANONYMOUS)
    if who.kind != "person":
        return []
    found = []
    for tool in declared("tools"):
        try:
            count = load(tool.count)(who)
        except DatabaseError:
            count = 0
        found.append({"title": tool.title, "url": reverse(tool.url), "icon": tool.icon, "count": count})
    return found


def _lies_below(path: str, page: str, home: str) -> bool:
    return path == page if page == home else path.startswith(page)


def own_entries() -> list[dict[str, Any]]:
    """The shell's own pages."""
    return [
        {"title": title, "url": reverse(name), "icon": icon, "pages": [reverse(name)]}
        for title, name, icon in ((_("Overview"), "console:home", "house"), (_("Map"), "console:map", "map"))
    ]
