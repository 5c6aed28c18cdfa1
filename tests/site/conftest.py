"""One running city for all tests that only look at it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qala.site.pytest_plugin import with_databases
from qala.site.testing import RunningCity, run_command

EMAIL, PASSWORD = "aliya@city.example", "a long enough word 7"
READINGS = """user key;datetime;meter reading;diff
17;01/06/2016 00:00:00;1000;
17;01/06/2016 01:00:00;1012;12
17;01/06/2016 02:00:00;1020;8
"""


@pytest.fixture(scope="session")
def account() -> tuple[str, str]:
    """The administrator of the prepared city: address and password."""
    return EMAIL, PASSWORD


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A data folder with one administrator and one load: (folder, key of the load)."""
    folder = with_databases(tmp_path_factory.mktemp("city") / "data")
    made = subprocess.run(
        [sys.executable, "-m", "qala", "init", "--data-dir", str(folder), "--email", EMAIL, "--name", "Әлия",
         "--password-stdin"],
        input=PASSWORD + "\n", capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    file = folder.parent / "readings.csv"
    file.write_text(READINGS)
    loaded = run_command("load", "readings", str(file), "--profile", "daiad", "--json", data_dir=folder)
    assert loaded.returncode == 0, loaded.stderr
    result = json.loads(loaded.stdout.splitlines()[-1])
    return folder, result["load"]


@pytest.fixture(scope="session")
def city(prepared: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCity]:
    with RunningCity(_copy(prepared[0], tmp_path_factory.mktemp("running") / "data")) as running:
        yield running


@pytest.fixture
def prepared_copy(prepared: tuple[Path, str], tmp_path: Path) -> Path:
    """A data folder of one's own, ready for use."""
    return _copy(prepared[0], tmp_path / "data")


def _copy(folder: Path, to: Path) -> Path:
    """A copy of a data folder that nothing runs on."""
    shutil.copytree(folder, to, ignore=shutil.ignore_patterns("ready.json"))
    return with_databases(to, like=folder)
