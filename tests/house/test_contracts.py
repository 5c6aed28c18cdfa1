"""Every import contract holds for the house as it is, and fails for a house in which it is broken on purpose."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
# What breaks each contract: (module that offends, its import). The modules are put into a throwaway copy of the house.
OFFENCES = {
    "house": [
        ("qala.kernel.offends_house", "from qala.city.people import public"),
        ("qala.city.devices.store.offends_house", "from qala.city.meters import public"),
        ("qala.city.people.rules.offends_people", "from qala.city.places import public"),
        ("qala.city.people.rules.offends_house", "from qala.site import testing"),
    ],
    "city": [("qala.city.offends", "")],
    "drivers": [("qala.site.offends_drivers", "from qala import drivers")],
    "drivers-stand-on-the-kernel": [("qala.drivers.offends", "from qala.city.people import public")],
    "rooms": [
        ("qala.city.devices.offends", ""),
        ("qala.city.devices.rules.offends_rooms", "from qala.city.devices import models"),
        ("qala.city.devices.store.offends_rooms", "from qala.city.devices import actions"),
        ("qala.city.devices.pages.offends_rooms", "from qala.city.devices import api"),
        ("qala.city.devices.pages.offends_demo", "from qala.city.devices import demo"),
    ],
    "public-door": [
        ("qala.city.meters.pages.offends_door", "from qala.city.devices import store"),
        ("qala.site.offends_door", "from qala.city.devices.models import Device"),
    ],
    "rules": [
        ("qala.city.devices.rules.offends_django", "import django.db"),
        ("qala.city.devices.rules.offends_sockets", "import socket"),
    ],
    "no-http-inside": [("qala.city.devices.actions.offends_http", "import ninja")],
}


def lint(house: Path) -> tuple[dict[str, str], str]:
    """Run import-linter on a house: ({name of a contract: KEPT or BROKEN}, all that it said)."""
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"],
        cwd=house, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(house), "COLUMNS": "1000"},
    )  # fmt: skip
    said = done.stdout + done.stderr
    return dict(re.findall(r"^(.+?) (KEPT|BROKEN)", said, re.MULTILINE)), said


def test_every_contract_is_broken_on_purpose() -> None:
    assert {contract["id"] for contract in CONTRACTS} == set(OFFENCES)


def test_the_house_keeps_all_contracts() -> None:
    found, said = lint(ROOT)
    assert set(found.values()) == {"KEPT"}, said
    assert len(found) == len(CONTRACTS), said


def test_offences_are_found(tmp_path: Path) -> None:
    """One copy with all offences: each contract is reported broken, and each offending module is named."""
    only_code = shutil.ignore_patterns("static", "locale", "__pycache__", "templates", "tests", "migrations")
    for part in ("qala", "tools"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=only_code)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for offences in OFFENCES.values():
        for module, code in offences:
            put(tmp_path, module, code)
    found, said = lint(tmp_path)
    headed = re.split(r"^(.+)\n-{20,}\n", said.partition("Broken contracts\n")[2], flags=re.MULTILINE)
    sections = dict(zip(headed[1::2], headed[2::2], strict=True))
    for contract in CONTRACTS:
        assert found.get(contract["name"]) == "BROKEN", f"{contract['id']}: {said}"
        for module, code in OFFENCES[contract["id"]]:
            named = module if code else module.rpartition(".")[2]  # what has no layer is told by its own name alone
            assert named in sections[contract["name"]], f"{module}: {said}"


def put(house: Path, module: str, code: str) -> None:
    """Add a module; where its parent is a module itself, that becomes a package first."""
    parent = house.joinpath(*module.split(".")[:-1])
    if not parent.is_dir():
        parent.mkdir()
        parent.with_suffix(".py").rename(parent / "__init__.py")
    (parent / f"{module.rpartition('.')[2]}.py").write_text(f"{code}\n")
