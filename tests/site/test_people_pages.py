"""The pages of people and of one's own account in a browser: accessible, within the policy, narrow and wide."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from qala.site.testing import RunningCity
from tests.site.test_look import serious

PAGES = [
    "people/",
    "people/invite/",
    "organisations/",
    "organisation-new/",
    "roles/",
    "roles/crew/",
    "role-new/?copy=crew",
    "me/",
    "me/password/",
    "me/tokens/new/",
]


@pytest.fixture
def signed_in(browser: Browser, city: RunningCity, account: tuple[str, str]) -> Iterator[Callable[..., Page]]:
    """``signed_in(width, language)``: a page of the administrator; the test fails where the browser complains."""
    contexts, complaints = [], []

    def go(width: int, language: str) -> Page:
        context = browser.new_context(
            base_url=city.address,
            viewport={"width": width, "height": 850},
            is_mobile=width < 600,
            has_touch=width < 600,
        )
        contexts.append(context)
        context.add_cookies([{"name": "qala_language", "value": language, "url": city.address}])
        page = context.new_page()
        page.on("console", lambda told: complaints.append(told.text) if told.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto("/accounts/login/")
        page.locator("input[name=login]:visible").fill(account[0])
        page.locator("input[name=password]:visible").fill(account[1])
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("/console/"))
        return page

    yield go
    for context in contexts:
        context.close()
    assert complaints == []


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


@pytest.mark.parametrize(("width", "language"), [(390, "kk"), (1280, "ru")])
def test_pages_of_people_are_accessible_and_fit(
    signed_in: Callable[..., Page], account: tuple[str, str], width: int, language: str
) -> None:
    page = signed_in(width, language)
    found: dict[str, Any] = {}
    for path in PAGES:
        page.goto(f"/console/{path}")
        if serious(page) or not fits(page):
            found[path] = (serious(page), fits(page))
    page.goto("/console/people/")
    page.locator("tbody th a").first.click()
    if serious(page) or not fits(page):
        found["person"] = (serious(page), fits(page))
    page.goto("/accounts/2fa/totp/activate/")
    page.locator("input[name=password]").fill(account[1])
    page.locator("form.form button[type=submit]").click()
    expect(page.locator("img.qr")).to_be_visible()
    page.goto("/console/me/phone/")
    expect(page.locator("input[type=tel]")).to_be_visible()
    if serious(page) or not fits(page):
        found["phone"] = (serious(page), fits(page))
    page.goto("/accounts/2fa/totp/activate/")
    assert page.locator("img.qr").evaluate("image => image.naturalWidth") > 0
    if serious(page) or not fits(page):
        found["second factor"] = (serious(page), fits(page))
    page.goto("/console/role-new/?copy=crew")
    heights = page.eval_on_selector_all(
        "fieldset.field label", "labels => labels.map(one => one.getBoundingClientRect().height)"
    )
    assert len(heights) > 5 and min(heights) >= 24
    assert found == {}


def test_an_administrator_invites_somebody_as_a_person_would(signed_in: Callable[..., Page]) -> None:
    page = signed_in(390, "en")
    page.goto("/console/people/")
    page.get_by_role("link", name="Invite").click()
    page.get_by_label("E-mail").fill("nurlan@city.example")
    page.get_by_label("Name").fill("Нұрлан")
    page.get_by_label("Role").select_option(label="Analyst")
    page.get_by_label("Where").select_option(label="the whole city")
    page.get_by_role("button", name="Send the invitation").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Нұрлан")
    expect(page.get_by_role("status")).to_contain_text("nurlan@city.example")
    expect(page.get_by_text("invited", exact=True)).to_be_visible()
    assert serious(page) == []
    page.get_by_text("Close the account", exact=True).first.click()
    page.get_by_role("button", name="Close the account").click()
    expect(page.get_by_role("button", name="Open the account again")).to_be_visible()
