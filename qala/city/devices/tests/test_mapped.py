"""Devices on the map: few each by itself, many by cell; nothing of another organisation in either."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from qala.city.devices.models import Device
from qala.city.devices.pages.cards import points
from qala.city.devices.store import count_by_cell, find_points, mapped
from qala.city.people.models import Organisation
from qala.kernel.lake import Lake
from tests import factories

from .conftest import NOW, US

ALL = (76.0, 43.0, 77.0, 44.0)


@pytest.fixture
def city(roles: None, lake: Lake) -> Organisation:
    """Ten devices of one organisation in two places, the first silent and one retired; one device of another."""
    mine, other = factories.organisation("mine"), factories.organisation("other")
    for number in range(10):
        factories.device(f"m-{number}", "daiad-swm", mine, lon=76.90 + (number % 2) * 0.05, lat=43.25)
    factories.device("theirs", "daiad-swm", other, lon=76.90, lat=43.25)
    factories.device("nowhere", "daiad-swm", mine)
    Device.objects.filter(serial__startswith="m-").update(last_seen_at=NOW, state="active")
    Device.objects.filter(serial="m-0").update(last_seen_at=NOW - timedelta(days=400))
    Device.objects.filter(serial="m-9").update(state="retired")
    return mine


def test_few_devices_are_points(city: Organisation) -> None:
    found = find_points(US, None, now=NOW)
    assert found is not None
    assert {one.serial for one in found} == {*(f"m-{number}" for number in range(9)), "theirs"}
    assert [one.serial for one in found if one.silent] == ["m-0"]
    east = find_points(US, (76.93, 43.2, 77.0, 43.3), now=NOW)
    assert east is not None
    assert {one.serial for one in east} == {f"m-{number}" for number in (1, 3, 5, 7)}


def test_many_devices_are_counted_by_cell(city: Organisation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "MOST_POINTS", 3)
    monkeypatch.setattr(mapped, "MOST_OF_A_CITY", 3)
    assert find_points(US, None, now=NOW) is None
    west, east = sorted(count_by_cell(US, None, now=NOW), key=lambda one: one.lon)
    assert (west.count, west.silent, east.count, east.silent) == (6, 1, 4, 0)
    assert abs(west.lon - 76.90) < 0.01
    assert [one.count for one in count_by_cell(US, (76.93, 43.2, 77.0, 43.3), now=NOW)] == [4]
    told = points(US, ALL)
    assert told["partial"]
    assert sorted(one["properties"]["count"] for one in told["features"]) == [4, 6]
    monkeypatch.setattr(mapped, "MOST_CELLS", 1)
    assert sum(one.count for one in count_by_cell(US, None, now=NOW)) == 10
    monkeypatch.setattr(mapped, "MOST_SILENT", 0)
    assert {one.silent for one in count_by_cell(US, None, now=NOW)} == {None}


def test_another_organisation_is_in_no_point_and_in_no_count(city: Organisation) -> None:
    for asked, count in ((city, 9), (Organisation.objects.get(code="other"), 1), (factories.organisation("third"), 0)):
        who = factories.asker("engineer", asked)
        found = find_points(who, ALL, now=NOW)
        assert found is not None
        assert len(found) == count
        assert sum(one.count for one in count_by_cell(who, ALL, now=NOW)) == count


def test_a_map_asks_as_often_for_many_as_for_few(city: Organisation) -> None:
    counts = []
    for number in (1, 20):
        for extra in range(number):
            factories.device(f"more-{number}-{extra}", "daiad-swm", city, lon=76.91, lat=43.26)
        with CaptureQueriesContext(connection) as asked:
            points(US, ALL)
            count_by_cell(US, ALL, now=NOW)
        counts.append(len(asked))
    assert counts[0] == counts[1]
