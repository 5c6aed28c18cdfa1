"""Profiles that ship with Qala, or in a file of the city's own."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

from qala.kernel.errors import BadInput

from ..rules import Profile, parse_profile


@cache
def list_profiles() -> dict[str, Profile]:
    """The profiles that ship, by name."""
    folder = files("qala.city.devices") / "profiles"
    named = sorted((one for one in folder.iterdir() if one.name.endswith(".toml")), key=lambda one: one.name)
    return {one.name.removesuffix(".toml"): parse_profile(one.read_text(encoding="utf-8"), one.name) for one in named}


def find_profile(name: str) -> Profile:
    """The profile of that name, or in that file.

    Raises:
        BadInput: neither a shipped profile nor a readable file, or the file is no profile.
    """
    shipped = list_profiles()
    if name in shipped:
        return shipped[name]
    path = Path(name)
    if not name.endswith(".toml") or not path.is_file():
        raise BadInput(
            f"There is no profile {name}.",
            fix=f"Shipped profiles: {', '.join(shipped)}. Or give the path of a profile of yours, FILE.toml.",
        )
    try:
        return parse_profile(path.read_text(encoding="utf-8"), path.name)
    except UnicodeDecodeError:
        raise BadInput(f"{path.name} is not UTF-8 text.") from None
