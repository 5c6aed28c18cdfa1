"""A fleet of water meters whose registers go up as households use water: files in order of arrival."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

Jitter = Literal["minutes", "seconds"]
METERS = 35_000
START = datetime(2025, 9, 1, tzinfo=UTC)
SLOT = timedelta(minutes=15)
DAYS = 30
SLOTS_AT_ONCE = 30
# litres a quarter of an hour, as a share of a household's mean, by hour of the day in UTC+5
DAY = np.array([2, 1, 1, 1, 2, 5, 9, 10, 8, 6, 5, 5, 6, 5, 5, 5, 6, 8, 10, 11, 9, 7, 5, 3], dtype=float)


def serials(meters: int) -> list[str]:
    return [f"WM-{number * 7919 % 1_000_003:07d}-{number % 97:02d}" for number in range(meters)]


def batches(meters: int, slots: int, jitter: Jitter = "minutes", seed: int = 20250901) -> Iterator[pa.Table]:
    """Tables (serial, time, value in litres) of the readings as they arrive: slot by slot, within a slot by time.

    Each meter has its own minute of the quarter of an hour; a reading may come a minute late, or (``seconds``) at any
    second of its minute, which nothing can compress.
    """
    rng = np.random.default_rng(seed)
    words = pa.array(serials(meters))
    register = rng.integers(0, 900_000, meters)
    mean = rng.gamma(2.0, 2.2, meters)  # litres a quarter of an hour
    own = rng.integers(0, 14, meters) * 60
    base = int(START.timestamp())
    for first in range(0, slots, SLOTS_AT_ONCE):
        some = range(first, min(first + SLOTS_AT_ONCE, slots))
        times, values, owners = [], [], []
        for slot in some:
            hour = (slot // 4 + 5) % 24
            share = DAY[hour] / DAY.mean()
            runs = rng.random(meters) < 0.25 * share  # most quarters of an hour nobody opens a tap
            register = register + np.where(runs, rng.poisson(mean * 4), 0)
            late = rng.integers(0, 60, meters) if jitter == "seconds" else 60 * (rng.random(meters) < 0.2)
            time = own + late
            order = np.argsort(time, kind="stable")
            times.append((base + slot * 900 + time)[order])
            values.append(register[order])
            owners.append(order)
        yield pa.table(
            {
                "serial": words.take(pa.array(np.concatenate(owners))),
                "time": pa.array(np.concatenate(times) * 1000, pa.timestamp("ms", tz="UTC")),
                "value": pa.array(np.concatenate(values), pa.int64()),
            }
        )


def write_files(
    folder: Path, meters: int, slots: int, *, parquet: str, text_slots: int = 0, jitter: Jitter = "minutes"
) -> None:
    """Write ``slots`` of readings as Parquet, and the first ``text_slots`` as CSV and as line protocol.

    Files: ``<parquet>.parquet``, ``readings.csv`` (RFC 3339 times, header), ``readings.lines`` (seconds).
    """
    parquet_file = csv_file = None
    with (folder / "readings.lines").open("wb") as lines:
        left = text_slots * meters
        for batch in batches(meters, slots, jitter):
            if parquet_file is None:
                parquet_file = pq.ParquetWriter(folder / f"{parquet}.parquet", batch.schema, compression="zstd")
            parquet_file.write_table(batch)
            if left > 0:
                some = batch.slice(0, left)
                left -= some.num_rows
                seconds = some["time"].cast(pa.timestamp("s", tz="UTC"))
                text = some.set_column(1, "time", pc.strftime(seconds, format="%Y-%m-%dT%H:%M:%SZ"))
                if csv_file is None:
                    csv_file = pa_csv.CSVWriter(
                        folder / "readings.csv", text.schema, write_options=pa_csv.WriteOptions(quoting_style="none")
                    )
                csv_file.write_table(text)
                epoch = seconds.cast(pa.int64()).cast(pa.string())
                joined = pc.binary_join_element_wise(
                    "r,s=", some["serial"], " v=", some["value"].cast(pa.string()), "i ", epoch, "\n", ""
                )
                lines.write("".join(joined.to_pylist()).encode())
    for file in (parquet_file, csv_file):
        if file is not None:
            file.close()
