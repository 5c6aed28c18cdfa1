"""Search: one door for finding things by pieces of their words, on SQLite (FTS5, trigrams) and PostgreSQL (pg_trgm).

A matter puts one text for each thing that can be found; the words of a question are matched anywhere in its words.
Words of one or two characters match the beginnings of words, as three characters are the least that trigrams can find:
words are kept with two spaces before each, so that a beginning, too, has a trigram. Cases are folded here, for all
alphabets, and so are ё and е; the databases compare what is folded. On PostgreSQL a database of locale ``C`` finds the
same, but without the index where letters are not ASCII; ``C.UTF-8`` or a language's own locale uses it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import connection, models
from django.db.models import Exists, OuterRef, QuerySet, Value
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast, Replace

from .models import SearchRow

LONGEST_QUERY = 200  # characters of a question that are looked at
MOST_WORDS = 12

Key = UUID | int | str


def put(kind: str, rows: Iterable[tuple[Key, str]]) -> int:
    """Set the texts by which things are found, in place of those they had; returns how many things were given.

    Call it inside the transaction of the change, once for many things (20,000 take about a second).

    Args:
        kind: kind of thing, e.g. ``device``.
        rows: (key, text): the thing's primary key (a UUID may be text) and all words that shall find it, in any order.

    Raises:
        RuntimeError: outside a transaction.
    """
    _in_transaction()
    texts = {_key(key): _spaced(text) for key, text in rows}
    statement = """INSERT INTO kernel_search (kind, key, text) VALUES (%s, %s, %s)
        ON CONFLICT (key, kind) DO UPDATE SET text = excluded.text WHERE kernel_search.text <> excluded.text"""
    with connection.cursor() as cursor:
        # sorted: two writers then take their row locks in one order
        cursor.executemany(statement, [(kind, key, text) for key, text in sorted(texts.items())])
    return len(texts)


def drop(kind: str, keys: Iterable[Key] | None = None) -> None:
    """Forget things; all of the kind where no keys are given. Unknown keys are passed over.

    Raises:
        RuntimeError: outside a transaction.
    """
    _in_transaction()
    with connection.cursor() as cursor:
        if keys is None:
            cursor.execute("DELETE FROM kernel_search WHERE kind = %s", [kind])
        else:
            gone = sorted({_key(key) for key in keys})
            cursor.executemany("DELETE FROM kernel_search WHERE key = %s AND kind = %s", [(key, kind) for key in gone])


def matching(kind: str, query: str, *, key: type[UUID] | type[int] | type[str] = UUID) -> QuerySet[SearchRow, Any]:
    """The keys of the things that a person's words find, as a subquery: ``filter(pk__in=matching("device", words))``.

    All words must match; the order does not count. Any characters are harmless; beyond 200 characters or 12 words the
    rest is left out. A question without words finds every thing of the kind.

    Args:
        key: type of the model's primary key, which the keys are given as.
    """
    field: models.Field[Any, Any] = {UUID: models.UUIDField, int: models.BigIntegerField, str: models.TextField}[key]()
    return _found(kind, query).annotate(found=Cast("key", field)).values_list("found", flat=True)


def holds(kind: str, query: str) -> Exists:
    """The condition that a person's words find a row of a model, asked of each row: for words that find very many, of
    which some are wanted, where ``matching`` would gather all."""
    key = Replace(Cast(OuterRef("pk"), models.TextField()), Value("-"), Value(""))
    rows = SearchRow.objects.filter(kind=kind, key=key)
    for piece in _pieces(query):
        rows = rows.filter(text__contains=piece)
    return Exists(rows)


def finds_more_than(most: int, kind: str, query: str) -> bool:
    """Whether the words find more things of a kind than ``most``."""
    return _found(kind, query).values("id")[: most + 1].count() > most


def count(kind: str, query: str = "") -> int:
    """How many things of a kind the words find; all that can be found, without words."""
    return _found(kind, query).count()


def _found(kind: str, query: str) -> QuerySet[SearchRow]:
    found = SearchRow.objects.filter(kind=kind)
    pieces = _pieces(query)
    if not pieces:
        return found
    if connection.vendor == "sqlite":
        phrases = " AND ".join('"' + piece.replace('"', '""') + '"' for piece in pieces)
        rowids = RawSQL("SELECT rowid FROM kernel_search_fts WHERE kernel_search_fts MATCH %s", [phrases])
        return found.filter(id__in=rowids)
    for piece in pieces:
        found = found.filter(text__contains=piece)
    return found


def _pieces(query: str) -> list[str]:
    """What the text of a thing must hold, all of it."""
    return [word if len(word) >= 3 else f"  {word}" for word in folded(query[:LONGEST_QUERY]).split()[:MOST_WORDS]]


def folded(text: str) -> str:
    """One spelling of what readers take as the same; NUL and broken surrogates, which no database takes, fall out."""
    clean = text.encode("utf-8", "ignore").decode().replace("\x00", " ")
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", clean).casefold()).replace("ё", "е")


def _spaced(text: str) -> str:
    return "".join(f"  {word}" for word in folded(text).split())


def _key(key: Key) -> str:
    """A key as SQLite keeps it: a UUID, also one given as text, without hyphens."""
    if isinstance(key, str) and len(key) == 36 and key.count("-") == 4:
        try:
            return UUID(key).hex
        except ValueError:
            return key
    return key.hex if isinstance(key, UUID) else str(key)


def _in_transaction() -> None:
    if not connection.in_atomic_block:
        raise RuntimeError("search is written outside the transaction of the change")
