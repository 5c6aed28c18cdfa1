"""An engineer of a utility looks for what befell a meter, takes its data away, and sees what a file brought."""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from qala.site.testing import RunningCity, run_command, wait_for

from .conftest import serious

Visit = Callable[..., Page]
METER = "/console/devices/W-17/?from=2016-06-01&to=2016-06-01"


def card(page: Page, title: str) -> Locator:
    return page.locator(".card").filter(has=page.get_by_role("heading", name=title, exact=True))


def test_from_home_to_the_meter_whose_register_fell(visit: Visit) -> None:
    page = visit("/console/")
    page.get_by_role("navigation", name="Menu").get_by_role("link", name="Devices").click()
    page.get_by_label("Search", exact=True).fill("w-17")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="W-17").click()
    page.goto(METER)
    told = page.get_by_text("What happened to this register").locator("xpath=ancestor::*[contains(@class,'notice')][1]")
    expect(told).to_contain_text("The register fell 1 time")
    expect(told).to_contain_text("fell from 1.024 to 0.007 m³")
    expect(told).to_contain_text("jumped from 0.121 to 90.121 m³, more than the meter can pass")
    # what is drawn is also said: marks, and hours without a value of their own
    chart = page.locator("figure[data-chart=hourly]")
    expect(chart).to_contain_text("register fell")
    expect(chart).to_contain_text("register jumped")
    expect(chart.locator("canvas").first).to_be_visible()
    expect(page.locator("figure[data-chart=register] canvas").first).to_be_visible()


def test_sums_leave_out_what_is_no_consumption_and_say_so(visit: Visit) -> None:
    page = visit(METER)
    hourly = card(page, "Hourly use")
    # 12 + 7 + 2 + 3 until the fall, 25 + 21 + 9, 40 in the gap, 11, then 9 after the jump: in thousandths
    expect(hourly).to_contain_text("0.139")
    expect(hourly).to_contain_text("hours missing")
    expect(hourly).to_contain_text("hours left out")
    expect(hourly).to_contain_text("1 gap of over two hours")


def test_versions_and_refusals_of_a_meter_are_shown(visit: Visit) -> None:
    page = visit(METER)
    versions = card(page, "Readings that were sent again with another value")
    expect(versions).to_contain_text("1.02")
    expect(versions.locator("strong")).to_have_text(re.compile(r"1\.019\s*m³"))
    refused = card(page, "Rows that were refused")
    expect(refused).to_contain_text("value is not a number")
    expect(refused).to_contain_text("time lies in the future")
    expect(refused.get_by_role("rowheader", name="16")).to_be_visible()


def test_the_hourly_use_can_be_taken_away(visit: Visit) -> None:
    page = visit(METER)
    with page.expect_download() as begun:
        page.get_by_role("link", name="Hourly use, CSV").click()
    rows = list(csv.DictReader(Path(begun.value.path()).read_text(encoding="utf-8").splitlines()))
    assert [row["value"] for row in rows if row["quality"] == "E"] == ["0.04"]
    assert {row["unit"] for row in rows} == {"m3"}
    assert all(row["start"].endswith("Z") for row in rows)


def test_a_file_says_what_came_and_what_was_refused(visit: Visit, prepared: tuple[Path, str]) -> None:
    page = visit(f"/console/loads/{prepared[1]}/")
    expect(page.get_by_role("heading", level=1)).to_have_text("june.csv")
    expect(page.locator("[data-field=rows_read]")).to_have_text("18")
    expect(page.locator("[data-field=rows_refused]")).to_have_text("2")
    with page.expect_download() as begun:
        page.get_by_role("link", name="All refused rows").click()
    rows = list(csv.DictReader(Path(begun.value.path()).read_text(encoding="utf-8").splitlines()))
    assert [(row["line"], row["reason"]) for row in rows] == [("16", "not_a_number"), ("17", "future")]


def test_a_load_under_way_moves_on_its_page(visit: Visit, city: RunningCity, tmp_path: Path) -> None:
    file = tmp_path / "long.csv"
    with file.open("w") as out:
        out.write("user key;datetime;meter reading;diff\n")
        for number in range(400_000):
            out.write(
                f"L-{number % 400:03};{1 + number // 9600 % 28:02}/07/2016 {number // 400 % 24:02}:00:00;{number};\n"
            )
    command = [sys.executable, "-m", "qala", "load", "readings", str(file), "--profile", "daiad"]
    loading = subprocess.Popen(
        [*command, "--data-dir", str(city.data_dir)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "QALA_LOAD_PART_MIB": "1"},
    )  # fmt: skip
    try:
        page = visit("/console/loads/")
        row = page.get_by_role("row").filter(has_text="long.csv").filter(has_text="in progress")

        def shown() -> bool:
            page.reload()
            return row.count() > 0

        wait_for("the load is in the list", 60, shown)
        os.kill(loading.pid, signal.SIGSTOP)  # hold it so that the page is opened while it runs
        row.get_by_role("link", name="long.csv").click()
        expect(page.locator("[data-live]")).to_be_visible()
        os.kill(loading.pid, signal.SIGCONT)
        assert loading.wait(120) == 0
        expect(page.locator("[data-field=rows_read]")).to_have_text("400,000", timeout=30_000)
        expect(page.get_by_text("in progress")).to_have_count(0, timeout=30_000)
    finally:
        loading.kill()


PAGES = {
    "home": "/console/",
    "devices": "/console/devices/",
    "nothing found": "/console/devices/?q=zzz",
    "meter": METER,
    "empty period": "/console/devices/W-17/?from=2020-01-01&to=2020-01-07",
    "loads": "/console/loads/",
    "map": "/console/map/",
}


@pytest.mark.parametrize(
    ("language", "width", "scheme"), [("kk", 390, "light"), ("ru", 1280, "dark"), ("en", 390, "dark")]
)
def test_pages_keep_nobody_out(visit: Visit, language: str, width: int, scheme: str) -> None:
    page = visit("/console/", language, width, scheme)
    for name, path in PAGES.items():
        page.goto(path)
        page.wait_for_load_state("networkidle")
        assert serious(page) == [], name
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (
            f"{name} is wider than the screen"
        )
        assert page.locator("html").get_attribute("lang") == language


def test_an_address_that_cannot_be_is_explained(visit: Visit, city: RunningCity) -> None:
    visitor = city.visitor()
    visitor.sign_in("bolat@utility.example", "a long enough word 7")
    for path, status, word in (
        ("/console/devices/NO-SUCH/", 404, "NO-SUCH"),
        ("/console/devices/W-17/?from=tomorrow", 422, "no period"),
        ("/console/devices/W-17/?from=2016-01-01&to=2019-01-01", 422, "400 days"),
        ("/console/devices/?after=%FF", 422, "cursor"),
        ("/console/loads/00000000-0000-0000-0000-000000000000/", 404, "load"),
    ):
        found = visitor.get(path, accept="text/html", accept_language="en")
        assert (found.status, word in found.text) == (status, True), path


def test_the_command_line_serves_the_same_city(city: RunningCity, tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    done = run_command("export", "intervals", str(file), "--format", "csv", "--serial", "W-17", data_dir=city.data_dir)
    assert done.returncode == 0, done.stderr
    assert "0.04" in file.read_text()
