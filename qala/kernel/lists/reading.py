"""Reading a list: narrowed, sorted, a page or all of it, in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from django.db.models import Field, Q, QuerySet
from django.db.models.fields import DateTimeField, FloatField, IntegerField, UUIDField
from django.utils.translation import gettext as _

from qala.kernel import search
from qala.kernel.clock import utc
from qala.kernel.errors import BadInput

from .asked import Asked, Look
from .columns import Column
from .filters import Filter, Rows

MOST_COUNTED = 10_000  # rows beyond which a page says that there are more, and does not count them
AT_ONCE = 2_000
MOST_FOUND = 20_000  # things that words may find for a page to gather and sort all of them
MOST_SHOWN = 1_000  # of those that words find beyond that, a page shows some


@dataclass(frozen=True, slots=True)
class Sort:
    """An order of a list that a column's head offers.

    Rows of a database are read by key: an index over ``(field, tie)`` carries every page alike. Plain rows are sorted
    by ``key``.

    Args:
        column: key of the column.
        field: of the model; ``tie`` is a unique one that settles equal values, empty where ``field`` is unique.
        nullable: rows without a value come last, whichever way the others are sorted.
        key: of a plain row.
    """

    column: str
    field: str = ""
    tie: str = ""
    nullable: bool = False
    key: Callable[[Any], Any] | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A page of a list.

    Args:
        rows: of the list's kind.
        total: how many rows there are, counted to ``MOST_COUNTED``; ``more``: there are more than that.
        following: where the next page begins; empty at the end.
        sort: the order that they are in.
        cut: the words find so many that only some of what they find is here: ``total`` of more.
    """

    rows: list[Any]
    total: int
    more: bool
    following: tuple[str, ...]
    sort: str
    cut: bool = False


@dataclass(frozen=True, slots=True)
class List:
    """A list as it is declared: its rows, columns, filters, orders and search.

    Args:
        key: names it in addresses of files and on the command line, e.g. ``devices``.
        rows: ``function(look)`` gives all rows that the asker may see, as a query or as a list of plain rows; it
            raises what access asks for.
        columns: the first is the row's own name.
        sorts: the first is the list's own order; ``-`` before its column's key in ``order`` turns it.
        searched: kind of thing that ``qala.kernel.search`` finds, for rows of a database. Plain rows are searched in
            all their columns' texts. ``None``: a database's list without search.
        finds: ``function(rows, words)`` narrows rows of a database by words, where these find other things than the rows.
        dressed: joins and prefetches that cells need; with the rows of one page or of a whole file.
        finished: makes the rows of one page, or some of a file, from those that were read: for what cells need of
            other tables, in queries of a fixed number.
    """

    key: str
    title: Any
    rows: Callable[[Look], Rows]
    columns: tuple[Column, ...]
    sorts: tuple[Sort, ...]
    filters: tuple[Filter, ...] = ()
    order: str = ""
    searched: str | None = None
    searched_key: type[UUID] | type[int] | type[str] = UUID
    finds: Callable[[Any, str], Any] | None = None
    dressed: Callable[[Any, Look], Any] | None = None
    finished: Callable[[list[Any], Look], list[Any]] | None = None

    # What is there -------------------------------------------------------------------------------------------------

    def column(self, key: str) -> Column | None:
        return next((one for one in self.columns if one.key == key), None)

    def shown(self, keys: Sequence[str]) -> list[Column]:
        """The columns to show, in the list's own order; unknown keys are passed over."""
        wanted = {key for key in keys if self.column(key) is not None}
        rest = [one for one in self.columns[1:] if (one.key in wanted if wanted else one.shown)]
        return [self.columns[0], *rest]

    def filed(self, keys: Sequence[str]) -> list[Column]:
        """The columns of a file: those that were chosen, else all."""
        wanted = {key for key in keys if self.column(key) is not None}
        return [one for one in self.columns if one.in_file and (not wanted or one.key in wanted)] or [self.columns[0]]

    @property
    def can_search(self) -> bool:
        return self.searched is not None or self.finds is not None or self.sorts[0].key is not None

    def sort_of(self, asked: str) -> tuple[Sort, bool]:
        """The order that was asked for, else the list's own, and whether it falls."""
        for wanted in (asked, self.order, self.sorts[0].column):
            for one in self.sorts:
                if one.column == wanted.removeprefix("-"):
                    return one, wanted.startswith("-")
        raise AssertionError("a list has an order")

    # Reading -------------------------------------------------------------------------------------------------------

    def narrowed(self, asked: Asked, look: Look) -> Rows:
        """All rows that are asked for, in no order: a query, or a list of plain rows.

        Raises:
            SignInNeeded, NotAllowed: the asker may not see the list.
        """
        rows = self._filtered(asked, look)
        return self._searched(rows, asked.query) if asked.query.strip() else rows

    def _filtered(self, asked: Asked, look: Look) -> Rows:
        rows = self.rows(look)
        for one in self.filters:
            value = asked.values.get(one.key)
            if value in ("", None, False):
                continue
            if one.choices is not None and value not in {choice.value for choice in look.choices(one)}:
                rows = rows.none() if isinstance(rows, QuerySet) else []
            else:
                rows = one.narrow(rows, value, look)
        return rows

    def _for_a_page(self, asked: Asked, look: Look) -> tuple[Rows, bool]:
        """The rows that a page may show, and whether words find more than that."""
        words = asked.query.strip()
        if not words or self.searched is None or not search.finds_more_than(MOST_FOUND, self.searched, words):
            return self.narrowed(asked, look), False
        rows = self._filtered(asked, look)
        some = list(
            rows.order_by().filter(search.holds(self.searched, words)).values_list("pk", flat=True)[: MOST_SHOWN + 1]
        )
        return rows.filter(pk__in=some[:MOST_SHOWN]), len(some) > MOST_SHOWN

    def _searched(self, rows: Rows, query: str) -> Rows:
        if isinstance(rows, QuerySet):
            if self.finds is not None:
                return self.finds(rows, query)
            if self.searched is None:
                return rows
            return rows.filter(pk__in=search.matching(self.searched, query, key=self.searched_key))
        words = search.folded(query).split()
        return [row for row in rows if _holds(search.folded(self._text(row)), words)]

    def _text(self, row: Any) -> str:
        return " ".join(str(value) for one in self.columns if (value := one.value(row)) not in (None, ""))

    def page(self, asked: Asked, look: Look) -> Found:
        """One page, how many rows there are, and where the next page begins.

        Raises:
            SignInNeeded, NotAllowed: the asker may not see the list.
            BadInput: ``after`` is not what this list in this order told.
        """
        rows, cut = self._for_a_page(asked, look)
        sort, falls = self.sort_of(asked.sort)
        name = f"{'-' if falls else ''}{sort.column}"
        if not isinstance(rows, QuerySet):
            return self._plain_page(rows, asked, look, sort, falls, name)
        total = _counted(rows)
        if self.dressed is not None:
            rows = self.dressed(rows, look)
        found = _by_key(rows, sort, falls, asked.after, asked.limit + 1)
        following: tuple[str, ...] = ()
        if len(found) > asked.limit:
            found = found[: asked.limit]
            following = _end(found[-1], sort)
        if self.finished is not None:
            found = self.finished(found, look)
        return Found(found, min(total, MOST_COUNTED), cut or total > MOST_COUNTED, following, name, cut)

    def _plain_page(self, rows: list[Any], asked: Asked, look: Look, sort: Sort, falls: bool, name: str) -> Found:
        rows = _plain_sorted(rows, sort, falls)
        try:
            start = int(asked.after[0]) if asked.after else 0
        except ValueError:
            raise _no_cursor() from None
        if start < 0 or len(asked.after) > 1:
            raise _no_cursor()
        end = start + asked.limit
        found = rows[start:end]
        if self.finished is not None:
            found = self.finished(found, look)
        return Found(found, len(rows), False, (str(end),) if end < len(rows) else (), name)

    def count(self, asked: Asked, look: Look) -> int:
        """How many rows there are, all of them counted."""
        rows = self.narrowed(asked, look)
        return int(rows.order_by().count()) if isinstance(rows, QuerySet) else len(rows)

    def every(self, asked: Asked, look: Look) -> Iterator[Any]:
        """All rows that are asked for, in the order that is asked for, some thousands in memory at once.

        Raises:
            SignInNeeded, NotAllowed: the asker may not see the list; raised at once.
        """
        rows = self.narrowed(asked, look)
        sort, falls = self.sort_of(asked.sort)
        if not isinstance(rows, QuerySet):
            some = _plain_sorted(rows, sort, falls)
            return iter(self.finished(some, look) if self.finished is not None else some)
        if self.dressed is not None:
            rows = self.dressed(rows, look)
        known = [rows]
        if sort.nullable:
            known = [rows.filter(**{f"{sort.field}__isnull": nothing}) for nothing in (False, True)]
        return self._read([part.order_by(*_order(sort, falls)) for part in known], look)

    def _read(self, parts: Sequence[QuerySet[Any]], look: Look) -> Iterator[Any]:
        for part in parts:
            read = part.iterator(chunk_size=AT_ONCE)
            if self.finished is None:
                yield from read
                continue
            while some := list(islice(read, AT_ONCE)):
                yield from self.finished(some, look)


def _holds(text: str, words: Sequence[str]) -> bool:
    return all(word in text for word in words)


def _plain_sorted(rows: list[Any], sort: Sort, falls: bool) -> list[Any]:
    """Plain rows in an order; those without a value come last."""
    assert sort.key is not None, f"plain rows are sorted by a key: {sort.column}"
    keyed = [(sort.key(row), row) for row in rows]
    known = sorted((pair for pair in keyed if pair[0] is not None), key=lambda pair: pair[0], reverse=falls)
    return [row for _key, row in known] + [row for key, row in keyed if key is None]


def _counted(rows: QuerySet[Any]) -> int:
    """How many rows there are, counted to one more than ``MOST_COUNTED``."""
    return rows.order_by().values("pk")[: MOST_COUNTED + 1].count()


def _order(sort: Sort, falls: bool) -> list[str]:
    sign = "-" if falls else ""
    return [f"{sign}{name}" for name in (sort.field, sort.tie) if name]


def _by_key(rows: QuerySet[Any], sort: Sort, falls: bool, after: Sequence[str], limit: int) -> list[Any]:
    """Some rows after a key. Rows without a value follow those with one, in a query of their own."""
    side = "lt" if falls else "gt"
    if not sort.nullable:
        if after:
            rows = rows.filter(_beyond(rows, sort, side, after))
        return list(rows.order_by(*_order(sort, falls))[:limit])
    if after and after[0] not in ("with", "without"):
        raise _no_cursor()
    with_value = rows.filter(**{f"{sort.field}__isnull": False})
    without = rows.filter(**{f"{sort.field}__isnull": True})
    if after and after[0] == "without":
        with_value = rows.none()
        if len(after) != 2:
            raise _no_cursor()
        without = without.filter(**{f"{sort.tie}__{side}": _value(rows.model._meta.get_field(sort.tie), after[1])})
    elif after:
        with_value = with_value.filter(_beyond(rows, sort, side, after[1:]))
    found = list(with_value.order_by(*_order(sort, falls))[:limit])
    found += list(without.order_by(*_order(sort, falls))[: limit - len(found)])
    return found


def _beyond(rows: QuerySet[Any], sort: Sort, side: str, after: Sequence[str]) -> Q:
    """The condition of rows after a key; its first part is what an index finds."""
    fields = [name for name in (sort.field, sort.tie) if name]
    if len(after) != len(fields):
        raise _no_cursor()
    values = [_value(rows.model._meta.get_field(name), text) for name, text in zip(fields, after, strict=True)]
    if len(fields) == 1:
        return Q(**{f"{fields[0]}__{side}": values[0]})
    return Q(**{f"{fields[0]}__{side}e": values[0]}) & (
        Q(**{f"{fields[0]}__{side}": values[0]}) | Q(**{fields[0]: values[0], f"{fields[1]}__{side}": values[1]})
    )


def _end(row: Any, sort: Sort) -> tuple[str, ...]:
    """Where a page ends, as texts."""
    if sort.nullable and getattr(row, sort.field) is None:
        return ("without", _told(getattr(row, sort.tie)))
    key = [_told(getattr(row, name)) for name in (sort.field, sort.tie) if name]
    return ("with", *key) if sort.nullable else tuple(key)


def _told(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _value(field: Any, text: str) -> Any:
    """A value of a field from the text of a cursor.

    Raises:
        BadInput: it is none.
    """
    try:
        assert isinstance(field, Field)
        if isinstance(field, DateTimeField):
            return utc(datetime.fromisoformat(text))
        if isinstance(field, UUIDField):
            return UUID(text)
        if isinstance(field, IntegerField):
            number = int(text)
            if abs(number) >= 2**63:
                raise ValueError
            return number
        if isinstance(field, FloatField):
            return float(text)
        if "\x00" in text:
            raise ValueError
        return text.encode().decode()
    except ValueError:
        raise _no_cursor() from None


def _no_cursor() -> BadInput:
    return BadInput(_("The cursor is not one that this list gave."), fix=_("Start without a cursor."))
