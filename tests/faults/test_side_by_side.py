"""Several processes on one data folder."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .city import City, ended, result
from .conftest import HOURS, METERS

pytestmark = pytest.mark.usefixtures("prepared")
Fresh = Callable[[], City]
READ_AND_MAINTAIN = """
import os, sys, time
import django; django.setup()
from datetime import timedelta
from qala.kernel.lake import get_lake, maintain
rounds = 0
seen = 0
deadline = time.monotonic() + 60
print("ready", flush=True)
while not os.path.exists(sys.argv[1]) and time.monotonic() < deadline:
    with get_lake().question() as cursor:
        count, distinct, least = cursor.execute(
            "SELECT count(*), count(DISTINCT (series, t)), min(value) FROM lake.readings").fetchone()
    assert count == distinct, (count, distinct)
    assert count >= seen, "readings went away"
    seen = count
    maintain(keep=timedelta(0))
    rounds += 1
print(rounds, seen)
"""


@pytest.mark.timeout(280)
def test_a_load_beside_a_reader_that_maintains(fresh: Fresh, registers: Path, tmp_path: Path) -> None:
    city, stop = fresh(), tmp_path / "stop"
    reader = city.start("-c", READ_AND_MAINTAIN, str(stop))
    assert reader.stdout is not None
    assert reader.stdout.readline() == "ready\n"
    found = result(ended(city.load(registers)))
    stop.touch()
    rounds, _ = map(int, ended(reader).splitlines()[-1].split())
    assert rounds >= 2
    assert found["new"] == METERS * HOURS
    after = city.look()
    assert after["readings"] == after["distinct"] == METERS * HOURS
    assert after["intervals"] == after["starts"] == METERS * (HOURS - 1)


@pytest.mark.timeout(280)
def test_two_loads_of_one_file_at_once(fresh: Fresh, registers: Path) -> None:
    city = fresh()
    first = city.load(registers)
    time.sleep(0.1)
    second = city.load(registers)
    found = [result(ended(process)) for process in (first, second)]
    assert sum(one["new"] for one in found) == METERS * HOURS
    assert sum(one["already_there"] for one in found) == METERS * HOURS
    assert sum(one["devices_created"] for one in found) == METERS
    after = city.look()
    assert after["readings"] == after["distinct"] == METERS * HOURS
    assert after["intervals"] == after["starts"] == METERS * (HOURS - 1)
    assert after["loads"] == ["done", "done"]
