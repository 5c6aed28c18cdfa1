"""Columns of lists: what a cell holds, for a page and for a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["text", "number", "instant", "day", "flag"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a list.

    Args:
        key: stable, for addresses and the heads of files that programs read.
        value: the cell of a row: text, a number, an instant, a day, a truth, or ``None``; what is in words is in the
            active language.
        kind: how the value is shown and which cell of a spreadsheet it becomes.
        unit: of a number.
        link: of the row's own page, where the cell leads to it.
        cell: a template that draws the cell on a page from ``row`` and ``value``, where its kind does not say enough.
        shown: whether a page shows it unless it is asked for; the first column of a list is always shown.
        mono: whether the text is a code.
        in_file: whether files hold it.
    """

    key: str
    title: Any
    value: Callable[[Any], Any]
    kind: Kind = "text"
    unit: str = ""
    link: Callable[[Any], str] | None = None
    cell: str = ""
    shown: bool = True
    mono: bool = False
    in_file: bool = True

    @property
    def numeric(self) -> bool:
        return self.kind == "number"
