"""Device models: the files that ship, the check of a new one, their pages."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest
from django.test import Client

from qala import drivers
from qala.drivers import line_of, parse
from qala.drivers.checking import at_pointer, check
from qala.kernel.errors import BadInput
from qala.kernel.lake import Lake
from qala.site.testing import run_command
from tests import factories

GOOD = """key = "acme-1"
maker = "Acme"
title_kk = "Датчик"
title_ru = "Датчик"
title_en = "Sensor"
cannot_kk = "Батарея күйін жібермейді."
cannot_ru = "Нет состояния батареи."
cannot_en = "Has no battery state."

[[property]]
name = "water_volume"
kind = "register"
unit = "m3"
exponent = -3
path = "/d/0/litres"
sent_unit = "L"

[[property]]
name = "temperature"
kind = "instant"
unit = "degC"
exponent = -1

[[payload]]
body = '{"d": [{"litres": 1012}], "temperature": 21.5}'

[payload.values]
water_volume = 1.012
temperature = 21.5
"""


def faults(text: str) -> list[str]:
    with pytest.raises(BadInput) as error:
        check(text, "acme.toml")
    return list(error.value.rows)


def test_a_good_file_passes() -> None:
    made = check(GOOD, "acme.toml")
    assert (made.key, len(made.payload)) == ("acme-1", 1)


@pytest.mark.parametrize(
    ("before", "after", "line", "what"),
    [
        ('maker = "Acme"', 'maker = ""', 2, "maker"),
        ('cannot_en = "Has no battery state."\n', "", 1, "cannot_en: Field required"),
        ('kind = "register"', 'kind = "counter"', 12, "property.0.kind"),
        ("exponent = -1", "exponent = -30", 22, "property.1.exponent"),
        ("exponent = -1", "exponent = -1\ncolour = 3", 23, "property.1.colour: Extra inputs"),
        ('name = "temperature"', 'name = "Temp"', 19, "property.1.name"),
        ('name = "temperature"', 'name = "water_volume"', 10, "a name of its own"),
        ('unit = "m3"', 'unit = "L"', 13, "kept in m3"),
        ('unit = "degC"', 'unit = "parsec"', 21, "no known unit"),
        ('sent_unit = "L"', 'sent_unit = "kWh"', 16, "measures energy"),
        ("exponent = -1", "exponent = -1\nmax_per_hour = 3", 23, "no register"),
        ("water_volume = 1.012", "water_volume = 1.013", 28, "gives water_volume as 1.012 m3, the file says 1.013 m3"),
        ("temperature = 21.5", "temperature = 21.4", 29, "gives temperature as 21.5 degC"),
        ("temperature = 21.5\n", "humidity = 3\n", 29, "no property humidity"),
        ("temperature = 21.5\n", "", 19, "no payload gives temperature"),
        ('"/d/0/litres"', '"/d/1/litres"', 28, "nothing at /d/1/litres"),
        ('"/d/0/litres"', '"/d/0"', 28, "no number"),
        ("1012}", "1012.5}", 28, "water_volume"),
        ("1012}", "true}", 28, "no number"),
        ('21.5}', "21.5", 25, "not JSON"),
    ],
)  # fmt: skip
def test_each_fault_is_told_with_its_line(before: str, after: str, line: int, what: str) -> None:
    assert before in GOOD
    told = faults(GOOD.replace(before, after, 1) if before != "temperature = 21.5\n" else GOOD[: -len(before)] + after)
    assert any(row.startswith(f"line {line}: ") and what in row for row in told), told


def test_a_file_without_payloads_or_that_is_no_toml() -> None:
    assert faults(GOOD.partition("[[payload]]")[0]) == [
        "line 1: there is no [[payload]]: record one that a device really sent"
    ]
    with pytest.raises(BadInput, match="line 2"):
        check('key = "x"\nmaker =\ntitle_en = "y"\n', "acme.toml")


def test_lines_of_keys_that_are_not_there_are_those_of_their_table() -> None:
    assert [line_of(GOOD, where) for where in (("key",), ("nothing",), ("property", 1, "path"), ("property", 7))] == [1, 1, 18, 1]  # fmt: skip


def test_pointers() -> None:
    body = {"a/b": [{"~": 1}]}
    assert at_pointer(body, "/a~1b/0/~0") == 1
    for path in ("/a", "/a~1b/1", "/a~1b/x", "/a~1b/0/~0/z"):
        with pytest.raises(LookupError):
            at_pointer(body, path)


def test_what_ships_and_has_payloads_passes() -> None:
    for file in (files("qala.drivers") / "models").iterdir():
        if file.name.endswith(".toml"):
            text = file.read_text(encoding="utf-8")
            if parse(text, file.name).payload:
                check(text, file.name)


def test_the_command(tmp_path: Path) -> None:
    file = tmp_path / "acme.toml"
    file.write_text(GOOD)
    found = run_command("drivers", "check", str(file), data_dir=tmp_path / "city")
    assert found.returncode == 0 and "acme-1" in found.stdout, found.stderr
    file.write_text(GOOD.replace("1.012", "1.013"))
    found = run_command("drivers", "check", str(file), data_dir=tmp_path / "city")
    assert found.returncode == 2 and "line 28: " in found.stderr
    file.write_bytes(b"key = 'x'\nmaker = '\xff'\n")
    found = run_command("drivers", "check", str(file), data_dir=tmp_path / "city")
    assert found.returncode == 2 and "line 2" in found.stderr


def test_pages_of_models(roles: None, lake: Lake) -> None:
    mine = factories.organisation("mine")
    factories.device("mine-1", "demo-water-15", mine)
    factories.device("other-1", "demo-water-15")
    client = Client(SERVER_NAME="localhost")
    client.force_login(factories.person("engineer", mine))
    assert client.get("/console/models/").status_code == 200
    page = client.get("/console/models/demo-water-15/")
    text = page.content.decode()
    assert page.status_code == 200 and ">1 device<" in text, "another organisation's do not count"
    assert text.count("318.274") == 2 and "Simulated" in text and "every 1,440 minutes" in text
    for key in drivers.drivers():
        assert client.get(f"/console/models/{key}/").status_code == 200
    assert client.get("/console/models/nothing/").status_code == 404
    assert client.get("/console/devices/mine-1/").content.decode().count("/console/models/demo-water-15/") == 1
    nobody = Client(SERVER_NAME="localhost")
    nobody.force_login(factories.person())
    for path in ("/console/models/", "/console/models/demo-water-15/"):
        assert nobody.get(path).status_code == 403


def test_a_city_has_models_of_its_own(tmp_path: Path) -> None:
    city = tmp_path / "city"
    devices = tmp_path / "devices.csv"
    devices.write_text("serial,model\nA-1,acme-1\n")
    found = run_command("load", "devices", str(devices), data_dir=city)
    assert found.returncode == 2 and "no such model" in found.stderr
    (city / "drivers").mkdir()
    file = city / "drivers" / "acme.toml"
    file.write_text(GOOD)
    found = run_command("load", "devices", str(devices), data_dir=city)
    assert found.returncode == 0, found.stderr
    file.write_text(GOOD.replace("acme-1", "demo-water-15"))
    found = run_command("load", "devices", str(devices), data_dir=city)
    assert found.returncode == 2 and "acme.toml" in found.stderr and "is taken" in found.stderr
    file.write_bytes(b"key = '\xff'\n")
    found = run_command("load", "devices", str(devices), data_dir=city)
    assert found.returncode == 2 and "byte 7" in found.stderr


def test_what_is_measured_has_words() -> None:
    for driver in drivers.drivers().values():
        for one in driver.property:
            assert {drivers.property_title(one.name, language) for language in ("kk", "ru", "en")}.isdisjoint(
                {one.name}
            )
    assert drivers.property_title("nothing_known", "kk") == "nothing_known"
