"""What the city takes on disk: measured day by day, told by table and month, foretold."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from qala.kernel.access import ANONYMOUS, Who, system
from qala.kernel.errors import NotAllowed, SignInNeeded
from qala.kernel.lake import Lake, maintain
from qala.kernel.models import StorageDay
from qala.site import storage
from qala.site.pytest_plugin import with_databases
from qala.site.testing import run_command
from tests import factories

NOW = datetime(2026, 5, 12, 9, 0, tzinfo=UTC)
TODAY = date(2026, 5, 12)
US = system("test")
PAGE, API = "/console/operation/storage/", "/api/v1/operation/storage"
pytestmark = pytest.mark.django_db


def fill(lake: Lake, rows: int, start: str = "2025-01-20") -> None:
    lake.commit(
        lambda cursor: cursor.execute(
            f"INSERT INTO lake.readings SELECT 1, TIMESTAMP '{start}' + to_hours(i::INTEGER), i, 'A', "
            f"TIMESTAMP '2025-06-01', 'test' FROM range({rows}) r(i)"
        )
    )


def measured(days: dict[int, int], part: str = "lake") -> None:
    """Bytes that were measured so many days ago."""
    StorageDay.objects.bulk_create(
        StorageDay(day=TODAY - timedelta(days=ago), part=part, bytes=size, measured_at=NOW)
        for ago, size in days.items()
    )


@pytest.mark.parametrize(("role", "status"), [("administrator", 200), ("manager", 403), ("mayor", 403), (None, 302)])
def test_who_may_see_it(roles: None, lake: Lake, role: str | None, status: int) -> None:
    client = Client(SERVER_NAME="localhost")
    if role is not None:
        client.force_login(factories.person(role))
    assert client.get(PAGE).status_code == status
    assert client.get(API).status_code == {302: 401}.get(status, status)
    for who, error in ((ANONYMOUS, SignInNeeded), (Who("person", "x"), NotAllowed)):
        with pytest.raises(error):
            storage.look(who=who, now=NOW)


def test_tables_by_month_without_what_was_deleted(lake: Lake) -> None:
    fill(lake, 1000)  # 288 hours of January, 672 of February, 40 of March
    fill(lake, 10, "2025-07-01")
    maintain(lake=lake)  # also the ten go into a file
    fill(lake, 5, "2025-08-01")
    found = next(table for table in storage.look(who=US, now=NOW).tables if table.name == "readings")
    assert [(one.month, one.rows) for one in found.months] == [
        (date(2025, 1, 1), 288), (date(2025, 2, 1), 672), (date(2025, 3, 1), 40), (date(2025, 7, 1), 10),
    ]  # fmt: skip
    assert (found.rows, found.waiting) == (1015, 5)
    assert found.bytes == sum(one.bytes for one in found.months) > 0
    lake.commit(lambda cursor: cursor.execute("DELETE FROM lake.readings WHERE t < TIMESTAMP '2025-02-15'"))
    found = next(table for table in storage.look(who=US, now=NOW).tables if table.name == "readings")
    assert [(one.month, one.rows) for one in found.months] == [
        (date(2025, 2, 1), 336), (date(2025, 3, 1), 40), (date(2025, 7, 1), 10),
    ]  # fmt: skip
    assert found.rows == 391


def test_a_day_is_measured_once_and_old_ones_are_forgotten(lake: Lake) -> None:
    measured({801: 1, 800: 2})
    storage.measure(now=NOW)
    storage.measure(now=NOW + timedelta(hours=3))
    assert sorted(StorageDay.objects.filter(day=TODAY).values_list("part", flat=True)) == sorted(
        part.name for part in storage.look(who=US, now=NOW).parts
    )
    assert StorageDay.objects.filter(day=TODAY, measured_at=NOW).count() == 0
    assert sorted(StorageDay.objects.filter(day__lt=TODAY).values_list("bytes", flat=True)) == [2]


@pytest.mark.parametrize(
    ("days", "growth"),
    [({}, None), ({0: 5}, None), ({3: 100, 0: 400}, 100), ({9: 0, 1: 80, 0: 90}, 10), ({2: 50, 1: 50, 0: 50}, 0)],
)
def test_growth_is_the_slope(days: dict[int, int], growth: float | None) -> None:
    found = storage.growth_per_day({TODAY - timedelta(days=ago): size for ago, size in days.items()})
    assert found == (None if growth is None else pytest.approx(growth))


def test_when_it_is_full() -> None:
    assert storage.full_on(1000, 100.0, TODAY) == date(2026, 5, 22)
    assert storage.full_on(1000, 0.0, TODAY) is None
    assert storage.full_on(1000, -5.0, TODAY) is None
    assert storage.full_on(1000, None, TODAY) is None
    assert storage.full_on(10**15, 1e-3, TODAY) is None


def test_growth_of_parts_and_of_all(lake: Lake) -> None:
    fill(lake, 1000)
    measured({10: 0, 5: 0, 50: 10**12})  # the last one too long ago to count
    found = storage.look(who=US, now=NOW)
    parts = {part.name: part for part in found.parts}
    assert parts["lake"].growth_bytes_per_day == pytest.approx(parts["lake"].bytes * 0.1)
    assert parts["records"].growth_bytes_per_day is None
    assert [day for day, _size in found.days] == [TODAY - timedelta(days=ago) for ago in (10, 5, 0)]
    assert found.growth_bytes_per_day == parts["lake"].growth_bytes_per_day
    assert storage.full_on(10**6, found.growth_bytes_per_day, TODAY) is not None


@pytest.mark.parametrize(
    ("language", "words"),
    [("kk", ["КиБ", "Көл кестелер бойынша"]), ("ru", ["КиБ", "Озеро по таблицам"]), ("en", ["KiB"])],
)
def test_the_page_speaks_its_language(roles: None, lake: Lake, language: str, words: list[str]) -> None:
    fill(lake, 1000)
    client = Client(SERVER_NAME="localhost")
    client.force_login(factories.person("administrator"))
    client.cookies["qala_language"] = language
    page = client.get(PAGE + "?table=readings").content.decode()
    for word in words:
        assert word in page
    assert ("KiB" in page) == (language == "en")
    with translation.override(language):
        assert client.get(PAGE + "?table=nothing").status_code == 200


def test_the_api_and_as_many_queries_for_more(roles: None, lake: Lake) -> None:
    client = Client(SERVER_NAME="localhost")
    client.force_login(factories.person("administrator"))
    counts = []
    for days in ({1: 10}, {2: 20, 3: 30}):
        measured(days)
        fill(lake, 800)
        for address in (PAGE, API):
            client.get(address)
            with CaptureQueriesContext(connection) as asked:
                answer = client.get(address)
            counts.append(len(asked))
        told = answer.json()
        assert next(one for one in told["tables"] if one["name"] == "readings")["months"][0]["month"] == "2025-01-01"
    assert counts[:2] == counts[2:]


def test_the_command(tmp_path: Path) -> None:
    missing = run_command("storage", data_dir=tmp_path / "none")
    assert missing.returncode == 2
    assert not (tmp_path / "none").exists()
    folder = with_databases(tmp_path / "city")
    assert run_command("organisations", "list", data_dir=folder).returncode == 0
    done = run_command("storage", "--json", data_dir=folder)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["part"] for line in lines if line["event"] == "part"} >= {"records", "lake", "media"}
    assert next(line for line in lines if line.get("table") == "readings")["rows"] == 0
    assert lines[-1]["free_bytes"] > 0
    assert lines[-1]["growth_bytes_per_day"] is None
    assert "iB" in run_command("storage", data_dir=folder).stdout
