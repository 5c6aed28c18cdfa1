"""The real registers of 92 water meters: nothing lost, nothing added, every hour as an independent recomputation has it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from qala.city.devices.models import Device, Series
from qala.city.devices.public import list_readings
from qala.city.devices.store import export_readings, page_readings
from qala.city.meters.store import export_intervals
from qala.kernel.access import system
from qala.kernel.ranges import TimeRange
from qala.site.pytest_plugin import with_databases

FILE = Path(__file__).resolve().parents[4].parent / "shared" / "data" / "meters" / "daiad_swm_trial_a.zip"
pytestmark = pytest.mark.skipif(not FILE.exists(), reason="../shared/data/meters/daiad_swm_trial_a.zip is missing")
ROWS, METERS = 674_019, 92
HOUR = 3_600_000_000
US = system("test")


@pytest.fixture(scope="module")
def truth() -> pl.DataFrame:
    """(serial, t in UTC microseconds, litres), read by polars: local times of Madrid, the repeated hour by order."""
    with zipfile.ZipFile(FILE) as archive:
        raw = pl.read_csv(archive.read(archive.namelist()[0]), separator=";", infer_schema=False)
    table = raw.select(
        serial=pl.col("user key"),
        wall=pl.col("datetime").str.to_datetime("%d/%m/%Y %H:%M:%S", time_unit="us"),
        litres=pl.col("meter reading").cast(pl.Float64),
    )
    assert (table["litres"] == table["litres"].round()).all()
    assert raw["meter reading"].str.contains("e").any(), "the file has values like 2e+05"
    # the second pass of 30 October 2016, 02:00 to 03:00, begins where a meter's local time does not go on
    change = datetime(2016, 10, 30, 2)
    table = table.with_row_index("line").with_columns(
        repeated=pl.col("wall").is_between(change, change + timedelta(hours=1), closed="left")
    )
    repeated = (
        table.filter("repeated")
        .with_columns(back=(pl.col("wall").diff() <= 0).fill_null(False).cum_max().over("serial", order_by="line"))
        .select("line", "back")
    )
    table = table.join(repeated, on="line", how="left").with_columns(
        t=pl.when(pl.col("back").fill_null(False))
        .then(pl.col("wall").dt.replace_time_zone("Europe/Madrid", ambiguous="latest"))
        .otherwise(pl.col("wall").dt.replace_time_zone("Europe/Madrid", ambiguous="earliest"))
        .dt.convert_time_zone("UTC")
        .dt.epoch("us")
    )
    return table.select("serial", "t", pl.col("litres").cast(pl.Int64)).sort("serial", "t")


@dataclass(frozen=True)
class Loaded:
    folder: Path
    first: dict[str, Any]
    again: dict[str, Any]


def command(folder: Path, *words: str) -> dict[str, Any]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("QALA_")}
    ran = subprocess.run(
        [sys.executable, "-m", "qala", *words, "--json"], env={**kept, "QALA_DATA_DIR": str(folder)}, text=True,
        capture_output=True, timeout=200, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-2000:]
    found: dict[str, Any] = next(line for line in map(json.loads, ran.stdout.splitlines()) if line["event"] == "result")
    return found


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory, lake_tables: None) -> Loaded:
    """The file loaded twice by the command into a folder of its own."""
    folder = with_databases(tmp_path_factory.mktemp("daiad") / "data")
    words = ("load", "readings", str(FILE), "--profile", "daiad")
    return Loaded(folder, command(folder, *words), command(folder, *words))


@pytest.fixture(scope="module")
def exported(loaded: Loaded) -> dict[str, pl.DataFrame]:
    """What the commands export: readings in both forms, and intervals."""
    out = loaded.folder.parent
    for name, form in (("readings", "csv"), ("readings", "parquet"), ("intervals", "parquet")):
        command(loaded.folder, "export", name, str(out / f"{name}.{form}"), "--format", form)
    return {
        "csv": pl.read_csv(out / "readings.csv", infer_schema=False),
        "parquet": pl.read_parquet(out / "readings.parquet"),
        "intervals": pl.read_parquet(out / "intervals.parquet"),
    }


@pytest.mark.timeout(280)
@pytest.mark.usefixtures("lake_tables")
def test_all_is_read_and_again_adds_nothing(loaded: Loaded) -> None:
    first, again = loaded.first, loaded.again
    assert (first["read"], first["new"], first["refused"]) == (ROWS, ROWS, 0)
    assert (first["series"], first["devices_created"]) == (METERS, METERS)
    assert (again["read"], again["new"], again["new_versions"], again["already_there"]) == (ROWS, 0, 0, ROWS)
    assert again["devices_created"] == 0


@pytest.mark.timeout(280)
def test_registers_out_are_registers_in(exported: dict[str, pl.DataFrame], truth: pl.DataFrame) -> None:
    csv = exported["csv"]
    assert set(csv["unit"]) == {"m3"} and set(csv["property"]) == {"water_volume"} and set(csv["version"]) == {"1"}
    read = csv.select(
        "serial",
        t=pl.col("time").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us").dt.epoch("us"),
        litres=(pl.col("value").str.to_decimal(scale=3).cast(pl.Decimal(20, 3)) * 1000).cast(pl.Int64),
    )
    assert read.sort("serial", "t").equals(truth)
    parquet = exported["parquet"]
    assert str(parquet["time"].dtype) == "Datetime(time_unit='us', time_zone='UTC')"
    read = parquet.select("serial", t=pl.col("time").dt.epoch("us"), litres=(pl.col("value") * 1000).cast(pl.Int64))
    assert read.sort("serial", "t").equals(truth)


def hours_of(readings: list[tuple[int, int]]) -> list[tuple[int, int, int, str]]:
    """(start, end, litres, flags) of one meter in plain integers: at most 2 h between, no fall, at most 5 m3 in an hour."""
    known: dict[int, int] = {}
    faults: list[tuple[int, int, set[str]]] = []
    for (t, v), (u, w) in pairwise(readings):
        fault = {"missing"} if u - t > 2 * HOUR else set()
        fault |= {"fall"} if w < v else set()
        fault |= {"jump"} if (w - v) * HOUR > 5000 * max(u - t, HOUR) else set()
        if fault:
            faults.append((t, u, fault))
        for hour in range(-(-t // HOUR) * HOUR, u + 1, HOUR):
            if hour in (t, u):
                known[hour] = v if hour == t else w
            elif not fault:
                known[hour] = v + (2 * (w - v) * (hour - t) + (u - t)) // (2 * (u - t))
    rows, at = [], 0
    for start, end in pairwise(sorted(known)):
        while at < len(faults) and faults[at][1] <= start:
            at += 1
        seen: set[str] = set()
        for low, _, fault in faults[at:]:
            if low >= end:
                break
            seen |= fault
        rows.append(
            (start, end, known[end] - known[start], " ".join(n for n in ("missing", "fall", "jump") if n in seen))
        )
    return rows


@pytest.mark.timeout(280)
def test_every_hour_is_as_recomputed(exported: dict[str, pl.DataFrame], truth: pl.DataFrame) -> None:
    rows = []
    for (serial,), meter in truth.group_by("serial", maintain_order=True):
        rows += [(serial, *row) for row in hours_of(list(meter.select("t", "litres").iter_rows()))]
    wanted = pl.DataFrame(
        rows, schema={"serial": pl.String, "start": pl.Int64, "end": pl.Int64, "litres": pl.Int64, "flags": pl.String},
        orient="row",
    )  # fmt: skip
    found = exported["intervals"].select(
        "serial", start=pl.col("start").dt.epoch("us"), end=pl.col("end").dt.epoch("us"),
        litres=(pl.col("value") * 1000).cast(pl.Int64), flags=pl.col("flags").fill_null(""),
    )  # fmt: skip
    assert found.sort("serial", "start").equals(wanted.sort("serial", "start"))
    for flag in ("missing", "fall", "jump"):
        assert wanted["flags"].str.contains(flag).any(), f"the file has no {flag}: this test shows less than it says"
    quality = exported["intervals"].group_by("quality", "method").len().rows()
    assert {row[:2] for row in quality} == {("A", "interpolated"), ("E", "gap_total"), ("N", "register_fault")}


@pytest.mark.timeout(280)
def test_hourly_sums_telescope_to_register_differences(exported: dict[str, pl.DataFrame], truth: pl.DataFrame) -> None:
    """The first and the last hour's registers, from the readings around them alone."""
    found = exported["intervals"].with_columns(litres=(pl.col("value") * 1000).cast(pl.Int64))
    sums = found.group_by("serial").agg(
        start=pl.col("start").min().dt.epoch("us"), end=pl.col("end").max().dt.epoch("us"), litres=pl.col("litres").sum(),
        gapless=(pl.col("end").sort_by("start").shift().drop_nulls() == pl.col("start").sort_by("start").slice(1)).all(),
    )  # fmt: skip
    assert sums["gapless"].all() and len(sums) == METERS
    for serial, start, end, litres, _ in sums.iter_rows():
        meter = truth.filter(serial=serial)

        def register(hour: int, meter: pl.DataFrame = meter) -> int:
            before, after = meter.filter(pl.col("t") <= hour).row(-1), meter.filter(pl.col("t") >= hour).row(0)
            if before[1] == after[1]:
                return int(before[2])
            dt = after[1] - before[1]
            return int(before[2] + (2 * (after[2] - before[2]) * (hour - before[1]) + dt) // (2 * dt))

        assert litres == register(end) - register(start), serial


@pytest.mark.timeout(280)
@pytest.mark.usefixtures("lake")
@pytest.mark.django_db
def test_by_the_action_itself_and_as_of(truth: pl.DataFrame, tmp_path: Path) -> None:
    from qala.city.devices.actions import load_readings
    from qala.city.devices.store import find_profile
    from qala.city.meters.actions import close
    from qala.kernel.clock import SetClock

    at = datetime(2026, 5, 12, tzinfo=UTC)
    given: dict[str, Any] = {"path": FILE, "profile": find_profile("daiad"), "profile_name": "daiad", "who": US}
    assert load_readings(**given, clock=SetClock(at)).new == ROWS
    assert load_readings(**given, clock=SetClock(at + timedelta(days=1))).already_there == ROWS
    assert Device.objects.count() == METERS
    one = Series.objects.get(device__serial=truth["serial"][0])
    here = truth.filter(serial=truth["serial"][0])
    for as_of, count in ((at - timedelta(seconds=1), 0), (at, len(here)), (None, len(here))):
        assert len(list_readings(one.pk, span=TimeRange(), as_of=as_of)) == count
    assert export_readings(tmp_path / "r.csv", "csv", who=US, span=TimeRange(), as_of=at - timedelta(seconds=1)) == 0
    items, following = page_readings(
        who=US, span=TimeRange(), serial=truth["serial"][0], property=None, as_of=None, after=None, limit=10
    )
    assert [item.value * 1000 for item in items] == here["litres"][:10].to_list() and following is not None
    done = close([one.pk], now=at)
    assert done.written > 5000
    assert close([one.pk], now=at + timedelta(days=1)).written == 0
    assert export_intervals(tmp_path / "i.csv", "csv", who=US, span=TimeRange()) == done.written
