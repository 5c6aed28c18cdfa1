"""Kinds of assets and of work orders: those that ship, and those that the city has."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from pathlib import Path

from django.utils.translation import gettext as _
from pydantic import ValidationError

from qala.kernel.errors import BadInput

from ..models import Kind
from ..rules import Kinds


def read_kinds(text: str, *, name: str) -> Kinds:
    """The kinds of a TOML file.

    Raises:
        BadInput: it is no such file; every fault is named.
    """
    try:
        return Kinds.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise BadInput(_("{file} is not TOML: {error}").format(file=name, error=error)) from None
    except ValidationError as error:
        rows = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_input=False)]
        raise BadInput(_("{file} is no file of kinds.").format(file=name), rows=rows) from None


def read_kinds_file(path: Path) -> Kinds:
    """The kinds of a TOML file on disk.

    Raises:
        BadInput: see ``read_kinds``, or it can't be read.
    """
    try:
        return read_kinds(path.read_text(encoding="utf-8"), name=path.name)
    except (OSError, UnicodeDecodeError):
        raise BadInput(_("{file} can't be read as a text file in UTF-8.").format(file=path)) from None


@cache
def shipped_kinds() -> Kinds:
    """The kinds that every city begins with."""
    return read_kinds(resources.files("qala.city.works").joinpath("kinds.toml").read_text("utf-8"), name="kinds.toml")


def list_kinds(of: str) -> list[Kind]:
    """The kinds of assets (``asset``) or of work orders (``order``), by key; which there are is no secret."""
    return list(Kind.objects.filter(of=of).order_by("key"))
