"""The map of the demonstration city, in a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from qala.site.testing import RunningCity

DISTRICTS = 8


@pytest.fixture
def page(browser: Browser, demo_city: RunningCity) -> Iterator[Page]:
    """Signed in as the demonstration's administrator; browser errors, violations of the policy among them, fail."""
    complaints: list[str] = []
    context = browser.new_context(base_url=demo_city.address, viewport={"width": 1280, "height": 850})
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


def parameter(page: Page, name: str) -> str:
    return parse_qs(urlsplit(page.url).query).get(name, [""])[0]


def ready(page: Page) -> None:
    expect(page.locator("#map-page")).to_have_attribute("data-ready", "", timeout=30_000)


def test_a_district_is_picked_in_the_list_on_the_map_and_in_the_address(page: Page) -> None:
    page.goto("/console/map/?theme=ground")
    ready(page)
    rows = page.locator("#map-list button")
    expect(rows).to_have_count(DISTRICTS)
    rows.first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(rows.nth(1)).to_have_attribute("aria-pressed", "true")
    name = rows.nth(1).locator(".name").inner_text()
    expect(page.locator("#map-picked strong")).to_have_text(name)
    picked = parameter(page, "pick")
    assert picked
    page.wait_for_url(re.compile("place="))  # once the view has moved there

    page.goto(page.url)  # the address, sent to somebody
    ready(page)
    expect(page.locator("#map-picked strong")).to_have_text(name)
    page.keyboard.press("Escape")
    expect(page.locator("#map-picked")).to_be_hidden()
    assert parameter(page, "pick") == ""


def test_devices_are_clustered_and_the_list_says_the_same(page: Page) -> None:
    page.goto("/console/map/?theme=devices.points")
    ready(page)
    expect(page.locator("#map-themes input:checked")).to_have_value("devices.points")
    expect(page.locator("#map-count")).to_contain_text("of 20,000")
    expect(page.locator("#map-legend")).to_contain_text("silent")
    page.locator("#map-search").fill("W-00001")
    row = page.locator("#map-list button", has_text="W-00001")
    expect(row).to_have_count(1)
    row.click()
    page.wait_for_url(re.compile(r"place=16\."))  # close enough to be on its own
    open_it = page.locator("#map-picked a")
    expect(open_it).to_be_visible()
    open_it.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("W-00001")


def test_a_layer_is_cached_privately_and_unchanged_is_not_sent_again(page: Page) -> None:
    address = "/console/map/layer/places.districts.geojson"
    first = page.request.get(address)
    assert first.status == 200
    assert first.headers["content-type"] == "application/geo+json"
    assert first.headers["cache-control"].startswith("private")
    again = page.request.get(address, headers={"If-None-Match": first.headers["etag"]})
    assert again.status == 304
    some = page.request.get(f"{address}?bounds=76.0,43.0,76.001,43.001")
    assert len(some.json()["features"]) < DISTRICTS
    wrong = page.request.get(f"{address}?bounds=78,43,76,44", headers={"Accept": "application/json"})
    assert wrong.status == 422
    assert page.request.get("/console/map/layer/nothing.geojson").status == 404


def test_without_webgl_the_list_still_says_it(page: Page) -> None:
    page.add_init_script("HTMLCanvasElement.prototype.getContext = ((get) => function (kind, ...rest) {"
                         " return /webgl/.test(kind) ? null : get.call(this, kind, ...rest); })"
                         "(HTMLCanvasElement.prototype.getContext);")  # fmt: skip
    page.goto("/console/map/?theme=ground")
    expect(page.locator("#map-wait")).to_contain_text("The list holds the same")
    expect(page.locator("#map-list button")).to_have_count(DISTRICTS)
