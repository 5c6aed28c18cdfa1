"""The ground that tests stand on: databases and lake of their own, factories, the browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import connection

from qala.city.devices.public import visible_to
from qala.kernel.access import Who
from qala.kernel.config import get_settings
from qala.kernel.lake import Lake
from qala.site.pytest_plugin import RUN_DIR, on_postgresql
from tests import factories

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.mark.django_db
def test_records_and_catalogue_are_where_the_run_wants_them(lake: Lake) -> None:
    import os

    assert connection.vendor == ("postgresql" if on_postgresql() else "sqlite")
    assert lake.on_sqlite is not on_postgresql()
    assert get_settings().data_dir.is_relative_to(os.environ[RUN_DIR])


@pytest.mark.parametrize("_time", [1, 2])
def test_a_test_finds_the_lake_empty(lake: Lake, _time: int) -> None:
    with lake.question() as cursor:
        assert cursor.execute("SELECT count(*) FROM lake.readings").fetchone() == (0,)
    lake.commit(
        lambda cursor: cursor.execute(
            "INSERT INTO lake.readings (series, t, value) VALUES (1, TIMESTAMP '2026-01-01', 5)"
        )
    )


def test_factories_make_what_they_say(roles: None, who_admin: Who) -> None:
    water, power = factories.organisation("water"), factories.organisation("power")
    mine, other = factories.device(owner=water), factories.device(owner=power)
    engineer = factories.asker("engineer", water)
    assert list(visible_to(engineer)) == [mine]
    assert set(visible_to(who_admin)) == {mine, other}
    assert factories.series(mine).device_id == mine.pk


def test_the_browser_starts(browser: Browser) -> None:
    page = browser.new_page()
    page.set_content("<p>Қала</p>")
    assert page.inner_text("p") == "Қала"
    page.close()
