"""Who asks, and how far their permissions reach.

A permission is a word that a matter declares in its plug (``devices.view``); a role is a bundle of permissions in
data; a membership gives a person a role in one organisation or in the whole city. ``Who`` is the outcome: what store
and actions are told, so that no row is read or written without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Literal
from uuid import UUID

from .errors import NotAllowed, SignInNeeded


@dataclass(frozen=True, slots=True)
class Scope:
    """How far one permission reaches: everything, or the rows of some organisations."""

    everything: bool = False
    organisations: frozenset[UUID] = frozenset()

    def covers(self, organisation: UUID | None) -> bool:
        return self.everything or (organisation is not None and organisation in self.organisations)

    def within(self, organisations: frozenset[UUID]) -> Scope:
        """What is left of the scope among some organisations."""
        return Scope(organisations=organisations if self.everything else self.organisations & organisations)

    def __or__(self, other: Scope) -> Scope:
        return Scope(self.everything or other.everything, self.organisations | other.organisations)

    def __bool__(self) -> bool:
        return self.everything or bool(self.organisations)


NOTHING = Scope()
EVERYTHING = Scope(everything=True)


class _Anywhere(Enum):
    ANYWHERE = "anywhere"


ANYWHERE: Final = _Anywhere.ANYWHERE


@dataclass(frozen=True, slots=True)
class Who:
    """One asker: a person, a program that came with a token, the system itself, or nobody known.

    ``id`` is the person's; for a token that of its person, or its own where an organisation owns it.
    """

    kind: Literal["person", "token", "system", "anonymous"]
    name: str
    id: UUID | None = None
    grants: Mapping[str, Scope] = field(default_factory=dict)

    def scope(self, permission: str) -> Scope:
        """How far ``permission`` reaches for this asker."""
        return EVERYTHING if self.kind == "system" else self.grants.get(permission, NOTHING)

    def may(self, permission: str, organisation: UUID | _Anywhere | None = ANYWHERE) -> bool:
        """Whether the asker holds ``permission`` for one organisation's rows; where none is named, for any at all.

        ``None`` is the owner of rows that no organisation owns: only who holds the permission everywhere may.
        """
        scope = self.scope(permission)
        return bool(scope) if organisation is ANYWHERE else scope.covers(organisation)

    def require(self, permission: str, organisation: UUID | _Anywhere | None = ANYWHERE) -> Scope:
        """The scope of ``permission``; ``organisation`` as in ``may``.

        Raises:
            SignInNeeded: nobody is signed in.
            NotAllowed: the asker does not hold the permission, or not for that organisation.
        """
        if not self.may(permission, organisation):
            if self.kind == "anonymous":
                raise SignInNeeded("This needs a signed-in person.", fix="Sign in and try again.")
            raise NotAllowed(
                f"{self.name} does not hold the permission {permission} here.", fix="Ask an administrator."
            )
        return self.scope(permission)


ANONYMOUS = Who("anonymous", "anonymous")


def system(name: str) -> Who:
    """The system as asker, e.g. ``system("cli:root")`` or ``system("job:lake.maintain")``; all is allowed."""
    return Who("system", name)
