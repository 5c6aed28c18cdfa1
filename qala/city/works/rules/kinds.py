"""Kinds of assets and of work orders, as data: titles in three languages, attributes, checklists."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

KEY = r"^[a-z][a-z0-9_]{0,39}$"
COLUMNS = (
    "code", "kind", "owner", "name", "place", "address", "lon", "lat", "wkt", "condition", "state", "installed_on", "retired_on",
    "device",
)  # fmt: skip
MOST_TEXT = 200
Value = str | int | float | bool
_WHOLE = re.compile(r"[+-]?\d{1,15}")
_NUMBER = re.compile(r"[+-]?\d{1,15}([.,]\d{1,9})?")
_YES, _NO = frozenset({"yes", "true", "1", "да", "иә"}), frozenset({"no", "false", "0", "нет", "жоқ"})

Key = Annotated[str, Field(pattern=KEY)]
Words = Annotated[str, Field(max_length=200)]


class Titled(BaseModel):
    """Something with a title in Kazakh, Russian, English, of which one at least is there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kk: Words = ""
    ru: Words = ""
    en: Words = ""

    @model_validator(mode="after")
    def _has_a_title(self) -> Self:
        if not (self.kk or self.ru or self.en):
            raise ValueError("it has a title in none of kk, ru, en")
        return self

    @property
    def titles(self) -> dict[str, str]:
        return {"kk": self.kk, "ru": self.ru, "en": self.en}


class Choice(Titled):
    """One of the values that an attribute may have."""

    key: Key


class Attribute(Titled):
    """What assets of a kind have of their own: ``text``, ``number``, ``whole``, ``choice``, ``date`` or ``yes_no``.

    Numbers are in ``unit`` (UCUM code), from ``least`` to ``most`` where these are there.
    """

    key: Key
    type: Literal["text", "number", "whole", "choice", "date", "yes_no"] = "text"
    unit: Annotated[str, Field(max_length=16)] = ""
    least: float | None = None
    most: float | None = None
    choices: tuple[Choice, ...] = ()

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.key in COLUMNS:
            raise ValueError(f"{self.key} is a column that every asset has")
        if (self.type == "choice") != bool(self.choices):
            raise ValueError(f"{self.key}: choices belong to the type choice")
        return self


class AssetKind(Titled):
    """A kind of asset; ``geometry`` says how one lies on the map."""

    key: Key
    geometry: Literal["point", "line", "any"] = "point"
    attribute: tuple[Attribute, ...] = ()


class Step(Titled):
    """A line of a checklist."""


class OrderKind(Titled):
    """A kind of work order: within how many days it is due, and what is ticked when it is done."""

    key: Key
    days: Annotated[int, Field(ge=1, le=3660)] = 14
    step: tuple[Step, ...] = ()


class Kinds(BaseModel):
    """A file of kinds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    asset: tuple[AssetKind, ...] = ()
    order: tuple[OrderKind, ...] = ()

    @model_validator(mode="after")
    def _once(self) -> Self:
        named = [[one.key for one in self.asset], [one.key for one in self.order]]
        named += [[one.key for one in kind.attribute] for kind in self.asset]
        for keys in named:
            twice = sorted({key for key in keys if keys.count(key) > 1})
            if twice:
                raise ValueError(f"{', '.join(twice)} stands twice")
        return self


def read_value(attribute: Attribute, given: object) -> Value | None:
    """The value of an attribute from a cell, a form or JSON; ``None`` where it is none of this attribute."""
    text = str(given).strip()
    if attribute.type == "yes_no":
        low = text.lower()
        return True if low in _YES else False if low in _NO else None
    if attribute.type in ("number", "whole"):
        if isinstance(given, float) and given.is_integer():
            text = str(int(given))
        if not (_WHOLE if attribute.type == "whole" else _NUMBER).fullmatch(text):
            return None
        number = int(text) if attribute.type == "whole" else float(text.replace(",", "."))
        if (attribute.least is not None and number < attribute.least) or (
            attribute.most is not None and number > attribute.most
        ):
            return None
        return number
    if attribute.type == "choice":
        return text if text in {one.key for one in attribute.choices} else None
    if attribute.type == "date":
        day = read_date(text)
        return day.isoformat() if day is not None else None
    return text if len(text) <= MOST_TEXT and "\x00" not in text else None


def read_date(text: str) -> date | None:
    """A day written ``2026-03-01`` or ``01.03.2026``."""
    found = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)", text) or re.fullmatch(r"(\d\d)\.(\d\d)\.(\d{4})", text)
    if found is None:
        return None
    parts = [int(part) for part in found.groups()]
    try:
        return date(*(parts if len(found[1]) == 4 else parts[::-1]))
    except ValueError:
        return None
