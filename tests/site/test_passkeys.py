"""Passkeys in a real browser with its virtual authenticator: added, used alone and after the password, removed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, CDPSession, Page, expect

from qala.site.testing import RunningCity
from tests.site.test_look import serious


@pytest.fixture
def here(prepared_copy: Path) -> Iterator[RunningCity]:
    with RunningCity(prepared_copy) as running:
        yield running


@pytest.fixture
def visitor(browser: Browser, here: RunningCity) -> Iterator[Callable[..., tuple[Page, CDPSession, str]]]:
    """``visitor(width, language)``: a page and a phone's authenticator beside it; fails where the browser complains."""
    contexts, complaints = [], []

    def come(width: int = 390, language: str = "en", host: str = "localhost") -> tuple[Page, CDPSession, str]:
        context = browser.new_context(
            base_url=here.address.replace("127.0.0.1", host), viewport={"width": width, "height": 850},
            is_mobile=width < 600, has_touch=width < 600, locale="en-GB",
        )  # fmt: skip
        contexts.append(context)
        page = context.new_page()
        context.add_cookies(
            [{"name": "qala_language", "value": language, "url": here.address.replace("127.0.0.1", host)}]
        )
        page.on("console", lambda told: complaints.append(told.text) if told.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        client = context.new_cdp_session(page)
        client.send("WebAuthn.enable")
        made = client.send("WebAuthn.addVirtualAuthenticator", {"options": {
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
            "isUserVerified": True, "automaticPresenceSimulation": True,
        }})  # fmt: skip
        return page, client, made["authenticatorId"]

    yield come
    for context in contexts:
        context.close()
    assert complaints == []


def by_password(page: Page, account: tuple[str, str]) -> None:
    page.goto("/accounts/login/")
    page.locator("input[name=login]:visible").fill(account[0])
    page.locator("input[name=password]:visible").fill(account[1])
    page.keyboard.press("Enter")


def sign_out(page: Page) -> None:
    page.goto("/accounts/logout/")
    page.locator("form.form button[type=submit]").click()
    page.wait_for_url(re.compile("/accounts/login/"))


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


def look(page: Page, found: dict[str, Any]) -> None:
    if serious(page) or not fits(page):
        found[page.url] = (serious(page), fits(page))


def test_a_passkey_signs_in_alone_and_after_the_password_until_it_is_removed(
    visitor: Callable[..., tuple[Page, CDPSession, str]], account: tuple[str, str]
) -> None:
    page, client, authenticator = visitor()
    found: dict[str, Any] = {}
    by_password(page, account)
    page.wait_for_url(re.compile("/console/"))
    page.goto("/console/me/")
    page.get_by_role("link", name="Add a passkey").click()
    page.locator("input[name=password]").fill(account[1])  # is it you?
    page.get_by_role("button", name="Go on").click()
    page.get_by_label("Name").fill("Phone")
    look(page, found)
    page.get_by_role("button", name="Make the passkey").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Recovery codes")
    page.goto("/console/me/")
    expect(page.get_by_role("row", name=re.compile("Phone"))).to_contain_text("signing in with it alone")
    look(page, found)

    sign_out(page)
    look(page, found)
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url(re.compile("/console/"))
    page.goto("/console/me/")
    expect(page.get_by_role("heading", level=1)).to_have_text("My account")

    sign_out(page)
    by_password(page, account)
    page.wait_for_url(re.compile("/2fa/authenticate/"))
    look(page, found)
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(re.compile("/console/"))

    # who can't prove to be it gets nowhere with the device alone
    sign_out(page)
    client.send("WebAuthn.setUserVerified", {"authenticatorId": authenticator, "isUserVerified": False})
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("No passkey was used")

    # nor by an answer that was asked for as a second factor, where proving it is not demanded
    by_password(page, account)
    page.wait_for_url(re.compile("/2fa/authenticate/"))
    page.evaluate("""() => {
        document.querySelector('form[data-passkey]').action = '/accounts/login/passkey/';
        const options = document.getElementById('passkey-options');
        options.textContent = options.textContent.replace('"preferred"', '"discouraged"');
    }""")
    with page.expect_response(re.compile("/accounts/login/passkey/")):
        page.get_by_role("button", name="Use a passkey").click()
    page.goto("/console/me/")
    page.wait_for_url(re.compile("/2fa/authenticate/"))
    page.get_by_role("button", name="Cancel").click()
    page.wait_for_url(re.compile("/accounts/login/"))

    client.send("WebAuthn.setUserVerified", {"authenticatorId": authenticator, "isUserVerified": True})
    by_password(page, account)
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(re.compile("/console/"))
    page.goto("/console/me/")
    page.get_by_role("link", name="Remove Phone").click()
    page.get_by_role("link", name="Use a passkey instead").click()
    look(page, found)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Remove Phone?")
    look(page, found)
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("The passkey is removed.")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("Phone"))).to_have_count(0)
    sign_out(page)
    by_password(page, account)
    page.wait_for_url(re.compile("/console/"))
    assert found == {}


@pytest.mark.parametrize("language", ["kk", "ru"])
def test_where_passkeys_cannot_be_they_are_not_offered(
    visitor: Callable[..., tuple[Page, CDPSession, str]], account: tuple[str, str], language: str
) -> None:
    page, _client, _authenticator = visitor(1280, language, "127.0.0.1")
    page.goto("/accounts/login/")
    expect(page.locator("form[data-passkey]")).to_be_hidden()
    by_password(page, account)
    page.wait_for_url(re.compile("/console/"))
    page.goto("/accounts/2fa/passkeys/add/")
    page.locator("input[name=password]").fill(account[1])
    page.locator("form.form button[type=submit]").click()
    expect(page.locator("[data-passkey-unable]")).to_be_visible()
    expect(page.locator("form[data-passkey]")).to_be_hidden()
    assert serious(page) == []
