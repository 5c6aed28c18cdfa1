"""A border that moves: devices count for the district that held them, by date; figures of an old period stay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import shapely
from django.db import connection
from django.test.utils import CaptureQueriesContext

from qala.city.devices.actions import follow_borders, load_devices, measure_devices, move_device  # noqa: F401
from qala.city.devices.models import Device, DeviceChange, DeviceStay
from qala.city.places.public import Place, move_border, plan_border, take_back_border
from qala.kernel import measures
from qala.kernel.access import Scope, Who
from qala.kernel.lake import Lake
from qala.kernel.models import OutboxEvent
from tests import factories

from . import conftest
from .conftest import NOW, US
from .test_life import START, city, day_values, settle

__all__ = ["city"]  # a fixture
DATE = START + timedelta(days=2)  # midnight of 7 May
WIDER = shapely.box(76.8, 43.2, 76.95, 43.3)  # west takes half of east


def move(**more: Any) -> None:
    given = {"code": "west", "outline": WIDER, "valid_from": DATE, "who": US, "now": NOW, "neighbours_follow": True}
    move_border(**{**given, **more})
    settle()


def registers(serial: str) -> str:
    return "".join(f"{serial},{(START + timedelta(hours=hour)).isoformat()},{10 * hour}\n" for hour in range(97))


def stays(serial: str) -> list[tuple[str | None, datetime | None, datetime]]:
    found = DeviceStay.objects.filter(device__serial=serial).order_by("valid_to")
    return list(found.values_list("district__code", "valid_from", "valid_to"))


def district(serial: str) -> str | None:
    return Device.objects.values_list("district__code", flat=True).get(serial=serial)


def test_a_border_moves_a_thousand_devices_and_old_figures_stay(load: conftest.Load, city: dict[str, Place]) -> None:
    for number in range(1000):
        lon = 76.901 + number * 0.00004
        factories.device(f"E-{number}", "daiad-swm", district_id=city["east"].pk, lon=lon, lat=43.25)
    factories.device("FAR", "daiad-swm", district_id=city["east"].pk, lon=76.99, lat=43.25)
    load(registers("E-0") + registers("E-999") + registers("FAR"))
    settle()
    assert day_values(city["east"]) == dict.fromkeys((5, 6, 7, 8), 0.72)
    with CaptureQueriesContext(connection) as queries:
        move()
    assert len(queries) < 160, "in bulk"
    assert DeviceStay.objects.filter(district=city["east"], valid_from=None, valid_to=DATE).count() == 1000
    assert Device.objects.filter(district=city["west"]).count() == 1000
    assert (district("FAR"), stays("FAR")) == ("east", [])
    assert DeviceChange.objects.filter(kind="border_moved", at=DATE).count() == 1000
    assert day_values(city["east"]) == {5: 0.72, 6: 0.72, 7: 0.24, 8: 0.24}
    assert day_values(city["west"]) == {7: 0.48, 8: 0.48}
    assert day_values(city["almaty"]) == dict.fromkeys((5, 6, 7, 8), 0.72)
    # idempotent
    told = OutboxEvent.objects.count()
    assert follow_borders(bounds=None, now=NOW) == 0
    assert OutboxEvent.objects.count() == told
    # taken back: as if it had never been
    assert take_back_border(code="west", who=US, now=NOW, why="wrong day") == ["east", "west"]
    settle()
    assert not DeviceStay.objects.exists()
    assert Device.objects.filter(district=city["east"]).count() == 1001
    assert day_values(city["east"]) == dict.fromkeys((5, 6, 7, 8), 0.72)


def test_counts_of_devices_are_computed_again_since_the_date(lake: Lake, city: dict[str, Place]) -> None:
    old = datetime(2026, 1, 1, tzinfo=UTC)
    factories.device("E-1", "daiad-swm", district_id=city["east"].pk, lon=76.91, lat=43.25, installed_at=old)
    for day in range(1, 8):
        measure_devices(now=START + timedelta(days=day, hours=1))

    def counts(code: str) -> dict[int, float | None]:
        found = measures.ask("devices.active_count", grain="day", subjects=[str(city[code].pk)])
        return {(one.period_start + timedelta(hours=5)).day: one.value for one in found if one.value}

    before = counts("east")
    assert {5, 6, 7, 8} <= set(before)
    move()
    measure_devices(now=NOW, since=DATE)
    assert set(counts("east")) == {day for day in before if day < 7}
    assert {7, 8} <= set(counts("west"))


def test_a_border_of_the_future_moves_devices_when_it_begins(city: dict[str, Place]) -> None:
    factories.device("E-1", "daiad-swm", district_id=city["east"].pk, lon=76.91, lat=43.25)
    begins = NOW + timedelta(days=30)
    move(valid_from=begins)
    assert district("E-1") == "east"
    follow_borders(bounds=None, now=begins)
    assert (district("E-1"), stays("E-1")) == ("west", [("east", None, begins)])


def test_a_device_moved_by_hand_and_by_borders(city: dict[str, Place]) -> None:
    factories.device("E-1", "daiad-swm", district_id=city["east"].pk, lon=76.91, lat=43.25)
    move()
    # entered late: it went west of the old border already two days before that border moved
    earlier, later = DATE - timedelta(days=2), DATE + timedelta(days=2)
    move_device(serial="E-1", who=US, now=NOW, at=earlier, lon=76.85, lat=43.25)
    assert (district("E-1"), stays("E-1")) == ("west", [("east", None, earlier)])
    move_device(serial="E-1", who=US, now=NOW, at=later, lon=76.94, lat=43.25)
    assert (district("E-1"), stays("E-1")) == (
        "west", [("east", None, earlier), ("west", earlier, later)],
    )  # fmt: skip
    assert follow_borders(bounds=None, now=NOW) == 0


def test_a_place_that_is_the_district_follows_and_another_stays(city: dict[str, Place]) -> None:
    east = city["east"].pk
    factories.device("AT", "daiad-swm", place_id=east, district_id=east, lon=76.91, lat=43.25)
    factories.device("NOWHERE", "daiad-swm", place_id=east, district_id=east)
    factories.device("OUT", "daiad-swm", place_id=east, district_id=east, lon=70.0, lat=40.0)
    move()
    found = {one.serial: (one.place_id, one.district_id) for one in Device.objects.all()}
    west = city["west"].pk
    assert found == {"AT": (west, west), "NOWHERE": (east, east), "OUT": (east, east)}


def test_devices_that_were_there_before_the_districts(db: None) -> None:
    factories.device("E-1", "daiad-swm", lon=76.91, lat=43.25)
    from .test_life import city as made

    made.__wrapped__(None)  # type: ignore[attr-defined]
    settle()
    assert (district("E-1"), stays("E-1")) == ("east", [])


@pytest.mark.parametrize(("seen", "count"), [("mine", 1), ("other", 2), ("all", 3), ("none", 0)])
def test_who_draws_sees_how_many_of_their_own_devices_move(city: dict[str, Place], seen: str, count: int) -> None:
    from qala.city.devices.store import count_moved

    owners = {code: factories.organisation(code) for code in ("mine", "other")}
    for code, many in (("mine", 1), ("other", 2)):
        for number in range(many):
            factories.device(f"{code}-{number}", owner=owners[code], lon=76.91, lat=43.25)
    scope = Scope(everything=seen == "all", organisations=frozenset({owners[seen].pk} if seen in owners else ()))
    who = Who("person", "somebody", grants={"devices.view": scope})
    plan = plan_border(code="west", outline=WIDER, valid_from=DATE, who=US, now=NOW, neighbours_follow=True)
    assert count_moved([(one.before, one.after) for one in plan.changes], who=who) == count
