"""An upgrade brings a city to this version, or leaves it as it was."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest

from qala.site.testing import RunningCity

from .city import City, ended, kill_after, result
from .test_backup import ROWS, asked, kill_once, marker_of, refused, restoring

pytestmark = pytest.mark.usefixtures("prepared")
EARLIER = """
import django; django.setup()
from django.core.management import call_command
call_command("migrate", "kernel", "0004", verbosity=0)
"""


def some_load(city: City, folder: Path) -> None:
    file = folder / "some.csv"
    file.write_text("serial,time,value\n" + "".join(f"K-1,2026-01-{day:02}T00:00:00Z,{day}\n" for day in range(1, 29)))
    ended(city.load(file))


@pytest.mark.timeout(280)
def test_an_earlier_city_is_brought_up(prepared: City, tmp_path: Path) -> None:
    city = prepared.copied_to(tmp_path / "data")
    some_load(city, tmp_path)
    ended(city.start("-c", EARLIER))
    told = result(ended(city.start("-m", "qala", "upgrade", str(tmp_path / "b"), "--json")))
    assert told["migrations"] >= 1
    assert Path(told["backup"], "manifest.json").is_file()
    doctor = result(ended(city.start("-m", "qala", "doctor", "--json", "--port", "0")))
    assert doctor["fail"] == 0
    assert result(ended(city.start("-m", "qala", "upgrade", str(tmp_path / "c"), "--json")))["migrations"] == 0


@pytest.mark.timeout(280)
def test_one_that_fails_leaves_the_city_as_it_was(prepared: City, tmp_path: Path) -> None:
    city = prepared.copied_to(tmp_path / "data")
    some_load(city, tmp_path)
    before = asked(city, ROWS)
    assert before["devices_load"][0] == 1
    failing = {"DJANGO_SETTINGS_MODULE": "tests.faults.failing.settings"}
    problem = refused(city.start("-m", "qala", "upgrade", str(tmp_path / "b"), "--json", **failing))
    assert "is again what it was" in problem["what"]
    assert "a_table_that_is_not_there" in problem["what"]
    assert asked(city, ROWS) == before
    assert result(ended(city.start("-m", "qala", "doctor", "--json", "--port", "0")))["fail"] == 0
    some_load(city, tmp_path)  # and it can be used


@pytest.mark.timeout(280)
def test_a_city_that_runs_is_backed_up_and_not_upgraded(prepared: City, tmp_path: Path) -> None:
    city = prepared.copied_to(tmp_path / "data")
    with RunningCity(city.folder):
        problem = refused(city.start("-m", "qala", "upgrade", str(tmp_path / "b"), "--json"))
        assert "already runs" in problem["what"]
        told = result(ended(city.start("-m", "qala", "backup", str(tmp_path / "b"), "--json")))
    assert Path(told["folder"], "manifest.json").is_file()


def kept(city: City) -> dict[str, Any]:
    """What people brought into a city, which no upgrade may change."""
    return {name: rows for name, rows in asked(city, ROWS).items() if name.startswith(("lake.", "devices_"))}


@pytest.mark.timeout(580)
def test_killed_at_many_moments_it_is_done_by_the_next(prepared: City, tmp_path: Path, chance: random.Random) -> None:
    city, into = prepared.copied_to(tmp_path / "data"), tmp_path / "b"
    some_load(city, tmp_path)
    before = kept(city)
    ended(city.start("-c", EARLIER))
    began = time.monotonic()
    ended(city.start("-m", "qala", "upgrade", str(into), "--json"))
    took, kills = time.monotonic() - began, 0
    for share in (0.55, 0.8):
        ended(city.start("-c", EARLIER))
        kills += kill_after(city.start("-m", "qala", "upgrade", str(into)), took * (share + chance.uniform(0, 0.1)))
        time.sleep(1)  # two back-ups of one second have one name
        told = result(ended(city.start("-m", "qala", "upgrade", str(into), "--json")))
        assert kept(city) == before
    assert kills
    ended(city.start("-m", "qala", "restore", told["backup"], "--check"))
    assert result(ended(city.start("-m", "qala", "doctor", "--json", "--port", "0")))["fail"] == 0


@pytest.mark.timeout(580)
def test_killed_while_it_is_put_back_a_restore_finishes(prepared: City, tmp_path: Path, chance: random.Random) -> None:
    city, into, half = prepared.copied_to(tmp_path / "data"), tmp_path / "b", 0
    some_load(city, tmp_path)
    before = kept(city)
    failing = {"DJANGO_SETTINGS_MODULE": "tests.faults.failing.settings"}
    for _ in range(8):
        if half == 2:
            break
        upgrade = city.start("-m", "qala", "upgrade", str(into), **failing)
        kill_once(upgrade, marker_of(city), chance.uniform(0, 0.01))
        if (city.folder / ".qala-restore.json").exists():
            half += 1
            problem = refused(city.start("-m", "qala", "upgrade", str(into), "--json"))
            assert "was interrupted" in problem["what"]
            ended(restoring(city, into))
        assert kept(city) == before
        time.sleep(1)
    assert half, "no upgrade was killed while the city was put back"
    assert result(ended(city.start("-m", "qala", "doctor", "--json", "--port", "0")))["fail"] == 0
