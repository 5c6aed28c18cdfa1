"""Run the benchmarks and write ``docs/performance.md`` from what they found.

python benchmarks/report.py                    all of them; the page is written anew
python benchmarks/report.py --scale 0.01 --check   answers only, the page stays as it is
python benchmarks/report.py --no-run --results DIR   write the page from results that are there
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from common import ROOT

# name of the results → script and its arguments
RUNS = {
    "lake": ("lake", ()),
    "lake_seconds": ("lake", ("--only", "full", "--jitter", "seconds", "--scale", "0.1")),
    "daiad": ("daiad", ()),
    "pages": ("pages", ()),
    "locate": ("locate", ()),
    "devices": ("devices", ()),
    "registries": ("registries", ()),
    "registries_postgresql": ("registries", ("--postgresql", "--scale", "0.1")),
    "web": ("web", ()),
    "hostile": ("hostile", ()),
}
PAGE = ROOT / "docs" / "performance.md"
INTRODUCTION = """# Performance

`make bench` writes this page from the scripts in `benchmarks/`, one a claim. A figure holds for the machine, the day and
the load average beside it. A floor is what a figure must reach; ratios against other systems are of the same run, on the
same rows and the same machine.
"""
WORDS = {
    "lake": "The lake: 35,000 meters, one reading every 15 minutes for 30 days, in order of arrival",
    "lake_seconds": "The same, a tenth of the meters, each reading at a random second of its minute",
    "daiad": "A real file: DAIAD trial A",
    "pages": "Pages of a running city",
    "locate": "Points to places",
    "devices": "A file of devices",
    "registries": "Lists, searches and maps of a city of 1,000,000 devices and 100,000 people",
    "registries_postgresql": "The same on PostgreSQL, a tenth of it",
    "web": "Pages beside event streams",
    "hostile": "Fuzzed requests",
}


def shown(number: float | None) -> str:
    if number is None:
        return "–"
    if abs(number) >= 100:
        return f"{number:,.0f}"
    return f"{number:.3g}" if abs(number) < 1 else f"{number:,.2f}"


def ratio(row: dict[str, Any]) -> str:
    """How many times better than the floor the figure is; 1 or more meets it."""
    if row["floor"] is None or not row["figure"]:
        return ""
    more = row["unit"] in ("×", "1/s", "M rows/s")
    found = row["figure"] / row["floor"] if more else row["floor"] / row["figure"]
    return f"{found:.2f} × ({'met' if row['met'] else '**missed**'})"


def section(title: str, told: dict[str, Any]) -> str:
    machine = told["machine"]
    lines = [
        f"## {title}",
        "",
        f"`{told['command']}`, {told['started'].replace('T', ' ').replace('+00:00', ' UTC')}, {machine['cores']} cores ({machine['cpu']}), "
        f"{machine['memory_gib']} GiB of memory, {machine['system']}.",
        "",
        "| what | figure | floor | ratio | load | notes |",
        "|---|---:|---:|---|---:|---|",
    ]
    for row in told["rows"]:
        figure = f"{shown(row['figure'])} {row['unit']}" if row["figure"] is not None else "–"
        floor = f"{shown(row['floor'])} {row['unit']}" if row["floor"] is not None else ""
        cells = (row["claim"], figure, floor, ratio(row), f"{row['load']}", row["note"])
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    if told["versions"]:
        lines += ["", "Beside: " + "; ".join(f"{name} {version}" for name, version in told["versions"].items()) + "."]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full size")
    parser.add_argument("--check", action="store_true", help="look at answers only; the page stays as it is")
    parser.add_argument("--results", type=Path, help="folder that keeps the results, one JSON file a script")
    parser.add_argument("--no-run", action="store_true", help="run nothing, take the results that are there")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="qala-bench-results-") as temporary:
        folder = given.results or Path(temporary)
        if not given.no_run:
            for name, (script, more) in RUNS.items():
                if given.check and more:
                    continue
                command = [
                    sys.executable,
                    str(ROOT / "benchmarks" / f"{script}.py"),
                    "--json",
                    str(folder / f"{name}.json"),
                ]
                if given.check:
                    command.append("--check")
                if given.scale != 1.0 and not more:
                    command += ["--scale", str(given.scale)]
                if subprocess.run([*command, *more], check=False).returncode:
                    sys.exit(f"{script}.py failed")
        found = {name: json.loads(path.read_text()) for name in RUNS if (path := folder / f"{name}.json").is_file()}
    if given.check:
        return
    PAGE.write_text(
        "\n".join([INTRODUCTION, *(section(WORDS[name], told) for name, told in found.items())]), encoding="utf-8"
    )
    missed = [(told["script"], row["claim"]) for told in found.values() for row in told["rows"] if row["met"] is False]
    print(f"{PAGE.relative_to(ROOT)} is written; {len(missed)} floors missed")
    for script, claim in missed:
        print(f"  {script}: {claim}")


if __name__ == "__main__":
    main()
