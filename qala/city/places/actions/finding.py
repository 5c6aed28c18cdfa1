"""What finds places in the kernel's search."""

from __future__ import annotations

from django.db import transaction

from qala.kernel import search

from .. import store


def put_words() -> int:
    """Make places found that were loaded before they could be; returns how many, nothing where all are."""
    with transaction.atomic():
        return search.put(store.SEARCH, store.unfound())
