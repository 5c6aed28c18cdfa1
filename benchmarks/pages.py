"""Pages of a running city with the DAIAD meters in it: each from request to last byte, for somebody signed in."""

from __future__ import annotations

import random
import re
from pathlib import Path

from common import ROOT, Results, arguments, percentile, timed, work_folder
from daiad import daiad_file
from signed_in import signed_in_city

from qala.site.testing import Visitor

FLOOR_MS = 200.0
METERS, REQUESTS = 20, 50


def small_file(folder: Path) -> Path:
    """In place of the trial's file where it is not here: 20 meters, 30 days of hours, the same form."""
    path = folder / "meters.csv"
    drawn = random.Random(3)
    with path.open("w") as file:
        file.write("user key;datetime;meter reading;diff\n")
        for meter in range(METERS):
            register = drawn.randrange(100_000)
            for hour in range(720):
                register += drawn.choice((0, 0, 0, 7, 20))
                file.write(f"{meter};{1 + hour // 24:02d}/06/2016 {hour % 24:02d}:{meter:02d}:00;{register};0\n")
    return path


def main() -> None:
    given = arguments(__doc__ or "", ("--scale", {"type": float, "default": 1.0, "help": "share of the requests"}))
    found = Results("pages", given)
    requests = max(3, round(REQUESTS * given.scale))
    with work_folder(given) as folder:
        path = (None if given.check else daiad_file()) or small_file(folder)
        districts = ROOT.parent / "shared" / "data" / "almaty" / "districts.geojson"
        commands = [("load", "readings", str(path), "--profile", "daiad")]
        if districts.is_file():
            commands.append(("load", "places", str(districts)))
        with signed_in_city(folder / "pages", commands) as (_city, visitor):
            what = "DAIAD" if path.suffix == ".zip" else "small file"
            listed = visitor.get("/console/devices/").text
            serials = sorted(set(re.findall(r'/console/devices/([A-Za-z0-9_-]+)/"', listed)))[:METERS]
            assert serials, "no devices are listed"
            drawn = random.Random(5)
            meters = [drawn.choice(serials) for _ in range(requests)]
            pages = {
                "a meter's page": [f"/console/devices/{one}/" for one in meters],
                "a meter's hourly use (asked by its page)": [f"/console/meters/{one}/hourly.json" for one in meters],
                "list of devices": ["/console/devices/"] * requests,
                "home": ["/console/"] * requests,
                "map": ["/console/map/"] * requests,
                "map layer of districts": ["/console/map/layer/places.districts.geojson"] * requests,
            }
            for title, paths in pages.items():
                measure(found, visitor, title, paths, what)
    found.write()


def measure(found: Results, visitor: Visitor, title: str, paths: list[str], what: str) -> None:
    visitor.get(paths[0])  # templates and connections are there after the first
    times, size = [], 0
    for path in paths:
        seconds, answer = timed(lambda path=path: visitor.get(path))
        assert answer.status == 200 and "/login/" not in answer.url, (path, answer.status, answer.url)
        times.append(1000 * seconds)
        size = len(answer.body)
    note = f"{len(paths)} requests, {what}, {size / 1024:.0f} KiB"
    found.add(f"{title}, p50", percentile(times, 0.5), "ms", note=note)
    found.add(f"{title}, p95", percentile(times, 0.95), "ms", floor=None if found.arguments.check else FLOOR_MS)


if __name__ == "__main__":
    main()
