"""A back-up is the city of one instant, whatever went on; one that was killed is none, and a damaged one is refused."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qala.site.pytest_plugin import on_postgresql, with_databases

from .city import MAINTAIN, City, ended, kill_after, result, wait_for_a_part
from .conftest import HOURS, METERS

pytestmark = pytest.mark.usefixtures("prepared")
Fresh = Callable[[], City]

# every row of both databases, as a digest for each table; what a city does on its own is left out
ROWS = """
import hashlib, json, sys
import django; django.setup()
from django.db import connection
from qala.kernel.lake import get_lake
found = {}
with connection.cursor() as cursor:
    for table in sorted(connection.introspection.table_names(cursor)):
        if table.startswith(("kernel_search_", "ducklake_")):  # of the index; of a catalogue beside the records
            continue
        cursor.execute(f'SELECT * FROM "{table}"')
        rows = sorted(map(repr, cursor.fetchall()))
        if table == "kernel_auditentry":
            rows = [row for row in rows if "city.back_up" not in row and "city.restore" not in row]
        found[table] = [len(rows), hashlib.sha256("\\n".join(rows).encode()).hexdigest()]
lake = get_lake()
with lake.question() as cursor:
    names = [row[0] for row in cursor.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = 'lake' AND schema_name = 'main'").fetchall()]
    for table in sorted(names):
        rows = sorted(map(repr, cursor.execute(f"SELECT * FROM lake.{table}").fetchall()))
        found[f"lake.{table}"] = [len(rows), hashlib.sha256("\\n".join(rows).encode()).hexdigest()]
json.dump(found, sys.stdout)
"""
# whether records and lake are of one instant
TOGETHER = """
import json, sys
import django; django.setup()
from qala.city.devices.models import Load, Series
from qala.kernel.lake import get_lake
with get_lake().question() as cursor:
    used = {row[0] for row in cursor.execute("SELECT DISTINCT series FROM lake.readings").fetchall()}
    kept = dict(cursor.execute("SELECT source, count(*) FROM lake.readings GROUP BY source").fetchall())
known = set(Series.objects.values_list("pk", flat=True))
loads = [[load.state, load.rows_new, kept.get(f"load:{load.pk}", 0)] for load in Load.objects.order_by("started_at")]
json.dump({"unknown": sorted(used - known), "loads": loads, "readings": sum(kept.values())}, sys.stdout)
"""
KEEP_MAINTAINING = """
import os, sys, time
import django; django.setup()
from datetime import timedelta
from qala.kernel.lake import maintain
print("begin", flush=True)
deadline, deleted = time.monotonic() + 120, 0
while not (os.path.exists(sys.argv[1]) and deleted) and time.monotonic() < deadline:
    deleted += maintain(keep=timedelta(0)).deleted_files
print(deleted)
"""


def asked(city: City, program: str) -> Any:
    return json.loads(ended(city.start("-c", program)).splitlines()[-1])


def back_up(city: City, into: Path) -> dict[str, Any]:
    return result(ended(city.start("-m", "qala", "backup", str(into), "--json")))


def restoring(city: City, source: Path, *options: str, **settings: str) -> subprocess.Popen[str]:
    return city.start("-m", "qala", "restore", str(source), "--json", *options, **settings)


def refused(process: subprocess.Popen[str]) -> dict[str, Any]:
    _out, err = process.communicate(timeout=120)
    assert process.returncode == 2, err
    found: dict[str, Any] = json.loads(err.splitlines()[-1])
    return found


def kill_once(process: subprocess.Popen[str], begun: Callable[[], bool], seconds: float) -> bool:
    """Kill a process so long after it began to write; ``False`` where it had ended before."""
    deadline = time.monotonic() + 60
    while process.poll() is None and not begun() and time.monotonic() < deadline:
        time.sleep(0.001)
    return kill_after(process, seconds)


def marker_of(city: City) -> Callable[[], bool]:
    """Whether a restore just began to write: the folder's marker is new."""
    marker = city.folder / ".qala-restore.json"
    before = marker.stat().st_mtime_ns if marker.exists() else 0
    return lambda: marker.exists() and marker.stat().st_mtime_ns != before


def finished(into: Path) -> list[Path]:
    return sorted(into.glob("*/manifest.json")) if into.exists() else []


@pytest.fixture
def place(tmp_path: Path) -> Callable[[], City]:
    """Empty places for restored cities, with databases where the run is on PostgreSQL."""
    numbers = iter(range(1000))
    return lambda: City(with_databases(tmp_path / f"restored-{next(numbers)}"))


@pytest.fixture(scope="module")
def loaded(
    prepared: City, registers: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[City, Path, dict[str, Any]]:
    """A city with a load in it, which is only looked at; its back-up; and every row of it."""
    city = prepared.copied_to(tmp_path_factory.mktemp("loaded") / "data")
    ended(city.load(registers))
    into = city.folder.parent / "backups"
    back_up(city, into)
    return city, into, asked(city, ROWS)


@pytest.mark.timeout(600)
def test_a_backup_beside_a_load_and_upkeep(fresh: Fresh, place: Fresh, registers: Path, tmp_path: Path) -> None:
    city, into, stop = fresh(), tmp_path / "backups", tmp_path / "stop"
    upkeep = city.start("-c", KEEP_MAINTAINING, str(stop))
    assert upkeep.stdout is not None
    upkeep.stdout.readline()
    load = city.load(registers, QALA_LOAD_PART_MIB="1")
    wait_for_a_part(load)
    taken: list[dict[str, Any]] = []
    while load.poll() is None and len(taken) < 6:
        taken.append(back_up(city, into))
    ended(load)
    taken.append(back_up(city, into))
    stop.touch()
    assert int(ended(upkeep).splitlines()[-1]) > 0, "upkeep deleted nothing, so nothing was tried"
    counts = []
    for one in (taken[0], taken[-1]):
        other = place()
        ended(restoring(other, Path(one["folder"])))
        found = asked(other, TOGETHER)
        assert found["unknown"] == [], "the lake knows series that the records don't"
        for _state, told, kept in found["loads"]:
            assert told <= kept, "a load tells of rows that the lake doesn't hold"
        counts.append(found["readings"])
        ended(other.start("-c", MAINTAIN))  # also of files that were waiting to be deleted
        again = result(ended(other.load(registers)))
        assert again["new"] + again["already_there"] == METERS * HOURS
        after = other.look()
        assert after["readings"] == after["distinct"] == METERS * HOURS
        assert after["intervals"] == after["starts"] == METERS * (HOURS - 1)
    assert counts[-1] == METERS * HOURS


def test_every_row_comes_back(loaded: tuple[City, Path, dict[str, Any]], place: Fresh) -> None:
    _city, into, rows = loaded
    other = place()
    told = result(ended(restoring(other, into)))
    assert told["files"] > 4
    found = asked(other, ROWS)
    assert found == rows
    assert found["lake.readings"][0] == METERS * HOURS
    said = ended(other.start("-m", "qala", "doctor", "--json", "--port", "0"))
    assert result(said)["fail"] == 0
    assert not (other.folder / "secret_key").exists() or (other.folder / "secret_key").read_text()
    assert "Conflict" not in said
    problem = refused(restoring(other, into))
    assert "holds a city" in problem["what"]


@pytest.mark.timeout(600)
def test_backups_killed_many_times(
    loaded: tuple[City, Path, dict[str, Any]], place: Fresh, tmp_path: Path, chance: random.Random
) -> None:
    city, _into, rows = loaded
    into = tmp_path / "backups"
    kills = 0
    for _ in range(8):
        process = city.start("-m", "qala", "backup", str(into))
        kills += kill_once(process, lambda: any(into.glob("*.part")), chance.uniform(0, 0.1))
    assert kills >= 3
    for manifest in finished(into):  # killed after it was whole
        assert not manifest.parent.name.endswith(".part")
        shutil.rmtree(manifest.parent)
    into.mkdir(exist_ok=True)
    (into / "2020-01-01T000000Z.part").mkdir()
    problem = refused(restoring(place(), into))
    assert "interrupted" in problem["what"]
    told = back_up(city, into)
    assert list(into.iterdir()) == [Path(told["folder"])], "what killed back-ups left is still there"
    other = place()
    ended(restoring(other, into))
    assert asked(other, ROWS) == rows


@pytest.mark.timeout(600)
def test_restores_killed_many_times(
    loaded: tuple[City, Path, dict[str, Any]], place: Fresh, chance: random.Random
) -> None:
    _city, into, rows = loaded
    other, half = place(), 0
    for _ in range(30):
        if half == 3:
            break
        marker = other.folder / ".qala-restore.json"
        kill_once(restoring(other, into), marker_of(other), chance.uniform(0, 0.02))
        if marker.exists():
            half += 1
            problem = refused(other.start("-m", "qala", "export", "readings", "x.csv", "--format", "csv", "--json"))
            assert "was interrupted" in problem["what"]
        elif (other.folder / "qala-data.json").exists():  # it was quicker than we were
            other = place()
    assert half >= 2, "no restore was killed between its first file and its last"
    ended(restoring(other, into))
    assert asked(other, ROWS) == rows


def test_a_flipped_byte_is_found(loaded: tuple[City, Path, dict[str, Any]], place: Fresh, tmp_path: Path) -> None:
    _city, into, _rows = loaded
    damaged = tmp_path / "damaged"
    shutil.copytree(into, damaged)
    folder = finished(damaged)[-1].parent
    first = next(folder.glob("lake/**/*.parquet"))
    content = bytearray(first.read_bytes())
    content[len(content) // 2] ^= 1
    first.write_bytes(content)
    next(folder.glob("records.*")).unlink()
    other = place()
    for options in ([], ["--check"]):
        problem = refused(restoring(other, damaged, *options))
        assert "damaged" in problem["what"]
        assert len(problem["rows"]) == 2
        assert any(first.name in row for row in problem["rows"])
    assert not (other.folder / "qala-data.json").exists()
    assert not (other.folder / "records.sqlite").exists()
    assert result(ended(restoring(other, into, "--check")))["files"] > 4
    (folder / "manifest.json").write_text("{")
    assert "manifest" in refused(restoring(other, damaged))["what"]
    (folder / "manifest.json").unlink()
    assert "no back-up" in refused(restoring(other, damaged))["what"]


def test_a_second_backup_copies_what_is_new(fresh: Fresh, place: Fresh, registers: Path, tmp_path: Path) -> None:
    city, into = fresh(), tmp_path / "backups"
    ended(city.load(registers))
    first = back_up(city, into)
    second = back_up(city, into)
    lake = list(Path(first["folder"]).glob("lake/**/*.parquet"))
    assert lake
    assert second["linked_files"] >= len(lake)
    assert second["copied_files"] == 3  # records, catalogue, settings
    for path in lake:
        assert path.samefile(Path(second["folder"]) / path.relative_to(first["folder"]))
    more = tmp_path / "more.csv"
    more.write_text("serial,time,value\n" + "".join(f"K-{n:04},2030-01-01T00:00:00Z,{10**8}\n" for n in range(METERS)))
    ended(city.load(more))
    third = back_up(city, into)
    assert third["linked_files"] >= len(lake)
    assert third["copied_files"] > 3
    shutil.rmtree(first["folder"])  # the others are whole without it
    shutil.rmtree(second["folder"])
    other = place()
    ended(restoring(other, into))
    assert asked(other, ROWS) == asked(city, ROWS)


def test_what_a_restore_refuses(loaded: tuple[City, Path, dict[str, Any]], place: Fresh, tmp_path: Path) -> None:
    _city, into, _rows = loaded
    newer = tmp_path / "newer"
    shutil.copytree(into, newer)
    manifest = finished(newer)[-1]
    told = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**told, "migrations": [*told["migrations"], "kernel.9999_of_tomorrow"]}))
    problem = refused(restoring(place(), newer))
    assert "newer Qala" in problem["what"]
    assert problem["rows"] == ["kernel.9999_of_tomorrow"]
    kind = {"records": "sqlite" if on_postgresql() else "postgresql"}
    manifest.write_text(json.dumps({**told, **kind}))
    assert "QALA_DATABASE_URL" in refused(restoring(place(), newer))["fix"]
    strange = tmp_path / "strange"
    strange.mkdir()
    (strange / "letters.txt").touch()
    assert "not a data folder" in refused(restoring(City(strange), into))["what"] if not on_postgresql() else True


def test_what_a_backup_refuses(loaded: tuple[City, Path, dict[str, Any]], tmp_path: Path) -> None:
    city, _into, _rows = loaded
    inside = city.start("-m", "qala", "backup", str(city.folder / "backups"), "--json")
    assert "part of what it copies" in refused(inside)["what"]
    empty = City(tmp_path / "nothing")
    assert "no city" in refused(empty.start("-m", "qala", "backup", str(tmp_path / "b"), "--json"))["what"]


def test_a_disk_that_is_too_small(loaded: tuple[City, Path, dict[str, Any]], tmp_path: Path) -> None:
    city, _into, _rows = loaded
    limit = 30 << 10
    process = subprocess.Popen(
        [sys.executable, "-m", "qala", "backup", str(tmp_path / "b"), "--json"], env=city.environment(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )  # fmt: skip
    problem = refused(process)
    assert problem["status"] == 503
    assert list((tmp_path / "b").iterdir()) == []


def test_no_secret_is_in_a_backup(fresh: Fresh, tmp_path: Path) -> None:
    city = fresh()
    (city.folder / "secret_key").write_text("a-secret-key-of-sessions")
    environment = {"QALA_METRICS_TOKEN": "a-secret-token", "QALA_LANGUAGE": "ru"}
    told = result(ended(city.start("-m", "qala", "backup", str(tmp_path / "b"), "--json", **environment)))
    folder = Path(told["folder"])
    assert folder.stat().st_mode & 0o077 == 0
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert b"a-secret" not in content, path
            assert os.environ.get("QALA_TEST_POSTGRES", "nothing of the kind").encode() not in content, path
    assert 'language = "ru"' in (folder / "settings.toml").read_text()
    assert "# metrics_token was set" in (folder / "settings.toml").read_text()


PEOPLE = """
import json, sys
import django; django.setup()
from qala.city.people.models import Person
from qala.kernel import audit
print(json.dumps({"people": sorted(Person.objects.values_list("name", "email")), "audit": audit.check()[0]}))
"""


def test_who_was_erased_after_a_backup_does_not_come_back(fresh: Fresh, place: Fresh, tmp_path: Path) -> None:
    city, into = fresh(), tmp_path / "backups"
    for name in ("aigerim", "gulnar"):
        ended(city.start("-c", (
            "import django; django.setup()\n"
            "from datetime import UTC, datetime\nfrom qala.city.people.public import create_person\n"
            "from qala.kernel.access import system\n"
            f"create_person(who=system('test'), now=datetime.now(UTC), email='{name}@city.example', name='{name}')"
        )))  # fmt: skip
    older = Path(back_up(city, into)["folder"])
    ended(city.start("-m", "qala", "people", "erase", "gulnar@city.example", "--why", "asked by letter"))
    back_up(city, into)
    again = place()
    ended(restoring(again, older))
    found = asked(again, PEOPLE)
    assert ["aigerim", "aigerim@city.example"] in found["people"]
    assert "gulnar" not in str(found["people"])
    assert found["audit"]
