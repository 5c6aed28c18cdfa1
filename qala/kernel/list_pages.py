"""Lists over HTTP: what an address asks of one, a page of it for a template, the whole of it as a file.

An address holds ``q`` (words), a parameter for each filter, ``sort``, ``columns`` (keys, joined by commas or repeated),
``after`` (a cursor) and ``form`` (``csv`` or ``xlsx``: a file of all rows instead of a page).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import render
from django.utils.translation import gettext as _

from . import lists
from .clock import SYSTEM_CLOCK
from .downloads import export_file, file_answer
from .errors import BadInput, Unavailable
from .lists import Asked, Column, Found, List, Look
from .paging import decode_cursor, encode_cursor

FORMS = (lists.CSV, lists.XLSX)
FILES_AT_ONCE = 2  # written by one process; each takes one of its threads for pages
_writing = threading.BoundedSemaphore(FILES_AT_ONCE)


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a page's table; ``link`` is the address it leads to, or empty."""

    column: Column
    value: Any
    link: str


@dataclass(frozen=True, slots=True)
class Given:
    """A filter with what the address says of it: ``value`` as text, ``choices`` as (value, title, chosen)."""

    key: str
    title: Any
    kind: str
    value: str
    choices: tuple[tuple[str, Any, bool], ...]


@dataclass(frozen=True, slots=True)
class ShownList:
    """One page of a list, as a template draws it (``{% list_view list %}``)."""

    declared: List
    asked: Asked
    found: Found
    columns: tuple[Column, ...]
    filters: tuple[Given, ...]
    lines: tuple[tuple[Any, tuple[Cell, ...]], ...]
    first_page: bool
    kept: tuple[tuple[str, str], ...]  # parameters of the address that are no list's own, and stay with it

    @property
    def rows(self) -> list[Any]:
        return self.found.rows

    @property
    def total(self) -> int:
        return self.found.total

    @property
    def next(self) -> str:
        return next_cursor(self.found) or ""

    @property
    def narrows(self) -> bool:
        return self.asked.narrows

    @property
    def filters_given(self) -> bool:
        return any(one.value for one in self.filters)

    @property
    def heads(self) -> list[dict[str, Any]]:
        """The columns' heads: ``column`` and whether it ``sorts``."""
        sorts = {one.column for one in self.declared.sorts}
        return [{"column": one, "sorts": one.key in sorts} for one in self.columns]

    @property
    def choosable(self) -> list[dict[str, Any]]:
        """The columns that a person may leave out or take, and whether each is shown."""
        shown = {one.key for one in self.columns}
        return [{"column": one, "shown": one.key in shown} for one in self.declared.columns[1:]]


def list_answer(
    request: HttpRequest, declared: List, template: str, *, of: Any = None, kept: tuple[str, ...] = (), **context: Any
) -> HttpResponseBase:
    """The page of a list, with the list as ``list`` in the template's context, or the file that was asked for.

    Args:
        of: the thing whose list it is.
        kept: parameters of the address beside the list's own.

    Raises:
        SignInNeeded, NotAllowed: the asker may not see the list.
        BadInput: the address holds a cursor, day or form that is none.
        TooMuch: more rows than the form holds.
        Unavailable: as many files as may be are being written.
    """
    look = look_of(request, of)
    if request.GET.get("form"):
        return file_of(request, declared, look)
    return render(request, template, {**context, "list": shown_list(request, declared, look, kept)})


def look_of(request: HttpRequest, of: Any = None, now: datetime | None = None) -> Look:
    return Look(request.who, now or SYSTEM_CLOCK.now(), of)  # type: ignore[attr-defined]


def asked_of(given: QueryDict, declared: List) -> Asked:
    """What an address asks of a list; what it does not know is passed over.

    Raises:
        BadInput: it holds a cursor or a day that is none.
    """
    after = given.get("after", "")
    return Asked(
        query=lists.clean(given.get("q", "")) if declared.can_search else "",
        values={one.key: one.read(given.get(one.key, "")) for one in declared.filters},
        sort=given.get("sort", "")[:80],
        columns=tuple(key for some in given.getlist("columns")[:50] for key in some.split(",")[:50]),
        after=cursor_of(after),
    )


def cursor_of(text: str) -> tuple[str, ...]:
    """The key in a cursor, as texts; its list says whether it is one of its own.

    Raises:
        BadInput: it is no cursor.
    """
    if not text:
        return ()
    for parts in (1, 2, 3):
        try:
            return decode_cursor(text, *[str] * parts)
        except BadInput:
            if parts == 3:
                raise
    return ()


def asked_by_api(
    *, query: str = "", values: Mapping[str, Any], sort: str = "", cursor: str | None = None, limit: int
) -> Asked:
    """What a program asks of a list.

    Raises:
        BadInput: the cursor is none.
    """
    told = {key: lists.clean(value) if isinstance(value, str) else value for key, value in values.items()}
    return Asked(lists.clean(query), told, sort[:80], (), cursor_of(cursor or ""), limit)


def next_cursor(found: Found) -> str | None:
    """Where the next page begins, for a program."""
    return encode_cursor(*found.following) if found.following else None


def shown_list(request: HttpRequest, declared: List, look: Look, kept: tuple[str, ...] = ()) -> ShownList:
    """A page of a list as the request's address asks for it.

    Raises:
        SignInNeeded, NotAllowed: the asker may not see the list.
        BadInput: the address holds a cursor or day that is none.
    """
    asked = asked_of(request.GET, declared)
    found = declared.page(asked, look)
    columns = tuple(declared.shown(asked.columns))
    lines = tuple((row, tuple(_cells(row, columns))) for row in found.rows)
    return ShownList(
        declared, asked, found, columns, tuple(_given(request.GET, declared, look)), lines, not asked.after,
        tuple((name, request.GET[name]) for name in kept if name in request.GET),
    )  # fmt: skip


def _cells(row: Any, columns: tuple[Column, ...]) -> Iterator[Cell]:
    for one in columns:
        yield Cell(one, one.value(row), one.link(row) if one.link is not None else "")


def _given(asked: Mapping[str, str], declared: List, look: Look) -> Iterator[Given]:
    for one in declared.filters:
        value = lists.clean(asked.get(one.key, ""))
        choices = tuple((choice.value, choice.title, choice.value == value) for choice in look.choices(one))
        yield Given(one.key, one.title, one.kind, value, choices)


def file_of(request: HttpRequest, declared: List, look: Look) -> HttpResponseBase:
    """All rows that the address asks for, as a file."""
    form = request.GET.get("form", "")
    if form not in FORMS:
        raise BadInput(
            _("A list is no file of the form {form}.").format(form=form[:20]), fix=_("Forms are csv and xlsx.")
        )
    asked = asked_of(request.GET, declared)
    columns = declared.filed(asked.columns)
    name = f"{declared.key}-{look.now:%Y%m%d-%H%M}.{form}"
    rows = declared.every(asked, look)  # what access forbids is told before anything is written
    if request.method == "HEAD":
        return HttpResponse(content_type="application/octet-stream")
    with _turn(), export_file() as path:
        if form == lists.CSV:
            lists.write_csv(path, rows, columns)
        else:
            total = declared.count(asked, look)
            lists.write_xlsx(path, rows, columns, title=str(declared.title), total=total)
        return file_answer(path, name)


@contextmanager
def _turn() -> Iterator[None]:
    """One of the files that may be written at once.

    Raises:
        Unavailable: all are under way.
    """
    if not _writing.acquire(blocking=False):
        raise Unavailable(_("Other files of lists are being written just now."), fix=_("Try again in a minute."))
    try:
        yield
    finally:
        _writing.release()
