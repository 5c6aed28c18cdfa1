"""Signing in as a browser does it: by password, by code from the mail, by a new password; and being refused."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core import mail
from django.core.cache import cache
from django.template.loader import get_template
from django.test import Client
from django.urls import NoReverseMatch, reverse

from qala.city.people import actions, demo
from qala.city.people.models import Person
from qala.kernel.access import system
from qala.kernel.console import Progress
from qala.kernel.models import AuditEntry

NOW = datetime(2026, 3, 5, 9, tzinfo=UTC)
US = system("test")
EMAIL, PASSWORD = "aigerim@city.test", "a quiet lake 17"
AFAR = {"REMOTE_ADDR": "10.1.2.3"}
PROXIED = {"HTTP_X_FORWARDED_FOR": "127.0.0.1"}
DEMO_PAGE = Path(__file__).parents[1] / "templates" / "account" / "demo_accounts.html"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh_limits() -> None:
    cache.clear()


@pytest.fixture
def browser() -> Client:
    return Client(headers={"accept-language": "en"})


@pytest.fixture
def aigerim() -> Person:
    return actions.create_person(who=US, now=NOW, email=EMAIL, name="Aigerim", password=PASSWORD)


@pytest.fixture
def demo_people() -> list[dict[str, str]]:
    actions.prepare_roles(who=US, now=NOW)
    return demo.load(who=US, now=NOW, progress=Progress("demo"))


def sign_in(browser: Any, email: str = EMAIL, password: str = PASSWORD, **meta: Any) -> Any:
    data = {"login": email, "password": password, "next": "/accounts/logout/"}
    return browser.post(reverse("account_login"), data, **meta)


def is_signed_in(browser: Any, **meta: Any) -> bool:
    """The page to sign out is shown to the signed-in alone; others are sent away."""
    return bool(browser.get(reverse("account_logout"), **meta).status_code == 200)


def code_from_mail(browser: Any, email: str = EMAIL, **meta: Any) -> str:
    answer: Any = browser.post(reverse("account_request_login_code"), {"email": email}, **meta)
    assert answer.status_code == 302
    assert answer.url == reverse("account_confirm_login_code")
    found = re.search(r"^\s*([A-Z0-9-]{6,})\s*$", str(mail.outbox[-1].body), re.MULTILINE)
    assert found is not None
    return found[1]


def enter(browser: Any, code: str, **meta: Any) -> Any:
    return browser.post(reverse("account_confirm_login_code"), {"code": code, "next": "/accounts/logout/"}, **meta)


# by password


def test_by_password(browser: Any, aigerim: Person) -> None:
    assert not is_signed_in(browser)
    answer = sign_in(browser, " Aigerim@City.Test ")
    assert (answer.status_code, answer.url) == (302, "/accounts/logout/")
    assert is_signed_in(browser)
    aigerim.refresh_from_db()
    assert aigerim.last_login is not None
    away = browser.post(reverse("account_logout"), follow=True)
    assert b"You are signed out." in away.content
    assert not is_signed_in(browser)


def test_the_wrong_password_says_the_same_as_an_unknown_address(browser: Any, aigerim: Person) -> None:
    wrong, unknown = sign_in(browser, password="another lake 18"), sign_in(browser, "nobody@city.test")
    for answer in (wrong, unknown):
        assert answer.status_code == 200
        assert answer.context["form"].non_field_errors() == ["The e-mail address or the password is not right."]
    assert not is_signed_in(browser)


def test_a_person_without_a_password_cannot_guess_one(browser: Any) -> None:
    actions.create_person(who=US, now=NOW, email=EMAIL, name="By code")
    for password in ("!", "", "None"):
        sign_in(browser, password=password)
        assert not is_signed_in(browser)


def test_attempts_are_limited_for_one_address(browser: Any, aigerim: Person) -> None:
    for _attempt in range(5):
        sign_in(browser, password="another lake 18")
    answer = sign_in(browser)
    assert answer.context["form"].non_field_errors() == ["Too many attempts. Wait a few minutes and try again."]
    assert not is_signed_in(browser)


def test_a_link_to_elsewhere_is_not_followed(browser: Any, aigerim: Person) -> None:
    data = {"login": EMAIL, "password": PASSWORD, "next": "https://elsewhere.test/"}
    assert "elsewhere" not in browser.post(reverse("account_login"), data).url


def test_the_form_wants_its_token(aigerim: Person) -> None:
    strict = Client(enforce_csrf_checks=True)
    assert sign_in(strict).status_code == 403
    assert not is_signed_in(strict)


# by code


def test_by_code(browser: Any, aigerim: Person) -> None:
    code = code_from_mail(browser)
    assert mail.outbox[-1].to == [EMAIL]
    assert "one-time code" in str(mail.outbox[-1].body)
    assert not is_signed_in(browser)
    answer = enter(browser, code.lower())
    assert (answer.status_code, answer.url) == (302, "/accounts/logout/")
    assert is_signed_in(browser)


def test_a_code_counts_in_the_browser_that_asked_for_it_and_once(browser: Any, aigerim: Person) -> None:
    code = code_from_mail(browser)
    other = Client()
    enter(other, code)
    assert not is_signed_in(other)
    enter(browser, code)
    browser.post(reverse("account_logout"))
    enter(browser, code)
    assert not is_signed_in(browser)


def test_wrong_codes_end_the_attempt(browser: Any, aigerim: Person) -> None:
    code = code_from_mail(browser)
    first = enter(browser, "WRONG-ONE")
    assert first.context["form"].errors["code"] == ["This code is not right."]
    for _attempt in range(2):
        last = enter(browser, "WRONG-ONE")
    assert last.status_code == 302
    enter(browser, code)
    assert not is_signed_in(browser)


def test_an_unknown_address_looks_the_same_and_tells_its_owner(browser: Any) -> None:
    answer = browser.post(reverse("account_request_login_code"), {"email": "nobody@city.test"})
    assert (answer.status_code, answer.url) == (302, reverse("account_confirm_login_code"))
    assert mail.outbox[-1].to == ["nobody@city.test"]
    assert "no account" in str(mail.outbox[-1].body)
    assert b"nobody@city.test" in browser.get(answer.url).content
    # asking again is a way out, not a dead end
    assert browser.post(reverse("account_logout"), {"next": reverse("account_login")}).url == reverse("account_login")


def test_codes_are_limited_for_one_address(browser: Any, aigerim: Person) -> None:
    for _attempt in range(3):
        code_from_mail(Client(headers={"accept-language": "en"}))
    answer = browser.post(reverse("account_request_login_code"), {"email": EMAIL})
    assert answer.context["form"].errors["email"] == ["Too many attempts. Wait a few minutes and try again."]
    assert len(mail.outbox) == 3


# closed accounts


def test_a_closed_account_is_refused_and_its_sessions_end(browser: Any, aigerim: Person) -> None:
    sign_in(browser)
    assert is_signed_in(browser)
    Person.objects.filter(pk=aigerim.pk).update(is_active=False)
    assert not is_signed_in(browser)

    other = Client(headers={"accept-language": "en"})
    assert sign_in(other).url == reverse("account_inactive")
    assert b"closed" in other.get(reverse("account_inactive")).content
    assert not is_signed_in(other)
    other.post(reverse("account_request_login_code"), {"email": EMAIL})
    assert "no account" in str(mail.outbox[-1].body)


def test_an_account_closed_between_code_and_entry_is_refused(browser: Any, aigerim: Person) -> None:
    code = code_from_mail(browser)
    Person.objects.filter(pk=aigerim.pk).update(is_active=False)
    enter(browser, code)
    assert not is_signed_in(browser)


# demo accounts


def test_every_demo_account_signs_in_from_this_machine(browser: Any, demo_people: list[dict[str, str]]) -> None:
    for account in demo_people:
        sign_in(browser, account["email"], account["password"])
        assert is_signed_in(browser)
        browser.post(reverse("account_logout"))


@pytest.mark.parametrize("meta", [AFAR, PROXIED, {"HTTP_FORWARDED": "for=127.0.0.1"}, {"REMOTE_ADDR": ""}])
def test_a_demo_account_is_refused_from_elsewhere(
    meta: dict[str, str], browser: Any, demo_people: list[dict[str, str]]
) -> None:
    email = demo_people[0]["email"]
    if meta.get("REMOTE_ADDR") != "":  # allauth cannot limit attempts without an address and refuses by itself
        answer = sign_in(browser, email, demo.PASSWORD, **meta)
        assert (answer.status_code, answer.url) == (302, reverse("account_login"))
        assert b"only on the computer" in browser.get(answer.url, **meta).content
    else:
        assert sign_in(browser, email, demo.PASSWORD, **meta).status_code == 403
    assert not is_signed_in(browser, **meta)
    assert not is_signed_in(browser)


@pytest.mark.parametrize("meta", [AFAR, PROXIED])
def test_a_demo_account_is_refused_from_elsewhere_by_code(
    meta: dict[str, str], browser: Any, demo_people: list[dict[str, str]]
) -> None:
    code = code_from_mail(browser, demo_people[0]["email"], **meta)
    assert enter(browser, code, **meta).url == reverse("account_login")
    assert not is_signed_in(browser, **meta)
    assert not is_signed_in(browser)


@pytest.mark.parametrize("meta", [AFAR, PROXIED])
def test_a_demo_session_is_nobody_from_elsewhere(
    meta: dict[str, str], browser: Any, demo_people: list[dict[str, str]]
) -> None:
    sign_in(browser, demo_people[0]["email"], demo.PASSWORD)
    assert is_signed_in(browser)
    assert not is_signed_in(browser, **meta)


def test_real_accounts_sign_in_from_anywhere(browser: Any, aigerim: Person) -> None:
    for meta in (AFAR, PROXIED):
        sign_in(browser, **meta)
        assert is_signed_in(browser, **meta)
        browser.post(reverse("account_logout"), **meta)


def test_the_sign_in_page_of_a_demo_names_the_demos_accounts() -> None:
    text = DEMO_PAGE.read_text()
    assert re.findall(r'email="([^"]+)"', text) == list(demo.PERSONS)
    assert demo.PASSWORD in text
    assert demo.PASSWORD in (DEMO_PAGE.parent / "demo_account.html").read_text()


# language, sign-up, a new password


def test_the_chosen_language_comes_along(browser: Any, aigerim: Person) -> None:
    actions.set_language(who=US, now=NOW, person=aigerim, language="ru")
    assert sign_in(browser).cookies[settings.LANGUAGE_COOKIE_NAME].value == "ru"


def test_nobody_signs_up_alone(browser: Any) -> None:
    data = {"email": "new@city.test", "password1": PASSWORD}
    for answer in (browser.get(reverse("account_signup")), browser.post(reverse("account_signup"), data)):
        assert b"Ask an administrator" in answer.content
    assert not Person.objects.exists()


def link_from_mail(browser: Any) -> str:
    answer = browser.post(reverse("account_reset_password"), {"email": EMAIL})
    assert answer.url == reverse("account_reset_password_done")
    found = re.search(r"https?://\S+", str(mail.outbox[-1].body))
    assert found is not None
    return found[0]


def test_a_new_password_by_mail(browser: Any, aigerim: Person) -> None:
    elsewhere = Client()
    sign_in(elsewhere)
    link = link_from_mail(browser)
    form = browser.get(link.removeprefix("http://testserver"), follow=True)
    assert b"Choose a new password" in form.content
    action = form.request["PATH_INFO"]
    differing = browser.post(action, {"password1": "a loud river 18", "password2": "a loud river 19"})
    assert differing.context["form"].errors["password2"] == ["The two passwords differ."]
    assert not browser.post(action, {"password1": "short", "password2": "short"}).context["form"].is_valid()
    answer = browser.post(action, {"password1": "a loud river 18", "password2": "a loud river 18"})
    assert answer.url == reverse("account_reset_password_from_key_done")
    row = AuditEntry.objects.order_by("-id")[0]
    assert (row.verb, row.who_id, row.thing_key) == ("people.set_password", aigerim.pk, str(aigerim.pk))
    assert not is_signed_in(elsewhere)  # sessions of the old password end
    assert not is_signed_in(browser)
    sign_in(browser, password="a loud river 18")
    assert is_signed_in(browser)
    assert b"not valid any more" in Client(headers={"accept-language": "en"}).get(link, follow=True).content


# the pages themselves

PAGES = [
    "account_login", "account_request_login_code", "account_logout", "account_inactive", "account_signup",
    "account_reset_password", "account_reset_password_done", "account_reset_password_from_key_done",
    "account_confirm_login_code",
]  # fmt: skip


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_ours_and_hold_no_script_or_style(name: str, browser: Any, aigerim: Person) -> None:
    if name == "account_logout":
        sign_in(browser)
    if name == "account_confirm_login_code":
        code_from_mail(browser)
    answer = browser.get(reverse(name))
    assert answer.status_code == 200
    assert "site/base.html" in [one.name for one in answer.templates]
    text = answer.content.decode()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", text)
    assert all("src=" in tag or 'type="application/json"' in tag for tag in re.findall(r"<script[^>]*>", text))
    assert "<h1" in text
    inputs = [tag for tag in re.findall(r"<input[^>]*>", text) if 'type="hidden"' not in tag]
    assert all(re.search(r'\sid="([^"]+)"', tag) for tag in inputs)
    for field_id in re.findall(r'<input[^>]*\sid="([^"]+)"', text):
        assert f'for="{field_id}"' in text


def test_who_sends_too_often_is_told_so(browser: Any) -> None:
    for _attempt in range(30):
        assert browser.post(reverse("account_login")).status_code == 200
    answer = browser.post(reverse("account_login"))
    assert answer.status_code == 429
    assert b"Too many attempts" in answer.content


def test_a_dead_link_says_so(browser: Any) -> None:
    answer = browser.get("/accounts/password/reset/key/abc-def/")
    assert b"not valid any more" in answer.content


@pytest.mark.parametrize("name", ["account_email", "account_change_password", "mfa_signup_webauthn"])
def test_pages_of_allauth_that_make_no_sense_yet_are_not_there(name: str) -> None:
    with pytest.raises(NoReverseMatch):
        reverse(name)


@pytest.mark.parametrize(
    "name",
    [path.relative_to(DEMO_PAGE.parents[1]).as_posix() for path in DEMO_PAGE.parents[1].rglob("*.*")],
)
def test_every_template_reads(name: str) -> None:
    template: Any = get_template(name)
    assert str(template.origin.name).startswith(str(DEMO_PAGE.parents[1]))
