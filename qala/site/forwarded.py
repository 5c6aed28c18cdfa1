"""What a proxy says of the request that it passes on: believed from those that the settings name, and from nobody else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from qala.city.people.public import FORWARDING_HEADERS

Network = IPv4Network | IPv6Network


class Forwarded:
    """The first of all: what follows sees the person's own address and way, or that both are unknown."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        believe(request.META)
        return self.get_response(request)


def believe(meta: MutableMapping[str, Any], trusted: Iterable[str] | None = None) -> None:
    """Put what a trusted proxy says into the WSGI variables themselves.

    ``REMOTE_ADDR`` becomes the last address of ``X-Forwarded-For`` that is none of the proxies', and
    ``wsgi.url_scheme`` what ``X-Forwarded-Proto`` says; the headers go. From anybody else, or where the address is
    missing, no address, or this machine's own, all stays as it is: headers that stay say that the address is unknown.

    Args:
        trusted: addresses and networks of proxies; those of the settings by default.
    """
    named = _networks(tuple(settings.QALA.trusted_proxies if trusted is None else trusted))
    if not named or not _among(_address(meta.get("REMOTE_ADDR")), named):
        return
    scheme = str(meta.get("HTTP_X_FORWARDED_PROTO", "")).rpartition(",")[2].strip().lower()
    if scheme in ("http", "https"):
        meta["wsgi.url_scheme"] = scheme
    for text in reversed(str(meta.get("HTTP_X_FORWARDED_FOR", "")).split(",")):
        found = _address(text.strip())
        if _among(found, named):
            continue
        if found is None or found.is_loopback:  # what comes by a proxy does not come from this machine
            return
        meta["REMOTE_ADDR"] = str(found)
        for header in FORWARDING_HEADERS:
            meta.pop(header, None)
        return


@cache
def _networks(named: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(map(ip_network, named))


def _address(text: object) -> IPv4Address | IPv6Address | None:
    """An address, an IPv4 one that is written as IPv6 as what it is."""
    try:
        found = ip_address(str(text))
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


def _among(address: IPv4Address | IPv6Address | None, networks: tuple[Network, ...]) -> bool:
    return address is not None and any(address in network for network in networks)
