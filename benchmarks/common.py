"""What the benchmark scripts share: the machine, rows of results, timings, cities to measure."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))


@dataclass
class Row:
    """One figure.

    Args:
        claim: what was measured.
        figure: the number, in ``unit``; ``None`` where it could not be measured.
        floor: what it must reach; ``more`` says on which side.
        note: conditions that matter, e.g. durability of a peer.
        load: load average of the last minute when the figure was taken.
    """

    claim: str
    figure: float | None
    unit: str
    floor: float | None = None
    more: bool = False
    note: str = ""
    load: float = field(default_factory=lambda: round(os.getloadavg()[0], 1))

    @property
    def met(self) -> bool | None:
        if self.floor is None or self.figure is None:
            return None
        return self.figure >= self.floor if self.more else self.figure <= self.floor


class Results:
    """The rows of one script, shown as they come and written as JSON at the end."""

    def __init__(self, script: str, arguments: argparse.Namespace) -> None:
        self.script, self.arguments = script, arguments
        self.rows: list[Row] = []
        self.versions: dict[str, str] = {}
        self.started = datetime.now(UTC)
        say(f"{script}: {json.dumps(machine())}, load average {os.getloadavg()[0]:.1f}")

    def add(self, claim: str, figure: float | None, unit: str, **more: Any) -> Row:
        row = Row(claim, figure, unit, **more)
        self.rows.append(row)
        shown = "not measured" if figure is None else f"{figure:,.3f} {unit}"
        side = "" if row.floor is None else f"  (floor {row.floor:g}: {'met' if row.met else 'MISSED'})"
        say(f"  {claim}: {shown}{side}  [load {row.load}] {row.note}")
        return row

    def write(self) -> None:
        if self.arguments.json is None:
            return
        told = {
            "script": self.script, "started": self.started.isoformat(timespec="seconds"), "machine": machine(),
            "command": f"python benchmarks/{self.script}.py {' '.join(shown_arguments())}".strip(),
            "versions": self.versions, "rows": [{**asdict(row), "met": row.met} for row in self.rows],
        }  # fmt: skip
        self.arguments.json.parent.mkdir(parents=True, exist_ok=True)
        self.arguments.json.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")


def shown_arguments() -> list[str]:
    """The arguments as given, without where results go."""
    given, shown = iter(sys.argv[1:]), []
    for one in given:
        if one in ("--json", "--work"):
            next(given, None)
        else:
            shown.append(one)
    return shown


def say(text: str) -> None:
    print(text, flush=True)


def arguments(description: str, *extra: tuple[str, dict[str, Any]]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows here")
    parser.add_argument("--check", action="store_true", help="look at answers only; say nothing of speed")
    parser.add_argument(
        "--work", type=Path, metavar="DIR", help="folder for data and databases; a temporary one by default"
    )
    for name, options in extra:
        parser.add_argument(name, **options)
    return parser.parse_args()


@contextmanager
def work_folder(given: argparse.Namespace) -> Iterator[Path]:
    """A folder for what a benchmark writes; a temporary one goes with it."""
    if given.work is not None:
        given.work.mkdir(parents=True, exist_ok=True)
        yield given.work
        return
    with tempfile.TemporaryDirectory(prefix="qala-bench-") as name:
        os.chmod(name, 0o755)  # PostgreSQL runs as another user below it
        yield Path(name)


def machine() -> dict[str, Any]:
    """Cores, memory and processor of this machine."""
    model = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
        memory = int(Path("/proc/meminfo").read_text().split()[1]) / (1 << 20)
    except (OSError, IndexError, ValueError):
        memory = 0.0
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "cpu": model,
        "system": platform.platform(aliased=True),
    }


def percentile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered)) - 1))]


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    found = work()
    return time.perf_counter() - began, found


def peak_mib() -> float:
    """Most memory that this process held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def folder_bytes(folder: Path, pattern: str = "**/*") -> int:
    return sum(path.stat().st_size for path in folder.glob(pattern) if path.is_file())


def environment(data_dir: Path) -> dict[str, str]:
    """Variables for a process that works on a data folder."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {
        **os.environ, "QALA_DATA_DIR": str(data_dir), "DJANGO_SETTINGS_MODULE": "qala.site.settings",
        "QALA_LOG_LEVEL": "warning", "PYTHONPATH": path,
    }  # fmt: skip


def open_city(data_dir: Path) -> None:
    """Set this process up on a data folder, as a command does."""
    os.environ.update(environment(data_dir))
    import django

    django.setup()
    from qala.site.prepare import prepare

    prepare(quiet=True)


def child(script: Path, data_dir: Path, part: str, *more: str) -> dict[str, Any]:
    """Run one part of a script in a process of its own; returns what its last line says."""
    done = subprocess.run(
        [sys.executable, str(script), "--part", part, *more], env=environment(data_dir), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{script.name} --part {part} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found
