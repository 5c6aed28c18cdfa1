"""The pages of the shell as a browser shows them: accessible, within the policy, by keyboard, light and quick."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from qala.site.testing import RunningCity

AXE = Path(__file__).parent.parent / "vendor" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
STYLE = "/console/style/"
MOST_BYTES = 120_000  # of scripts and styles, compressed, of a page without a map


@pytest.fixture
def visit(browser: Browser, city: RunningCity) -> Iterator[Callable[..., Page]]:
    """``visit(path, language, width, scheme)``: a page that fails the test where the browser complains."""
    contexts, complaints = [], []

    def go(path: str, language: str = "en", width: int = 1280, scheme: Any = "light", signed_in: Any = None) -> Page:
        context = browser.new_context(
            base_url=city.address, viewport={"width": width, "height": 850}, color_scheme=scheme,
            is_mobile=width < 600, has_touch=width < 600, locale="en-GB",
        )  # fmt: skip
        contexts.append(context)
        context.add_cookies([{"name": "qala_language", "value": language, "url": city.address}])
        page = context.new_page()
        page.on("console", lambda told: complaints.append(told.text) if told.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        if signed_in is not None:
            page.goto("/accounts/login/")
            page.locator("input[name=login]:visible").fill(signed_in[0])
            page.locator("input[name=password]:visible").fill(signed_in[1])
            page.keyboard.press("Enter")
            page.wait_for_url(re.compile("/console/"))
        page.goto(path)
        return page

    yield go
    for context in contexts:
        context.close()
    assert complaints == []  # the policy's violations come here too


def serious(page: Page) -> list[Any]:
    """What axe-core finds that would keep somebody out."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("rules => axe.run(document, {runOnly: rules})", RULES)
    return [
        (one["id"], [node["html"][:200] for node in one["nodes"]])
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize(
    ("language", "width", "scheme"),
    [("kk", 390, "light"), ("ru", 390, "dark"), ("en", 1280, "light"), ("kk", 1280, "dark")],
)
def test_every_part_is_accessible_and_fits(visit: Callable[..., Page], language: str, width: int, scheme: str) -> None:
    page = visit(STYLE, language, width, scheme)
    expect(page.locator("figure[aria-busy]")).to_have_count(0)
    expect(page.locator(".chart-summary").first).not_to_be_empty()
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    assert page.evaluate("document.documentElement.lang") == language


@pytest.mark.parametrize(
    "path",
    [
        "/console/audit/?thing=load",
        "/console/assets/",
        "/console/works/",
        "/console/crews/",
        "/console/meter-points/",
        "/console/occupancies/",
        "/console/claim-codes/",
        "/console/places/",
        "/console/operation/?state=done",
        "/console/operation/storage/",
        "/console/notices/",
        "/console/notices/settings/",
        "/console/notices/deliveries/",
        "/console/notices/templates/",
    ],
)
@pytest.mark.parametrize(("language", "width", "scheme"), [("kk", 390, "light"), ("ru", 1280, "dark")])
def test_pages_of_running_it_are_accessible_and_fit(
    visit: Callable[..., Page], account: tuple[str, str], path: str, language: str, width: int, scheme: str
) -> None:
    page = visit(path, language, width, scheme, signed_in=account)
    expect(page.locator("h1")).to_be_visible()
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0


def test_a_chart_by_keyboard(visit: Callable[..., Page]) -> None:
    page = visit(STYLE)
    plot = page.locator("figure[data-chart=hourly] .chart-plot")
    plot.focus()
    page.keyboard.press("Home")
    expect(plot).to_have_attribute("aria-valuetext", re.compile(r"00:00–01:00, 0\.0\d\d\sm³"))
    page.keyboard.press("ArrowRight")
    expect(plot).to_have_attribute("aria-valuetext", re.compile("01:00–02:00"))
    page.keyboard.press("End")
    expect(plot).to_have_attribute("aria-valuetext", re.compile("23:00–00:00"))
    page.keyboard.press("Escape")
    expect(page.locator(".chart-tip").first).to_be_hidden()


def test_what_happened_is_told_in_words_and_found_in_the_chart(visit: Callable[..., Page]) -> None:
    page = visit(STYLE)
    figure = page.locator("figure[data-chart=hourly]")
    figure.get_by_role("button", name=re.compile(r"the register fell: −61\.200\sm³")).click()
    expect(figure.locator(".chart-tip")).to_contain_text(re.compile(r"−61\.200\sm³"))
    expect(figure.locator(".chart-summary")).to_contain_text("without falls and jumps")
    figure.get_by_text("Table", exact=True).click()
    expect(figure.locator("tbody tr")).to_have_count(72)
    expect(figure.locator("tbody tr", has_text="the register fell")).to_have_count(1)


def test_dark_is_kept_and_comes_before_the_first_paint(visit: Callable[..., Page]) -> None:
    page = visit(STYLE)
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    assert page.evaluate(ground) == "rgb(251, 250, 247)"
    page.locator("footer [data-theme-choice=dark]").click()
    assert page.evaluate(ground) == "rgb(18, 23, 29)"
    page.reload(wait_until="commit")
    page.wait_for_selector(
        "link[rel=stylesheet]", state="attached"
    )  # the head is being read: the choice stands already
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    expect(page.locator("footer [data-theme-choice=dark]")).to_have_attribute("aria-pressed", "true")


def test_the_language_is_switched_where_one_is(visit: Callable[..., Page]) -> None:
    page = visit(f"{STYLE}?sort=seen")
    page.get_by_role("button", name="Қаз").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Qala қандай көрінеді")
    assert page.url.endswith(f"{STYLE}?sort=seen")
    expect(page.get_by_role("button", name="Қаз")).to_have_attribute("aria-current", "true")


def test_the_menu_opens_by_keyboard_and_closes_by_escape(visit: Callable[..., Page], account: tuple[str, str]) -> None:
    page = visit("/console/", signed_in=account)
    expect(page.locator(".menu a[aria-current=page]")).to_have_text("Overview")
    fold = page.locator("details.fold")
    fold.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(fold).to_have_attribute("open", "")
    page.keyboard.press("Escape")
    expect(fold).not_to_have_attribute("open", "")
    assert page.evaluate("document.activeElement.localName") == "summary"


def test_a_page_is_light(visit: Callable[..., Page], account: tuple[str, str]) -> None:
    page = visit("/console/", signed_in=account)
    weights: dict[str, int] = {}

    def weigh(request: Any) -> None:
        if request.resource_type in ("script", "stylesheet"):
            weights[request.url] = int((request.response().headers or {}).get("content-length", 10**9))

    for path in ("/console/", STYLE):  # the second one with charts
        weights.clear()
        page.on("requestfinished", weigh)
        client = page.context.new_cdp_session(page)
        client.send("Network.setCacheDisabled", {"cacheDisabled": True})
        page.goto(path, wait_until="networkidle")
        page.remove_listener("requestfinished", weigh)
        assert weights
        assert sum(weights.values()) < MOST_BYTES, weights


def test_nobody_signed_in_is_led_to_sign_in(visit: Callable[..., Page]) -> None:
    page = visit("/console/map/?theme=devices.points")
    assert "/accounts/login/?next=%2Fconsole%2Fmap%2F%3Ftheme%3Ddevices.points" in page.url
