"""Devices that fell silent are told of: once a silence, to each owner of theirs."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from qala.city.devices import actions
from qala.city.devices.models import Device, DeviceSilence
from qala.kernel.models import OutboxEvent
from tests import factories
from tests.factories import NOW

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("roles")]


def seen(device: Device, at: datetime) -> None:
    Device.objects.filter(pk=device.pk).update(last_seen_at=at, state=Device.ACTIVE)


def told() -> list[tuple[str | None, int, list[str]]]:
    """What was told since the last call, by owner."""
    events = OutboxEvent.objects.filter(name="devices.silent_found")
    found = [(one.payload["organisation"], one.payload["count"], one.payload["serials"]) for one in events]
    events.delete()
    return sorted(found, key=str)


def test_a_silence_is_told_once_to_each_owner() -> None:
    water, power = factories.organisation("water"), factories.organisation("power")
    devices = {
        serial: factories.device(serial, owner=owner)
        for serial, owner in (("w-1", water), ("w-2", water), ("w-3", water), ("p-1", power), ("n-1", None))
    }
    old = NOW - timedelta(days=3)
    for serial, device in devices.items():
        seen(device, NOW if serial == "w-3" else old)
    factories.device("w-4", owner=water)  # never reported: not silent
    assert actions.find_silent(now=NOW) == 4
    assert told() == sorted(
        [(str(water.pk), 2, ["w-1", "w-2"]), (str(power.pk), 1, ["p-1"]), (None, 1, ["n-1"])], key=str
    )
    assert actions.find_silent(now=NOW + timedelta(hours=1)) == 0
    assert told() == []
    # it reported, and fell silent again: another silence
    seen(devices["w-1"], NOW)
    assert actions.find_silent(now=NOW + timedelta(days=3)) == 2  # w-3 for the first time
    assert told() == [(str(water.pk), 2, ["w-1", "w-3"])]
    assert DeviceSilence.objects.count() == 5
    Device.objects.filter(pk=devices["w-2"].pk).update(state=Device.RETIRED, last_seen_at=NOW)
    assert actions.find_silent(now=NOW + timedelta(days=9)) == 0


def test_what_was_noted_and_not_told_is_told_the_next_time() -> None:
    owner = factories.organisation("water")
    device = factories.device("w-1", owner=owner)
    seen(device, NOW - timedelta(days=3))
    DeviceSilence.objects.create(device=device, since=NOW - timedelta(days=3))  # as a process leaves it that is killed
    assert actions.find_silent(now=NOW) == 0
    assert told() == [(str(owner.pk), 1, ["w-1"])]


def test_news_are_small_however_many_fell_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = factories.organisation("water")
    for number in range(30):
        seen(factories.device(f"w-{number:02}", owner=owner), NOW - timedelta(days=3))
    monkeypatch.setattr("qala.city.devices.actions.silences.AT_ONCE", 7)
    assert actions.find_silent(now=NOW) == 30
    ((_owner, count, serials),) = told()
    assert (count, len(serials), serials[0]) == (30, 20, "w-00")
