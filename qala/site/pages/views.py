"""The shell's own pages: the console's home, the map, the choice of language, the design system."""

from __future__ import annotations

import hashlib
import json
import math
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_POST, require_safe

from qala.city.people.public import set_language as keep_language
from qala.city.places.public import shown_base_map
from qala.kernel.access import Who
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.errors import BadInput, NotFound, SignInNeeded
from qala.kernel.plug import Layer, cards_at, declared, load
from qala.site.formats.text import period_text

from . import samples

HOME = "console.home"
LAYER_SECONDS = 30


def asking(request: HttpRequest) -> Who:
    """Who asks.

    Raises:
        SignInNeeded: nobody is signed in.
    """
    who: Who = request.who  # type: ignore[attr-defined]
    if who.kind == "anonymous":
        raise SignInNeeded(_("This page needs a signed-in person."), fix=_("Sign in and try again."))
    return who


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The cards that matters plug in, each for itself: one that fails says so, the page lives.

    Who holds no permission is a resident: theirs are the pages of their own meters."""
    who = asking(request)
    if who.kind == "person" and not who.grants:
        return redirect("my_meters:list")
    return render(request, "site/home.html", {"cards": cards_at(HOME, request, who)})


@require_safe
def map_page(request: HttpRequest) -> HttpResponse:
    """The map; its themes are fetched by the script, one at a time."""
    layers = allowed_layers(asking(request))
    config = {
        "ground": [layer_entry(layer) for layer in layers if layer.ground],
        "themes": [layer_entry(layer) for layer in layers if not layer.ground],
        "tiles": settings.QALA.tile_url or "",
        "attribution": settings.QALA.tile_attribution,
        "base": shown_base_map(),
    }
    return render(request, "site/map.html", {"config": config})


def allowed_layers(who: Who) -> list[Layer]:
    return sorted((layer for layer in declared("layers") if who.may(layer.permission)), key=lambda layer: layer.order)


def layer_entry(layer: Layer) -> dict[str, str]:
    """What the script needs of a layer. The language is in the address, as names in the answer speak it."""
    address = reverse("console:map_layer", args=[layer.key])
    return {
        "key": layer.key,
        "title": str(layer.title),
        "url": f"{address}?{urlencode({'language': get_language() or ''})}",
    }


@require_safe
@gzip_page
def map_layer(request: HttpRequest, key: str) -> HttpResponse:
    """A layer's features, within ``?bounds=west,south,east,north`` (degrees) where they are given."""
    who: Who = request.who  # type: ignore[attr-defined]
    layer = next((layer for layer in declared("layers") if layer.key == key), None)
    if layer is None:
        raise NotFound(_("The map has no theme {key}.").format(key=key[:80]))
    who.require(layer.permission)
    found = load(layer.source)(who, bounds_of(request))
    if "period" in found:
        start, end = found["period"]
        found["period"] = period_text(start, end, SYSTEM_CLOCK.now())
    body = json.dumps(found, ensure_ascii=False, separators=(",", ":"), default=str).encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    response = get_conditional_response(request, etag=etag)
    if response is None:
        response = HttpResponse(body, content_type="application/geo+json")
    response.headers["ETag"] = etag
    response.headers["Cache-Control"] = f"private, max-age={LAYER_SECONDS}"
    return response


def bounds_of(request: HttpRequest) -> tuple[float, float, float, float] | None:
    """The asked-for part of the world.

    Raises:
        BadInput: ``bounds`` is not four numbers of degrees, west to east and south to north.
    """
    asked = request.GET.get("bounds")
    if not asked:
        return None
    try:
        west, south, east, north = (float(part) for part in asked.split(","))
    except ValueError:
        west = south = east = north = math.nan
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise BadInput(
            _("bounds={bounds} is not west,south,east,north in degrees.").format(bounds=asked[:80]),
            fix=_("An example: bounds=76.7,43.0,77.2,43.4"),
        )
    return west, south, east, north


@require_POST
def set_language(request: HttpRequest) -> HttpResponse:
    """Choose the language of pages: kept in a cookie, and with the person who is signed in."""
    code = request.POST.get("language", "")
    if code not in dict(settings.LANGUAGES):
        raise BadInput(_("Qala does not speak {language}.").format(language=code[:20]), fix="kk, ru, en")
    who: Who = request.who  # type: ignore[attr-defined]
    if who.kind == "person":
        keep_language(who=who, now=SYSTEM_CLOCK.now(), person=request.user, language=code)  # type: ignore[arg-type]
    wanted = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    response = redirect(wanted if safe else "/")
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        code,
        max_age=settings.LANGUAGE_COOKIE_AGE,
        samesite="Lax",
        secure=request.is_secure(),
        httponly=True,
    )
    return response


@require_safe
def style(request: HttpRequest) -> HttpResponse:
    """The design system's own page: every part once, for eyes and for the accessibility check. It holds no data."""
    now = SYSTEM_CLOCK.now()
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    context: dict[str, Any] = {
        "form": samples.form(),
        "rows": samples.rows(now),
        "page": Paginator(range(20_000), 50).get_page(request.GET.get("page")),
        "chart": samples.chart(midnight),
        "values": samples.BARS,
        "register": 9_007_199_254_740_993,
        "moments": [
            now - timedelta(seconds=20),
            now - timedelta(minutes=5),
            now - timedelta(hours=3),
            now - timedelta(days=9),
        ],
        "yesterday": midnight - timedelta(days=1),
        "midnight": midnight,
        "week": midnight - timedelta(days=7),
        "tabs": [
            {"title": _("All"), "url": "?", "count": 20_000, "active": True},
            {"title": _("Online"), "url": "?state=ok", "count": 19_871},
            {"title": _("Silent devices"), "url": "?state=bad", "count": 129},
        ],
        "tokens": samples.TOKENS,
    }
    return render(request, "site/style.html", context)
