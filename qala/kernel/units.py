"""Units by their UCUM code. Each quantity has one inside unit (docs/dictionary.md); others are converted at the edge."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache

from .errors import BadInput


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit: value in the inside unit = value × factor + offset, both exact."""

    code: str
    quantity: str
    factor: Fraction
    offset: Fraction = Fraction(0)


# quantity → codes and what one of each is in the inside unit, which stands first
_TABLE: dict[str, dict[str, str]] = {
    "volume": {"m3": "1", "L": "1/1000", "dm3": "1/1000", "mL": "1/1000000", "cm3": "1/1000000"},
    "energy": {
        "kWh": "1", "Wh": "1/1000", "MWh": "1000", "GWh": "1000000", "J": "1/3600000", "kJ": "1/3600", "MJ": "1/3.6",
        "GJ": "1000/3.6", "cal": "4.1868/3600000", "kcal": "4.1868/3600", "Gcal": "4186.8/3.6",
    },
    "power": {"kW": "1", "W": "1/1000", "MW": "1000"},
    "volume_flow": {"m3/h": "1", "L/h": "1/1000", "L/min": "60/1000", "L/s": "3.6", "m3/s": "3600"},
    "mass_concentration": {"mg/L": "1", "ug/L": "1/1000", "g/m3": "1", "g/L": "1000"},
    "air_concentration": {"ug/m3": "1", "mg/m3": "1000", "ng/m3": "1/1000"},
    "temperature": {"Cel": "1", "[degF]": "5/9", "K": "1"},
    "roughness": {"m/km": "1", "mm/m": "1", "[in_i]/[mi_i]": "0.0254/1.609344"},
    "pressure": {"bar": "1", "kPa": "1/100", "Pa": "1/100000", "MPa": "10", "[psi]": "6894.757293168/100000"},
    "voltage": {"V": "1", "mV": "1/1000", "kV": "1000"},
    "current": {"A": "1", "mA": "1/1000"},
    "frequency": {"Hz": "1", "kHz": "1000"},
    "share": {"%": "1", "1": "100"},
    "duration": {"s": "1", "ms": "1/1000", "min": "60", "h": "3600", "d": "86400"},
    "length": {"m": "1", "mm": "1/1000", "cm": "1/100", "km": "1000", "[ft_i]": "0.3048", "[mi_i]": "1609.344"},
}  # fmt: skip
_OFFSETS = {"[degF]": Fraction(-160, 9), "K": Fraction("-273.15")}
# how people and meters write some of them
_ALIASES = {
    "l": "L", "ℓ": "L", "ml": "mL", "m³": "m3", "m^3": "m3", "dm³": "dm3", "kW.h": "kWh", "W.h": "Wh", "MW.h": "MWh",
    "kwh": "kWh", "m³/h": "m3/h", "l/h": "L/h", "l/s": "L/s", "mg/l": "mg/L", "ug/l": "ug/L", "µg/m3": "ug/m3",
    "µg/m³": "ug/m3", "μg/m³": "ug/m3", "°C": "Cel", "degC": "Cel", "°F": "[degF]", "degF": "[degF]", "in/mi": "[in_i]/[mi_i]",
    "psi": "[psi]", "percent": "%",
}  # fmt: skip


def _fraction(text: str) -> Fraction:
    above, _, below = text.partition("/")
    return Fraction(above) / Fraction(below or 1)


@cache
def _units() -> dict[str, Unit]:
    return {
        code: Unit(code, quantity, _fraction(factor), _OFFSETS.get(code, Fraction(0)))
        for quantity, codes in _TABLE.items()
        for code, factor in codes.items()
    }


def unit(code: str) -> Unit:
    """The unit of a UCUM code or a common spelling of one.

    Raises:
        BadInput: unknown.
    """
    code = code.strip()
    found = _units().get(_ALIASES.get(code, code))
    if found is None:
        raise BadInput(f"The unit “{code[:30]}” is not known.", fix=f"Known units: {', '.join(sorted(_units()))}.")
    return found


def inside_unit(quantity: str) -> str:
    """Code of the unit that a quantity is kept in."""
    return next(iter(_TABLE[quantity]))


def _pair(from_code: str, to_code: str) -> tuple[Unit, Unit]:
    one, other = unit(from_code), unit(to_code)
    if one.quantity != other.quantity:
        raise BadInput(f"{one.code} ({one.quantity}) can't be converted to {other.code} ({other.quantity}).")
    return one, other


def convert_exact(value: Decimal | int | Fraction, from_code: str, to_code: str) -> Fraction:
    """``value`` converted, exactly.

    Raises:
        BadInput: a unit is unknown, or they measure different things.
    """
    one, other = _pair(from_code, to_code)
    return (Fraction(value) * one.factor + one.offset - other.offset) / other.factor


def scale_of(from_code: str, inside_code: str, exponent: int) -> Fraction:
    """The exact ratio that turns values into whole numbers of ``10**exponent`` of the inside unit.

    Raises:
        BadInput: a unit is unknown, they measure different things, or their zeros differ (temperatures).
    """
    one, other = _pair(from_code, inside_code)
    if one.offset != other.offset:
        raise BadInput(f"{one.code} and {other.code} have different zeros: no ratio converts them.")
    return one.factor / other.factor / Fraction(10) ** exponent


def to_register(value: Decimal | str, unit_code: str, inside_code: str, exponent: int) -> int:
    """``value`` as a whole number of ``10**exponent`` of the inside unit.

    Raises:
        BadInput: it is not one exactly; nothing is rounded.
    """
    scaled = Fraction(value) * scale_of(unit_code, inside_code, exponent)
    if scaled.denominator != 1:
        raise BadInput(f"{value} {unit_code} is finer than the register's last digit, 10^{exponent} {inside_code}.")
    return int(scaled)
