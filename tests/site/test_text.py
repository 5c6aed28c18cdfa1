"""How values are written: in three languages, exactly, in the city's zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from qala.site.formats import text, words

NOW = datetime(2026, 3, 5, 9, 7, tzinfo=UTC)  # 14:07 in Almaty
LANGUAGES = ("kk", "ru", "en")


@pytest.mark.parametrize(
    ("language", "value", "unit", "expected"),
    [
        ("kk", 1234.5, "m3", "1\u00a0234,5\u00a0м³"),
        ("ru", 1234.5, "kWh", "1\u00a0234,5\u00a0кВт·ч"),
        ("en", 1234.5, "m3", "1,234.5\u00a0m³"),
        ("en", 1234567, "", "1,234,567"),
        ("kk", -3, "degC", "\u22123\u00a0°C"),
        ("en", Decimal("1.10"), "", "1.10"),
        ("en", 0.1 + 0.2, "", "0.3"),
        ("en", 4.0, "", "4"),
        ("en", 7, "1", "7"),
        ("en", float("nan"), "m3", "–"),
        ("en", 2e18, "", "2,000,000,000,000,000,000"),
        ("en", 5, "furlong", "5\u00a0furlong"),
    ],
)
def test_numbers(language: str, value: Any, unit: str, expected: str) -> None:
    with translation.override(language):
        assert text.number_text(value, unit) == expected


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-9, 6))
def test_a_register_is_exact(register: int, exponent: int) -> None:
    with translation.override("en"):
        shown = text.register_text(register, exponent)
    value = Decimal(shown.replace(",", "").replace("\u2212", "-"))
    assert value == Decimal(register).scaleb(exponent)
    assert len(shown.partition(".")[2]) == max(-exponent, 0)


@pytest.mark.parametrize(
    ("language", "moment", "day"),
    [
        ("kk", "2026 ж. 5 наурыз, 14:07", "2026 ж. 5 наурыз"),
        ("ru", "5 марта 2026 г., 14:07", "5 марта 2026 г."),
        ("en", "5 March 2026, 14:07", "5 March 2026"),
    ],
)
def test_instants_are_in_words_and_in_the_citys_zone(language: str, moment: str, day: str) -> None:
    with translation.override(language):
        assert text.moment_text(NOW) == moment
        assert text.day_text(NOW) == day
        assert text.clock_text(NOW) == "14:07"


@pytest.mark.parametrize(
    ("ago", "expected"),
    [
        (timedelta(seconds=30), "just now"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(hours=23, minutes=59), "23 hours ago"),
        (timedelta(days=1), "4 March 2026, 14:07"),
        (-timedelta(minutes=5), "5 March 2026, 14:12"),
    ],
)
def test_relative_times_only_within_a_day(ago: timedelta, expected: str) -> None:
    with translation.override("en"):
        assert text.when_text(NOW - ago, NOW) == expected


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [  # UTC; midnight in Almaty is 19:00 of the day before (18:00 before March 2024)
        ("2026-03-04T19", "2026-03-05T19", "today"),
        ("2026-03-03T19", "2026-03-04T19", "yesterday"),
        ("2026-05-11T19", "2026-05-18T19", "12–18 May 2026"),
        ("2026-04-29T19", "2026-05-02T19", "30 April – 2 May 2026"),
        ("2025-12-30T19", "2026-01-02T19", "31 December 2025 – 2 January 2026"),
        ("2026-03-31T19", "2026-04-30T19", "April 2026"),
        ("2024-12-31T19", "2025-12-31T19", "2025"),
        ("2024-02-28T18", "2024-02-29T19", "29 February 2024"),  # a day of 25 hours
        ("2026-03-04T09", "2026-03-04T10", "4 March 2026, 14:00–15:00"),
        ("2026-03-04T18", "2026-03-04T19", "4 March 2026, 23:00–00:00"),
    ],
)
def test_periods(start: str, end: str, expected: str) -> None:
    first, last = (datetime.fromisoformat(f"{one}:00:00+00:00") for one in (start, end))
    with translation.override("en"):
        assert text.period_text(first, last, NOW) == expected


@pytest.mark.parametrize("language", LANGUAGES)
def test_scripts_get_a_form_for_every_plural_rule(language: str) -> None:
    with translation.override(language):
        found = words.of_page()
    counted = {
        key: value for key, value in found.items() if isinstance(value, list) and key not in ("plural", "months")
    }
    assert counted
    assert {len(forms) for forms in counted.values()} == {len(found["plural"])}
    assert len(found["months"]) == 12
