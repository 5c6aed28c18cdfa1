"""Quantities and units, exactly: every factor is a fraction.

Each quantity has one inside unit, in which values are kept; other units come in at the edge. Codes are those of UCUM
(ucum.org), but for the everyday spelling of a few (``kWh`` for ``kW.h``, ``degC`` for ``Cel``), where both are
understood. Heat is energy and kept in kWh. A ``Gcal`` on a heat meter or bill is the international table calorie
(4.1868 J, so that 1 Gcal = 1163 kWh; GOST 8.417), UCUM ``Gcal_IT``; UCUM's own ``cal`` is the thermochemical one, here
``Gcal_th``.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from .errors import BadInput


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of a quantity: ``inside value = value * factor + offset``, in the quantity's inside unit."""

    code: str
    quantity: str
    factor: Fraction
    offset: Fraction = Fraction(0)
    ucum: str = ""

    def __post_init__(self) -> None:
        if not self.ucum:
            object.__setattr__(self, "ucum", self.code)


INSIDE = {
    "energy": "kWh",
    "power": "kW",
    "reactive_energy": "kvarh",
    "volume": "m3",
    "flow": "m3/h",
    "concentration": "mg/L",
    "air_concentration": "ug/m3",
    "temperature": "degC",
    "pressure": "bar",
    "roughness": "m/km",
    "length": "m",
    "speed": "m/s",
    "time": "s",
    "frequency": "Hz",
    "voltage": "V",
    "current": "A",
    "conductivity": "uS/cm",
    "turbidity": "NTU",
    "acidity": "pH",
    "sound_level": "dB",
    "ratio": "%",
    "count": "1",
}

_HOUR = 3600
_F = Fraction
_UNITS = (
    Unit("Wh", "energy", _F(1, 1000), ucum="W.h"),
    Unit("kWh", "energy", _F(1), ucum="kW.h"),
    Unit("MWh", "energy", _F(1000), ucum="MW.h"),
    Unit("GWh", "energy", _F(10**6), ucum="GW.h"),
    Unit("J", "energy", _F(1, 3_600_000)),
    Unit("kJ", "energy", _F(1, 3600)),
    Unit("MJ", "energy", _F(10, 36)),
    Unit("GJ", "energy", _F(10_000, 36)),
    Unit("kcal", "energy", _F("4.1868") / 3600, ucum="kcal_IT"),
    Unit("Mcal", "energy", _F("1.163"), ucum="Mcal_IT"),
    Unit("Gcal", "energy", _F(1163), ucum="Gcal_IT"),
    Unit("Gcal_th", "energy", _F(4_184_000, 3600)),
    Unit("W", "power", _F(1, 1000)),
    Unit("kW", "power", _F(1)),
    Unit("MW", "power", _F(1000)),
    Unit("Gcal/h", "power", _F(1163), ucum="Gcal_IT/h"),
    Unit("varh", "reactive_energy", _F(1, 1000), ucum="var.h"),
    Unit("kvarh", "reactive_energy", _F(1), ucum="kvar.h"),
    Unit("mL", "volume", _F(1, 10**6)),
    Unit("L", "volume", _F(1, 1000)),
    Unit("m3", "volume", _F(1)),
    Unit("L/s", "flow", _F(_HOUR, 1000)),
    Unit("L/min", "flow", _F(60, 1000)),
    Unit("L/h", "flow", _F(1, 1000)),
    Unit("m3/s", "flow", _F(_HOUR)),
    Unit("m3/h", "flow", _F(1)),
    Unit("m3/d", "flow", _F(1, 24)),
    Unit("ug/L", "concentration", _F(1, 1000)),
    Unit("mg/L", "concentration", _F(1)),
    Unit("g/L", "concentration", _F(1000)),
    Unit("ug/m3", "air_concentration", _F(1)),
    Unit("mg/m3", "air_concentration", _F(1000)),
    Unit("degC", "temperature", _F(1), ucum="Cel"),
    Unit("degF", "temperature", _F(5, 9), _F(-160, 9), ucum="[degF]"),
    Unit("K", "temperature", _F(1), _F("-273.15")),
    Unit("Pa", "pressure", _F(1, 10**5)),
    Unit("kPa", "pressure", _F(1, 100)),
    Unit("MPa", "pressure", _F(10)),
    Unit("mbar", "pressure", _F(1, 1000)),
    Unit("bar", "pressure", _F(1)),
    Unit("mH2O", "pressure", _F("0.0980665"), ucum="m[H2O]"),
    Unit("m/km", "roughness", _F(1)),
    Unit("mm/m", "roughness", _F(1)),
    Unit("mm", "length", _F(1, 1000)),
    Unit("cm", "length", _F(1, 100)),
    Unit("m", "length", _F(1)),
    Unit("km", "length", _F(1000)),
    Unit("m/s", "speed", _F(1)),
    Unit("km/h", "speed", _F(10, 36)),
    Unit("ms", "time", _F(1, 1000)),
    Unit("s", "time", _F(1)),
    Unit("min", "time", _F(60)),
    Unit("h", "time", _F(_HOUR)),
    Unit("d", "time", _F(24 * _HOUR)),
    Unit("Hz", "frequency", _F(1)),
    Unit("kHz", "frequency", _F(1000)),
    Unit("mV", "voltage", _F(1, 1000)),
    Unit("V", "voltage", _F(1)),
    Unit("kV", "voltage", _F(1000)),
    Unit("mA", "current", _F(1, 1000)),
    Unit("A", "current", _F(1)),
    Unit("kA", "current", _F(1000)),
    Unit("uS/cm", "conductivity", _F(1)),
    Unit("mS/cm", "conductivity", _F(1000)),
    Unit("NTU", "turbidity", _F(1), ucum="{NTU}"),
    Unit("pH", "acidity", _F(1), ucum="[pH]"),
    Unit("dB", "sound_level", _F(1)),
    Unit("%", "ratio", _F(1)),
    Unit("[ppth]", "ratio", _F(1, 10)),
    Unit("1", "count", _F(1)),
)

_ALIASES = {
    "l": "L", "ml": "mL", "l/s": "L/s", "l/min": "L/min", "l/h": "L/h", "dm3": "L", "dm³": "L",
    "cm3": "mL", "cm³": "mL", "m³": "m3", "m³/h": "m3/h", "m³/s": "m3/s", "m³/d": "m3/d",
    "mg/l": "mg/L", "ug/l": "ug/L", "g/l": "g/L",
    "µg/L": "ug/L", "µg/l": "ug/L", "µg/m3": "ug/m3", "µg/m³": "ug/m3", "ug/m³": "ug/m3", "mg/m³": "mg/m3",
    "°C": "degC", "°F": "degF", "µS/cm": "uS/cm", "percent": "%", "{count}": "1",
}  # fmt: skip
_BY_CODE = (
    {unit.code: unit for unit in _UNITS}
    | {unit.ucum: unit for unit in _UNITS}
    | {alias: unit for alias, code in _ALIASES.items() for unit in _UNITS if unit.code == code}
)
_MOST_DIGITS = 60  # beyond it a number is no measurement, and exact arithmetic with 10^±1000000 would never end
_INT64 = range(-(2**63), 2**63)


def unit(code: str) -> Unit:
    """The unit of that code, UCUM code or common spelling (``L``, ``m³``, ``kW.h``, ``[degF]`` …).

    Raises:
        BadInput: there is none; the known ones are named.
    """
    found = _BY_CODE.get(code.strip().replace("μ", "µ"))  # Greek mu is the micro sign's double
    if found is None:
        raise BadInput(
            f"{code[:40]!r} is no known unit.", fix="Known units: " + ", ".join(one.code for one in _UNITS) + "."
        )
    return found


def inside_unit(quantity: str) -> Unit:
    """The unit in which values of a quantity are kept.

    Raises:
        BadInput: no such quantity; the known ones are named.
    """
    if quantity not in INSIDE:
        raise BadInput(f"{quantity[:40]!r} is no known quantity.", fix="Known: " + ", ".join(INSIDE) + ".")
    return _BY_CODE[INSIDE[quantity]]


def slope_and_offset(from_code: str, to_code: str) -> tuple[Fraction, Fraction]:
    """``(a, b)`` with ``value in to = a * value in from + b``, exactly; for whole arrays.

    Raises:
        BadInput: a unit is unknown, or they measure different quantities.
    """
    source, target = unit(from_code), unit(to_code)
    if source.quantity != target.quantity:
        raise BadInput(
            f"{source.code} measures {source.quantity} and {target.code} measures {target.quantity}: "
            "one cannot be given in the other."
        )
    return source.factor / target.factor, (source.offset - target.offset) / target.factor


def convert_exact(value: Decimal | int, from_code: str, to_code: str) -> Fraction:
    """``value`` given in one unit, in another one, without any rounding.

    Raises:
        BadInput: a unit is unknown, they measure different quantities, or the value is not a finite number of at most
            60 digits.
    """
    slope, offset = slope_and_offset(from_code, to_code)
    return _fraction(value) * slope + offset


def scale_of(unit_code: str, inside_code: str, exponent: int) -> Fraction:
    """The one ratio with ``register = value * ratio``: for SQL and arrays that turn many values into registers.

    Args:
        unit_code: unit in which values come, e.g. ``L``.
        inside_code: unit that the register counts in, e.g. ``m3``.
        exponent: power of ten of the register's last digit in that unit, e.g. -3.

    Raises:
        BadInput: a unit is unknown, they measure different quantities, or one has another zero (a temperature).
    """
    slope, offset = slope_and_offset(unit_code, inside_code)
    if offset:
        raise BadInput(f"{unit_code} and {inside_code} have different zeros: a register cannot count in them.")
    return slope / Fraction(10) ** exponent


def to_register(value: Decimal | str, unit_code: str, inside_code: str, exponent: int) -> int:
    """A register's reading as an integer in units of its last digit, ``10**exponent`` of the inside unit.

    >>> to_register("1234.567", "m3", "m3", -3)
    1234567

    Raises:
        BadInput: not a number, finer than the register's last digit (it is never rounded), or beyond 64 bits.
    """
    register = _fraction(value) * scale_of(unit_code, inside_code, exponent)
    if register.denominator != 1:
        raise BadInput(f"{value} {unit_code} is finer than the register's last digit, 1e{exponent} {inside_code}.")
    if register.numerator not in _INT64:
        raise BadInput(f"{value} {unit_code} is beyond what a register holds.")
    return register.numerator


def _fraction(value: Decimal | int | str) -> Fraction:
    try:
        number = Decimal(value)
    except (InvalidOperation, ValueError):
        raise BadInput(f"{str(value)[:40]!r} is not a number.") from None
    if not number.is_finite():
        raise BadInput(f"{number} is not a finite number.")
    exponent = number.as_tuple().exponent
    if number.adjusted() > _MOST_DIGITS or (isinstance(exponent, int) and exponent < -_MOST_DIGITS):
        raise BadInput(f"{str(value)[:40]} has more digits than any measurement.")
    return Fraction(number)
