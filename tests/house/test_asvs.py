"""The table of security requirements is whole, and each test that it names exists."""

from __future__ import annotations

import re

from tests.house.test_docs import DOCS, ROOT, reads

STATES = ("shown", "built", "partly", "no", "n/a")
CHAPTERS = {  # requirements of levels 1 and 2
    1: 38,
    2: 54,
    3: 18,
    4: 9,
    5: 30,
    6: 13,
    7: 12,
    8: 15,
    9: 7,
    10: 5,
    11: 8,
    12: 15,
    13: 13,
    14: 23,
}


def rows() -> list[list[str]]:
    lines = re.findall(r"^\| (\d.*) \|$", reads(DOCS / "explanation" / "asvs.md"), re.M)
    return [line.split(" | ") for line in lines]


def test_every_requirement_has_a_row_with_a_test_or_a_reason() -> None:
    found = rows()
    assert all(len(row) == 4 and all(row) for row in found)
    numbers = [tuple(map(int, row[0].split("."))) for row in found]
    assert numbers == sorted(set(numbers))
    assert {chapter: sum(one[0] == chapter for one in numbers) for chapter in CHAPTERS} == CHAPTERS
    assert {row[2] for row in found} == set(STATES)
    counted = ", ".join(f"{sum(row[2] == state for row in found)} {state}" for state in STATES)
    assert f"Counted: {counted}." in reads(DOCS / "explanation" / "asvs.md")


def test_every_test_that_it_names_exists() -> None:
    there = {
        name
        for folder in (ROOT / "tests", ROOT / "qala")
        for file in folder.rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", file.read_text(encoding="utf-8"), re.M)
    }
    for number, _what, state, told in rows():
        named = re.findall(r"`(test_\w+)`", told)
        assert bool(named) == (state == "shown"), number
        assert set(named) <= there, number
