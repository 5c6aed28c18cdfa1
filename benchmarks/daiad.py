"""A real file through the command line: 674,019 hourly registers of 92 water meters (DAIAD trial A).

The file is not part of this repository: name it with ``QALA_BENCH_DAIAD``, or have it in ``../shared/data/meters/``.
"""

from __future__ import annotations

import bisect
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from common import ROOT, Results, arguments, environment, open_city, timed, work_folder

ROWS = 674_019
FLOOR_FIRST, FLOOR_AGAIN = 20.0, 5.0


def daiad_file() -> Path | None:
    named = os.environ.get("QALA_BENCH_DAIAD")
    path = Path(named) if named else ROOT.parent / "shared" / "data" / "meters" / "daiad_swm_trial_a.zip"
    return path if path.is_file() else None


def load(path: Path, city: Path) -> dict[str, Any]:
    """``qala load readings`` as a person types it; what it says at the end."""
    done = subprocess.run(
        [sys.executable, "-m", "qala", "load", "readings", str(path), "--profile", "daiad", "--json", "--data-dir", str(city)],
        env=environment(city), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"qala load readings failed:\n{done.stdout[-1000:]}{done.stderr[-3000:]}")
    for line in reversed(done.stdout.splitlines()):
        told: dict[str, Any] = json.loads(line)
        if "read" in told:
            return told
    raise SystemExit(f"qala load readings says nothing of rows:\n{done.stdout[-1000:]}")


def telescopes() -> tuple[int, int]:
    """(meters, hours): the hourly uses of every meter lie end to end and add up to what its register moved from the first
    hour to the last, in whole litres; the register at these two hours is interpolated here anew."""
    from qala.kernel.lake import get_lake

    with get_lake().question() as cursor:
        spans = cursor.execute(
            """SELECT series, min(epoch_us(start_at)), max(epoch_us(end_at)), sum(epoch_us(end_at) - epoch_us(start_at)), sum(value),
                      count(*)
               FROM (SELECT series, start_at, arg_max(end_at, computed_at) AS end_at, arg_max(value, computed_at) AS value,
                            arg_max(method, computed_at) AS method
                     FROM lake.intervals GROUP BY series, start_at)
               WHERE method <> 'withdrawn' GROUP BY series"""
        ).fetchall()
        hours = 0
        for series, first, last, covered, used, count in spans:
            rows = cursor.execute(
                """SELECT epoch_us(t), arg_max(value, received_at) FROM lake.readings WHERE series = ? GROUP BY t ORDER BY t""",
                [series],
            ).fetchall()
            moved = register_at(rows, last) - register_at(rows, first)
            assert covered == last - first, f"series {series}: hours are missing or overlap"
            assert used == moved, f"series {series}: its hours add up to {used}, its register moved {moved}"
            hours += count
    return len(spans), hours


def register_at(rows: list[tuple[int, int]], at: int) -> int:
    """The register at an instant, on the line between the readings around it, rounded half up."""
    after = bisect.bisect_left(rows, (at,))
    if rows[after][0] == at:
        return rows[after][1]
    (t, value), (t_next, value_next) = rows[after - 1], rows[after]
    return value + (2 * (value_next - value) * (at - t) + (t_next - t)) // (2 * (t_next - t))


def main() -> None:
    given = arguments(
        __doc__ or "", ("--scale", {"type": float, "default": 1.0, "help": "has no part here: the file is what it is"})
    )
    found = Results("daiad", given)
    path = daiad_file()
    if path is None:
        found.add("load of the DAIAD file", None, "s", note="the file is not here, skipped")
        found.write()
        return
    floors = (None, None) if given.check else (FLOOR_FIRST, FLOOR_AGAIN)
    with work_folder(given) as folder:
        city = folder / "daiad"
        first, told = timed(lambda: load(path, city))
        assert told["read"] == ROWS, told
        found.add(
            "load of the DAIAD file with all that follows from it",
            first,
            "s",
            floor=floors[0],
            note=f"whole command, {told['new']:,} new, {told['refused']:,} refused",
        )
        again, second = timed(lambda: load(path, city))
        assert second["new"] == 0 and second["new_versions"] == 0, second
        found.add(
            "loaded again",
            again,
            "s",
            floor=floors[1],
            note=f"whole command, {second['already_there']:,} there already, nothing added",
        )
        open_city(city)
        meters, hours = telescopes()
        found.add(
            "meters whose hours add up to what the register moved",
            meters,
            "meters",
            note=f"all of them; {hours:,} hours, exactly",
        )
    found.write()


if __name__ == "__main__":
    main()
