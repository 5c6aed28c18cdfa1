"""Numbers of files become whole numbers of a register's last digit exactly, or are refused; by whichever way."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from qala.city.devices.actions import NewDevice, register_devices
from qala.city.devices.models import Device
from qala.city.devices.rules import exact_number
from qala.kernel import units
from qala.kernel.ids import new_id
from qala.kernel.lake import get_lake

from . import conftest
from .conftest import COLUMNS, NOW, US
from .seen import current, reasons, refused, series_of

DIGITS = st.text("0123456789", min_size=1, max_size=20)
SIGN = st.sampled_from(["", "-", "+"])
PLAIN = st.builds("".join, st.tuples(SIGN, DIGITS))
POINTED = st.builds("{}{}.{}".format, SIGN, DIGITS, DIGITS)
POWERED = st.builds("{}{}e{}".format, SIGN, st.one_of(DIGITS, POINTED), st.integers(-25, 25))
NEAR_LIMITS = st.builds(
    "{}{}".format,
    st.sampled_from(["999999999999999", "9007199254740993", "1000000000000000", "0.000000000000001"]),
    DIGITS,
)
ODD = st.sampled_from(
    ["", ".", "-", "1_000", "0x1F", "nan", "inf", "-Infinity", "1e400", "1e-400", "4e-324", "1e16", "-1e17", "1e18", "1.5e3",
     "2e+05", "1,5", "1 000", "١٢٣", "１２", "5.", ".5", "1e", "true", "1d", "1e999999999", "0e9", "-0", "00012", "9e15"]
)  # fmt: skip
# 1e400 and 1e-400 are numbers to one way and none to the other
UNREADABLE = ("no_value", "not_a_number", "too_large", "too_fine")
TEXTS = st.one_of(PLAIN, POINTED, POWERED, NEAR_LIMITS, ODD)


def truth(text: str, ratio: Fraction) -> int | None:
    """What a text that Decimal takes for a finite number says, exactly."""
    try:
        value = Decimal(text) if text.isascii() and "_" not in text else None
    except ArithmeticError:
        return None
    if value is None or not value.is_finite() or abs(value.adjusted()) > 100:
        return None
    exact = Fraction(value) * ratio
    return int(exact) if exact.denominator == 1 and abs(exact) < 10**18 else None


@settings(deadline=None)
@given(TEXTS, st.sampled_from([Fraction(1), Fraction(1000), Fraction(1, 1000), Fraction(2500, 9), Fraction(1163)]))
def test_exact_number_is_exact_or_says_why(text: str, ratio: Fraction) -> None:
    found = exact_number(text, ratio)
    wanted = truth(text, ratio)
    if isinstance(found, int) or (wanted is not None and len(text) <= 40):
        assert found == wanted
    else:
        assert found in ("not_a_number", "too_large", "too_fine")


@pytest.mark.parametrize(
    ("text", "decimal", "number"),
    [
        ("1,5", ",", 1500),
        ("1.5", ",", "not_a_number"),  # a thousands separator: 1.5 or 15?
        ("1.234,5", ",", "not_a_number"),
        ("1,5", ".", "not_a_number"),
        (" 7 ", ".", 7000),
        ("0.0001", ".", "too_fine"),
        ("1e15", ".", "too_large"),
        ("-3", ".", -3000),
        ("١", ".", "not_a_number"),
        ("9" * 41, ".", "not_a_number"),
        ("9" * 40, ".", "too_large"),
    ],
)
def test_decimal_signs_and_limits(text: str, decimal: str, number: int | str) -> None:
    assert exact_number(text, Fraction(1000), decimal=decimal) == number


@pytest.fixture
def known(load: conftest.Load) -> None:
    register_devices([NewDevice(serial="known", model="daiad-swm")], who=US, now=NOW)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(texts=["1e16", "9e15", "123456789012345678", "0.1", "-4", "2e+05", "1e-400", "900719925474099.3"], unit="L")
@given(st.lists(TEXTS.filter(lambda text: text.isprintable()), min_size=1, max_size=40), st.sampled_from(["L", "m3"]))
def test_a_load_reads_a_number_as_fractions_do(load: conftest.Load, known: None, texts: list[str], unit: str) -> None:
    """Both ways of reading, the short one of known devices and the careful one, as CSV and as Parquet."""
    ratio = units.scale_of(unit, "m3", -3)
    times = [f"2026-05-01T{number // 60:02}:{number % 60:02}:00Z" for number in range(len(texts))]
    wanted = {
        time[:-1]: number
        for time, text in zip(times, texts, strict=True)
        if isinstance(number := exact_number(text, ratio), int)
    }
    body = "".join(f"{{serial}};{time};{text}\n" for time, text in zip(times, texts, strict=True))
    new = new_id().hex
    for serial in ("known", new):
        _forget()
        found = load(f"serial;time;value\n{body.replace('{serial}', serial)}".encode(), delimiter=";", unit=unit)
        if wanted:
            assert current(serial) == wanted
        assert found.refused == len(texts) - len(wanted)
        faults = {line: reason for line, reason, _ in refused(found)}
        for number, text in enumerate(texts, 2):
            if times[number - 2][:-1] not in wanted:
                why = exact_number(text, ratio)
                assert faults[number] == why or (why == "not_a_number" and faults[number] in UNREADABLE)
    path = get_lake().settings.temp_dir / "numbers.parquet"
    pq.write_table(pa.table({"serial": ["known"] * len(texts), "time": times, "value": texts}), path)
    _forget()
    load(path, format="parquet", unit=unit)
    if wanted:
        assert current("known") == wanted


def _forget() -> None:
    get_lake().commit(lambda cursor: cursor.execute("DELETE FROM lake.readings; DELETE FROM lake.refusals"))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.floats(), st.integers(-(10**7), 10**7).map(lambda n: n / 1000)), min_size=1, max_size=40))
def test_doubles_of_a_parquet_file_are_their_shortest_decimals(
    load: conftest.Load, known: None, values: list[float]
) -> None:
    _forget()
    path = get_lake().settings.temp_dir / "doubles.parquet"
    times = [f"2026-05-01T{number // 60:02}:{number % 60:02}:00Z" for number in range(len(values))]
    pq.write_table(
        pa.table({"serial": ["known"] * len(values), "time": times, "value": pa.array(values, pa.float64())}), path
    )
    load(path, format="parquet", unit="m3")
    wanted = {
        time[:-1]: number
        for time, value in zip(times, values, strict=True)
        if (number := truth(repr(value), Fraction(1000))) is not None
    }
    assert (current("known") if Device.objects.filter(serial="known").exists() else {}) == wanted


@pytest.mark.parametrize(
    ("kind", "values", "numbers"),
    [
        (pa.int8(), [1, -1], [1000, -1000]),
        (pa.uint64(), [7, 2**64 - 1], [7000, "too_large"]),
        (pa.int64(), [900719925474097, 10**15], [900719925474097000, "too_large"]),
        (pa.float32(), [0.1, 12.345], [100, 12345]),
        (pa.float64(), [0.1, 0.30000000000000004, float("nan"), float("inf"), 1e30],
         [100, "too_fine", "not_a_number", "not_a_number", "too_large"]),
        (pa.decimal128(38, 9), [Decimal("1.5"), Decimal("123456789012.345"), Decimal("0.0001")],
         [1500, 123456789012345, "too_fine"]),
        (pa.string(), ["1.5", "x", None], [1500, "not_a_number", "no_value"]),
        (pa.bool_(), [True], ["not_a_number"]),
    ],
)  # fmt: skip
def test_types_of_parquet_values(
    load: conftest.Load, known: None, kind: pa.DataType, values: list[object], numbers: list[int | str]
) -> None:
    path = get_lake().settings.temp_dir / "types.parquet"
    times = [f"2026-05-01T00:{number:02}:00Z" for number in range(len(values))]
    pq.write_table(pa.table({"serial": ["known"] * len(values), "time": times, "value": pa.array(values, kind)}), path)
    found = load(path, format="parquet", unit="m3")
    assert list(current("known").values()) == [number for number in numbers if isinstance(number, int)]
    assert reasons(found) == [(line, number) for line, number in enumerate(numbers, 1) if isinstance(number, str)]


def test_units_in_a_column(load: conftest.Load) -> None:
    columns = {**COLUMNS, "unit": "unit"}
    found = load(
        b"serial,time,value,unit\n"
        b"m,2026-05-01T00:00:00Z,5,L\nm,2026-05-01T01:00:00Z,1.25,m3\nm,2026-05-01T02:00:00Z,1,kWh\n"
        b"m,2026-05-01T03:00:00Z,1,furlong\nm,2026-05-01T04:00:00Z,1,\nm,2026-05-01T05:00:00Z,0.0005,m3\n",
        columns=columns, unit=None,
    )  # fmt: skip
    assert list(current("m").values()) == [5, 1250]
    assert reasons(found) == [(4, "bad_unit"), (5, "bad_unit"), (6, "bad_unit"), (7, "too_fine")]


def test_property_in_a_column(load: conftest.Load) -> None:
    register_devices([NewDevice(serial="h", model="demo-heat-15")], who=US, now=NOW)
    columns = {**COLUMNS, "property": "property", "unit": "unit"}
    properties = list(Device.objects.get(serial="h").series.order_by("property").values_list("property", "unit"))
    rows = "".join(f"h,2026-05-01T00:00:00Z,{n},{name},{unit}\n" for n, (name, unit) in enumerate(properties, 1))
    found = load(
        f"serial,time,value,property,unit\n{rows}h,2026-05-01T00:00:00Z,1,moon_phase,L\n".encode(),
        columns=columns,
        unit=None,
    )
    assert found.new == len(properties)
    assert reasons(found) == [(len(properties) + 2, "unknown_series")]
    for name, _ in properties:
        assert series_of("h", name)


def test_qualities(load: conftest.Load) -> None:
    columns = {**COLUMNS, "quality": "q"}
    rows = "".join(f"m,2026-05-01T0{n}:00:00Z,5,{q}\n" for n, q in enumerate(["A", "S", "E", "F", "N", "X", "", "a"]))
    found = load(f"serial,time,value,q\n{rows}".encode(), columns=columns)
    assert found.new == 5
    assert reasons(found) == [(7, "bad_quality"), (8, "bad_quality"), (9, "bad_quality")]
    path = get_lake().settings.temp_dir / "quality.parquet"
    table = {
        "serial": ["m", "m"],
        "time": ["2026-05-02T00:00:00Z", "2026-05-02T01:00:00Z"],
        "value": [1, 2],
        "q": [None, "E"],
    }
    pq.write_table(pa.table(table), path)
    assert reasons(load(path, format="parquet", columns=columns)) == [(1, "bad_quality")]


def test_serials(load: conftest.Load) -> None:
    long = "x" * 64
    found = load(
        f"{long},2026-05-01T00:00:00Z,5\n{long}x,2026-05-01T00:00:00Z,5\n,2026-05-01T00:00:00Z,5\n"
        "a b,2026-05-01T00:00:00Z,5\nä,2026-05-01T00:00:00Z,5\na/b,2026-05-01T00:00:00Z,5\n"
    )
    assert found.new == 1
    assert [reason for _, reason in reasons(found)] == [
        "bad_serial",
        "no_serial",
        "bad_serial",
        "bad_serial",
        "bad_serial",
    ]


def test_unknown_devices_are_refused_or_created(load: conftest.Load) -> None:
    found = load("m,2026-05-01T00:00:00Z,5\n", unknown="refuse", model=None)
    assert reasons(found) == [(2, "unknown_device")]
    assert not Device.objects.exists()
    found = load("m,2026-05-01T00:00:00Z,5\n")
    assert (found.new, found.devices_created) == (1, 1)
    assert Device.objects.get().model == "daiad-swm"
