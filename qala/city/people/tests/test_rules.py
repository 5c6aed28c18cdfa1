from __future__ import annotations

from types import SimpleNamespace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qala.city.people import rules
from qala.kernel.access import EVERYTHING, Scope, Who, system
from qala.kernel.languages import pick_text

WATER, POWER = UUID(int=1), UUID(int=2)


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("kk", ("су", "kk")),
        ("ru", ("су", "kk")),
        ("ru-kz", ("су", "kk")),
        ("en", ("water", "en")),
        ("de", ("water", "en")),
        (None, ("water", "en")),
    ],
)
def test_text_falls_back_in_the_stated_order(language: str | None, expected: tuple[str, str]) -> None:
    assert pick_text(language, {"kk": "су", "ru": "", "en": "water"}) == expected


def test_no_text_at_all_is_empty() -> None:
    assert pick_text("kk", {"kk": "", "ru": "", "en": ""}) == ("", "")


def test_grants_of_several_memberships_add_up() -> None:
    grants = rules.grants_of(
        [(WATER, ["devices.view", "places.view"]), (POWER, ["devices.view"]), (None, ["meters.view"])],
        unscoped=frozenset({"places.view"}),
    )
    assert grants == {
        "devices.view": Scope(organisations=frozenset({WATER, POWER})),
        "places.view": EVERYTHING,
        "meters.view": EVERYTHING,
    }


memberships = st.lists(
    st.tuples(st.sampled_from([None, WATER, POWER]), st.lists(st.sampled_from(["a", "b", "c"]), unique=True))
)


@given(memberships)
def test_a_permission_reaches_where_a_membership_gives_it_and_nowhere_else(
    held: list[tuple[UUID | None, list[str]]],
) -> None:
    who = Who("person", "somebody", UUID(int=9), rules.grants_of(held))
    for permission in "abc":
        for organisation in (WATER, POWER):
            given_there = any(where in (None, organisation) and permission in bundle for where, bundle in held)
            assert who.may(permission, organisation) == given_there
        assert who.scope(permission).everything == any(where is None and permission in bundle for where, bundle in held)


def test_nobody_gives_further_than_they_hold() -> None:
    who = Who("person", "m", UUID(int=9), rules.grants_of([(WATER, ["a", "b"]), (None, ["c"])]))
    everywhere = frozenset({"b"})
    assert rules.beyond(who, ["a", "c"], organisation=WATER) == []
    assert rules.beyond(who, ["a", "b", "c", "d"], organisation=WATER, unscoped=everywhere) == ["b", "d"]
    assert rules.beyond(who, ["a", "c"], organisation=POWER) == ["a"]
    assert rules.beyond(who, ["a", "c"], organisation=None) == ["a"]
    assert rules.beyond(system("test"), ["a", "d"], organisation=None) == []


def test_only_what_is_newly_offered_is_added() -> None:
    assert rules.permissions_after_offer([], [], ["b", "a"]) == (["a", "b"], ["a", "b"])
    assert rules.permissions_after_offer(["a"], ["a", "b"], ["a", "b"]) == (["a"], ["a", "b"])
    assert rules.permissions_after_offer(["a"], ["a", "b"], ["a", "b", "c"]) == (["a", "c"], ["a", "b", "c"])
    assert rules.permissions_after_offer(["own"], [], ["a"]) == (["a", "own"], ["a"])


@given(*[st.lists(st.sampled_from("abcdef"), unique=True) for _ in range(3)])
def test_an_offer_repeated_changes_nothing(held: list[str], before: list[str], now: list[str]) -> None:
    once = rules.permissions_after_offer(held, before, now)
    assert rules.permissions_after_offer(*once, now) == once


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:10.0.0.1", False),
        ("10.0.0.1", False),
        ("192.168.1.5", False),
        ("2001:db8::1", False),
        ("0.0.0.0", False),
        ("localhost", False),
        ("127.0.0.1, 10.0.0.1", False),
        ("", False),
    ],
)
def test_loopback(address: str, expected: bool) -> None:
    assert rules.is_loopback(address) == expected


@pytest.mark.parametrize(
    "header",
    [
        "HTTP_X_FORWARDED_FOR",
        "HTTP_FORWARDED",
        "HTTP_X_FORWARDED_HOST",
        "HTTP_X_FORWARDED_PROTO",
        "HTTP_X_REAL_IP",
        "HTTP_VIA",
    ],
)
@pytest.mark.parametrize("value", ["127.0.0.1", ""])
def test_an_address_behind_a_proxy_is_unknown(header: str, value: str) -> None:
    assert rules.remote_address({"REMOTE_ADDR": "127.0.0.1"}) == "127.0.0.1"
    assert rules.remote_address({"REMOTE_ADDR": "127.0.0.1", header: value}) == ""
    assert rules.remote_address({}) == ""


@pytest.mark.parametrize(
    ("is_active", "is_demo", "address", "expected"),
    [
        (True, False, "10.0.0.1", True),
        (True, False, "", True),
        (True, True, "127.0.0.1", True),
        (True, True, "10.0.0.1", False),
        (True, True, "", False),
        (False, False, "127.0.0.1", False),
        (False, True, "127.0.0.1", False),
    ],
)
def test_which_account_may_be_used_from_where(is_active: bool, is_demo: bool, address: str, expected: bool) -> None:
    assert rules.may_use(SimpleNamespace(is_active=is_active, is_demo=is_demo), address) == expected
