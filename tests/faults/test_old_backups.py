"""Old back-ups are deleted, also by a process that is killed; those that are left are whole. And the one of each day."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qala.site.pytest_plugin import with_databases

from .city import City, ended, kill_after, result
from .test_backup import ROWS, asked, restoring
from .test_upgrade import some_load

pytestmark = pytest.mark.usefixtures("prepared")
Fresh = Callable[[], City]
PRUNE = """
import sys
from pathlib import Path
import django; django.setup()
from qala.site.backup import prune
print("begin", flush=True)
prune(Path(sys.argv[1]), keep=1)
"""
DAILY = """
import json, sys
from datetime import datetime
import django; django.setup()
from django.conf import settings
from qala.site.backup import daily
now = datetime.fromisoformat(sys.argv[1])
daily.run(now=now)
last = daily.last_of(str(settings.QALA.backup_dir))
print(json.dumps({"due": daily.due_since(settings.QALA, now).isoformat(), "late": daily.is_late(settings.QALA, now),
                  "last": last.name if last else None}))
"""
AUDIT = """
import json
import django; django.setup()
from qala.kernel.models import AuditEntry
rows = AuditEntry.objects.filter(thing_kind="backup").order_by("at").values_list("verb", "thing_key")
print(json.dumps([list(row) for row in rows]))
"""


def names(into: Path) -> list[str]:
    return sorted(path.name for path in into.iterdir())


def copies(into: Path, count: int) -> None:
    """More back-ups that share all files with the one that is there, as taking them would."""
    first = next(into.iterdir())
    for number in range(count):
        folder = into / f"2020-01-{number + 1:02}T000000Z"
        shutil.copytree(first, folder, copy_function=lambda source, target: Path(target).hardlink_to(source))


@pytest.mark.timeout(400)
def test_what_is_left_is_whole(fresh: Fresh, tmp_path: Path) -> None:
    city, into = fresh(), tmp_path / "backups"
    some_load(city, tmp_path)
    first = Path(result(ended(city.start("-m", "qala", "backup", str(into), "--json")))["folder"]).name
    copies(into, 4)
    rows = asked(city, ROWS)
    told = result(ended(city.start("-m", "qala", "backup", str(into), "--keep", "2", "--json")))
    assert told["linked_files"] > 0
    assert told["deleted"] == [f"2020-01-{day:02}T000000Z" for day in (1, 2, 3, 4)]
    latest = Path(told["folder"]).name
    assert names(into) == [first, latest]
    found: list[list[str]] = json.loads(ended(city.start("-c", AUDIT)).splitlines()[-1])
    assert found[0] == ["city.back_up", first]
    assert found[1] == ["city.back_up", latest]
    assert [verb for verb, _name in found[2:]] == ["city.delete_back_up"] * 4
    told = result(ended(city.start("-m", "qala", "backup", str(into), "--keep", "1", "--json")))
    assert names(into) == [Path(told["folder"]).name]
    ended(city.start("-m", "qala", "restore", str(into), "--check"))
    other = City(with_databases(tmp_path / "restored"))
    ended(restoring(other, into))
    after = asked(other, ROWS)
    assert {name: after[name] for name in after if name.startswith("lake.")} == {
        name: rows[name] for name in rows if name.startswith("lake.")
    }
    refused = city.start("-m", "qala", "backup", str(into), "--keep", "0", "--json")
    ended(refused, 2)
    assert len(names(into)) == 1


@pytest.mark.timeout(400)
def test_killed_in_the_middle(fresh: Fresh, tmp_path: Path, chance: random.Random) -> None:
    city, into = fresh(), tmp_path / "backups"
    some_load(city, tmp_path)
    ended(city.start("-m", "qala", "backup", str(into), "--json"))
    latest, killed = names(into)[-1], 0
    for _ in range(6):
        copies(into, 9)
        process = city.start("-c", PRUNE, str(into))
        assert process.stdout is not None
        assert process.stdout.readline() == "begin\n"
        killed += kill_after(process, chance.uniform(0, 0.02))
        for name in names(into):
            if not name.endswith(".part"):  # whatever still counts is whole
                ended(city.start("-m", "qala", "restore", str(into / name), "--check"))
                break
        assert latest in names(into)
        for name in names(into):
            if name != latest:
                shutil.rmtree(into / name)
    assert killed
    (into / "2020-01-01T000000Z.part").mkdir()
    told = result(ended(city.start("-m", "qala", "backup", str(into), "--keep", "1", "--json")))
    assert names(into) == [Path(told["folder"]).name]


@pytest.mark.timeout(400)
def test_the_back_up_of_each_day(fresh: Fresh, tmp_path: Path) -> None:
    city, into = fresh(), tmp_path / "backups"

    def run(at: str, code: int = 0, **settings: str) -> dict[str, Any]:
        daily = {"QALA_BACKUP_DIR": str(into), "QALA_BACKUP_HOUR": "3", "QALA_BACKUP_KEEP": "1"}
        out = ended(city.start("-c", DAILY, at, **{**daily, **settings}), code)
        found: dict[str, Any] = json.loads(out.splitlines()[-1]) if out else {}
        return found

    found = run("2026-11-23T12:00:00+00:00")  # nobody took one yet: what was due in the night is made up for
    assert found["due"] == "2026-11-23T03:00:00+05:00"
    assert [found["last"]] == names(into)
    again = run("2026-11-23T13:00:00+00:00")
    assert (again["last"], names(into)) == (found["last"], [found["last"]])
    assert run("2020-01-01T20:59:00+00:00")["due"] == "2020-01-01T03:00:00+06:00"  # the zone of that year
    (tmp_path / "file").write_text("")
    run("2026-11-23T12:00:00+00:00", code=1, QALA_BACKUP_DIR=str(tmp_path / "file"))
    doctor = [
        json.loads(line)
        for line in ended(
            city.start("-m", "qala", "doctor", "--json", "--port", "0", QALA_BACKUP_DIR=str(tmp_path / "none"))
        ).splitlines()
    ]
    line = next(one for one in doctor if one.get("check") == "back-up")
    assert (line["state"], line["what"]) == ("warn", "there is none")
    assert "How it runs" in line["fix"]
