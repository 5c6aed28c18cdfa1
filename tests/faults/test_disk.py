"""A full disk: refused clearly, readable afterwards, finished once there is room."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .city import City, ended, result
from .conftest import HOURS, METERS

pytestmark = pytest.mark.usefixtures("prepared")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of 24 MiB; the test is skipped where this user can't mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(
            f"no tmpfs can be mounted here ({mounted.stderr.strip()}); the file size limit is tested beside this"
        )
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)


def said(process: subprocess.Popen[str]) -> str:
    """What a command that was refused said was wrong."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 2, f"{process.returncode}\n{out[-3000:]}\n{err[-3000:]}"
    return out + err


@pytest.mark.timeout(280)
@pytest.mark.parametrize("room", [256, 2500])
def test_a_full_disk(small_disk: Path, prepared: City, registers: Path, room: int) -> None:
    """``room`` KiB are left: too little for the data folder's databases, too little for the text of a part."""
    city = prepared.copied_to(small_disk / "data")
    ballast = small_disk / "ballast"
    free = os.statvfs(small_disk)
    ballast.write_bytes(b"x" * (free.f_bavail * free.f_frsize - room * 1024))
    problem = said(city.load(registers))
    assert "disk" in problem.lower()
    ballast.unlink()
    before = city.look()
    assert before["readings"] == before["distinct"]
    assert before["readings"] < METERS * HOURS
    found = result(ended(city.load(registers)))
    assert found["new"] + found["already_there"] == METERS * HOURS
    assert found["already_there"] == before["readings"]
    after = city.look()
    assert after["readings"] == after["distinct"] == METERS * HOURS
    assert "running" not in after["loads"]


@pytest.mark.timeout(280)
def test_a_limit_of_file_size(fresh: Callable[[], City], registers: Path) -> None:
    """Files may not grow beyond a size: what the kernel says then is another error than of a full disk."""
    city = fresh()
    profile = city.folder.parent / "profile.toml"
    ended(city.load(registers.with_name("none.csv")), code=2)  # writes the profile
    limit = 600 << 10

    process = subprocess.Popen(
        [sys.executable, "-m", "qala", "load", "readings", str(registers), "--profile", str(profile), "--json"],
        env=city.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )  # fmt: skip
    assert "disk" in said(process).lower()
    before = city.look()
    assert before["readings"] == before["distinct"] < METERS * HOURS
    found = result(ended(city.load(registers)))
    assert found["new"] + found["already_there"] == METERS * HOURS
    after = city.look()
    assert after["readings"] == after["distinct"] == METERS * HOURS
    assert json.dumps(after["loads"]).count("done") == 1
