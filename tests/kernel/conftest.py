"""Ground of the kernel's tests: flushing past append-only tables, and no deadlines on a busy machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import TransactionTestCase
from hypothesis import settings

settings.register_profile("house", deadline=None)
settings.load_profile("house")


@pytest.fixture(autouse=True, scope="session")
def _flush_append_only_tables() -> Iterator[None]:
    """Let Django empty the tables after a transactional test, past the triggers that refuse it on SQLite."""
    case: Any = TransactionTestCase
    flush = case._fixture_teardown

    def flush_without_guards(self: Any) -> None:
        if connection.vendor != "sqlite":  # PostgreSQL truncates, which calls no row's trigger
            flush(self)
            return
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE '%\\_no\\_%' ESCAPE '\\'"
            )
            guards = cursor.fetchall()
            for name, _ in guards:
                cursor.execute(f"DROP TRIGGER {name}")
        try:
            flush(self)
        finally:
            with connection.cursor() as cursor:
                for _, statement in guards:
                    cursor.execute(statement)

    case._fixture_teardown = flush_without_guards
    yield
    case._fixture_teardown = flush
