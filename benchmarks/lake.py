"""The lake at the size of a city: 35,000 meters, a reading every 15 minutes for 30 days, in order of arrival.

    python benchmarks/lake.py                      100.8 million readings; 10 million beside peers
    python benchmarks/lake.py --scale 0.01 --check   answers only, for CI

Peers are taken where they are installed: PostgreSQL, VictoriaMetrics and InfluxDB as Debian packages it, chDB from PyPI (in
this Python, or in the one that ``QALA_BENCH_CHDB_PYTHON`` names).
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fleet
import peers
from common import (
    Results,
    arguments,
    child,
    folder_bytes,
    open_city,
    peak_mib,
    percentile,
    say,
    timed,
    work_folder,
)

PEER_SHARE = 0.1  # of the readings, beside peers
FLOOR_BYTES, FLOOR_MS, FLOOR_MIB = 2.0, 50.0, 2048.0
DISTRICTS = 8
MONTH_END = fleet.START + timedelta(days=fleet.DAYS)


# Parts: each runs in a process of its own, so that its memory is its own.


def register(count: int) -> dict[str, Any]:
    from qala.city.devices.public import NewDevice, register_devices
    from qala.kernel.access import system
    from qala.kernel.clock import SYSTEM_CLOCK

    devices = [NewDevice(serial=serial, model="demo-water-15") for serial in fleet.serials(count)]
    register_devices(devices, who=system("bench"), now=SYSTEM_CLOCK.now())
    return {"devices": count}


def load(path: str) -> dict[str, Any]:
    """One file by the product's own action, from the request to the last commit."""
    from qala.city.devices.actions import load_readings
    from qala.city.devices.rules import Profile
    from qala.kernel.access import system
    from qala.kernel.lake import get_lake

    get_lake()  # a server holds it open
    form = "parquet" if path.endswith(".parquet") else "csv"
    profile = Profile.model_validate(
        {
            "format": form, "columns": {"serial": "serial", "time": "time", "value": "value"}, "unit": "L",
            "property": "water_volume",
        }
    )  # fmt: skip
    seconds, found = timed(
        lambda: load_readings(path=Path(path), profile=profile, profile_name="bench", who=system("bench"))
    )
    return {
        "seconds": seconds, "read": found.read, "new": found.new, "already_there": found.already_there,
        "refused": found.refused, "peak_mib": peak_mib(), "cpu": time.process_time(),
    }  # fmt: skip


def merge() -> dict[str, Any]:
    from qala.kernel.lake import get_lake, maintain

    get_lake()
    seconds, done = timed(lambda: maintain(keep=timedelta(0), now=datetime.now(UTC) + timedelta(minutes=1)))
    with get_lake().question() as cursor:
        rows = cursor.execute("SELECT count(*) FROM lake.readings").fetchone()
        files = cursor.execute("SELECT data_file FROM ducklake_list_files('lake', 'readings')").fetchall()
    assert rows is not None
    size = sum(os.path.getsize(file) for (file,) in files)
    return {
        "seconds": seconds,
        "merged": done.merged_files,
        "rows": rows[0],
        "bytes": size,
        "files": len(files),
        "peak_mib": peak_mib(),
    }


def measure_days() -> dict[str, Any]:
    """Store what districts used: a value for each of eight districts and thirty days."""
    from qala.kernel import measures
    from qala.kernel.clock import SYSTEM_CLOCK

    values = [
        measures.Value(
            subject=f"district-{district}", period_start=fleet.START + timedelta(days=day), n=4_000, value=1_000.0 + day,
            lower=1_000.0, upper=1_100.0 + day,
        )
        for district in range(DISTRICTS) for day in range(fleet.DAYS)
    ]  # fmt: skip
    written = measures.store(
        "meters.water_m3", grain="day", start=fleet.START, end=MONTH_END, values=values, now=SYSTEM_CLOCK.now()
    )
    return {"written": written}


def ask(times: int, slots: int) -> dict[str, Any]:
    """One meter's month and the city's day, through the functions that pages use."""
    import random

    from qala.city.devices.models import Series
    from qala.city.devices.public import list_readings
    from qala.kernel import measures
    from qala.kernel.lake import get_lake
    from qala.kernel.ranges import TimeRange

    get_lake()
    drawn = random.Random(7)
    everyone = list(Series.objects.values_list("pk", flat=True))
    month = TimeRange(fleet.START, MONTH_END)
    now = datetime.now(UTC)
    taken: dict[str, list[float]] = {"current": [], "as_of": [], "day": []}
    for series in drawn.choices(everyone, k=times):
        for name, instant in (("current", None), ("as_of", now)):
            seconds, rows = timed(
                lambda series=series, instant=instant: list_readings(series, span=month, as_of=instant)
            )
            assert len(rows) == slots, (series, len(rows))
            taken[name].append(1000 * seconds)
    for _ in range(times):
        start = fleet.START + timedelta(days=drawn.randrange(fleet.DAYS))
        seconds, values = timed(
            lambda start=start: measures.ask("meters.water_m3", grain="day", start=start, end=start + timedelta(days=1))
        )
        assert len(values) == DISTRICTS, values
        taken["day"].append(1000 * seconds)
    return {
        **{f"{name}_{share}": percentile(found, share / 100) for name, found in taken.items() for share in (50, 99)},
        "first": taken["current"][0], "peak_mib": peak_mib(),
    }  # fmt: skip


def sums(asked: list[str]) -> dict[str, Any]:
    from qala.city.devices.models import Series
    from qala.city.devices.public import list_readings
    from qala.kernel.ranges import TimeRange

    found = {}
    for serial in asked:
        rows = list_readings(Series.objects.get(device__serial=serial).pk, span=TimeRange(fleet.START, MONTH_END))
        found[serial] = (len(rows), sum(row[1] for row in rows))
    return found


PARTS = {
    "register": lambda more: register(int(more[0])),
    "load": lambda more: load(more[0]),
    "merge": lambda more: merge(),
    "measure": lambda more: measure_days(),
    "ask": lambda more: ask(int(more[0]), int(more[1])),
    "sums": lambda more: sums(more[0].split(",")),
}


def run(part: str, data_dir: Path, *more: object) -> dict[str, Any]:
    return child(Path(__file__), data_dir, part, *map(str, more))


def beside_peers(found: Results, folder: Path, meters: int, slots: int) -> None:
    """The same rows to every system; the floor is the fastest of them by each file format."""
    rows = meters * slots
    words = fleet.serials(meters)
    asked = [words[number * 37 % meters] for number in range(10)]
    parquet, csv, lines = folder / "beside.parquet", folder / "readings.csv", folder / "readings.lines"
    loaded: list[peers.Loaded] = []
    expected: dict[str, tuple[int, int]] = {}
    ours: dict[str, float] = {}
    for form, path in (("Parquet", parquet), ("CSV", csv)):
        city = folder / f"city-{form}"
        run("register", city, meters)
        done = run("load", city, path)
        assert done["new"] == rows and done["refused"] == 0, done
        again = run("load", city, path)
        assert again["new"] == 0 and again["already_there"] == rows, again
        ours[form] = rows / done["seconds"]
        told = {serial: tuple(row) for serial, row in run("sums", city, ",".join(asked)).items()}
        assert not expected or told == expected, "the two files give different readings"
        expected = told
        cpu = f"{done['cpu']:.1f} s of processor with start; again in {again['seconds']:.1f} s, nothing added"
        found.add(
            f"Qala, {rows:,} rows, {form}",
            ours[form] / 1e6,
            "M rows/s",
            note=f"synced to disk, each row looked up; {cpu}",
        )
        shutil.rmtree(city)
    for name, peer in (
        ("chDB", lambda: peers.chdb(folder, parquet, csv, rows, asked)),
        ("VictoriaMetrics", lambda: peers.victoriametrics(folder, csv, rows, asked)),
        ("InfluxDB", lambda: peers.influxdb(folder, lines, rows, asked)),
        ("PostgreSQL", lambda: peers.postgresql(folder, csv, rows, asked)),
    ):
        some = peer()
        some = some if isinstance(some, list) else [some] if some is not None else []
        if not some:
            found.versions[name] = "not installed"
            found.add(f"{name}", None, "M rows/s", note="not installed, skipped")
        for one in some:
            assert one.sums == expected, f"{one.name} answers otherwise: {one.sums} for {expected}"
            found.versions[name] = one.version
            found.add(
                f"{one.name}, {rows:,} rows, {one.form}",
                one.rate / 1e6,
                "M rows/s",
                note=f"{one.durability}; {one.size:.2f} bytes a reading; "
                f"a reading sent twice is {'one' if one.once else 'two'}",
            )
        loaded += some
    if found.arguments.check or not loaded:
        return
    for form, rate in ours.items():
        for one in (one for one in loaded if one.form == form):
            found.add(f"Qala by {form} against {one.name}", rate / one.rate, "×", note="same file")
    for title, among in (
        ("fastest peer that takes a reading sent twice for one", [one for one in loaded if one.once]),
        ("fastest peer of all", loaded),
    ):
        fastest = max(among, key=lambda one: one.rate)
        found.add(
            f"Qala's best file against the best file of the {title}", max(ours.values()) / fastest.rate, "×", floor=1.0,
            more=True, note=f"{fastest.name} by {fastest.form}, {fastest.rate / 1e6:.2f} M rows/s",
        )  # fmt: skip


def full(found: Results, folder: Path, meters: int, slots: int) -> None:
    """All readings: load, merge, ask; memory of each process."""
    rows, city = meters * slots, folder / "city"
    run("register", city, meters)
    done = run("load", city, folder / "all.parquet")
    assert done["new"] == rows and done["refused"] == 0, done
    found.add(
        f"load of {rows:,} readings, Parquet", rows / done["seconds"] / 1e6, "M rows/s", note=f"{done['seconds']:.0f} s"
    )
    before = run("merge", city)
    assert before["rows"] == rows, before
    run("measure", city)
    found.add(
        "merge (whole round of maintenance)",
        before["seconds"],
        "s",
        note=f"{before['merged']} files merged, {before['files']} left",
    )
    found.add(
        "bytes a reading after merging",
        before["bytes"] / rows,
        "B",
        # meters report at whole minutes; random seconds are shown beside: each holds more than a byte of chance alone
        floor=None if found.arguments.check or found.arguments.jitter == "seconds" else FLOOR_BYTES,
    )
    times = 10 if found.arguments.check else 200
    asked = run("ask", city, times, slots)
    floor = None if found.arguments.check else FLOOR_MS
    for name, title in (
        ("current", "one meter's month, current"),
        ("as_of", "one meter's month, as of an instant"),
        ("day", "the city's day by district, from the measure"),
    ):
        found.add(
            f"{title}, p50",
            asked[f"{name}_50"],
            "ms",
            floor=floor,
            note=f"{times} random, first question {asked['first']:.0f} ms" if name == "current" else f"{times} random",
        )
        found.add(f"{title}, p99", asked[f"{name}_99"], "ms")
    for title, part in (("load", done), ("merge", before), ("questions", asked)):
        found.add(
            f"most memory of the {title} process",
            part["peak_mib"],
            "MiB",
            floor=None if found.arguments.check else FLOOR_MIB,
        )
    found.add("data folder", folder_bytes(city) / 2**20, "MiB")


def main() -> None:
    given = arguments(
        __doc__ or "", ("--scale", {"type": float, "default": 1.0, "help": "share of the 35,000 meters"}),
        ("--only", {"choices": ["peers", "full"], "help": "one half of it"}),
        ("--jitter", {"choices": ["minutes", "seconds"], "default": "minutes", "help": "how late a reading may be"}),
    )  # fmt: skip
    meters = max(100, round(fleet.METERS * given.scale))
    slots = fleet.DAYS * 96
    peer_slots = round(slots * PEER_SHARE)
    found = Results("lake", given)
    with work_folder(given) as folder:
        say(f"  writing {meters * slots:,} readings of {meters:,} meters …")
        if given.only != "peers" and not (folder / "all.parquet").exists():  # kept by an earlier run with --work
            fleet.write_files(folder, meters, slots, parquet="all", jitter=given.jitter)
        if given.only != "full":
            fleet.write_files(folder, meters, peer_slots, parquet="beside", text_slots=peer_slots)
            beside_peers(found, folder, meters, peer_slots)
            for path in ("beside.parquet", "readings.csv", "readings.lines"):
                (folder / path).unlink()
        if given.only != "peers":
            full(found, folder, meters, slots)
    found.write()
    if given.check:
        say("  every answer is right")


if __name__ == "__main__":
    if "--part" in sys.argv:
        at = sys.argv.index("--part")
        open_city(Path(os.environ["QALA_DATA_DIR"]))
        print(json.dumps(PARTS[sys.argv[at + 1]](sys.argv[at + 2 :])))
    else:
        main()
