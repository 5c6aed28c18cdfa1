"""Who may sign in and how far a person's roles reach: plain functions over plain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv6Address, ip_address
from typing import Protocol
from uuid import UUID

from qala.kernel.access import EVERYTHING, NOTHING, Scope, Who

ADMINISTRATOR = "administrator"
LANGUAGES = ("kk", "ru", "en")
TOKEN_PREFIX = "qala_"  # noqa: S105 - it tells people and scanners what the rest is
TOKEN_NEVER = frozenset({"people.manage"})  # a token that leaked must not make accounts
TOKEN_DAYS_MOST = 400
SEEN = "people.seen"  # name in a session's data: when it was last noted as in use, in seconds of Unix time
SEEN_EVERY = 600.0  # seconds between two such notes
FORWARDING_HEADERS = (
    "HTTP_FORWARDED",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_REAL_IP",
    "HTTP_VIA",
)


def grants_of(
    memberships: Iterable[tuple[UUID | None, Iterable[str]]], *, unscoped: frozenset[str] = frozenset()
) -> dict[str, Scope]:
    """How far each permission reaches for somebody with these memberships.

    Args:
        memberships: for each open membership its organisation (``None``: the whole city) and its role's permissions.
        unscoped: permissions that are not about an organisation's rows, so that held at all they are held everywhere.

    Returns:
        The union of what the memberships give, by permission.
    """
    grants: dict[str, Scope] = {}
    for organisation, permissions in memberships:
        for permission in permissions:
            everywhere = organisation is None or permission in unscoped
            scope = EVERYTHING if everywhere else Scope(organisations=frozenset({organisation}))  # type: ignore[arg-type]
            grants[permission] = grants.get(permission, NOTHING) | scope
    return grants


def grants_of_token(
    grants: Mapping[str, Scope], permissions: Iterable[str], organisations: frozenset[UUID], unscoped: frozenset[str]
) -> dict[str, Scope]:
    """What is left of an owner's grants for a token.

    Args:
        permissions: that the token is for.
        organisations: that it is for; empty: as far as its owner reaches.
        unscoped: permissions that are not about an organisation's rows.
    """
    found = {}
    for key in set(permissions) - TOKEN_NEVER:
        scope = grants.get(key, NOTHING)
        found[key] = scope.within(organisations) if organisations and key not in unscoped else scope
    return {key: scope for key, scope in found.items() if scope}


def beyond(
    who: Who, permissions: Iterable[str], *, organisation: UUID | None, unscoped: frozenset[str] = frozenset()
) -> list[str]:
    """Those of the permissions that a role would carry further, given in ``organisation``, than ``who`` holds them.

    Args:
        organisation: ``None`` for the whole city.
        unscoped: permissions that reach everywhere wherever they are held.
    """

    def holds(permission: str) -> bool:
        scope = who.scope(permission)
        return scope.everything or (permission not in unscoped and scope.covers(organisation))

    return [permission for permission in permissions if not holds(permission)]


def permissions_after_offer(
    held: Iterable[str], offered_before: Iterable[str], offered_now: Iterable[str]
) -> tuple[list[str], list[str]]:
    """What a role holds after plugs offered it permissions: only what was never offered before is added.

    A permission that an administrator took away was offered before, so it is not given back.

    Returns:
        (permissions held, permissions ever offered), both sorted.
    """
    before, now = set(offered_before), set(offered_now)
    return sorted(set(held) | (now - before)), sorted(before | now)


def is_loopback(address: str) -> bool:
    """Whether an address is this machine's own: 127.0.0.0/8, ::1, or the former written as IPv6."""
    try:
        parsed = ip_address(address.strip())
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped.is_loopback
    return parsed.is_loopback


class Account(Protocol):
    """What ``may_use`` needs to know of a person."""

    is_active: bool
    is_demo: bool


def remote_address(meta: Mapping[str, object]) -> str:
    """The address that a request's connection came from, ``""`` where a proxy stands between.

    Args:
        meta: WSGI variables of the request. A proxy's own address says nothing of the person's, and what it says of
            theirs can be made up, so any forwarding header makes the address unknown.
    """
    if any(meta.get(header) is not None for header in FORWARDING_HEADERS):
        return ""
    return str(meta.get("REMOTE_ADDR") or "")


def may_use(account: Account, address: str) -> bool:
    """Whether an account may be used from an address (see ``remote_address``), at sign-in and on every later request.

    It must be active, and a demo account, whose password everybody knows, must sit at this very machine.
    """
    return account.is_active and (not account.is_demo or is_loopback(address))


# sign in a user agent: what it is called; the first that is found counts
BROWSERS = {
    "edg": "Edge", "opr/": "Opera", "yabrowser": "Yandex", "samsungbrowser": "Samsung", "firefox": "Firefox", "fxios": "Firefox",
    "chrome": "Chrome", "crios": "Chrome", "safari": "Safari", "curl": "curl", "python": "Python",
}  # fmt: skip
SYSTEMS = {
    "iphone": "iPhone", "ipad": "iPad", "android": "Android", "windows": "Windows", "mac os": "macOS", "cros": "ChromeOS",
    "linux": "Linux",
}  # fmt: skip


def device_of(agent: str) -> str:
    """Browser and system of a user agent, e.g. ``Firefox · Linux``; ``""`` where neither is known."""
    low = agent.lower()
    named = (next((name for sign, name in kind.items() if sign in low), "") for kind in (BROWSERS, SYSTEMS))
    return " · ".join(filter(None, named))
