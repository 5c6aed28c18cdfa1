"""Files as they come, friendly and hostile: each is read, or refused with what is wrong and where."""

from __future__ import annotations

import gzip
import io
import resource
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qala.city.devices.actions import load_readings
from qala.city.devices.models import Load
from qala.city.devices.store import REFUSED_READINGS, get_load, list_refusals
from qala.kernel.clock import SetClock
from qala.kernel.errors import BadInput, QalaError, TooMuch
from qala.kernel.lake import get_lake
from qala.kernel.lists import Asked, Look

from . import conftest
from .conftest import NOW, US, profile_of
from .seen import current, reasons, refused

HEAD = b"serial,time,value\n"
ROW = b"m,2026-05-01T00:00:00Z,5\n"
SECOND = b"m,2026-05-01T01:00:00Z,6\n"


def zipped(*files: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", method) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return body.getvalue()


BODY = HEAD + ROW + SECOND
TEXT = BODY.decode()


@pytest.mark.parametrize(
    ("content", "changes"),
    [
        (BODY, {}),
        (BODY.removesuffix(b"\n"), {}),
        (BODY.replace(b"\n", b"\r\n"), {}),
        (b"\xef\xbb\xbf" + BODY, {}),
        (gzip.compress(BODY), {}),
        (gzip.compress(HEAD) + gzip.compress(ROW + SECOND), {}),
        (zipped(("r.csv", BODY)), {}),
        (zipped(("folder/", b""), ("folder/r.csv", BODY)), {}),
        (zipped(("r.csv", BODY), method=zipfile.ZIP_LZMA), {}),
        (TEXT.encode("utf-16"), {"encoding": "utf-16"}),
        (TEXT.encode("utf-16-le"), {"encoding": "utf-16-le"}),
        (TEXT.replace(",", "\t").encode(), {"delimiter": "\t"}),
        (TEXT.replace(",", ";").encode(), {"delimiter": ";", "decimal": ","}),
        (TEXT.replace(",", "|").encode(), {"delimiter": "|"}),
        (b'"serial","time","value"\n"m","2026-05-01T00:00:00Z","5"\n"m" , 2026-05-01T01:00:00Z, "6"\n', {}),
        (b'serial,note,time,value\nm,"a ""b"", c",2026-05-01T00:00:00Z,5\nm,,2026-05-01T01:00:00Z,6\n', {}),
        ("тіркелім,уақыт,көрсеткіш\n".encode() + ROW + SECOND,
         {"columns": {"serial": "тіркелім", "time": "уақыт", "value": "көрсеткіш"}}),
        ("счётчик;время;показание\n".encode("cp1251") + (ROW + SECOND).replace(b",", b";"),
         {"encoding": "cp1251", "delimiter": ";", "columns": {"serial": "счётчик", "time": "время", "value": "показание"}}),
        (ROW + SECOND, {"header": False, "columns": {"serial": 1, "time": 2, "value": 3}}),
        (HEAD + b"\n" + ROW + b"\n\r\n" + SECOND + b"\n", {}),
    ],
)  # fmt: skip
def test_forms_of_files(load: conftest.Load, content: bytes, changes: dict[str, object]) -> None:
    """Once for a device that is made by it, once for the one that is known then."""
    found = load(content, **changes)
    assert (found.read, found.new, found.refused) == (2, 2, 0)
    assert current("m") == {"2026-05-01T00:00:00": 5, "2026-05-01T01:00:00": 6}
    assert load(content, **changes).already_there == 2


def test_decimal_commas(load: conftest.Load) -> None:
    rows = (
        b"serial;time;value\nm;2026-05-01T00:00:00Z;1,5\nm;2026-05-01T01:00:00Z;1.5\nm;2026-05-01T02:00:00Z;1.234,5\n"
    )
    rows += b"m;2026-05-01T03:00:00Z;12345678901,234567\nm;2026-05-01T04:00:00Z;0,0001\n"
    for _ in range(2):
        found = load(rows, delimiter=";", decimal=",", unit="m3")
        assert reasons(found) == [(3, "not_a_number"), (4, "not_a_number"), (5, "too_fine"), (6, "too_fine")]
    assert current("m") == {"2026-05-01T00:00:00": 1500}


def test_a_quoted_delimiter_shifts_no_column(load: conftest.Load) -> None:
    """One column short, but with a delimiter in quotes: as many pieces as the header has, and the wrong ones."""
    found = load(b'serial,time,value,note\nm,2026-05-01T00:00:00Z,"1,5"\nm,2026-05-01T01:00:00Z,7,"a,b"\n')
    assert reasons(found) == [(2, "columns")]
    assert current("m") == {"2026-05-01T01:00:00": 7}


@pytest.mark.parametrize(
    ("content", "changes", "said"),
    [
        (b"", {}, "no "),
        (b"just one column\n1\n2\n", {}, "no “serial”"),
        (b"serial;time;value\nm;2026-05-01T00:00:00Z;5\n", {}, "columns are"),
        (HEAD + b"m,2026-05-01T00:00:00Z,\x005\n", {}, "NUL"),
        (bytes(range(256)) * 40, {}, "NUL"),
        (TEXT.encode("utf-16"), {}, "UTF-16"),
        (TEXT.encode("utf-16-le"), {}, "NUL"),
        (HEAD + b"x" * (3 << 20), {}, "Line 2"),
        (gzip.compress(BODY * 50)[:-20], {}, "damaged"),
        (gzip.compress(BODY * 50)[:200] + b"\xff" * 60, {}, "damaged"),
        (zipped(("r.csv", BODY * 500))[:-30], {}, "broken zip"),
        (zipped(("a.csv", BODY), ("b.csv", BODY)), {}, "holds 2 files"),
        (zipped(), {}, "holds 0 files"),
        (zipped(("r.zip", zipped(("r.csv", BODY)))), {}, "NUL"),
        (BODY, {"format": "parquet"}, "not a Parquet"),
        (b"PAR1" + b"\x07" * 400 + b"PAR1", {"format": "parquet"}, "not a Parquet"),
        (BODY, {"columns": {"serial": 1, "time": 2, "value": 9}}, "column 9"),
    ],
)  # fmt: skip
def test_files_that_can_not_be_what_the_profile_says(
    load: conftest.Load, content: bytes, changes: dict[str, object], said: str
) -> None:
    with pytest.raises(BadInput) as problem:
        load(content, **changes)
    assert said in problem.value.what
    row = Load.objects.get()
    assert (row.state, row.error) == ("failed", problem.value.what)
    left = [path.name for path in (get_lake().settings.loads_dir / str(row.pk)).iterdir()]
    assert left in ([], ["running"]), "no part of the file is left behind"


def encrypted() -> bytes:
    body = bytearray(zipped(("r.csv", BODY)))
    for sign, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        body[body.index(sign) + place] |= 1
    return bytes(body)


def unusual() -> bytes:
    body = bytearray(zipped(("r.csv", BODY)))
    for sign, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        body[body.index(sign) + place] = 97  # WavPack
    return bytes(body)


@pytest.mark.parametrize(("content", "said"), [(encrypted(), "encrypted"), (unusual(), "unusual way")])
def test_locked_archives(load: conftest.Load, content: bytes, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        load(content)


def test_damaged_zip_content(load: conftest.Load) -> None:
    content = bytearray(zipped(("r.csv", BODY * 500)))
    content[60:90] = b"\xff" * 30
    with pytest.raises(BadInput, match=r"damaged|broken"):
        load(bytes(content))


def test_a_damaged_parquet_file(load: conftest.Load, tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    rows = 20_000
    times = [f"2026-05-01T{n // 3600 % 24:02}:{n // 60 % 60:02}:{n % 60:02}Z" for n in range(rows)]
    table = pa.table({"serial": ["m"] * rows, "time": times, "value": list(range(rows))})
    pq.write_table(table, path, compression="gzip", use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[len(content) // 3 : len(content) // 3 + 400] = b"\x99" * 400
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"damaged|not a Parquet"):
        load(path, format="parquet")


def test_a_bomb(load: conftest.Load, tmp_path: Path) -> None:
    """A gibibyte of rows in a megabyte: refused after the first 64 MiB, in little memory."""
    path = tmp_path / "bomb.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        archive.open("r.csv", "w") as inside,
    ):
        inside.write(HEAD)
        piece = b"0" * 900_000 + b"\n"
        for _ in range(300):
            inside.write(piece)
    with pytest.raises(TooMuch, match="zip bomb"):
        load(path)
    row = Load.objects.get()
    assert (row.state, row.rows_read) == ("failed", 0), "no part of it was loaded before"


def test_more_than_the_installation_takes(load: conftest.Load, settings, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    settings.QALA = settings.QALA.model_copy(update={"load_max_gib": 0})
    with pytest.raises(TooMuch, match="more than 0 GiB"):
        load(BODY)


@pytest.mark.parametrize("content", [HEAD, HEAD.removesuffix(b"\n"), HEAD + b"\n\n"])
def test_a_header_alone_is_a_file_of_no_readings(load: conftest.Load, content: bytes) -> None:
    found = load(content)
    assert (found.read, found.new, found.first_time) == (0, 0, None)
    assert Load.objects.get().state == "done"


def test_what_is_no_file(tmp_path: Path, load: conftest.Load) -> None:
    for path in (tmp_path, tmp_path / "none.csv"):
        with pytest.raises(BadInput, match="not a file"):
            load_readings(path=path, profile=profile_of(), profile_name="t", who=US, clock=SetClock(NOW))
    assert not Load.objects.exists()


def test_a_name_that_is_no_text(load: conftest.Load, tmp_path: Path) -> None:
    path = Path(str(tmp_path) + "/показания-\udcff.csv")
    path.write_bytes(BODY)
    assert load(path).new == 2
    assert Load.objects.get().file_name == "показания-\ufffd.csv"


BAD_ROWS = [
    (b"m", "columns"),
    (b"m,2026-05-01T00:00:00Z,5,6", "columns"),
    (b'm,"2026-05-01T00:00:00Z,5', "columns"),
    (b",2026-05-01T00:00:00Z,5", "no_serial"),
    (b"a b,2026-05-01T00:00:00Z,5", "bad_serial"),
    (b"m,,5", "no_time"),
    (b"m,tomorrow,5", "bad_time"),
    (b"m,1900-01-01T00:00:00Z,5", "too_old"),
    (b"m,2100-01-01T00:00:00Z,5", "future"),
    (b"m,2026-05-01T00:00:00Z,", "no_value"),
    (b"m,2026-05-01T00:00:00Z,NaN", "not_a_number"),
    (b"m,2026-05-01T00:00:00Z,-inf", "not_a_number"),
    (b"m,2026-05-01T00:00:00Z,1_000", "not_a_number"),
    (b"m,2026-05-01T00:00:00Z,0x1F", "not_a_number"),
    (b"m,2026-05-01T00:00:00Z,1e30", "too_large"),
    (b"m,2026-05-01T00:00:00Z," + b"1" * 40, "too_large"),
    (b"m,2026-05-01T00:00:00Z," + b"1" * 400, "not_a_number"),
    (b"m,2026-05-01T00:00:00Z,0.5", "too_fine"),
    (b"\xff\xfe,2026-05-01T00:00:00Z,5", "encoding"),
    (b"m,2026-05-01T00:00:00Z,\xd0", "encoding"),
    ("m\u2028,2026-05-01T00:00:00Z,5".encode(), "bad_serial"),
    (b"m\x1f,2026-05-01T00:00:00Z,5", "encoding"),
    (b"m\x0c,2026-05-01T00:00:00Z,5", "bad_serial"),
    (b"m,2026-05-01T00:00:00Z,5\r\r5", "not_a_number"),
]


def test_every_refused_row_has_its_line_its_reason_and_what_it_was(load: conftest.Load) -> None:
    """Between good rows and empty lines; once with an unknown device, once with a known one."""
    body = HEAD
    expected = []
    for number, (row, reason) in enumerate(BAD_ROWS):
        expected.append((body.count(b"\n") + 1, reason))
        body += row + b"\n" + (b"\n" if number % 3 == 0 else b"") + b"m,2026-05-02T00:%02d:00Z,-7\n" % number
    for _ in range(2):
        found = load(body)
        assert reasons(found) == expected
        assert found.read == 2 * len(BAD_ROWS)
        contents = [content for _, _, content in refused(found)]
        assert contents[:2] == ["m", "m,2026-05-01T00:00:00Z,5,6"]
        assert all(len(content) <= 300 for content in contents)
    assert set(current("m").values()) == {-7}
    latest = Load.objects.latest("started_at")
    assert latest.refused_by_reason == found.refused_by_reason
    assert [
        (int(one["line"]), one["reason"]) for one in REFUSED_READINGS.every(Asked(), Look(US, NOW, latest))
    ] == expected
    shown = list_refusals("m")
    assert len({line for _, line, *_ in shown}) == len(shown), "loading again shows a refusal once"
    assert get_load(latest.pk, who=US).rows_refused == len(BAD_ROWS)


def test_refused_rows_of_parquet_files(load: conftest.Load, tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    table = {
        "serial": ["m", "m", "m"],
        "time": ["2026-05-01T00:00:00Z", "x", "2026-05-01T01:00:00Z"],
        "value": [5.0, 6.0, 1e30],
    }
    pq.write_table(pa.table(table), path)
    found = load(path, format="parquet")
    assert refused(found) == [(2, "bad_time", "m x 6.0"), (3, "too_large", "m 2026-05-01T01:00:00Z 1e+30")]


def test_serials_that_are_numbers_in_parquet(load: conftest.Load, tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    pq.write_table(pa.table({"serial": [17, 18], "time": ["2026-05-01T00:00:00Z"] * 2, "value": [5, 6]}), path)
    load(path, format="parquet")
    assert (current("17"), current("18")) == ({"2026-05-01T00:00:00": 5}, {"2026-05-01T00:00:00": 6})


@pytest.mark.timeout(240)
def test_ten_million_bad_rows(load: conftest.Load, tmp_path: Path) -> None:
    rows = 10_000_000
    path = tmp_path / "bad.csv"
    with path.open("wb") as file:
        file.write(HEAD)
        for _ in range(100):
            file.write(b"m,never,1\njunk\n" * (rows // 200))
    found = load(path)
    assert (found.read, found.refused, found.new) == (rows, rows, 0)
    assert found.refused_by_reason == {"bad_time": rows // 2, "columns": rows // 2}
    assert found.refused_file is not None
    with found.refused_file.open("rb") as file:
        assert next(file) == b"line,reason,content\n"
        assert next(file).startswith(b"2,bad_time,")
        file.seek(-200, io.SEEK_END)
        assert file.read().splitlines()[-1].startswith(b"10000001,columns,")
    with get_lake().question() as cursor:
        assert cursor.execute(
            f"SELECT count(*), count(DISTINCT line) FROM read_csv('{found.refused_file}', header = true)"
        ).fetchone() == (rows, rows)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert peak < 2.5 * get_lake().settings.lake_memory_limit_mib, f"{peak:.0f} MiB"


def test_errors_of_the_domain_alone(load: conftest.Load) -> None:
    """Whatever bytes come, a file is read or refused; nothing else is raised."""
    import random

    chance = random.Random(7)
    pieces = [
        b"m",
        b",",
        b"\n",
        b'"',
        b"\r",
        b"\xff",
        b"\xef\xbb\xbf",
        b"5",
        b"2026-05-01T00:00:00Z",
        b"\x1f",
        b";",
        b"\t",
        b"'",
    ]
    for _ in range(12):
        body = HEAD + b"".join(chance.choices(pieces, k=chance.randint(1, 400)))
        try:
            found = load(body)
        except QalaError:
            continue
        assert found.read <= body.count(b"\n")
