from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qala.kernel import units
from qala.kernel.errors import BadInput

CODES = [one.code for one in units._UNITS]
exponents = st.integers(-6, 3)


@pytest.mark.parametrize(
    ("value", "given_in", "asked_in", "expected"),
    [
        (1, "kW.h", "Wh", Fraction(1000)),
        (1, "GJ", "kWh", Fraction(2500, 9)),
        (1, "Gcal", "MWh", Fraction("1.163")),
        (1, "Gcal_IT", "GJ", Fraction("4.1868")),
        (1, "Gcal_th", "GJ", Fraction("4.184")),
        (Decimal("12.5"), "L", "m³", Fraction(1, 80)),
        (3600, "l/h", "L/s", Fraction(1)),
        (32, "[degF]", "Cel", Fraction(0)),
        (Decimal("98.6"), "degF", "°C", Fraction(37)),
        (0, "K", "degC", Fraction("-273.15")),
        (-40, "degC", "degF", Fraction(-40)),
        (250, "ug/L", "mg/L", Fraction(1, 4)),
        (1, "μg/m³", "ug/m3", Fraction(1)),
        (4, "bar", "kPa", Fraction(400)),
        (1, "mm/m", "m/km", Fraction(1)),
        (36, "km/h", "m/s", Fraction(10)),
        (90, "min", "h", Fraction(3, 2)),
    ],
)
def test_conversions(value: Decimal | int, given_in: str, asked_in: str, expected: Fraction) -> None:
    assert units.convert_exact(value, given_in, asked_in) == expected


def test_every_quantity_has_one_inside_unit_and_every_unit_a_quantity() -> None:
    assert {one.quantity for one in units._UNITS} == set(units.INSIDE)
    for quantity in units.INSIDE:
        inside = units.inside_unit(quantity)
        assert (inside.quantity, inside.factor, inside.offset) == (quantity, Fraction(1), Fraction(0))


def test_no_spelling_means_two_units() -> None:
    spellings = [*CODES, *(one.ucum for one in units._UNITS if one.ucum != one.code), *units._ALIASES]
    assert len(spellings) == len(set(spellings)) == len(units._BY_CODE)


def test_what_is_unknown_is_refused_with_what_is_known() -> None:
    with pytest.raises(BadInput) as refused:
        units.unit("furlong")
    assert "furlong" in refused.value.what and "kWh" in refused.value.fix
    with pytest.raises(BadInput, match="beauty"):
        units.inside_unit("beauty")
    with pytest.raises(BadInput, match="volume"):
        units.convert_exact(1, "m3", "kWh")


@given(
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=6),
    st.sampled_from(CODES),
    st.data(),
)
def test_there_and_back_is_exact(value: Decimal, code: str, data: st.DataObject) -> None:
    other = data.draw(st.sampled_from([one.code for one in units._UNITS if one.quantity == units.unit(code).quantity]))
    there, (slope, offset) = units.convert_exact(value, code, other), units.slope_and_offset(other, code)
    assert slope * there + offset == Fraction(value)


@pytest.mark.parametrize(
    ("value", "unit", "inside", "exponent", "register"),
    [
        ("1234.567", "m3", "m3", -3, 1234567),
        ("1234567", "L", "m3", -3, 1234567),
        (Decimal("0.10"), "m³", "m3", -1, 1),
        ("120", "m3", "m3", 1, 12),
        ("1", "Gcal", "kWh", 0, 1163),
        ("9", "GJ", "kWh", 0, 2500),
        ("-0.5", "kWh", "kWh", -1, -5),
        ("0", "L", "m3", -3, 0),
        ("9223372036854775.807", "m3", "m3", -3, 2**63 - 1),
    ],
)
def test_registers(value: Decimal | str, unit: str, inside: str, exponent: int, register: int) -> None:
    assert units.to_register(value, unit, inside, exponent) == register


@pytest.mark.parametrize(
    ("value", "unit", "why"),
    [
        ("0.0005", "m3", "finer"),
        ("0.5", "L", "finer"),
        ("9223372036854775.808", "m3", "beyond"),
        ("1e30", "m3", "beyond"),
        ("1e999999999", "m3", "digits"),
        ("1e-999999999", "m3", "digits"),
        ("9" * 5000, "m3", "digits"),
        ("NaN", "m3", "finite"),
        ("-Infinity", "m3", "finite"),
        ("12,5", "m3", "not a number"),
        ("", "m3", "not a number"),
        ("21", "kWh", "energy"),
    ],
)
def test_registers_are_never_rounded_or_guessed(value: str, unit: str, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        units.to_register(value, unit, "m3", -3)


def test_a_register_has_no_temperature() -> None:
    with pytest.raises(BadInput, match="zeros"):
        units.scale_of("degF", "degC", -1)


@given(st.integers(-(2**63), 2**63 - 1), exponents, st.sampled_from(["L", "m3", "mL"]))
def test_a_register_comes_back_from_any_unit_that_holds_it(register: int, exponent: int, code: str) -> None:
    scale = units.scale_of(code, "m3", exponent)
    value = register / scale
    text = Decimal(value.numerator) if value.denominator == 1 else None
    if text is None:
        digits = 20
        text = Decimal(int(value * 10**digits)).scaleb(-digits)
        if Fraction(text) != value:  # Decimal's 28 digits do not hold it
            return
    assert units.to_register(text, code, "m3", exponent) == register
