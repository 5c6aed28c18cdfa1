"""What tests look at: readings and refused rows as they lie in the data folder."""

from __future__ import annotations

import csv
from datetime import UTC, datetime

from qala.city.devices.actions import Summary
from qala.city.devices.models import Series
from qala.city.devices.store import list_readings, list_versions
from qala.kernel.ranges import TimeRange


def series_of(serial: str, property: str | None = None) -> int:
    found = Series.objects.filter(device__serial=serial)
    return int((found.filter(property=property) if property else found).get().pk)


def current(serial: str, *, as_of: datetime | None = None) -> dict[str, int]:
    """Time (UTC, RFC 3339 to the second) → value in the last digit."""
    rows = list_readings(series_of(serial), span=TimeRange(), as_of=as_of)
    return {row[0].strftime("%Y-%m-%dT%H:%M:%S"): row[1] for row in rows}


def versions(serial: str, at: str) -> list[int]:
    """Values of all versions of a reading, first received first."""
    one = (series_of(serial), datetime.fromisoformat(at).replace(tzinfo=UTC))
    return [row[0] for row in list_versions([one])[one]]


def refused(summary: Summary) -> list[tuple[int, str, str]]:
    """(line, reason, content) of every refused row in the refused file."""
    if summary.refused_file is None:
        return []
    with summary.refused_file.open(encoding="utf-8", newline="") as file:
        return [(int(row["line"]), row["reason"], row["content"]) for row in csv.DictReader(file)]


def reasons(summary: Summary) -> list[tuple[int, str]]:
    return [(line, reason) for line, reason, _ in refused(summary)]
