"""The documentation tells of everything, and what it tells is so."""

from __future__ import annotations

import csv
import importlib.util
import json
import re
import shlex
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.apps import apps

import qala
from qala.city.devices.models import Device, Load
from qala.city.meters import rules
from qala.kernel.plug import declared
from qala.kernel.units import INSIDE
from qala.site.testing import run_command

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
TOOL = ROOT / "tools" / "docs_reference.py"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
WRITTEN = [page for page in PAGES if "_build" not in page.parts]
HOUR = rules.HOUR_US


def tool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(TOOL), *arguments], capture_output=True, text=True, timeout=120, check=False, cwd=ROOT
    )


@cache
def names() -> dict[str, list[str]]:
    """What each page of the reference must name."""
    found = tool("--names")
    assert found.returncode == 0, found.stderr
    told: dict[str, list[str]] = json.loads(found.stdout)
    return told


def reads(page: Path) -> str:
    return page.read_text(encoding="utf-8")


# the reference


def test_reference_is_as_the_code_is() -> None:
    found = tool("--check")
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize(
    "page",
    [
        "settings", "commands", "api", "profiles", "refusals", "models", "units", "measures", "lake", "permissions",
        "events", "jobs", "errors", "metrics",
    ],
)  # fmt: skip
def test_every_name_stands_on_its_page(page: str) -> None:
    text = reads(DOCS / "reference" / f"{page}.md")
    assert names()[page]
    assert [name for name in names()[page] if name not in text] == []


def test_a_missing_line_is_noticed(tmp_path: Path) -> None:
    pages = shutil.copytree(DOCS / "reference", tmp_path / "reference")
    settings = pages / "settings.md"
    settings.write_text("\n".join(line for line in reads(settings).splitlines() if "QALA_PORT" not in line) + "\n")
    found = tool("--check", "--into", str(pages))
    assert found.returncode == 1
    assert "settings.md is stale" in found.stderr
    assert "QALA_PORT" in found.stderr


def test_what_has_no_words_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("docs_reference", TOOL)
    assert spec is not None and spec.loader is not None
    made: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    monkeypatch.delitem(made.COLUMNS["readings"], "received_at")
    with pytest.raises(made.Undocumented, match=r"readings\.received_at"):
        made.lake()
    monkeypatch.delitem(made.PROFILE, "decimal")
    with pytest.raises(made.Undocumented, match="decimal"):
        made.profiles()
    with pytest.raises(made.Undocumented, match="job x"):
        made.words("job x", "  ")


# the dictionary


def table_rows(page: Path) -> list[list[str]]:
    lines = [line for line in reads(page).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]


def test_dictionary_holds_every_model_table_state_and_letter() -> None:
    text = reads(DOCS / "dictionary.md")
    models = [
        model.__name__
        for config in apps.get_app_configs()
        if config.name.startswith("qala.")
        for model in config.get_models()
    ]
    assert len(models) > 10
    wanted = [f"`{name}`" for name in models]
    wanted += [f"`{one.name}`" for one in declared("lake_tables")]
    wanted += [f"`{state}`" for state in (Device.REGISTERED, Device.ACTIVE, Device.RETIRED)]
    wanted += [f"`{state}`" for state in (Load.RUNNING, Load.DONE, Load.FAILED)]
    wanted += [f"Quality {letter}" for letter in "ASEFN"]
    wanted += [f"`{flag}`" for flag in rules.FLAG_NAMES.values()]
    assert [word for word in wanted if word not in text] == []


def test_dictionary_holds_every_quantity_with_its_inside_unit() -> None:
    rows = {row[0]: row[-1] for row in table_rows(DOCS / "dictionary.md")}
    told = {quantity: rows.get(quantity.replace("_", " ")) for quantity in INSIDE}
    assert told == {quantity: f"`{unit}`" for quantity, unit in INSIDE.items()}


def test_dictionary_uses_the_words_of_the_glossary() -> None:
    with (ROOT / "qala" / "site" / "glossary.csv").open(encoding="utf-8", newline="") as file:
        glossary = {row["en"]: (row["kk"], row["ru"]) for row in csv.DictReader(file)}
    marked = [row for row in table_rows(DOCS / "dictionary.md") if row[0].endswith("✓")]
    assert len(marked) > 10
    for word, kk, ru, _meaning in marked:
        assert (kk, ru) == glossary[word.removesuffix(" ✓")], word


# what the pages tell


def commands_told() -> list[tuple[str, str]]:
    """(page, command) of every line that a reader may type."""
    found = []
    for page in WRITTEN:
        for block in re.findall(r"```(?:console|sh)\n(.*?)```", reads(page), re.S):
            for line in block.splitlines():
                told = re.sub(r"\s+#.*", "", line.removeprefix("$ ")).strip()
                if re.match(r"(\.venv/bin/)?(qala|make) ", told):
                    found.append((page.name, told.removeprefix(".venv/bin/")))
    return found


def test_commands_that_pages_tell_of_are_there() -> None:
    told = commands_told()
    assert len(told) > 15
    known = reads(DOCS / "reference" / "commands.md")
    options = {path: set(re.findall(r"^\| `(--[\w-]+)", part, re.M)) for path, part in re.findall(
        r"^## `([^`]+)`\n(.*?)(?=^## |\Z)", known, re.M | re.S)}  # fmt: skip
    makefile = reads(ROOT / "Makefile")
    for page, line in told:
        parts = shlex.split(line)
        if parts[0] == "make":
            assert re.search(rf"^{parts[1]}\b.*:", makefile, re.M), f"{page}: {line}"
            continue
        path = next((p for p in (" ".join(parts[:3]), " ".join(parts[:2])) if p in options), None)
        assert path is not None, f"{page}: {line}"
        unknown = {one for one in parts if one.startswith("--")} - options[path] - {"--data-dir", "--json"}
        assert not unknown, f"{page}: {line}: {unknown}"


def test_settings_that_pages_tell_of_are_there() -> None:
    known = set(names()["settings"])
    for page in WRITTEN:
        assert set(re.findall(r"\bQALA_[A-Z_]+[A-Z]\b", reads(page))) <= known, page.name


def test_links_of_the_readme_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", reads(ROOT / "README.md")):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target


def test_changelog_tells_of_this_version() -> None:
    assert f"## [{qala.__version__}]" in reads(ROOT / "CHANGELOG.md")


def test_pictures_are_small() -> None:
    for picture in (DOCS / "images").iterdir():
        assert picture.stat().st_size <= 150_000, picture.name


def test_the_tutorials_file_loads_as_it_is_told(tmp_path: Path) -> None:
    given = ["load", "readings", str(DOCS / "examples" / "readings.csv"), "--json", "--profile",
             str(DOCS / "examples" / "profile.toml")]  # fmt: skip
    for again in (False, True):
        found = run_command(*given, data_dir=tmp_path / "city")
        assert found.returncode == 0, found.stderr
        told = json.loads(found.stdout.splitlines()[-1])
        assert (told["read"], told["refused"], told["not_a_number"]) == (11, 1, 1)
        assert (told["new"], told["already_there"], told["devices_created"]) == ((0, 10, 0) if again else (10, 0, 2))
    assert (
        reads(Path(told["refused_file"])).strip()
        == "line,reason,content\n10,not_a_number,K-17;01.03.2026 10:05;no signal"
    )
    out = tmp_path / "hours.csv"
    found = run_command(
        "export", "intervals", str(out), "--format", "csv", "--serial", "K-17", data_dir=tmp_path / "city"
    )
    assert found.returncode == 0, found.stderr
    with out.open(newline="") as file:
        rows = [(row["start"][:13], row["end"][:13], row["value"], row["quality"]) for row in csv.DictReader(file)]
    assert rows == [
        ("2026-02-28T20", "2026-02-28T21", "0.002", "A"),
        ("2026-02-28T21", "2026-02-28T22", "0", "A"),
        ("2026-02-28T22", "2026-03-01T02", "0.113", "E"),
        ("2026-03-01T02", "2026-03-01T04", "-149.413", "N"),
    ]


def test_the_example_of_hours_is_right() -> None:
    rows = table_rows(DOCS / "explanation" / "hours.md")

    def minutes(text: str) -> int:
        return int(text[:2]) * 60 + int(text[3:])

    readings = [(minutes(row[0]), int(row[1])) for row in rows if len(row) <= 3 and re.match(r"\d\d:\d\d", row[0])]
    told = [
        (minutes(row[0]) // 60, minutes(row[1]) // 60, int(row[3]) - int(row[2]), int(row[4].replace("−", "-")), row[5], row[6].strip("`"))
        for row in rows
        if len(row) == 7 and re.match(r"\d\d:\d\d", row[0])
    ]  # fmt: skip
    assert (len(readings), len(told)) == (9, 5)
    t = np.array([at * HOUR // 60 for at, _ in readings], dtype=np.int64)
    value = np.array([register for _, register in readings], dtype=np.int64)
    most = np.full(len(t), 5000, dtype=np.int64)
    found = rules.close(np.zeros(len(t), dtype=np.int64), t, value, most)
    assert told == [
        (int(start) // HOUR, int(end) // HOUR, int(use), int(use), *rules.quality_and_method(int(flags)))
        for start, end, use, flags in zip(found.start, found.end, found.value, found.flags, strict=True)
    ]


def test_documentation_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("sphinx", reason="the documentation's packages are not installed")
    found = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-d", str(tmp_path / "trees"), str(DOCS),
         str(tmp_path / "html")],
        capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    page = (tmp_path / "html" / "index.html").read_text(encoding="utf-8")
    outside = re.findall(r'(?:src|href)="(?:https?:)?//([^"]+)"', page)
    assert [one for one in outside if re.search(r"\.(css|js|woff2?)\b", one)] == []
