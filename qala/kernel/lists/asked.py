"""What somebody asks of a list, and who asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from qala.kernel.access import Who

if TYPE_CHECKING:
    from .filters import Choice, Filter

LONGEST = 200  # characters of a parameter that are looked at


@dataclass(frozen=True, slots=True)
class Look:
    """Who looks at a list, and when; ``of`` is the thing whose list it is, e.g. a load, or ``None``."""

    who: Who
    now: datetime
    of: Any = None
    _choices: dict[str, Sequence[Choice]] = field(default_factory=dict, compare=False, repr=False)

    def choices(self, one: Filter) -> Sequence[Choice]:
        """What may be chosen in a filter, asked once."""
        if one.choices is None:
            return ()
        if one.key not in self._choices:
            self._choices[one.key] = one.choices(self)
        return self._choices[one.key]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is wanted of a list; what is empty narrows nothing.

    Args:
        query: words to search for.
        values: by a filter's key; a value is text, or for ``day`` an instant. Keys that the list has not are passed over.
        sort: a column's key, with ``-`` before it the other way round; one that does not sort is passed over.
        columns: keys of the columns to show; empty: those that are shown by default.
        after: where the page before ended, as it told.
        limit: rows of a page.
    """

    query: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    sort: str = ""
    columns: Sequence[str] = ()
    after: Sequence[str] = ()
    limit: int = 50

    @property
    def narrows(self) -> bool:
        """Whether rows may be left out."""
        return bool(self.query.strip()) or any(value not in ("", None, False) for value in self.values.values())


def clean(text: str) -> str:
    """A parameter without what no database takes (NUL, broken surrogates), cut where it is over-long."""
    return text[:LONGEST].encode("utf-8", "ignore").decode().replace("\x00", "").strip()
