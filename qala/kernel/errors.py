"""The errors of the domain, raised plainly; ``qala.site.problems`` alone maps them to HTTP and CLI text."""

from __future__ import annotations

from collections.abc import Sequence


class QalaError(Exception):
    """Something that a person can understand went wrong.

    Args:
        what: what is wrong and where, one sentence.
        fix: what to do about it, one sentence, may be empty.
        rows: further places of the same fault, e.g. one line for each bad row.
    """

    kind = "error"
    status = 500

    def __init__(self, what: str, *, fix: str = "", rows: Sequence[str] = ()) -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix
        self.rows = tuple(rows)


class BadInput(QalaError):
    """What was given cannot be right, whoever asks and whenever."""

    kind = "bad-input"
    status = 422


class NotFound(QalaError):
    """No such thing, or none that the asking person may know of."""

    kind = "not-found"
    status = 404


class NotAllowed(QalaError):
    """The asking person is known and may not do this."""

    kind = "not-allowed"
    status = 403


class SignInNeeded(QalaError):
    """Nobody is signed in and the thing is not public."""

    kind = "sign-in-needed"
    status = 401


class Conflict(QalaError):
    """The state of the thing does not allow it now."""

    kind = "conflict"
    status = 409


class TooMuch(QalaError):
    """Larger than this installation takes."""

    kind = "too-much"
    status = 413


class Unavailable(QalaError):
    """A part of the system does not answer, or its disk is full; nothing was half-written."""

    kind = "unavailable"
    status = 503
