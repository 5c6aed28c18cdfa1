"""Checking a driver file before it ships: its units, and its recorded payloads against what they are said to mean."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from qala.kernel import units
from qala.kernel.errors import BadInput

from . import Driver, Property, line_of, parse


def check(text: str, where: str) -> Driver:
    """The driver of a file that may ship: it has payloads, and each gives the values that it is said to give.

    Args:
        text: the file.
        where: how it is called to people.

    Raises:
        BadInput: it is no driver, or a unit or a payload is wrong; every fault with its line.
    """
    driver = parse(text, where)
    faults = sorted([*_units(driver, text), *_payloads(driver, text)])
    if faults:
        raise BadInput(
            f"{where} has {len(faults)} faults.", rows=[f"line {line}: {what}" for line, what in faults],
            fix="The reference of device models tells what each field means.",
        )  # fmt: skip
    return driver


def _units(driver: Driver, text: str) -> Iterator[tuple[int, str]]:
    for number, one in enumerate(driver.property):
        try:
            inside = units.inside_unit(units.unit(one.unit).quantity).code
        except BadInput as error:
            yield line_of(text, ("property", number, "unit")), error.what
            continue
        if one.unit != inside:
            yield line_of(text, ("property", number, "unit")), f"{one.name} is kept in {inside}, not in {one.unit}"
        if one.sent_unit:
            try:
                units.slope_and_offset(one.sent_unit, one.unit)
            except BadInput as error:
                yield line_of(text, ("property", number, "sent_unit")), error.what
        if one.max_per_hour is not None and one.kind != "register":
            yield (
                line_of(text, ("property", number, "max_per_hour")),
                f"{one.name} is no register: nothing can pass in it",
            )


def _payloads(driver: Driver, text: str) -> Iterator[tuple[int, str]]:
    if not driver.payload:
        yield 1, "there is no [[payload]]: record one that a device really sent"
    properties = {one.name: one for one in driver.property}
    met: set[str] = set()
    for number, payload in enumerate(driver.payload):
        body_line = line_of(text, ("payload", number, "body"))
        try:
            body = json.loads(payload.body, parse_float=Decimal, parse_int=Decimal)
        except json.JSONDecodeError as error:
            yield body_line + error.lineno - 1, f"body is not JSON: {error.msg} (column {error.colno})"
            continue
        if not payload.values:
            yield body_line, "values are missing: say what the payload means"
        for name, value in payload.values.items():
            line = line_of(text, ("payload", number, "values", name))
            if name not in properties:
                yield line, f"the model has no property {name}"
                continue
            met.add(name)
            fault = _differs(properties[name], body, value)
            if fault:
                yield line, fault
    if driver.payload:
        for number, one in enumerate(driver.property):
            if one.name not in met:
                yield line_of(text, ("property", number, "name")), f"no payload gives {one.name}"


def _differs(one: Property, body: Any, value: Decimal) -> str:
    """How a payload's value of a property differs from what it is said to be; empty where it does not."""
    path = one.path or f"/{one.name}"
    try:
        sent = at_pointer(body, path)
    except LookupError:
        return f"the payload has nothing at {path}"
    if isinstance(sent, bool) or not isinstance(sent, Decimal | str):
        return f"what the payload has at {path} is no number"
    try:
        if one.kind == "instant":
            given = units.convert_exact(Decimal(sent), one.sent_unit or one.unit, one.unit)
            return "" if given == units.convert_exact(value, one.unit, one.unit) else _told(one, float(given), value)
        register = units.to_register(sent, one.sent_unit or one.unit, one.unit, one.exponent)
        said = units.to_register(value, one.unit, one.unit, one.exponent)
    except (BadInput, ArithmeticError) as error:
        return f"{one.name}: {error.what if isinstance(error, BadInput) else 'no number'}"
    return "" if register == said else _told(one, Decimal(register).scaleb(one.exponent), value)


def _told(one: Property, given: object, value: Decimal) -> str:
    return f"the payload gives {one.name} as {given} {one.unit}, the file says {value} {one.unit}"


def at_pointer(body: Any, path: str) -> Any:
    """What stands in a JSON value at a pointer (RFC 6901).

    Raises:
        LookupError: nothing does.
    """
    for step in path.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(body, list):
            if not name.isdecimal():
                raise LookupError(path)
            body = body[int(name)]
        elif isinstance(body, dict):
            body = body[name]
        else:
            raise LookupError(path)
    return body
