"""A manager loads a file of devices; a fitter exchanges a meter on a phone."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from .conftest import serious

Visit = Callable[..., Page]
FILE = "serial,model,digits,meter_point\nF-1,daiad-swm,9,MP-1\nF 2,daiad-swm,9,MP-2\n"


def overflow(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


def test_a_file_is_loaded_and_a_meter_exchanged_on_a_phone(visit: Visit, tmp_path: Path) -> None:
    file = tmp_path / "devices.csv"
    file.write_text(FILE)
    page = visit("/console/devices/", width=390)
    page.get_by_role("link", name="Load devices").click()
    assert serious(page) == [] and not overflow(page)
    page.get_by_label("File of devices").set_input_files(file)
    page.get_by_role("button", name="Load", exact=True).click()
    expect(page.get_by_text("Nothing of this file was kept")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("^3 Serial F 2 Reason serial has other signs"))).to_be_visible()
    assert serious(page) == [] and not overflow(page)
    page.get_by_role("link", name="Load another file").click()
    page.get_by_label("File of devices").set_input_files(file)
    page.get_by_label("Keep the good rows although others are bad").check()
    page.get_by_role("button", name="Load", exact=True).click()
    expect(page.get_by_text("kept, with refusals")).to_be_visible()
    page.goto("/console/devices/F-1/")
    page.get_by_role("link", name="Exchange").click()
    assert serious(page) == [] and not overflow(page)
    page.get_by_label("Final register of the old device").fill("12.345")
    page.get_by_label("Serial of the new device").fill("F-3")
    page.get_by_label("First register of the new device").fill("0")
    page.get_by_label("Why").fill("battery")
    page.get_by_role("button", name="Exchange").click()
    expect(page.get_by_text("F-3 hangs in the place of F-1.")).to_be_visible()
    expect(page.get_by_text("hung in the place of")).to_be_visible()
    assert serious(page) == [] and not overflow(page)
    page.get_by_role("link", name="F-1").click()
    expect(page.get_by_text("exchanged for")).to_be_visible()
    expect(page.get_by_role("link", name="Exchange")).to_have_count(0)


@pytest.mark.parametrize("language", ["kk", "ru", "en"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nobody_is_kept_out_of_the_pages_of_devices(visit: Visit, language: str, width: int) -> None:
    page = visit("/console/devices/", language, width)
    for path in ("devices/", "loads/devices/", "devices/W-17/move/", "devices/W-17/retire/", "devices/W-17/swap/",
                 "models/", "models/demo-water-15/"):  # fmt: skip
        page.goto(f"/console/{path}")
        assert serious(page) == [], path
        assert not overflow(page), path
