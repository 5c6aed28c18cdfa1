"""Numbers in files → whole numbers of a register's last digit, exactly or not at all."""

from __future__ import annotations

import re
from fractions import Fraction

# More digits than any register has, with room for an exponent; keeps Fraction("1e999999999") away.
NUMBER = re.compile(r"[+-]?(\d{1,40}([.]\d{0,40})?|[.]\d{1,40})([eE][+-]?\d{1,2})?", re.ASCII)
LARGEST = 10**18


def exact_number(text: str, ratio: Fraction, *, decimal: str = ".") -> int | str:
    """``text`` × ``ratio`` as a whole number, or the reason why there is none.

    Returns:
        an int below 10**18 in size, or ``not_a_number``, ``too_large``, ``too_fine``.
    """
    text = text.strip()
    if decimal == ",":  # a point would be a thousands separator here: 1.234 must not become 1234, nor 1,234
        if "." in text:
            return "not_a_number"
        text = text.replace(",", ".")
    if not NUMBER.fullmatch(text):
        return "not_a_number"
    value = Fraction(text) * ratio
    if abs(value) >= LARGEST:
        return "too_large"
    return int(value) if value.denominator == 1 else "too_fine"
