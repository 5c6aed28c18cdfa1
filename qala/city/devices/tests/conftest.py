from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from qala.city.devices.actions import Summary, load_readings
from qala.city.devices.rules import Profile
from qala.kernel.access import Who, system
from qala.kernel.clock import SetClock
from qala.kernel.lake import Lake

US = system("test")
NOW = datetime(2026, 5, 12, 6, 0, tzinfo=UTC)
COLUMNS = {"serial": "serial", "time": "time", "value": "value"}
# litres of water meters that are made as they come
PLAIN: dict[str, Any] = {"columns": COLUMNS, "unit": "L", "unknown": "create", "model": "daiad-swm"}


def profile_of(**changes: Any) -> Profile:
    return Profile.model_validate({**PLAIN, **changes})


Load = Callable[..., Summary]


@pytest.fixture
def load(db: None, lake: Lake, tmp_path: Path) -> Load:
    """Load text, bytes or a file by a profile that is ``PLAIN`` with changes; returns the summary."""

    def load_it(
        given: str | bytes | Path, *, who: Who = US, at: datetime = NOW, dry_run: bool = False, name: str = "readings.csv",
        **changes: Any,
    ) -> Summary:  # fmt: skip
        path = given if isinstance(given, Path) else tmp_path / name
        if isinstance(given, str):
            given = f"serial,time,value\n{given}"
        if not isinstance(given, Path):
            path.write_bytes(given.encode() if isinstance(given, str) else given)
        found = load_readings(
            path=path, profile=profile_of(**changes), profile_name="test", who=who, clock=SetClock(at), dry_run=dry_run
        )
        assert found.read == found.new + found.new_versions + found.already_there + found.refused
        assert found.refused == sum(found.refused_by_reason.values())
        return found

    return load_it
