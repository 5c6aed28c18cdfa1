"""Device models as data: one TOML file a model, in ``models`` beside this module and in the city's own folder
``drivers`` of the data folder; ``properties.toml`` gives what they measure its words.
"""

from __future__ import annotations

import re
import tomllib
from decimal import Decimal
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from qala.kernel.config import get_settings
from qala.kernel.errors import BadInput, NotFound


class Property(BaseModel):
    """One thing that a model measures.

    Args:
        name: e.g. ``water_volume``.
        kind: ``register`` (counts up), ``interval`` (use since the last) or ``instant``.
        unit: UCUM code of the inside unit.
        exponent: values are whole numbers of ``10**exponent`` of that unit.
        expected_interval_minutes: how often a working device reports.
        max_per_hour: the most that can pass in an hour, in ``unit``; beyond it a register has jumped.
        path: JSON pointer (RFC 6901) of the value in a payload; ``/`` and the name by default.
        sent_unit: unit in which a payload gives it; ``unit`` by default.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    kind: Literal["register", "interval", "instant"]
    unit: str
    exponent: Annotated[int, Field(ge=-9, le=9)]
    expected_interval_minutes: Annotated[int, Field(ge=1, le=44640)] = 60
    max_per_hour: Annotated[Decimal, Field(gt=0)] | None = None
    path: Annotated[str, Field(pattern=r"^(/[^/]*)*$")] = ""
    sent_unit: str = ""


class Payload(BaseModel):
    """A payload that a device of the model really sent.

    Args:
        body: JSON as it came.
        values: what it means: property → value in the property's unit.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    body: str
    values: dict[str, Decimal]


class Driver(BaseModel):
    """One device model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    maker: Annotated[str, Field(min_length=1)]
    commodity: Literal["water", "electricity", "heat", "gas", "none"] = "none"
    title_kk: Annotated[str, Field(min_length=1)]
    title_ru: Annotated[str, Field(min_length=1)]
    title_en: Annotated[str, Field(min_length=1)]
    cannot_kk: Annotated[str, Field(min_length=1)]
    cannot_ru: Annotated[str, Field(min_length=1)]
    cannot_en: Annotated[str, Field(min_length=1)]
    digits: Annotated[int, Field(ge=1, le=18)] | None = None
    property: tuple[Property, ...]
    payload: tuple[Payload, ...] = ()

    @field_validator("property")
    @classmethod
    def _some_and_distinct(cls, value: tuple[Property, ...]) -> tuple[Property, ...]:
        names = [one.name for one in value]
        if not names or len(set(names)) != len(names):
            raise ValueError("a model has at least one property, each with a name of its own")
        return value

    def title(self, language: str) -> str:
        return {"kk": self.title_kk, "ru": self.title_ru}.get(language, self.title_en)

    def cannot(self, language: str) -> str:
        """What the model can't do, in words."""
        return {"kk": self.cannot_kk, "ru": self.cannot_ru}.get(language, self.cannot_en)

    def property_named(self, name: str) -> Property:
        """Raises NotFound: the model does not measure it."""
        for one in self.property:
            if one.name == name:
                return one
        known = ", ".join(one.name for one in self.property)
        raise NotFound(f"The model {self.key} does not measure {name}; it measures {known}.")


def parse(text: str, where: str) -> Driver:
    """A driver from TOML.

    Raises:
        BadInput: it is not TOML or not a driver; every wrong line is named.
    """
    try:
        return Driver.model_validate(tomllib.loads(text, parse_float=Decimal))
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{where} is not TOML: {error}") from None
    except ValidationError as error:
        rows = [
            f"line {line_of(text, e['loc'])}: {'.'.join(map(str, e['loc']))}: {e['msg']}"
            for e in error.errors(include_url=False)
        ]
        raise BadInput(f"{where} is not a driver.", rows=rows) from None


def line_of(text: str, where: tuple[int | str, ...]) -> int:
    """The line, from 1, of a key such as ``("property", 0, "unit")``; of its table where the key is missing."""
    lines = text.splitlines()
    start, stop = 0, next((at for at, line in enumerate(lines) if line.lstrip().startswith("[")), len(lines))
    names = [one for one in where if isinstance(one, str)]
    if len(where) > 1 and isinstance(where[1], int):
        heads = [at for at, line in enumerate(lines) if re.match(rf"\s*\[\[\s*{re.escape(str(where[0]))}\s*\]\]", line)]
        if where[1] < len(heads):
            start = heads[where[1]]
            later = (at for at in range(start + 1, len(lines)) if re.match(r"\s*\[\[", lines[at]))
            stop = next(later, len(lines))
            names = names[1:]
    elif where and (at := _head(lines, str(where[0]))) is not None:
        return at + 1
    found = start
    for name in names:
        key = re.compile(rf"\s*(?:\[.*\b{re.escape(name)}\s*\]|[\"']?{re.escape(name)}[\"']?\s*=)")
        found = next((at for at in range(found, stop) if key.match(lines[at])), found)
    return found + 1


def _head(lines: list[str], name: str) -> int | None:
    return next((at for at, line in enumerate(lines) if re.match(rf"\s*\[\[\s*{re.escape(name)}\s*\]\]", line)), None)


@cache
def drivers() -> dict[str, Driver]:
    """All drivers by key: of the package, then of the city's own folder, read once a process.

    Raises:
        BadInput: a file of the city's folder is no driver, or its key is taken.
    """
    found: dict[str, Driver] = {}
    own = get_settings().drivers_path
    folders = (files(__name__) / "models", *((own,) if own.is_dir() else ()))
    for file in (one for folder in folders for one in sorted(folder.iterdir(), key=lambda one: one.name)):
        if file.name.endswith(".toml"):
            driver = parse(_text(file), file.name)
            if driver.key in found:
                raise BadInput(f"{file.name}: the key {driver.key} is taken by another device model.")
            found[driver.key] = driver
    return found


def _text(file: Traversable) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"{file.name} is not UTF-8: byte {error.start} can't be read.") from None


@cache
def _property_titles() -> dict[str, dict[str, str]]:
    return tomllib.loads((files(__name__) / "properties.toml").read_text(encoding="utf-8"))


def property_title(name: str, language: str) -> str:
    """What a property is called, e.g. ``water_volume`` → ``Water volume``; its name where nobody gave it words."""
    titles = _property_titles().get(name, {})
    return titles.get(language) or titles.get("en") or name


def driver(key: str) -> Driver:
    """The driver of that key.

    Raises:
        NotFound: there is none.
    """
    try:
        return drivers()[key]
    except KeyError:
        raise NotFound(f"There is no device model {key}.", fix=f"Known models: {', '.join(drivers())}.") from None
