"""A water utility's city for journeys: one meter with a troubled year, loaded by the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from qala.site.pytest_plugin import with_databases
from qala.site.testing import RunningCity, run_command

AXE = Path(__file__).parent.parent / "vendor" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
EMAIL, PASSWORD = "bolat@utility.example", "a long enough word 7"

# an hour each, in Madrid's summer: a fall at 05:30, four hours missing from 09:00, a jump at 15:00
FIRST = """user key;datetime;meter reading;diff
W-17;01/06/2016 00:00:00;1000;
W-17;01/06/2016 01:00:00;1012;12
W-17;01/06/2016 02:00:00;1020;8
W-17;01/06/2016 03:00:00;1021;1
W-17;01/06/2016 04:00:00;1024;3
W-17;01/06/2016 05:30:00;7;0
W-17;01/06/2016 06:00:00;15;8
W-17;01/06/2016 07:00:00;40;25
W-17;01/06/2016 08:00:00;61;21
W-17;01/06/2016 09:00:00;70;9
W-17;01/06/2016 13:00:00;110;40
W-17;01/06/2016 14:00:00;121;11
W-17;01/06/2016 15:00:00;90121;90000
W-17;01/06/2016 16:00:00;90130;9
W-17;01/06/2016 16:30:00;much;
W-17;01/06/2116 17:00:00;90140;10
W-18;01/06/2016 00:00:00;5;
W-18;01/06/2016 01:00:00;6;1
"""
SECOND = """user key;datetime;meter reading;diff
W-17;01/06/2016 02:00:00;1019;7
"""


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """(data folder, key of its first load)."""
    folder = with_databases(tmp_path_factory.mktemp("utility") / "data")
    made = subprocess.run(
        [sys.executable, "-m", "qala", "init", "--data-dir", str(folder), "--email", EMAIL, "--name", "Болат",
         "--password-stdin"],
        input=PASSWORD + "\n", capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    loads = []
    for name, text in (("june.csv", FIRST), ("june-again.csv", SECOND)):
        file = folder.parent / name
        file.write_text(text)
        done = run_command("load", "readings", str(file), "--profile", "daiad", "--json", data_dir=folder)
        assert done.returncode == 0, done.stderr
        loads.append(json.loads(done.stdout.splitlines()[-1])["load"])
    return folder, loads[0]


@pytest.fixture(scope="session")
def city(prepared: tuple[Path, str]) -> Iterator[RunningCity]:
    with RunningCity(prepared[0]) as running:
        yield running


@pytest.fixture
def visit(browser: Browser, city: RunningCity) -> Iterator[Callable[..., Page]]:
    """``visit(path, language, width, scheme)``: a signed-in page; the test fails where the browser complains, also of a
    breach of the policy."""
    contexts, complaints = [], []
    signed_in: list[Any] = []

    def go(path: str, language: str = "en", width: int = 1280, scheme: Any = "light") -> Page:
        context = browser.new_context(
            base_url=city.address, viewport={"width": width, "height": 850}, color_scheme=scheme,
            is_mobile=width < 600, has_touch=width < 600, accept_downloads=True,
        )  # fmt: skip
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda told: complaints.append(told.text) if told.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        if signed_in:
            context.add_cookies(signed_in)
        else:
            page.goto("/accounts/login/")
            page.locator("input[name=login]:visible").fill(EMAIL)
            page.locator("input[name=password]:visible").fill(PASSWORD)
            page.keyboard.press("Enter")
            page.wait_for_url("**/console/**")
            signed_in.extend(context.cookies())
        context.add_cookies([{"name": "qala_language", "value": language, "url": city.address}])
        page.goto(path)
        return page

    yield go
    for context in contexts:
        context.close()
    assert complaints == []


def serious(page: Page) -> list[Any]:
    """What axe-core finds that would keep somebody out."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("rules => axe.run(document, {runOnly: rules})", RULES)
    return [
        (one["id"], [node["html"][:200] for node in one["nodes"]])
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]
