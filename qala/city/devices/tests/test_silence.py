"""Which devices are silent, and the measures that count them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from qala.city.devices.actions import measure_devices, move_device
from qala.city.devices.models import Device
from qala.city.devices.pages.cards import points
from qala.city.devices.rules import allowance
from qala.city.devices.store import DEVICES, count_by_state, is_silent
from qala.city.places.public import Place
from qala.kernel import measures
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.lake import Lake
from qala.kernel.lists import Asked, Look
from tests import factories

from . import conftest
from .conftest import NOW, US
from .test_life import city

__all__ = ["city"]  # a fixture


@pytest.mark.parametrize(
    ("minutes", "hours"), [(1, 2 + 1 / 60), (15, 2.25), (60, 3), (1440, 26), (2880, 52), (10_080, 182)]
)
def test_what_a_device_is_allowed(minutes: int, hours: float) -> None:
    assert allowance(minutes) == timedelta(hours=hours)


def seen(serial: str, model: str, hours: float | None, **more: object) -> Device:
    """A device whose last reading is so many hours old."""
    made = factories.device(serial, model)
    Device.objects.filter(pk=made.pk).update(
        last_seen_at=None if hours is None else NOW - timedelta(hours=hours),
        state="registered" if hours is None else "active", **more,
    )  # fmt: skip
    return made


@pytest.fixture
def fleet(db: None) -> set[str]:
    """Devices of all sorts; the serials of those that are silent."""
    seen("hourly-heard", "daiad-swm", 2.9)
    seen("hourly-silent", "daiad-swm", 3.1)
    seen("hourly-never", "daiad-swm", None)
    seen("daily-heard", "demo-water-15", 25.9)
    seen("daily-silent", "demo-water-15", 26.1)
    seen("own-heard", "daiad-swm", 25.9, expected_minutes=1440)
    seen("own-silent", "demo-water-15", 3.1, expected_minutes=60)
    seen("weekly-silent", "daiad-swm", 183, expected_minutes=10_080)
    seen("gone", "daiad-swm", 500)
    Device.objects.filter(serial="gone").update(state="retired")
    seen("unknown-heard", "daiad-swm", 25.9)
    seen("unknown-silent", "daiad-swm", 26.1)
    Device.objects.filter(serial__startswith="unknown").update(model="no-driver-any-more")
    return {"hourly-silent", "daily-silent", "own-silent", "weekly-silent", "unknown-silent"}


def test_silent_by_what_is_expected_of_each(fleet: set[str]) -> None:
    found = DEVICES.page(Asked(values={"silent": True}), Look(US, NOW))
    assert ({row.serial for row in found.rows}, found.total) == (fleet, len(fleet))
    assert {row.serial for row in Device.objects.all() if is_silent(row, now=NOW)} == fleet
    assert count_by_state(who=US, now=NOW)["silent"] == len(fleet)


def test_silence_is_asked_with_as_many_questions_for_three_as_for_one(db: None) -> None:
    counts = []
    for number in (1, 2, 3):
        seen(f"d-{number}", "daiad-swm", 500, expected_minutes=60 * number)
        if number != 2:
            with CaptureQueriesContext(connection) as asked:
                DEVICES.page(Asked(values={"silent": True}), Look(US, NOW))
            counts.append(len(asked))
    assert counts[0] == counts[1]


def test_pages_and_api_say_who_is_silent(roles: None, lake: Lake) -> None:
    for serial, minutes in (("quiet", 60), ("patient", 1440)):
        made = factories.device(serial, "daiad-swm", lon=76.9, lat=43.2)
        Device.objects.filter(pk=made.pk).update(
            last_seen_at=SYSTEM_CLOCK.now() - timedelta(hours=5), state="active", expected_minutes=minutes
        )
    client = Client(SERVER_NAME="localhost")
    client.force_login(factories.person("analyst"))
    told = client.get("/api/v1/devices?silent=true").json()
    assert [(one["serial"], one["silent"], one["expected_minutes"]) for one in told["items"]] == [("quiet", True, 60)]
    assert {one["serial"]: one["silent"] for one in client.get("/api/v1/devices").json()["items"]} == {
        "quiet": True, "patient": False,
    }  # fmt: skip
    listed = client.get("/console/devices/?silent=1").content.decode()
    assert "quiet" in listed and "patient" not in listed
    page = client.get("/console/devices/quiet/").content.decode()
    assert "silent device" in page and "every 60 minutes" in page and "silent after 180 minutes" in page
    shown = {one["properties"]["name"]: one["properties"]["state"] for one in points(US, None)["features"]}
    assert shown == {"quiet": "bad", "patient": "ok"}


DAY = datetime(2026, 5, 10, 19, tzinfo=UTC)  # midnight of the city; NOW is the day after that day


def counted(name: str, place: Place, day: datetime = DAY) -> dict[tuple[str, str], tuple[float | None, int]]:
    found = measures.ask(name, grain="day", start=day, end=day + timedelta(days=1), subjects=[str(place.pk)])
    return {(one.dimensions["owner"], one.dimensions["model"]): (one.value, one.n) for one in found}


def test_measures_by_district_owner_and_model(load: conftest.Load, city: dict[str, Place]) -> None:
    water = factories.organisation("water")
    west, east = city["west"].pk, city["east"].pk
    for serial, district in (("a", west), ("b", west), ("c", east)):
        factories.device(serial, "daiad-swm", water, district_id=district, installed_at=DAY - timedelta(days=30))
    factories.device("stock", "daiad-swm", water, district_id=west)
    factories.device("later", "daiad-swm", water, district_id=west, installed_at=NOW)
    gone = factories.device("gone", "daiad-swm", water, district_id=west, installed_at=DAY - timedelta(days=30))
    Device.objects.filter(pk=gone.pk).update(removed_at=DAY, state="retired")
    factories.device("heat", "demo-heat-15", district_id=west, installed_at=DAY - timedelta(days=30))
    load(
        "".join(
            f"{serial},{(DAY + timedelta(hours=hour)).isoformat()},5\n"
            for serial, hour in (("a", 5), ("b", -1), ("c", 23))
        )
    )
    assert measure_devices(now=NOW) > 0
    assert counted("devices.active_count", city["west"]) == {
        ("water", "daiad-swm"): (2, 2),
        ("", "demo-heat-15"): (1, 1),
    }
    assert counted("devices.reporting_percent", city["west"]) == {
        ("water", "daiad-swm"): (50, 2),
        ("", "demo-heat-15"): (0, 1),
    }
    assert counted("devices.active_count", city["almaty"])[("water", "daiad-swm")] == (3, 3)
    share, count = counted("devices.reporting_percent", city["almaty"])[("water", "daiad-swm")]
    assert (share, count) == (200 / 3, 3)
    assert measure_devices(now=NOW) == 0, "computing again writes nothing"
    move_device(serial="a", who=US, now=NOW, at=DAY + timedelta(hours=12), place="east")
    measure_devices(now=NOW + timedelta(hours=1))
    assert counted("devices.active_count", city["east"])[("water", "daiad-swm")] == (2, 2)
    before = counted("devices.active_count", city["west"], DAY - timedelta(days=1))
    assert before[("water", "daiad-swm")] == (3, 3), "where it stood then, and what hung there still"


def test_nothing_is_measured_where_there_is_nothing(lake: Lake, db: None) -> None:
    assert measure_devices(now=NOW) == 0
