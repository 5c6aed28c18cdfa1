"""Pages by cursor: where a page ended, as an opaque word; and ranges of time as doors are given them."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from .clock import utc
from .errors import BadInput
from .ranges import TimeRange


def encode_cursor(*parts: object) -> str:
    """A cursor from the last row's key."""
    texts = [part.isoformat() if isinstance(part, datetime) else str(part) for part in parts]
    return base64.urlsafe_b64encode(json.dumps(texts).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, *kinds: Callable[[str], Any]) -> tuple[Any, ...]:
    """The key in a cursor, each part made by its kind.

    Raises:
        BadInput: it is no cursor of this list.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        texts = json.loads(base64.urlsafe_b64decode(padded.encode()))
        if not isinstance(texts, list) or len(texts) != len(kinds):
            raise ValueError
        return tuple(kind(str(text)) for kind, text in zip(kinds, texts, strict=True))
    except (ValueError, binascii.Error, UnicodeDecodeError):
        raise BadInput("The cursor is not one that this list gave.", fix="Start without a cursor.") from None


def cursor_instant(text: str) -> datetime:
    """An instant in a cursor, in UTC.

    Raises:
        ValueError: it is none.
    """
    return utc(datetime.fromisoformat(text))


def parse_instant(text: str, zone: ZoneInfo) -> datetime:
    """A date (midnight in ``zone``) or an RFC 3339 instant.

    Raises:
        BadInput: neither, or an instant without offset.
    """
    fix = "Write a date, 2026-03-01, or an instant with its offset, 2026-03-01T00:00:00Z."
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"“{text[:60]}” is no time.", fix=fix) from None
    if found.tzinfo is None:
        if len(text) > 10:
            raise BadInput(f"The time “{text[:60]}” has no offset.", fix=fix)
        found = found.replace(tzinfo=zone)
    return found


def span_of(start: datetime | None, end: datetime | None, *others: datetime | None) -> TimeRange:
    """The half-open range of two optional instants.

    Raises:
        BadInput: an instant (also one of ``others``) has no offset, or the end lies before the start.
    """
    for instant in (start, end, *others):
        if instant is not None and instant.tzinfo is None:
            raise BadInput(
                f"The time {instant.isoformat()} has no offset.",
                fix="Add Z or an offset such as +05:00 (+ is %2B in an address).",
            )
    try:
        for other in others:
            if other is not None:
                utc(other)
        return TimeRange(start, end)
    except ValueError as error:
        raise BadInput(f"The range of time is wrong: {error}.") from None
