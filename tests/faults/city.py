"""A data folder that other processes work on, and what lies in it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qala.site.pytest_plugin import RUN_DIR, with_databases

PROFILE = """
unit = "L"
unknown = "create"
model = "daiad-swm"
property = "water_volume"
[columns]
serial = "serial"
time = "time"
value = "value"
"""
# what a process of its own says about a folder, read in one go
LOOK = """
import json, sys
import django; django.setup()
from qala.kernel.lake import get_lake
from qala.city.devices.models import Device, Load
with get_lake().question() as cursor:
    one = lambda sql: cursor.execute(sql).fetchone()
    readings, distinct, total = one("SELECT count(*), count(DISTINCT (series, t)), coalesce(sum(value), 0)::BIGINT FROM lake.readings")
    intervals, starts, used = one(
        "SELECT count(*), count(DISTINCT (series, start_at)), coalesce(sum(value), 0)::BIGINT FROM lake.intervals")
    water = one("SELECT count(*), coalesce(sum(value), 0)::DOUBLE FROM lake.measures WHERE measure = 'meters.water_m3'")
    files = one("SELECT count(*) FROM ducklake_list_files('lake', 'readings')")[0]
json.dump({
    "readings": readings, "distinct": distinct, "total": total, "intervals": intervals, "starts": starts, "used": used,
    "measures": water[0], "files": files, "devices": Device.objects.count(),
    "loads": list(Load.objects.order_by("started_at").values_list("state", flat=True)),
}, sys.stdout)
"""
MAINTAIN = """
import django; django.setup()
from datetime import timedelta
from qala.kernel.lake import maintain
print("begin", flush=True)
maintain(keep=timedelta(0))
print("done", flush=True)
"""
WEDGES = """
import sys
import django; django.setup()
from qala.kernel.lake import get_lake
for number in range(int(sys.argv[1])):
    get_lake().commit(lambda cursor: cursor.execute(
        "INSERT INTO lake.readings SELECT i % 200, TIMESTAMP '2025-01-01' + to_minutes(i + $n * 40000), i, 'A', "
        "TIMESTAMP '2025-06-01' + to_seconds($n), 'wedge' FROM range(20000) r(i)", {"n": number}))
"""


@dataclass(frozen=True)
class City:
    """A data folder and the processes of a test on it."""

    folder: Path

    def environment(self, **settings: str) -> dict[str, str]:
        # a hundred processes start in these tests: they share what Python compiles
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("QALA_", "PYTHONDONTWRITE"))}
        kept["PYTHONPYCACHEPREFIX"] = f"{os.environ[RUN_DIR]}/bytecode"
        return {
            **kept, "QALA_DATA_DIR": str(self.folder), "DJANGO_SETTINGS_MODULE": "qala.site.settings",
            "QALA_LOAD_PART_MIB": "1", **settings,
        }  # fmt: skip

    def copied_to(self, folder: Path) -> City:
        """A copy of the folder, which no process may be using, with databases of its own."""
        shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns("ready.json", "qala.toml"))
        return City(with_databases(folder, self.folder))

    def start(self, *command: str, **settings: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *command], env=self.environment(**settings), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip

    def load(self, file: Path, **settings: str) -> subprocess.Popen[str]:
        profile = self.folder.parent / "profile.toml"
        profile.write_text(PROFILE)
        return self.start("-m", "qala", "load", "readings", str(file), "--profile", str(profile), "--json", **settings)

    def look(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(ended(self.start("-c", LOOK)).splitlines()[-1])
        return found


def ended(process: subprocess.Popen[str], code: int = 0) -> str:
    """What a process said, once it ended with the code."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == code, f"{process.returncode}\n{out[-3000:]}\n{err[-3000:]}"
    return out


def result(out: str) -> dict[str, Any]:
    """The result among the JSON lines of a command."""
    found: dict[str, Any] = next(line for line in map(json.loads, out.splitlines()) if line.get("event") == "result")
    return found


def wait_for_a_part(load: subprocess.Popen[str]) -> None:
    """Read what a load says until its first part is kept, or it ends."""
    assert load.stdout is not None
    for line in load.stdout:
        if json.loads(line)["event"] == "progress":
            return


def kill_after(process: subprocess.Popen[str], seconds: float) -> bool:
    """Kill a process with SIGKILL at that moment; ``False`` where it had ended before."""
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    alive = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    return alive


def prepared_city(folder: Path) -> City:
    """A data folder that was made ready."""
    city = City(with_databases(folder))
    ended(city.start("-c", "import django; django.setup(); from qala.site.prepare import prepare; prepare(quiet=True)"))
    return city
