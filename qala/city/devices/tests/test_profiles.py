"""Profiles: what the columns of a file mean; a bad one is told line by line."""

from __future__ import annotations

from pathlib import Path

import pytest

from qala.city.devices.rules import parse_profile
from qala.city.devices.store import find_profile, list_profiles
from qala.kernel.errors import BadInput

GOOD = """
unit = "L"
[columns]
serial = "serial"
time = "time"
value = "value"
"""


def faults(text: str) -> str:
    with pytest.raises(BadInput) as refused:
        parse_profile(text, "p.toml")
    return "\n".join((refused.value.what, *refused.value.rows))


def test_a_profile_needs_little() -> None:
    found = parse_profile(GOOD, "p.toml")
    assert (found.delimiter, found.encoding, found.decimal, found.unknown) == (",", "utf-8", ".", "refuse")
    assert found.columns.named() == {"serial": "serial", "time": "time", "value": "value"}


def test_every_wrong_line_is_named() -> None:
    told = faults(
        'unit = "L"\ncolour = "red"\ndelimiter = ";;"\nencoding = "utf-99"\nzone = "Mars/Olympus"\ndecimal = "|"\n'
        'unknown = "guess"\nquality = "Z"\nnot_before = "yesterday"\n[columns]\nserial = "s"\ntime = 1.5\nweight = "w"\n'
    )
    for place in (
        "colour", "delimiter", "encoding", "zone", "decimal", "unknown", "quality", "not_before", "columns.time",
        "columns.value", "columns.weight",
    ):  # fmt: skip
        assert place in told, place


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("= 1", "not TOML"),
        (GOOD.replace('unit = "L"', ""), "unit"),
        ('unknown = "create"' + GOOD, "model"),
        ('time_format = "%H:%M"' + GOOD, "zone"),
        ("header = false" + GOOD, "numbers from 1"),
        ('encoding = "base64"' + GOOD, "encoding"),
        ('encoding = "rot13"' + GOOD, "encoding"),
        ('encoding = "undefined"' + GOOD, "encoding"),
        ("not_before = 2000-01-01T00:00:00" + GOOD, "offset"),
        ('zone = "../../etc/passwd"' + GOOD, "zone"),
    ],
)
def test_what_does_not_go_together(text: str, said: str) -> None:
    assert said in faults(text)


def test_shipped_profiles_are_found_by_name() -> None:
    assert {"daiad", "qala"} <= set(list_profiles())
    assert find_profile("daiad").zone == "Europe/Madrid"


def test_profiles_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    assert find_profile(str(path)).unit == "L"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="not UTF-8"):
        find_profile(str(path))
    for name in ("nothing", str(tmp_path / "nothing.toml"), str(tmp_path)):
        with pytest.raises(BadInput, match="no profile") as refused:
            find_profile(name)
        assert "daiad" in refused.value.fix
