"""Attaching the lake, asking it and committing to it."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import importlib.util
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import duckdb
import structlog
from django.db import DatabaseError

from qala.kernel.config import Settings, get_settings
from qala.kernel.errors import Conflict, Unavailable

from .locks import COMMITS, locked

T = TypeVar("T")
Cursor = duckdb.DuckDBPyConnection
log = structlog.get_logger(__name__)

# sqlite_scanner or postgres_scanner, by the catalogue
EXTENSIONS = ("sqlite_scanner", "postgres_scanner", "ducklake")
PATIENCE_SECONDS = 3.0  # that upkeep waits for questions under way; new ones wait with it
# Below this many rows DuckLake keeps them in the catalogue (0.1 ms a row) rather than in a Parquet file of their own.
INLINED_ROWS = 100


def extension_path(name: str) -> Path:
    """Where the wheel of a DuckDB extension keeps its signed binary.

    Raises:
        Unavailable: the wheel is not installed, or for another DuckDB.
    """
    spec = importlib.util.find_spec(f"duckdb_extension_{name}")
    for root in (spec.submodule_search_locations or []) if spec else []:
        path = Path(root) / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
        if path.is_file():
            return path
    raise Unavailable(
        f"The DuckDB extension {name} for DuckDB {duckdb.__version__} is not installed.",
        fix="Install Qala from its lock file.",
    )


def quoted(text: object) -> str:
    """An SQL string literal."""
    return "'" + str(text).replace("'", "''") + "'"


def _catalogue(settings: Settings) -> tuple[str, bool]:
    """The catalogue's part of the ATTACH string, and whether it is SQLite."""
    if settings.lake_catalogue_url is None:
        return f"ducklake:sqlite:{settings.catalogue_path}", True
    url = urlsplit(settings.lake_catalogue_url.get_secret_value())
    parts = {
        "dbname": unquote(url.path.lstrip("/")),
        "host": url.hostname,
        "port": url.port,
        "user": unquote(url.username) if url.username else None,
        "password": unquote(url.password) if url.password else None,
    }

    def escaped(value: object) -> str:
        return "'" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'"

    return "ducklake:postgres:" + " ".join(f"{k}={escaped(v)}" for k, v in parts.items() if v), False


class LakeBusyError(Unavailable):
    """Questions are under way and take long: what wants the lake for itself comes again later."""


class Lake:
    """The lake as one process holds it.

    Raises:
        Unavailable: the catalogue can't be opened.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.data_dir = settings.lake_dir
        catalogue, self.on_sqlite = _catalogue(settings)
        for folder in (self.data_dir, settings.run_dir, settings.temp_dir):
            folder.mkdir(parents=True, exist_ok=True)
        self._gate_path, self._questions_path = (settings.run_dir / f"{name}.lock" for name in ("gate", "questions"))
        for path in (self._gate_path, self._questions_path):
            path.touch()
        self._thread_lock = threading.Lock()
        self._not_inlined: set[str] = set()  # tables; changed within commits alone
        self._questions = threading.BoundedSemaphore(settings.lake_concurrent_queries)
        self._temp = settings.temp_dir / f"duckdb-{os.getpid()}"
        if self.on_sqlite and not settings.catalogue_path.exists():
            with self._locked():
                made = sqlite3.connect(settings.catalogue_path)
                made.execute("PRAGMA journal_mode=WAL")  # a commit beside readers: 19 ms instead of a second
                made.close()
        self._connection = duckdb.connect(
            ":memory:",
            config={
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "memory_limit": f"{settings.lake_memory_limit_mib}MiB",
                "threads": str(settings.lake_threads),
                "temp_directory": str(self._temp),
            },
        )
        try:
            for name in ("sqlite_scanner" if self.on_sqlite else "postgres_scanner", "ducklake"):
                self._connection.execute(f"LOAD {quoted(extension_path(name))}")
            self._connection.execute("SET GLOBAL TimeZone = 'UTC'")  # of all cursors, not of this one alone
            attach = (
                f"ATTACH {quoted(catalogue)} AS lake "
                f"(DATA_PATH {quoted(f'{self.data_dir}/')}, DATA_INLINING_ROW_LIMIT {INLINED_ROWS}, OVERRIDE_DATA_PATH true)"
            )
            with self._locked():  # the first attach writes the catalogue's own tables
                self._connection.execute(attach)
        except (duckdb.Error, Unavailable) as error:
            self._connection.close()
            # DuckDB's words hold the password of a PostgreSQL catalogue
            shown = (
                f"{settings.catalogue_path}) can't be opened: {_first_line(error)}"
                if self.on_sqlite
                else ("PostgreSQL) does not answer or refuses.")
            )
            raise Unavailable(
                f"The lake's catalogue ({shown}",
                fix="`qala doctor` says more.",
            ) from None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time over all processes: a SQLite catalogue fails two at once, and on any catalogue two that
        look for what is new before they insert would both insert it."""
        with self._thread_lock, locked(self.settings, COMMITS):
            yield

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Hold the lock of that name against all threads and processes of this lake; a killed process lets go of it.

        For work that reads, computes and then commits what must not rest on stale reads. ``lake`` is the commits' own.

        Raises:
            Unavailable: the catalogue does not answer.
        """
        with locked(self.settings, name):
            yield

    @contextmanager
    def question(self) -> Iterator[Cursor]:
        """A cursor for reading; at most ``lake_concurrent_queries`` at once, the others wait their turn."""
        with self._questions, self._under_way():
            cursor = self._connection.cursor()
            try:
                yield cursor
            finally:
                cursor.close()

    @contextmanager
    def _under_way(self) -> Iterator[None]:
        """Mark a question: DuckLake reads a SQLite catalogue in several steps, and a merge committed between two of them
        would leave the question without files, and so with an answer of nothing."""
        if not self.on_sqlite:
            yield
            return
        with open(self._questions_path) as under_way:
            with open(self._gate_path) as gate:
                fcntl.flock(gate, fcntl.LOCK_SH)  # held shut for the moment that a merge commits
                fcntl.flock(under_way, fcntl.LOCK_SH)
            yield

    @contextmanager
    def _undisturbed(self) -> Iterator[None]:
        """Wait until no question is under way, and keep new ones waiting.

        Raises:
            LakeBusyError: one takes longer than ``PATIENCE_SECONDS``.
        """
        if not self.on_sqlite:
            yield
            return
        with open(self._gate_path) as gate, open(self._questions_path) as under_way:
            fcntl.flock(gate, fcntl.LOCK_EX)
            deadline = time.monotonic() + PATIENCE_SECONDS
            while True:
                try:
                    fcntl.flock(under_way, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise LakeBusyError(
                            "A question to the lake takes long; its upkeep waits for the next round."
                        ) from None
                    time.sleep(0.002)
            yield

    def cursor(self) -> Cursor:
        """A cursor of one's own, e.g. for staging tables before a commit; the caller closes it."""
        return self._connection.cursor()

    def commit(self, work: Callable[[Cursor], T], *, cursor: Cursor | None = None) -> T:
        """Run ``work`` in one transaction of the lake: all of it is kept, or nothing.

        Args:
            work: writes with the cursor that it is given; keep what is slow (reading a body, parsing) before it.
            cursor: a cursor that holds staged temporary tables; a fresh one by default.

        Raises:
            Unavailable: the disk is full, or the catalogue does not answer. Nothing was written.
        """
        own = cursor is None
        held = self._connection.cursor() if cursor is None else cursor
        try:
            with self._locked(), clear_errors():
                held.execute("BEGIN")
                try:
                    for table in sorted(self._not_inlined):  # a rollback leaves the option in this process as it was
                        self._inline(held, table, INLINED_ROWS)
                    self._not_inlined.clear()
                    result = work(held)
                    self._sync()
                    held.execute("COMMIT")
                except BaseException:
                    with _quiet():
                        held.execute("ROLLBACK")
                    raise
                return result
        finally:
            if own:
                held.close()

    @contextmanager
    def in_order(self, cursor: Cursor, table: str) -> Iterator[None]:
        """Within a commit: what is inserted into the table comes in its order, so that DuckLake need not sort it again.

        DuckLake obeys ``sort_on_insert`` only where a table keeps no rows in the catalogue.
        """
        self._inline(cursor, table, 0)
        self._not_inlined.add(table)
        yield
        self._inline(cursor, table, INLINED_ROWS)
        self._not_inlined.discard(table)

    def _inline(self, cursor: Cursor, table: str, rows: int) -> None:
        cursor.execute(f"CALL lake.set_option('data_inlining_row_limit', {rows}, table_name => {quoted(table)})")

    def exclusively(self, work: Callable[[Cursor], T]) -> T:
        """Run one step of maintenance in a transaction of its own: files are written and synced while others read and
        wait to commit; the catalogue changes in a moment when no question is under way.

        Raises:
            Unavailable: a question takes too long, or the disk is full. Nothing was changed.
        """
        cursor = self._connection.cursor()
        try:
            with self._locked(), clear_errors():
                cursor.execute("BEGIN")
                try:
                    result = work(cursor)
                    self._sync()
                    with self._undisturbed():
                        cursor.execute("COMMIT")
                except BaseException:
                    with _quiet():
                        cursor.execute("ROLLBACK")
                    raise
                return result
        finally:
            cursor.close()

    def _sync(self) -> None:
        """Have the operating system write the Parquet files of this commit to disk: DuckLake does not."""
        sync_folder(self.data_dir)

    def close(self) -> None:
        self._connection.close()
        shutil.rmtree(self._temp, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Have the operating system write all that is in the file system of a folder to disk.

    Raises:
        OSError: it does not take it.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if _syncfs(descriptor) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(folder))
    finally:
        os.close(descriptor)


def _syncfs(descriptor: int) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "syncfs"):
        return int(libc.syncfs(descriptor))
    os.sync()  # systems without syncfs (macOS)
    return 0


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


@contextmanager
def _quiet() -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        log.debug("lake.rollback", error=_first_line(error))


@contextmanager
def clear_errors() -> Iterator[None]:
    """Say what a failing disk or catalogue means to the person who runs the city."""
    try:
        yield
    except (duckdb.Error, DatabaseError, OSError) as error:
        text = str(error)
        full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or any(
            sign in text
            for sign in ("No space left", "disk is full", "File too large", "quota exceeded", "max_temp_directory_size")
        )
        if full:
            raise Unavailable(
                f"The disk of the data folder is full: {_first_line(error)}",
                fix="Free space and repeat the command; nothing of this commit was kept, all before it is readable.",
            ) from error
        if isinstance(error, duckdb.OutOfMemoryException):
            raise Unavailable(
                f"The lake's memory limit does not suffice: {_first_line(error)}",
                fix="Raise QALA_LAKE_MEMORY_LIMIT_MIB.",
            ) from error
        if "disk I/O error" in text:
            raise Unavailable(
                f"The disk of the data folder does not take what is written: {_first_line(error)}",
                fix="`qala doctor` looks at the disk; repeat the command when it is well.",
            ) from error
        raise


_held: Lake | None = None
_holding = threading.Lock()


def get_lake() -> Lake:
    """The lake of this process, attached at the first call (about half a second)."""
    global _held
    with _holding:
        if _held is None:
            _held = Lake(get_settings())
        return _held


def set_lake(lake: Lake | None) -> Lake | None:
    """Put another lake in place, e.g. of another folder; returns the one that was held."""
    global _held
    with _holding:
        before, _held = _held, lake
        return before


def prepare() -> list[str]:
    """Create and migrate the tables that plugs declare; quick where nothing is to do. Returns the tables changed."""
    from qala.kernel import plug

    from .tables import migrate

    settings = get_settings()
    for leftover in settings.temp_dir.glob("duckdb-*"):  # of processes that were killed
        if Path("/proc/self").exists() and not Path(f"/proc/{leftover.name.removeprefix('duckdb-')}").exists():
            shutil.rmtree(leftover, ignore_errors=True)
    lake = get_lake()
    tables: list[Any] = plug.declared("lake_tables")
    with lake.question() as cursor:
        try:
            stored = dict(cursor.execute("SELECT name, max(version) FROM lake.lake_tables GROUP BY name").fetchall())
        except duckdb.CatalogException:
            stored = {}
    if all(stored.get(table.name) == table.version for table in tables):
        return []

    if not stored:
        _refuse_foreign(lake)

    def work(cursor: Cursor) -> list[str]:
        changed = migrate(cursor, tables)
        for option, value in (("parquet_compression", "zstd"), ("parquet_version", "2"), ("sort_on_insert", "false")):
            cursor.execute(f"CALL lake.set_option({quoted(option)}, {quoted(value)})")
        return changed

    return lake.commit(work)


def _refuse_foreign(lake: Lake) -> None:
    """A new catalogue takes an empty folder only: maintenance deletes files that the catalogue does not know.

    Raises:
        Conflict: another catalogue's files lie there.
    """
    tables = lake.data_dir / "main"
    other = next(
        (file for file in tables.glob("*/**/*.parquet") if file.relative_to(tables).parts[0] != "lake_tables"), None
    )
    if other is not None:
        raise Conflict(
            f"The lake's folder {lake.data_dir} holds files of another city's catalogue, e.g. {other.name}.",
            fix="Name an empty folder in QALA_LAKE_DATA_PATH, or the catalogue that belongs to this one.",
        )


def ping() -> None:
    """Ask the lake the least thing.

    Raises:
        Unavailable, duckdb.Error: it does not answer.
    """
    with get_lake().question() as cursor:
        cursor.execute("SELECT count(*) FROM lake.lake_tables").fetchall()
