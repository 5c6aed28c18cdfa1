"""Pages a second of the web process, alone and with 200 event streams open beside it.

Pages in threads and streams in an event loop share one port: streams must not starve pages.
"""

from __future__ import annotations

import http.client
import re
import threading
import time
from urllib.parse import urlsplit

from common import Results, arguments, percentile, work_folder
from signed_in import signed_in_city

from qala.site.testing import RunningCity, open_stream, read_until

STREAMS = 200
SECONDS = 8.0
CLIENTS = 4
PATH = "/robots.txt"


def rate(address: str, path: str, cookie: str, seconds: float) -> tuple[float, list[float]]:
    """Requests a second by a few clients that keep their connection, and the time of each."""
    where = urlsplit(address)
    times: list[list[float]] = [[] for _ in range(CLIENTS)]
    end = time.monotonic() + seconds

    def run(mine: list[float]) -> None:
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
        while time.monotonic() < end:
            began = time.perf_counter()
            connection.request("GET", path, headers={"Cookie": cookie, "Host": "localhost"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, (path, answer.status)
            mine.append(time.perf_counter() - began)
        connection.close()

    began = time.monotonic()
    clients = [threading.Thread(target=run, args=(mine,)) for mine in times]
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    everything = [one for mine in times for one in mine]
    return len(everything) / (time.monotonic() - began), everything


def main() -> None:
    given = arguments(__doc__ or "", ("--scale", {"type": float, "default": 1.0, "help": "share of the streams"}))
    found = Results("web", given)
    streams = max(10, round(STREAMS * given.scale))
    seconds = 1.0 if given.check else SECONDS
    with work_folder(given) as folder:
        file = folder / "readings.csv"
        file.write_text("serial,property,time,value,unit,quality\nNONE,water_volume,2025-01-01T00:00:00Z,1,L,A\n")
        with signed_in_city(folder / "web", [("load", "readings", str(file), "--profile", "qala")]) as (city, visitor):
            key = re.findall(r"/console/loads/([0-9a-f-]{36})/", visitor.get("/console/loads/").text)[0]
            stopped = measure(found, city, visitor.cookie_header(), f"/sse/load/{key}", streams, seconds)
        found.add(f"stopping with {streams} streams open", stopped, "s", floor=None if given.check else 10.0)
    found.write()


def measure(found: Results, city: RunningCity, cookie: str, stream: str, streams: int, seconds: float) -> float:
    """Seconds that stopping the city took with all streams open."""
    rate(city.address, PATH, cookie, 0.5)
    alone, times = rate(city.address, PATH, cookie, seconds)
    note = f"GET {PATH} by {CLIENTS} clients on the same cores, p99 {1000 * percentile(times, 0.99):.0f} ms"
    found.add("requests a second, no streams", alone, "1/s", note=note)
    opened = [open_stream(city, stream, cookie) for _ in range(streams)]
    for one in opened:
        read_until(one, b"200 OK")
    beside, times = rate(city.address, PATH, cookie, seconds)
    note = f"p99 {1000 * percentile(times, 0.99):.0f} ms, {beside / alone:.0%} of those without streams"
    found.add(f"requests a second beside {streams} open event streams", beside, "1/s", note=note)
    return city.stop()


if __name__ == "__main__":
    main()
