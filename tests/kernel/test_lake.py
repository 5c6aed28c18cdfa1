"""The lake: all or nothing, one writer at a time over processes, tables that migrate forward, upkeep beside readers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from structlog.testing import capture_logs

from qala.kernel.errors import Conflict, Unavailable
from qala.kernel.lake import Lake, LakeBusyError, LakeTable, maintain, maintain_in_turn, tables
from qala.kernel.lake.connection import Cursor, clear_errors, extension_path
from qala.site.pytest_plugin import needed_program, with_databases

PROBE = LakeTable(
    "probe", columns=(("n", "INTEGER"), ("t", "TIMESTAMP")), partitioned_by=("year(t)",), sorted_by=("n",)
)
COMMITS = """
import sys
import django; django.setup()
from qala.kernel.lake import get_lake
for number in range(int(sys.argv[2])):
    get_lake().commit(lambda cursor: cursor.execute(
        "INSERT INTO lake.probe SELECT $n, TIMESTAMP '2026-01-01' + to_seconds(i) FROM range(500) r(i)", {"n": int(sys.argv[1]) + number}))
"""
MAKE = """
import django; django.setup()
from qala.kernel.lake import get_lake, prepare
prepare()
get_lake().commit(lambda cursor: cursor.execute("CREATE TABLE lake.probe (n INTEGER, t TIMESTAMP)"))
"""
COUNT = """
import django; django.setup()
from qala.kernel.lake import get_lake
with get_lake().question() as cursor:
    print(*cursor.execute("SELECT count(*), count(DISTINCT n) FROM lake.probe").fetchone())
"""


@pytest.fixture
def probe(lake: Lake):  # type: ignore[no-untyped-def]
    """A table of a test's own."""
    lake.commit(lambda cursor: tables.migrate(cursor, [PROBE]))
    yield lake
    lake.commit(
        lambda cursor: cursor.execute(
            "DROP TABLE IF EXISTS lake.probe; DELETE FROM lake.lake_tables WHERE name = 'probe'"
        )
    )


def count(lake: Lake) -> int:
    with lake.question() as cursor:
        row = cursor.execute("SELECT count(*) FROM lake.probe").fetchone()
    assert row is not None
    return int(row[0])


def put(lake: Lake, numbers: range) -> None:
    lake.commit(
        lambda cursor: cursor.execute(
            "INSERT INTO lake.probe SELECT i, TIMESTAMP '2026-01-01' + to_hours(i) FROM range($a, $b) r(i)",
            {"a": numbers.start, "b": numbers.stop},
        )
    )


def environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("QALA_")}
    return {**kept, "QALA_DATA_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "qala.site.settings"}


def run(folder: Path, *command: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", *command],
        env=environment(folder),
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout


@pytest.mark.parametrize("rows", [10, 5000])
def test_a_commit_is_kept_whole_or_not_at_all(probe: Lake, rows: int) -> None:
    def fails(cursor: Cursor) -> None:
        cursor.execute(f"INSERT INTO lake.probe SELECT i, TIMESTAMP '2026-01-01' FROM range({rows}) r(i)")
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        probe.commit(fails)
    assert count(probe) == 0
    with pytest.raises(duckdb.ConversionException):
        probe.commit(lambda cursor: cursor.execute("INSERT INTO lake.probe VALUES (1, NULL), ('x', NULL)"))
    put(probe, range(rows))
    assert count(probe) == rows


def test_a_commit_that_failed_leaves_the_callers_cursor_usable(probe: Lake) -> None:
    cursor = probe.cursor()
    cursor.execute("CREATE TEMP TABLE staged AS SELECT 7 AS n")
    with pytest.raises(duckdb.Error):
        probe.commit(lambda held: held.execute("INSERT INTO lake.nothing SELECT n FROM staged"), cursor=cursor)
    probe.commit(lambda held: held.execute("INSERT INTO lake.probe SELECT n, NULL FROM staged"), cursor=cursor)
    cursor.close()
    assert count(probe) == 1


def test_instants_are_utc_in_every_cursor(lake: Lake) -> None:
    """The program's own zone is the city's: a cast that went through it would shift readings."""
    other = lake.cursor()
    with lake.question() as asked:
        for cursor in (asked, other):
            row = cursor.execute("SELECT CAST(TIMESTAMPTZ '2026-05-01T00:00:00Z' AS TIMESTAMP)::VARCHAR").fetchone()
            assert row == ("2026-05-01 00:00:00",)
    other.close()


@pytest.mark.timeout(240)
def test_two_processes_commit_side_by_side(lake_tables: None, tmp_path: Path) -> None:
    folder = with_databases(tmp_path / "data")
    run(folder, MAKE)
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", COMMITS, str(base), "40"], env=environment(folder), stderr=subprocess.PIPE, text=True
        )
        for base in (0, 1000)
    ]
    for writer in writers:
        _, err = writer.communicate(timeout=200)
        assert writer.returncode == 0, err[-3000:]
    assert run(folder, COUNT).split()[-2:] == ["40000", "80"]


@pytest.mark.timeout(120)
def test_parquet_is_synced_before_the_catalogue_commits(lake_tables: None, tmp_path: Path) -> None:
    """Between the last write of the Parquet file and the catalogue's commit stands syncfs."""
    strace = needed_program("strace")
    folder = with_databases(tmp_path / "data")
    run(folder, MAKE)
    trace = tmp_path / "trace"
    ran = subprocess.run(
        [strace, "-f", "-y", "-e", "trace=syncfs,pwrite64,write,openat", "-o", str(trace), sys.executable, "-c", COMMITS, "0", "1"],
        env=environment(folder), capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    if "PTRACE" in ran.stderr or "ptrace" in ran.stderr:
        pytest.skip("this user may not trace processes")
    assert ran.returncode == 0, ran.stderr[-2000:]
    lines = trace.read_text(errors="replace").splitlines()
    parquet = [n for n, line in enumerate(lines) if re.search(r"write\w*\(\d+<[^>]*/lake/[^>]*\.parquet>", line)]
    synced = [n for n, line in enumerate(lines) if "syncfs(" in line and "/lake" in line]
    assert parquet and synced
    after = [n for n in synced if n > parquet[-1]]
    assert after, "no syncfs after the file was written"
    if "qala.toml" not in {path.name for path in folder.iterdir()}:  # the catalogue is SQLite
        commits = [
            n for n, line in enumerate(lines) if "catalogue.sqlite-wal>" in line and "write" in line and n > parquet[-1]
        ]
        assert commits and after[0] < commits[-1]


def test_tables_migrate_forward(probe: Lake) -> None:
    put(probe, range(3))
    second = replace(PROBE, upgrades=("ALTER TABLE {table} ADD COLUMN note VARCHAR",))
    third = replace(second, upgrades=(*second.upgrades, "ALTER TABLE {table} RENAME COLUMN note TO remark"))
    assert probe.commit(lambda cursor: tables.migrate(cursor, [third])) == ["probe"]
    assert probe.commit(lambda cursor: tables.migrate(cursor, [third])) == []
    with probe.question() as cursor:
        assert cursor.execute("SELECT n, remark FROM lake.probe ORDER BY n LIMIT 1").fetchall() == [(0, None)]
    with pytest.raises(Conflict, match="version 3") as refused:
        probe.commit(lambda cursor: tables.migrate(cursor, [second]))
    assert "newer" in refused.value.fix


def test_a_new_table_has_all_upgrades(lake: Lake) -> None:
    table = replace(PROBE, upgrades=("ALTER TABLE {table} ADD COLUMN note VARCHAR",))
    try:
        lake.commit(lambda cursor: tables.migrate(cursor, [table]))
        with lake.question() as cursor:
            assert [row[0] for row in cursor.execute("DESCRIBE lake.probe").fetchall()] == ["n", "t", "note"]
            stored = cursor.execute("SELECT version FROM lake.lake_tables WHERE name = 'probe'").fetchall()
        assert stored == [(2,)]
    finally:
        lake.commit(
            lambda cursor: cursor.execute("DROP TABLE lake.probe; DELETE FROM lake.lake_tables WHERE name = 'probe'")
        )


def test_no_more_questions_at_once_than_the_setting_says(lake: Lake) -> None:
    most = lake.settings.lake_concurrent_queries
    inside, peak, guard = 0, 0, threading.Lock()

    def asks() -> None:
        nonlocal inside, peak
        with lake.question() as cursor:
            with guard:
                inside += 1
                peak = max(peak, inside)
            cursor.execute("SELECT 1").fetchall()
            time.sleep(0.05)
            with guard:
                inside -= 1

    threads = [threading.Thread(target=asks) for _ in range(3 * most)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert peak == most
    assert inside == 0


def test_alone_lets_one_in_at_a_time(lake: Lake) -> None:
    order: list[str] = []
    entered = threading.Event()

    def second() -> None:
        entered.set()
        with lake.alone("test"):
            order.append("second")

    with lake.alone("test"):
        thread = threading.Thread(target=second)
        thread.start()
        entered.wait(10)
        with lake.alone("another"):  # another name is another lock
            time.sleep(0.2)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


@pytest.mark.timeout(180)
def test_upkeep_beside_readers(probe: Lake) -> None:
    """Files become few while readers under way read on; what is deleted is no longer asked for."""
    for number in range(12):
        put(probe, range(number * 500, (number + 1) * 500))
    stop, faults, rounds = threading.Event(), [], []

    def reads() -> None:
        while not stop.is_set():
            try:
                rounds.append(count(probe))
            except duckdb.Error as error:  # pragma: no cover
                faults.append(error)

    readers = [threading.Thread(target=reads) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        first = maintain(lake=probe, keep=timedelta(days=1))
        put(probe, range(6000, 6200))
        time.sleep(6)  # a snapshot is kept longer than a question takes: one that ran on it would find nothing
        second = maintain(lake=probe, keep=timedelta(seconds=5))
    finally:
        stop.set()
        for reader in readers:
            reader.join(30)
    assert not faults
    assert rounds and set(rounds) <= {6000, 6200}
    assert first.merged_files >= 12
    assert second.expired_snapshots > 0
    assert second.deleted_files > 0
    assert count(probe) == 6200
    with probe.question() as cursor:
        rows = cursor.execute("SELECT count(*) FROM ducklake_list_files('lake', 'probe')").fetchone()
    assert rows is not None and rows[0] <= 3


def test_inlined_rows_are_flushed(probe: Lake) -> None:
    for number in range(5):
        put(probe, range(number, number + 1))
    maintain(lake=probe)
    assert count(probe) == 5
    with probe.question() as cursor:
        rows = cursor.execute("SELECT count(*) FROM ducklake_list_files('lake', 'probe')").fetchone()
    assert rows == (1,)


@pytest.mark.parametrize("fails", [False, True])
def test_rows_in_order_are_not_sorted_again(probe: Lake, fails: bool) -> None:
    """The word to the catalogue holds for that insert alone, whether its commit ends well or not."""

    def plan(cursor: Cursor) -> str:
        (row,) = cursor.execute("EXPLAIN INSERT INTO lake.probe SELECT i, NULL FROM range(5000) r(i)").fetchall()
        return str(row[1])

    def work(cursor: Cursor) -> None:
        assert "ORDER_BY" in plan(cursor)
        with probe.in_order(cursor, "probe"):
            assert "ORDER_BY" not in plan(cursor)
            cursor.execute("INSERT INTO lake.probe SELECT i, TIMESTAMP '2026-01-01' FROM range(5000) r(i)")
            if fails:
                raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError) if fails else nullcontext():
        probe.commit(work)
    assert count(probe) == (0 if fails else 5000)

    def files() -> object:
        with probe.question() as cursor:
            return cursor.execute("SELECT count(*) FROM ducklake_list_files('lake', 'probe')").fetchone()

    before = files()
    put(probe, range(9000, 9003))
    assert files() == before, "few rows lie in the catalogue, as before"
    with probe.question() as cursor:
        assert "ORDER_BY" in plan(cursor)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device"), "full"),
        (OSError(27, "File too large"), "full"),
        (duckdb.IOException("Could not write: No space left on device"), "full"),
        (duckdb.OutOfMemoryException("failed to allocate"), "memory"),
    ],
)
def test_errors_of_a_machine_are_told_clearly(error: Exception, said: str) -> None:
    with pytest.raises(Unavailable, match=said), clear_errors():
        raise error


def test_other_errors_pass() -> None:
    with pytest.raises(duckdb.BinderException), clear_errors():
        raise duckdb.BinderException("no such column")


def test_a_missing_extension_is_named() -> None:
    with pytest.raises(Unavailable, match="nothing_such"):
        extension_path("nothing_such")


def test_a_busy_lake_is_tidied_later(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    if not lake.on_sqlite:
        pytest.skip("PostgreSQL needs no turn")
    monkeypatch.setattr("qala.kernel.lake.connection.PATIENCE_SECONDS", 0.05)
    with lake.question(), capture_logs() as written:
        with pytest.raises(LakeBusyError):
            maintain(lake=lake)
        maintain_in_turn(now=datetime(2026, 5, 12, tzinfo=UTC))
    assert [one["event"] for one in written] == ["lake.busy"]
