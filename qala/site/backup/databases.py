"""Records and catalogue as they are at one instant, copied while writers go on; and put back."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from pathlib import Path
from typing import Any, Protocol

import psycopg
from django.utils.translation import gettext as _
from psycopg import IsolationLevel, conninfo, sql
from pydantic import SecretStr

from qala.kernel.errors import Unavailable

from .manifest import Moved

PAGES = 4096  # of SQLite copied between two reports
PROGRAMS = "usr/lib/postgresql/*/bin"  # where Debian keeps the programs of each version
LIBPQ = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}
TABLES = "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"


class Snapshot(Protocol):
    """A database at the instant when this was made."""

    def rows(self, question: str) -> list[tuple[Any, ...]]: ...

    def copy_to(self, path: Path, moved: Moved) -> None: ...

    def size(self) -> int:
        """Bytes that it takes, roughly."""
        ...

    def close(self) -> None: ...


def snapshot(url: SecretStr | None, path: Path) -> Snapshot:
    """The database as it is now, on PostgreSQL by its URL, else the SQLite file.

    A process that holds the lake must not call this for a catalogue on SQLite: closing the file would let go of the
    locks that DuckDB holds on it.

    Raises:
        Unavailable: it can't be read.
    """
    try:
        return SqliteSnapshot(path) if url is None else PostgresSnapshot(url)
    except (sqlite3.Error, psycopg.Error) as error:
        raise Unavailable(
            _("The database {name} cannot be read: {why}").format(
                name=path.stem, why=str(error).strip() if url is None else type(error).__name__
            ),
            fix=_("qala doctor says more."),
        ) from error


class SqliteSnapshot:
    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=30, isolation_level=None)
        self._connection.execute("BEGIN")
        self._connection.execute(
            "SELECT count(*) FROM sqlite_master"
        ).fetchone()  # the instant is that of the first read

    def rows(self, question: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(question).fetchall()

    def size(self) -> int:
        pages, size = (self._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
        return int(pages * size)

    def copy_to(self, path: Path, moved: Moved) -> None:
        page = int(self._connection.execute("PRAGMA page_size").fetchone()[0])
        done = 0

        def report(_status: int, remaining: int, total: int) -> None:
            nonlocal done
            moved((total - remaining) * page - done)
            done = (total - remaining) * page

        made = sqlite3.connect(path)
        try:
            # on a connection inside a transaction SQLite copies what that sees, however much others write
            self._connection.backup(made, pages=PAGES, progress=report)
        finally:
            made.close()

    def close(self) -> None:
        self._connection.close()


class PostgresSnapshot:
    def __init__(self, url: SecretStr) -> None:
        self._url = url
        self._session = psycopg.connect(url.get_secret_value())
        self._session.isolation_level = IsolationLevel.REPEATABLE_READ
        self._session.read_only = True
        self._name = str(self.rows("SELECT pg_export_snapshot()")[0][0])
        tables = self._session.execute(TABLES).fetchall()
        if tables:  # so that none is dropped before pg_dump comes to it
            names = sql.SQL(", ").join(sql.Identifier(*names) for names in tables)
            self._session.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(names))

    def rows(self, question: str) -> list[tuple[Any, ...]]:
        return self._session.execute(question).fetchall()

    def size(self) -> int:
        return int(self.rows("SELECT pg_database_size(current_database())")[0][0])

    def copy_to(self, path: Path, moved: Moved) -> None:
        run_program(
            "pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--snapshot={self._name}", f"--file={path}",
            url=self._url,
        )  # fmt: skip
        moved(self.size())

    def close(self) -> None:
        self._session.close()


def run_program(name: str, *arguments: str, url: SecretStr) -> None:
    """Run a program of PostgreSQL on a database; its address is handed over by variables, which ``ps`` does not show.

    Raises:
        Unavailable: it is not installed, or it failed.
    """
    beside = os.pathsep.join(map(str, sorted(Path("/").glob(PROGRAMS), reverse=True)))
    program = shutil.which(name, path=beside) or shutil.which(name)
    if program is None:
        raise Unavailable(
            _("The program {name} is not installed.").format(name=name),
            fix=_("Install PostgreSQL's client programs, not older than the server."),
        )
    where = conninfo.conninfo_to_dict(url.get_secret_value())
    told = {variable: str(where[key]) for key, variable in LIBPQ.items() if where.get(key)}
    done = subprocess.run(
        [program, *arguments], env={**os.environ, **told}, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode != 0:
        raise Unavailable(
            _("{name} failed: {why}").format(name=name, why=(done.stderr.strip().splitlines() or ["?"])[-1]),
            fix=_("Check disk, rights and the version of PostgreSQL's programs, then repeat the command."),
            rows=done.stderr.strip().splitlines()[-10:],
        )


def is_empty(url: SecretStr) -> bool:
    """Whether a database on PostgreSQL holds no table.

    Raises:
        Unavailable: it does not answer.
    """
    return _asked(url, TABLES) == []


def put_back(path: Path, url: SecretStr) -> None:
    """Fill a database on PostgreSQL from a dump, in one transaction; what was in it is gone.

    Raises:
        Unavailable: it does not answer or refuses.
    """
    if not is_empty(url):
        _asked(url, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    name = str(conninfo.conninfo_to_dict(url.get_secret_value())["dbname"])
    run_program(
        "pg_restore", "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", f"--dbname={name}",
        str(path), url=url,
    )  # fmt: skip


def _asked(url: SecretStr, *statements: str) -> list[tuple[Any, ...]]:
    try:
        with psycopg.connect(url.get_secret_value()) as session:
            for statement in statements:
                last = session.execute(statement)
            return last.fetchall() if last.description else []
    except psycopg.Error as error:
        raise Unavailable(
            _("PostgreSQL does not answer or refuses: {why}").format(why=type(error).__name__),
            fix=_("Check the database's address, its rights and its disk."),
        ) from error


# A city made from a back-up is one that stopped at that instant: what was under way there is under way nowhere.
STOPPED = (
    (
        "kernel_outboxdelivery",
        "UPDATE kernel_outboxdelivery SET state = 'due', claim = NULL, due_at = (SELECT told_at FROM kernel_outboxevent"
        " WHERE kernel_outboxevent.id = kernel_outboxdelivery.event_id) WHERE state = 'claimed'",
    ),
    (
        "django_tasks_db_dbtaskresult",
        "UPDATE django_tasks_db_dbtaskresult SET status = 'READY' WHERE status = 'RUNNING'",
    ),
)


def say_stopped(url: SecretStr | None, path: Path) -> None:
    """Let what was under way in the records be taken up again."""
    if url is not None:
        held = {row[1] for row in _asked(url, TABLES)}
        statements = [statement for table, statement in STOPPED if table in held]
        if statements:
            _asked(url, *statements)
        return
    opened = sqlite3.connect(path)
    try:
        held = {row[0] for row in opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for table, statement in STOPPED:
            if table in held:
                opened.execute(statement)
        opened.commit()
    finally:
        opened.close()
