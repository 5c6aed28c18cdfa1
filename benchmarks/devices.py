"""A file of 100,000 meters into an empty city, then again, then with another multiplier in every hundredth row."""

from __future__ import annotations

import csv
import time
from datetime import UTC, datetime
from pathlib import Path

from common import Results, arguments, open_city, peak_mib, timed, work_folder
from fleet import serials

FLOOR_S = 30.0
COLUMNS = ("serial", "model", "owner", "lon", "lat", "digits", "multiplier", "installed_on", "meter_point", "address")


def write(path: Path, points: list[tuple[float, float]], every: int = 0) -> None:
    """A file of one meter a point; each ``every``-th has another multiplier than 1."""
    with path.open("w", encoding="utf-8", newline="") as file:
        written = csv.writer(file)
        written.writerow(COLUMNS)
        for number, (serial, (lon, lat)) in enumerate(zip(serials(len(points)), points, strict=True)):
            multiplier = "1.5" if every and number % every == 0 else "1"
            written.writerow(
                [serial, "demo-water-15", "water", f"{lon:.6f}", f"{lat:.6f}", 8, multiplier, "2025-03-01", f"MP-{number}", f"Street {number % 900}, {number % 90}"]
            )  # fmt: skip


def main() -> None:
    given = arguments(__doc__ or "", ("--scale", {"type": float, "default": 1.0, "help": "share of 100,000 meters"}))
    found = Results("devices", given)
    count = max(500, round(100_000 * given.scale))
    with work_folder(given) as folder:
        open_city(folder / "city")
        import numpy as np

        from qala.city.devices.actions import load_devices
        from qala.city.devices.public import Device
        from qala.city.people.public import create_organisation
        from qala.city.places import demo
        from qala.city.places.public import list_places, random_points_in
        from qala.kernel import console
        from qala.kernel.access import system

        who, now = system("bench"), datetime.now(UTC)
        create_organisation(who=who, now=now, code="water", kind="utility", name_en="Water")
        with console.progress("districts") as progress:
            demo.load(who=who, now=now, progress=progress)
        drawn = np.random.default_rng(3)
        places = list_places("district", who=who)
        points: list[tuple[float, float]] = []
        for number, place in enumerate(places):
            share = count // len(places) + (number < count % len(places))
            lon, lat = random_points_in(place.code, share, drawn, at=now)
            points += zip(np.round(lon, 6).tolist(), np.round(lat, 6).tolist(), strict=True)
        first, third = folder / "devices.csv", folder / "changed.csv"
        write(first, points)
        write(third, points, every=100)
        floor = None if given.check else FLOOR_S
        # a point that was rounded over the city's border is refused, as it should be
        for claim, path in (("new", first), ("again", first), ("1 % changed", third)):
            spent = time.process_time()
            seconds, done = timed(
                lambda path=path: load_devices(path=path, name=path.name, who=who, now=now, keep_good=True)
            )
            spent = time.process_time() - spent
            good = done.read - done.refused
            assert done.refused <= count // 1000, done.refused_by_reason
            expected = {"new": (good, 0), "again": (0, 0), "1 % changed": (0, done.changed)}[claim]
            assert (done.new, done.changed) == expected and Device.objects.count() == good, done
            found.add(
                f"file of {count:,} devices, {claim}", seconds, "s", floor=floor,
                note=f"{done.new:,} new, {done.changed:,} changed, {done.unchanged:,} as they were; {spent:.1f} s of one core; {peak_mib():.0f} MiB at most",
            )  # fmt: skip
    found.write()


if __name__ == "__main__":
    main()
