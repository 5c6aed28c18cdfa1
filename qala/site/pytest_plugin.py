"""The house's pytest plugin (``-p qala.site.pytest_plugin``): data folders, databases, lake and browser for tests.

Each pytest process gets a data folder of its own before Django's settings are read. With
``QALA_TEST_DATABASE=postgresql`` a throwaway PostgreSQL server is started for the run, each process gets databases of
its own on it, and only tests that touch records or lake are run, of those with a browser the journeys. A program that is missing skips its tests; with
``QALA_REQUIRE=all`` it fails them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .throwaway_postgres import Postgres, write_settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from qala.kernel.access import Who
    from qala.kernel.lake import Lake

    from .testing import RunningCity

RUN_DIR = "QALA_TEST_RUN_DIR"  # folder of the whole run, shared by its processes
POSTGRES = "QALA_TEST_POSTGRES"  # address of the run's PostgreSQL server, without a database
WORKER = "PYTEST_XDIST_WORKER"
KEPT = {"QALA_REQUIRE", "QALA_TEST_DATABASE", RUN_DIR, POSTGRES}
CITIES = ("demo_city", "city")  # a running city is dear: its tests share one process of the run
TOUCH_DATABASES = {"db", "transactional_db", "lake", "prepared", *CITIES}
POSTGRES_PROGRAMS = "/usr/lib/postgresql/*/bin"
BROWSER_FLAGS = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync",
                 "--no-first-run")  # fmt: skip
SERVER = pytest.StashKey[Postgres]()
NO_SERVER = pytest.StashKey[str]()


def find_program(*names: str, beside: str = "") -> str | None:
    """The path of a program under the first of its names that is found.

    Args:
        beside: an absolute pattern of folders outside ``PATH`` to look into as well.
    """
    folders = [os.environ.get("PATH", "")]
    if beside:
        folders += sorted(map(str, Path("/").glob(beside.removeprefix("/"))), reverse=True)
    return next(filter(None, (shutil.which(name, path=os.pathsep.join(folders)) for name in names)), None)


def needed_program(*names: str, beside: str = "") -> str:
    """The same; where there is none the test is skipped, or failed with ``QALA_REQUIRE=all``."""
    found = find_program(*names, beside=beside)
    if found is None:
        reason = f"{' or '.join(names)} is not installed"
        if os.environ.get("QALA_REQUIRE") == "all":
            pytest.fail(f"{reason}; QALA_REQUIRE=all wants it", pytrace=False)
        pytest.skip(reason)
    return found


def on_postgresql() -> bool:
    """Whether this run keeps records and catalogue on PostgreSQL."""
    return os.environ.get("QALA_TEST_DATABASE") == "postgresql"


def with_databases(folder: Path, like: Path | None = None) -> Path:
    """Give a data folder databases of its own where the run is on PostgreSQL; to be called before its first use.

    Args:
        like: a data folder that no process uses, whose databases are copied.

    Returns:
        ``folder``
    """
    if POSTGRES in os.environ:
        write_settings(folder, os.environ[POSTGRES], like)
    return folder


def pytest_make_parametrize_id(val: object) -> str | None:
    """Cases are not named by their bytes: an archive holds the second of its making, in which two workers may differ."""
    return "bytes" if isinstance(val, bytes) else None


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    """Lay the ground of this process; pytest-django reads the settings inside this hook."""
    for name in [name for name in os.environ if name.startswith("QALA_") and name not in KEPT]:
        del os.environ[name]
    if WORKER not in os.environ:
        os.environ.pop(POSTGRES, None)
        os.environ[RUN_DIR] = tempfile.mkdtemp(prefix="qala-test-")
        _compile_messages()
        if on_postgresql():
            _start_postgres(early_config)
    folder = Path(os.environ[RUN_DIR]) / os.environ.get(WORKER, "main")
    (folder / "static").mkdir(parents=True)
    with_databases(folder)
    # in the file rather than in a variable: cities that tests start are not to inherit it
    with (folder / "qala.toml").open("a") as file:
        file.write('log_level = "warning"\n')
    os.environ["QALA_DATA_DIR"] = str(folder)
    # tests read English; cities and commands that they start speak it too, unless a test says otherwise
    os.environ["QALA_LANGUAGE"] = "en"
    os.environ["LC_ALL"] = "C.UTF-8"
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Have tests that share a running city stay in one process."""
    if getattr(config.option, "numprocesses", None) and config.option.dist == "no":
        config.option.dist = "loadgroup"


def pytest_configure(config: pytest.Config) -> None:
    from hypothesis import settings

    # no deadlines: the machine may be busy with the other half of the run
    settings.register_profile("house", deadline=None)
    settings.load_profile("house")


def pytest_unconfigure(config: pytest.Config) -> None:
    if WORKER in os.environ:
        return
    if SERVER in config.stash:
        config.stash[SERVER].stop()
    folder = os.environ.pop(RUN_DIR, None)
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        shared = next((name for name in CITIES if name in getattr(item, "fixturenames", ())), None)
        if shared is not None:
            item.add_marker(pytest.mark.xdist_group(shared))
    if not on_postgresql():
        return
    kept = [item for item in items if _touches_databases(item)]
    config.hook.pytest_deselected(items=[item for item in items if not _touches_databases(item)])
    items[:] = kept
    if POSTGRES not in os.environ:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="PostgreSQL (initdb, postgres) is not installed"))


def _touches_databases(item: pytest.Item) -> bool:
    """Whether the databases make a difference: pages look the same on either, so of the tests that open a browser only the
    journeys run again."""
    if "browser" in getattr(item, "fixturenames", ()) and "journeys" not in item.path.parts:
        return False
    return not TOUCH_DATABASES.isdisjoint(getattr(item, "fixturenames", ())) or any(item.iter_markers("django_db"))


def _start_postgres(config: pytest.Config) -> None:
    initdb, postgres = (find_program(name, beside=POSTGRES_PROGRAMS) for name in ("initdb", "postgres"))
    if initdb is None or postgres is None:
        if os.environ.get("QALA_REQUIRE") == "all":
            raise pytest.UsageError("PostgreSQL (initdb, postgres) is not installed; QALA_REQUIRE=all wants it")
        return
    config.stash[SERVER] = Postgres(initdb, postgres)
    os.environ[POSTGRES] = config.stash[SERVER].address


def _compile_messages() -> None:
    from .messages import compile_changed

    compile_changed()


# Fixtures. What they need of Django is imported inside them: this module is loaded before the settings are.


@pytest.fixture(autouse=True, scope="session")
def _flush_append_only_tables() -> Iterator[None]:
    """Let Django empty the tables after a transactional test, past the triggers that refuse it on SQLite."""
    from django.db import connection
    from django.test import TransactionTestCase

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
            for name, _statement in guards:
                cursor.execute(f"DROP TRIGGER {name}")
        try:
            flush(self)
        finally:
            with connection.cursor() as cursor:
                for _name, statement in guards:
                    cursor.execute(statement)

    case._fixture_teardown = flush_without_guards
    yield
    case._fixture_teardown = flush


@pytest.fixture(scope="session")
def lake_tables() -> None:
    """The tables of the lake in this process's data folder."""
    from qala.kernel import lake

    lake.prepare()


@pytest.fixture
def lake(lake_tables: None) -> Iterator[Lake]:
    """The lake, empty at the start of the test."""
    from qala.kernel import plug
    from qala.kernel.lake import get_lake

    names = [table.name for table in plug.declared("lake_tables")]
    yield get_lake()
    held = get_lake()
    with held.question() as cursor:
        filled = [name for name in names if cursor.execute(f"SELECT 1 FROM lake.{name} LIMIT 1").fetchone()]
    if filled:
        held.commit(lambda cursor: [cursor.execute(f"DELETE FROM lake.{name}") for name in filled])


@pytest.fixture
def roles(db: None) -> None:
    """The default roles, as every prepared city has them."""
    from qala.city.people.public import prepare_roles
    from qala.kernel.access import system
    from qala.kernel.clock import SYSTEM_CLOCK

    prepare_roles(who=system("test"), now=SYSTEM_CLOCK.now())


@pytest.fixture
def who_admin(roles: None) -> Who:
    """A person who administers the city, as asker."""
    from qala.city.people.public import ADMINISTRATOR, create_person, join, who_of
    from qala.kernel.access import system
    from qala.kernel.clock import SYSTEM_CLOCK

    now, us = SYSTEM_CLOCK.now(), system("test")
    person = create_person(who=us, now=now, email="administrator@city.example", name="Administrator")
    join(who=us, now=now, person=person, role=ADMINISTRATOR)
    return who_of(person, now)


@pytest.fixture(scope="session")
def demo_city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCity]:
    """``qala up --demo`` with the demonstration loaded, one for the run; only to be looked at."""
    from .testing import RunningCity

    folder = with_databases(tmp_path_factory.mktemp("demo") / "data")
    with RunningCity(folder, ("--demo",), patience=240) as running:
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium, one for the process; take ``browser.new_context(base_url=city.address)`` for each test."""
    from playwright.sync_api import sync_playwright

    path = needed_program("chromium", "chromium-browser", "google-chrome")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright's event loop stands in the tests' own thread
    options: dict[str, Any] = {"executable_path": path, "args": BROWSER_FLAGS, "chromium_sandbox": os.geteuid() != 0}
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(**options)
        yield started
        started.close()
