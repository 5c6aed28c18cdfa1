"""The demo's works: there, spread over the districts, marked, made once and quickly."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from qala.city.people import demo as people
from qala.city.places import demo as places
from qala.city.works import demo
from qala.city.works.actions import prepare_kinds
from qala.city.works.models import Asset, CrewMember, OrderState, WorkOrder
from qala.kernel import console

from .conftest import US

NOW = datetime(2026, 5, 12, 6, 0, tzinfo=UTC)


@pytest.fixture
def made(roles: None) -> None:
    prepare_kinds(who=US, now=NOW)
    for matter in (people, places, demo):
        matter.load(who=US, now=NOW, progress=console.Progress("demo"))


def test_assets_of_the_demo(made: None) -> None:
    count = Asset.objects.count()
    assert 4000 < count == Asset.objects.filter(is_demo=True, district__isnull=False).count()
    kinds = set(Asset.objects.values_list("kind__key", flat=True))
    assert kinds == {"lamp", "valve", "manhole", "tree", "bench", "pipe", "road_section"}
    assert set(WorkOrder.objects.values_list("state", flat=True)) == set(OrderState.values)
    assert WorkOrder.objects.filter(is_demo=True).count() == demo.ORDERS
    assert CrewMember.objects.count() == 2
    demo.load(who=US, now=NOW, progress=console.Progress("demo"))
    assert Asset.objects.count() == count
