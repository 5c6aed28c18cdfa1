"""kill -9 at any moment: what was there is whole, and doing it again finishes it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .city import MAINTAIN, WEDGES, City, ended, kill_after, result, wait_for_a_part
from .conftest import HOURS, METERS

pytestmark = pytest.mark.usefixtures("prepared")
KILLS = 20
Fresh = Callable[[], City]


@pytest.fixture(scope="module")
def undisturbed(
    prepared: City, registers: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, object], float]:
    """What an undisturbed load leaves, and how long it takes."""
    city = prepared.copied_to(tmp_path_factory.mktemp("undisturbed") / "data")
    began = time.monotonic()
    found = result(ended(city.load(registers)))
    took = time.monotonic() - began
    assert (found["read"], found["new"]) == (METERS * HOURS, METERS * HOURS)
    return city.look(), took


@pytest.mark.timeout(600)
def test_a_load_killed_twenty_times(
    fresh: Fresh, registers: Path, undisturbed: tuple[dict[str, object], float], chance: random.Random
) -> None:
    """Five folders; on each a load is killed four times, each time the load goes on from what is there."""
    whole, took = undisturbed
    kept_in_part = 0
    kills = 0
    for _ in range(KILLS // 4):
        city = fresh()
        for kill in range(4):
            load = city.load(registers)
            if kill == 1:  # between two parts, however quick the machine is
                wait_for_a_part(load)
                kills += kill_after(load, took * chance.uniform(0, 0.05))
            else:  # not before the interpreter has started: the first third of a load
                kills += kill_after(load, took * chance.uniform(0.3, 1.0))
            if kill % 2 == 0:
                continue
            found = city.look()
            assert found["readings"] == found["distinct"], "a reading stands twice"
            assert found["intervals"] == found["starts"], "an interval stands twice"
            kept_in_part += 0 < found["readings"] < METERS * HOURS
        last = result(ended(city.load(registers)))
        assert last["refused"] == last["new_versions"] == 0
        assert last["new"] + last["already_there"] == METERS * HOURS
        found = city.look()
        states = found.pop("loads")
        assert states[-1] == "done"
        assert "running" not in states, "the load of a dead process is shown as running"
        for name in ("readings", "distinct", "total", "intervals", "starts", "used", "measures", "devices"):
            assert found[name] == whole[name], name
    assert kills >= KILLS // 2, "the machine was too quick: most loads had ended before they were killed"
    assert kept_in_part, "no load was killed between two of its parts"


@pytest.mark.timeout(600)
def test_a_merge_killed_twenty_times(fresh: Fresh, chance: random.Random) -> None:
    city = fresh()
    ended(city.start("-c", WEDGES, "30"))
    before = city.look()
    assert before["files"] >= 30
    longest = 1.0
    kills = 0
    for number in range(KILLS):
        process = city.start("-c", MAINTAIN)
        assert process.stdout is not None
        assert process.stdout.readline() == "begin\n"
        began = time.monotonic()
        if not kill_after(process, longest * chance.random()):
            longest = max(0.02, min(longest, time.monotonic() - began))
            ended(city.start("-c", WEDGES, "10"))  # something to merge again
            before = city.look()
            continue
        kills += 1
        if number % 4 == 0:
            found = city.look()
            assert (found["readings"], found["total"]) == (before["readings"], before["total"])
    assert kills >= KILLS // 2
    ended(city.start("-c", MAINTAIN))
    after = city.look()
    assert (after["readings"], after["distinct"], after["total"]) == (
        before["readings"],
        before["distinct"],
        before["total"],
    )
    assert after["files"] < before["files"]
    on_disk = {path.name for path in (city.folder / "lake").rglob("*.parquet")}
    assert len(on_disk) >= after["files"]
