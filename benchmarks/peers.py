"""Databases to stand beside: each is started on free ports in a folder of its own, given the same rows, and asked the same.

Every peer gets its own best file format and keeps the serial as text; none looks whether a reading is there already but
PostgreSQL, whose key refuses it.
"""

from __future__ import annotations

import getpass
import http.client
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import folder_bytes, timed

CHUNK = 8 << 20


@dataclass
class Loaded:
    """What a peer did with the rows.

    Args:
        form: file format that it was given.
        rate: rows a second from request to answer.
        size: bytes a reading on disk afterwards.
        sums: (rows, sum of values) by serial, for the asked serials.
        durability: what holds when it answers.
        once: whether a reading that is sent twice is one, at the latest after its merges.
    """

    name: str
    version: str
    form: str
    rows: int
    rate: float
    size: float
    sums: dict[str, tuple[int, int]]
    durability: str
    once: bool = True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def package_version(package: str) -> str:
    """Version and date of an installed Debian package, as its changelog tells."""
    found = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True, check=False
    )
    version = found.stdout.strip() or "?"
    for name in ("changelog.Debian.gz", "changelog.gz", "changelog.Debian.amd64.gz"):
        path = Path("/usr/share/doc") / package / name
        if path.is_file():
            told = subprocess.run(
                ["dpkg-parsechangelog", "-l", str(path), "-S", "Date"], capture_output=True, text=True, check=False
            ).stdout.strip()
            if told:
                return f"{version} ({told})"
            import gzip

            for line in gzip.decompress(path.read_bytes()).decode(errors="replace").splitlines():
                if line.startswith(" -- "):
                    return f"{version} ({line.rsplit('  ', 1)[-1].strip()})"
    return version


def running(command: list[str], folder: Path, ready: Any, seconds: float = 60) -> subprocess.Popen[bytes]:
    """Start a server and wait until ``ready()`` holds."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    deadline = time.monotonic() + seconds
    while True:
        try:
            if ready():
                return process
        except OSError:
            pass
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"{command[0]} did not start:\n{(folder / 'log').read_text(errors='replace')[-2000:]}")
        time.sleep(0.1)


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as found:
            return bool(found.status < 500)
    except urllib.error.HTTPError as error:
        return error.code < 500


def chunks(path: Path, size: int = CHUNK) -> Iterator[bytes]:
    """A text file in pieces of whole lines."""
    with path.open("rb") as file:
        left = b""
        while piece := file.read(size):
            cut = piece.rfind(b"\n") + 1
            yield left + piece[:cut]
            left = piece[cut:]
        if left:
            yield left


def post_all(port: int, target: str, pieces: Iterator[bytes], workers: int = 2) -> None:
    """Send pieces by a few connections at once."""

    def send(body: bytes) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
        connection.request("POST", target, body)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if answer.status >= 300:
            raise SystemExit(f"{target} answered {answer.status}: {text[:300]!r}")

    with ThreadPoolExecutor(workers) as pool:
        waiting: list[Any] = []
        for piece in pieces:
            waiting.append(pool.submit(send, piece))
            if len(waiting) >= 2 * workers:
                waiting.pop(0).result()
        for one in waiting:
            one.result()


def postgresql(folder: Path, csv: Path, rows: int, asked: list[str]) -> Loaded | None:
    """COPY of the CSV file into a table with the key (serial, t)."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        return None
    bin_dir, home, port = found[-1].parent, folder / "postgresql", free_port()
    home.mkdir()
    prefix: list[str] = []
    if os.geteuid() == 0:
        shutil.chown(home, "postgres")
        prefix = ["runuser", "-u", "postgres", "--"]
    user = "postgres" if prefix else getpass.getuser()
    data = home / "data"
    subprocess.run(
        [*prefix, str(bin_dir / "initdb"), "-D", str(data), "-A", "trust", "-U", user, "-E", "UTF8", "--locale=C"],
        check=True, capture_output=True, cwd=home,
    )  # fmt: skip

    def ready() -> bool:
        return (
            subprocess.run(
                [str(bin_dir / "pg_isready"), "-h", str(home), "-p", str(port)], capture_output=True
            ).returncode
            == 0
        )

    settings = ("shared_buffers=512MB", "max_wal_size=4GB", "maintenance_work_mem=512MB", "listen_addresses=")
    server = running(
        [*prefix, str(bin_dir / "postgres"), "-D", str(data), "-p", str(port), "-k", str(home),
         *(part for one in settings for part in ("-c", one))],
        home, ready,
    )  # fmt: skip

    def sql(statement: str) -> list[str]:
        done = subprocess.run(
            [*prefix, "psql", "-h", str(home), "-p", str(port), "-U", user, "-d", "postgres", "-AtX", "-v", "ON_ERROR_STOP=1",
             "-c", statement],
            capture_output=True, text=True, check=True, cwd=home,
        )  # fmt: skip
        return done.stdout.splitlines()

    try:
        sql("CREATE TABLE readings (serial text, t timestamptz, value bigint, PRIMARY KEY (serial, t))")
        seconds, _ = timed(lambda: sql(f"COPY readings FROM '{csv}' (FORMAT csv, HEADER)"))
        stored = int(sql("SELECT count(*) FROM readings")[0])
        size = int(sql("SELECT pg_total_relation_size('readings')")[0]) / stored
        inside = ", ".join(f"'{one}'" for one in asked)
        sums = {
            row.split("|")[0]: (int(row.split("|")[1]), int(row.split("|")[2]))
            for row in sql(
                f"SELECT serial, count(*), sum(value) FROM readings WHERE serial IN ({inside}) GROUP BY serial"
            )
        }
    finally:
        if prefix:  # the server is a child of runuser, which hands the signal on
            subprocess.run(
                [*prefix, str(bin_dir / "pg_ctl"), "-D", str(data), "stop", "-m", "fast"], capture_output=True, cwd=home
            )
        stop(server)
    assert stored == rows, (stored, rows)
    version = package_version(f"postgresql-{bin_dir.parent.name}")
    return Loaded(
        "PostgreSQL", version, "CSV", rows, rows / seconds, size, sums, "fsync on, synchronous_commit on, key checked"
    )


def victoriametrics(folder: Path, csv: Path, rows: int, asked: list[str]) -> Loaded | None:
    """Its CSV import over two connections."""
    program = shutil.which("victoria-metrics")
    if program is None:
        return None
    home, port = folder / "victoria", free_port()
    home.mkdir()
    server = running(
        [program, f"-storageDataPath={home / 'data'}", f"-httpListenAddr=127.0.0.1:{port}", "-retentionPeriod=100y",
         "-search.maxUniqueTimeseries=10000000", "-memory.allowedPercent=40", "-search.latencyOffset=0s"],
        home, lambda: answers(f"http://127.0.0.1:{port}/health"),
    )  # fmt: skip
    base = f"http://127.0.0.1:{port}"

    def ask(query: str, at: int) -> list[Any]:
        where = f"{base}/api/v1/query?{urllib.parse.urlencode({'query': query, 'time': at, 'nocache': 1})}"
        with urllib.request.urlopen(where, timeout=300) as found:
            return list(json.load(found)["data"]["result"])

    def pieces() -> Iterator[bytes]:
        for number, piece in enumerate(chunks(csv)):
            yield piece if number else piece[piece.index(b"\n") + 1 :]

    try:
        target = "/api/v1/import/csv?" + urllib.parse.urlencode({"format": "1:label:serial,2:time:rfc3339,3:metric:v"})

        def load() -> None:
            post_all(port, target, pieces())
            urllib.request.urlopen(f"{base}/internal/force_flush", timeout=300).read()

        seconds, _ = timed(load)
        at = 1759276800  # after the last reading
        stored = int(float(ask("sum(count_over_time(v[60d]))", at)[0]["value"][1]))
        pattern = "|".join(asked)
        counts = {
            one["metric"]["serial"]: int(float(one["value"][1]))
            for one in ask(f'count_over_time(v{{serial=~"{pattern}"}}[60d])', at)
        }
        sums = {
            one["metric"]["serial"]: int(float(one["value"][1]))
            for one in ask(f'sum_over_time(v{{serial=~"{pattern}"}}[60d])', at)
        }
        urllib.request.urlopen(f"{base}/internal/force_merge", timeout=300).read()
        time.sleep(5)
    finally:
        stop(server)
    assert stored == rows, (stored, rows)
    size = folder_bytes(home / "data") / rows
    return Loaded(
        "VictoriaMetrics", package_version("victoria-metrics"), "CSV", rows, rows / seconds, size,
        {one: (counts[one], sums[one]) for one in counts}, "flushed at the end; no log: the last second is lost with the power",
        once=False,
    )  # fmt: skip


def influxdb(folder: Path, lines: Path, rows: int, asked: list[str]) -> Loaded | None:
    """Line protocol over two connections."""
    program = shutil.which("influxd")
    if program is None:
        return None
    home, port, bind = folder / "influx", free_port(), free_port()
    home.mkdir()
    (home / "influx.conf").write_text(
        f'reporting-disabled = true\nbind-address = "127.0.0.1:{bind}"\n[meta]\ndir = "{home}/meta"\n'
        f'[data]\ndir = "{home}/data"\nwal-dir = "{home}/wal"\nindex-version = "tsi1"\nquery-log-enabled = false\n'
        f"max-series-per-database = 0\nmax-values-per-tag = 0\n"
        f'[http]\nbind-address = "127.0.0.1:{port}"\nlog-enabled = false\nmax-body-size = 0\n[ifql]\nenabled = false\n'
    )
    server = running(
        [program, "-config", str(home / "influx.conf")], home, lambda: answers(f"http://127.0.0.1:{port}/ping")
    )

    def ask(query: str, method: str = "GET") -> Any:
        where = f"http://127.0.0.1:{port}/query?{urllib.parse.urlencode({'q': query, 'db': 'b', 'epoch': 's'})}"
        with urllib.request.urlopen(urllib.request.Request(where, method=method), timeout=600) as found:
            return json.load(found)["results"][0]

    try:
        ask('CREATE DATABASE "b"', "POST")
        seconds, _ = timed(lambda: post_all(port, "/write?db=b&precision=s", chunks(lines, 1 << 20)))
        sums, stored = {}, 0
        for serial in asked:
            row = ask(f"SELECT count(v), sum(v) FROM r WHERE s = '{serial}'")["series"][0]["values"][0]
            sums[serial] = (int(row[1]), int(row[2]))
        stored = int(ask("SELECT count(v) FROM r")["series"][0]["values"][0][1])
    finally:
        stop(server)
    assert stored == rows, (stored, rows)
    size = (folder_bytes(home / "data") + folder_bytes(home / "wal")) / rows
    return Loaded(
        "InfluxDB", package_version("influxdb"), "line protocol", rows, rows / seconds, size, sums,
        "its log is synced at each write; not yet fully compacted when measured",
    )  # fmt: skip


def chdb(folder: Path, parquet: Path, csv: Path, rows: int, asked: list[str]) -> list[Loaded]:
    """INSERT … FROM file into MergeTree tables, from Parquet and from CSV, serial as text and resolved by a join."""
    python = os.environ.get("QALA_BENCH_CHDB_PYTHON")
    if python is None:
        if importlib.util.find_spec("chdb") is None:
            return []
        python = sys.executable
    home = folder / "chdb"
    done = subprocess.run(
        [python, str(Path(__file__).with_name("peer_chdb.py")), str(home), str(parquet), str(csv), ",".join(asked)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"chDB failed:\n{done.stderr[-3000:]}")
    told = json.loads(done.stdout.strip().splitlines()[-1])
    found = []
    for one in told["loads"]:
        assert one["rows"] == rows, (one, rows)
        sums = {serial: (int(row[0]), int(row[1])) for serial, row in one["sums"].items()}
        found.append(
            Loaded(
                f"chDB, {one['table']}",
                told["version"],
                one["form"],
                rows,
                rows / one["seconds"],
                one["bytes"] / rows,
                sums,
                "fsync_after_insert, fsync_part_directory",
                once=one["table"].startswith("Replacing"),
            )
        )
    return found
