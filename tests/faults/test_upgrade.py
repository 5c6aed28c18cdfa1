"""An upgrade brings a city to this version, or leaves it as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from qala.site.testing import RunningCity

from .city import City, ended, result
from .test_backup import ROWS, asked, refused

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
    assert told["migrations"] == 1
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
