"""An official looks at what moving a border would do: corners moved by keyboard and by mouse; nothing is saved."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from qala.site.testing import RunningCity


@pytest.fixture(params=[1280, 390])
def page(request: pytest.FixtureRequest, browser: Browser, demo_city: RunningCity) -> Iterator[Page]:
    complaints: list[str] = []
    context = browser.new_context(base_url=demo_city.address, viewport={"width": request.param, "height": 850})
    context.add_cookies([{"name": "qala_language", "value": "en", "url": demo_city.address}])
    page = context.new_page()
    page.on("console", lambda told: complaints.append(told.text) if told.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto("/accounts/login/")
    page.locator("form", has=page.locator("input[value='administrator@demo.qala']")).locator("button").first.click()
    page.wait_for_url(re.compile("/console/"))
    yield page
    context.close()
    assert complaints == []


def corners(page: Page) -> list[list[float]]:
    found: list[list[float]] = json.loads(page.locator("#id_outline").input_value())["coordinates"][0]
    return found


def test_a_border_is_drawn_and_checked(page: Page) -> None:
    page.goto("/console/places/place/auezov/border/")
    expect(page.locator("#border-editor")).to_have_attribute("data-ready", "", timeout=60_000)
    before = corners(page)
    page.get_by_role("button", name="Next corner").click()
    expect(page.locator("#border-told")).to_contain_text("Corner 1 of")
    page.locator("#place-map").focus()
    for _step in range(3):
        page.keyboard.press("ArrowLeft")
    moved = corners(page)
    assert moved[0][0] < before[0][0] and moved[1:-1] == before[1:-1] and moved[0] == moved[-1]
    page.keyboard.press("Insert")
    assert len(corners(page)) == len(before) + 1
    page.keyboard.press("Delete")
    page.get_by_role("button", name="Undo").click()
    assert len(corners(page)) == len(before) + 1
    # by mouse: a corner is dragged, the map stays
    page.get_by_role("button", name="Next corner").click()
    at = page.evaluate(
        """() => { const box = document.querySelector("#place-map canvas").getBoundingClientRect();
                   return [box.left, box.top, box.width, box.height]; }"""
    )
    first = corners(page)
    west, east = min(x for x, _ in first), max(x for x, _ in first)
    leftmost = min(range(len(first) - 1), key=lambda i: first[i][0])
    south, north = min(y for _, y in first), max(y for _, y in first)
    assert west < east and south < north and leftmost >= 0
    page.mouse.move(at[0] + at[2] / 2, at[1] + at[3] / 2)  # the middle of the place holds no corner
    page.mouse.down()
    page.mouse.move(at[0] + at[2] / 2 + 30, at[1] + at[3] / 2)
    page.mouse.up()
    assert corners(page) == first, "the map moved, not the border"
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_role("heading", name="What this does")).to_be_visible()
    expect(page.locator("main")).to_contain_text("change their district")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
