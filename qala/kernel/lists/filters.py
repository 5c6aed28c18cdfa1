"""Filters of lists: what rows are narrowed by, and what may be chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Q
from django.utils.translation import gettext as _

from qala.kernel.errors import BadInput

from .asked import Look, clean

Rows = Any  # a QuerySet, or a list of plain rows
Narrow = Callable[[Rows, Any, Look], Rows]


@dataclass(frozen=True, slots=True)
class Choice:
    """One value that a filter may take."""

    value: str
    title: Any


@dataclass(frozen=True, slots=True)
class Filter:
    """One way to narrow a list.

    Args:
        narrow: ``function(rows, value, look)`` gives the rows that are left.
        choices: for ``choice``: the values there are, for who looks; another value leaves no row.
        ends: for ``day``: the value is the midnight after the day, so that the day itself belongs to the range.
    """

    key: str
    title: Any
    narrow: Narrow
    kind: Literal["choice", "text", "flag", "day"] = "choice"
    choices: Callable[[Look], Sequence[Choice]] | None = None
    ends: bool = False

    def read(self, given: str) -> Any:
        """The value that a parameter holds; an empty one (``""``, ``None``, ``False``) narrows nothing.

        Raises:
            BadInput: it is no day.
        """
        if self.kind == "flag":
            return given not in ("", "0", "false")
        if self.kind == "day":
            return midnight(given, days=1 if self.ends else 0)
        return clean(given)


def midnight(given: str, days: int = 0) -> datetime | None:
    """The beginning of a day in the city, so many days later; ``None`` where no day is given.

    Raises:
        BadInput: it is no day.
    """
    if not given:
        return None
    try:
        found = date.fromisoformat(given) + timedelta(days=days)
        return datetime.combine(found, time.min, ZoneInfo(settings.TIME_ZONE))
    except (ValueError, OverflowError):
        raise BadInput(_("“{text}” is no day.").format(text=given[:40]), fix="2026-03-01") from None


def where(lookup: str) -> Narrow:
    """Rows of a database in which a field is (``lookup``: as Django writes it) the value."""
    return lambda rows, value, _look: rows.filter(**{lookup: value})


def kept(test: Callable[[Any, Any], bool]) -> Narrow:
    """Plain rows for which ``test(row, value)`` holds."""
    return lambda rows, value, _look: [row for row in rows if test(row, value)]


def choice(key: str, title: Any, choices: Callable[[Look], Sequence[Choice]], narrow: Narrow | str = "") -> Filter:
    """A filter by one of some values; ``narrow`` is a function, or the lookup of a database's rows."""
    return Filter(key, title, where(narrow or key) if isinstance(narrow, str) else narrow, "choice", choices)


def text(key: str, title: Any, narrow: Narrow | str = "") -> Filter:
    """A filter by what somebody writes."""
    return Filter(key, title, where(narrow or key) if isinstance(narrow, str) else narrow, "text")


def flag(key: str, title: Any, narrow: Narrow | Q) -> Filter:
    """A filter that is on or off."""
    if isinstance(narrow, Q):
        condition = narrow
        return Filter(key, title, lambda rows, _value, _look: rows.filter(condition), "flag")
    return Filter(key, title, narrow, "flag")


def day(key: str, title: Any, field: str, *, ends: bool = False) -> Filter:
    """The first day of a range of time by a field, or with ``ends`` its last one."""
    return Filter(key, title, where(f"{field}__{'lt' if ends else 'gte'}"), "day", ends=ends)
