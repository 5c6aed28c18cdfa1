"""A million points to their districts.

On the real districts of a city where they are (``QALA_BENCH_DISTRICTS``, or ``../shared/data/almaty/``), else on the
schematic ones of the demonstration.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from common import ROOT, Results, arguments, open_city, timed, work_folder

FLOOR_S = 5.0


def main() -> None:
    given = arguments(__doc__ or "", ("--scale", {"type": float, "default": 1.0, "help": "share of a million points"}))
    found = Results("locate", given)
    points = max(1_000, round(1_000_000 * given.scale))
    named = os.environ.get("QALA_BENCH_DISTRICTS")
    path = Path(named) if named else ROOT.parent / "shared" / "data" / "almaty" / "districts.geojson"
    with work_folder(given) as folder:
        open_city(folder / "places")
        import numpy as np
        import shapely

        from qala.city.places.public import borders, load_places, locate_points, read_features
        from qala.kernel import console
        from qala.kernel.access import system

        who, now = system("bench"), datetime.now(UTC)
        if path.is_file():
            collection = read_features(path.read_bytes(), kind="district")
            load_places(collection=collection, kind="district", who=who, now=now)
            where = "real districts"
        else:
            from qala.city.places import demo

            with console.progress("districts") as progress:
                demo.load(who=who, now=now, progress=progress)
            where = "schematic districts"
        shapes = borders("district", at=now)
        assert shapes.areas, "no districts"
        drawn = np.random.default_rng(5)
        west, south, east, north = shapely.total_bounds(shapes.areas)
        lon, lat = drawn.uniform(west, east, points), drawn.uniform(south, north, points)
        cold, _ = timed(lambda: locate_points(lon[:10], lat[:10], at=now))
        seconds, places = timed(lambda: locate_points(lon, lat, at=now))
        some = slice(0, 2_000)
        for x, y, place in zip(lon[some], lat[some], places[some], strict=True):
            inside = {shapes.ids[n] for n in range(len(shapes.areas)) if shapely.intersects_xy(shapes.areas[n], x, y)}
            assert (place in inside) if inside else place is None, (x, y, place, inside)
        share = sum(place is not None for place in places) / points
        found.add(
            f"point → place, {points:,} points, {where}", seconds, "s", floor=None if given.check else FLOOR_S,
            note=f"{len(shapes.areas)} districts, {share:.0%} of the points inside one; first question {1000 * cold:.0f} ms",
        )  # fmt: skip
    found.write()


if __name__ == "__main__":
    main()
