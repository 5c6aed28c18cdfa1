"""chDB's part of ``lake.py``: may run under another Python. Arguments: folder, Parquet file, CSV file, serials."""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path

import chdb
from chdb import session

home, parquet, csv, asked = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4].split(",")
shutil.rmtree(home, ignore_errors=True)
held = session.Session(home)
held.query("CREATE DATABASE b")
CODECS = "t DateTime64(3) CODEC(DoubleDelta, ZSTD(1)), value Int64 CODEC(Delta, ZSTD(1)), received DateTime64(6) DEFAULT now64(6)"
SYNCED = "PARTITION BY toYYYYMM(t) SETTINGS fsync_after_insert = 1, fsync_part_directory = 1"
SOURCES = {
    "Parquet": f"file('{parquet}', 'Parquet', 'serial String, time DateTime64(3), value Int64')",
    "CSV": f"file('{csv}', 'CSVWithNames', 'serial String, time DateTime64(3), value Int64')",
}
inside = ", ".join(f"'{one}'" for one in asked)
held.query("CREATE TABLE b.meters (serial String, series UInt32) ENGINE = MergeTree ORDER BY serial")
held.query(
    f"INSERT INTO b.meters SELECT serial, row_number() OVER (ORDER BY serial) FROM (SELECT DISTINCT serial FROM {SOURCES['Parquet']})"
)
TABLES = {
    "ReplacingMergeTree by serial": (
        f"(serial LowCardinality(String), {CODECS}) ENGINE = ReplacingMergeTree ORDER BY (serial, t)",
        "(serial, t, value) SELECT serial, time, value FROM {source}",
        f"SELECT serial, count(), sum(value) FROM {{table}} WHERE serial IN ({inside}) GROUP BY serial",
    ),
    "MergeTree by series, joined": (
        f"(series UInt32, {CODECS}) ENGINE = MergeTree ORDER BY (series, t)",
        "(series, t, value) SELECT series, time, value FROM (SELECT serial AS word, time, value FROM {source}) AS f"
        " JOIN b.meters AS m ON m.serial = f.word",
        f"SELECT m.serial, count(), sum(value) FROM {{table}} AS r JOIN b.meters AS m ON m.series = r.series"
        f" WHERE m.serial IN ({inside}) GROUP BY m.serial",
    ),
}
loads = []
for form, source in SOURCES.items():
    for title, (columns, insert, question) in TABLES.items():
        held.query(f"CREATE TABLE b.r {columns} {SYNCED}")
        began = time.perf_counter()
        held.query(f"INSERT INTO b.r {insert.format(source=source)} SETTINGS date_time_input_format = 'best_effort'")
        seconds = time.perf_counter() - began
        rows = int(str(held.query("SELECT count() FROM b.r")).strip())
        sums = {}
        for line in str(held.query(question.format(table="b.r"), "TabSeparated")).strip().splitlines():
            serial, count, total = line.split("\t")
            sums[serial] = (int(count), int(total))
        held.query("OPTIMIZE TABLE b.r FINAL")
        size = int(
            str(
                held.query(
                    "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = 'b' AND table = 'r'"
                )
            ).strip()
        )
        loads.append({"table": title, "form": form, "seconds": seconds, "rows": rows, "bytes": size, "sums": sums})
        held.query("DROP TABLE b.r SYNC")
version = str(held.query("SELECT version()")).strip().strip('"')
held.close()
shutil.rmtree(home, ignore_errors=True)
print(
    json.dumps(
        {"version": f"{chdb.__version__} (ClickHouse {version})", "loads": loads, "python": Path(sys.executable).name}
    )
)
