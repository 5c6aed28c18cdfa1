from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from .city import City, prepared_city

METERS, HOURS = 120, 2000
START = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="session")
def registers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 240,000 readings by meter and hour, some 7 MB: two parts, one or two seconds."""
    path = tmp_path_factory.mktemp("registers") / "registers.csv"
    times = [(START + timedelta(hours=hour)).strftime("%Y-%m-%dT%H:%M:%SZ") for hour in range(HOURS)]
    with path.open("w") as file:
        file.write("serial,time,value\n")
        for meter in range(METERS):
            serial, value = f"K-{meter:04}", meter
            lines = []
            for hour, time in enumerate(times):
                value += (hour * 7 + meter) % 30
                lines.append(f"{serial},{time},{value}\n")
            file.writelines(lines)
    return path


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> City:
    """A data folder that is ready for use and holds nothing."""
    return prepared_city(tmp_path_factory.mktemp("prepared") / "data")


@pytest.fixture
def fresh(prepared: City, tmp_path: Path) -> Callable[[], City]:
    """Copies of the prepared folder."""
    numbers: Iterator[int] = iter(range(1000))
    return lambda: prepared.copied_to(tmp_path / f"data-{next(numbers)}")


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Random moments, the same in each run of a test."""
    return random.Random(request.node.name)
