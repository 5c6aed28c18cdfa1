"""Turning mails off by the link in one of them."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from qala.kernel.clock import SYSTEM_CLOCK

from .. import actions, store


@csrf_exempt  # mail programs post here by themselves (RFC 8058); the signed link is what counts
@require_http_methods(["GET", "HEAD", "POST"])
def turn_off(request: HttpRequest, secret: str) -> HttpResponse:
    """Asks first: programs that look links up before a person does turn nothing off."""
    if request.method == "POST":
        kinds = actions.turn_off(now=SYSTEM_CLOCK.now(), secret=secret)
    else:
        _person, kinds = store.read_unsubscribe(secret)
    shown = {"kinds": kinds, "every": len(kinds) > 1, "done": request.method == "POST"}
    return render(request, "notices/unsubscribe.html", shown)
