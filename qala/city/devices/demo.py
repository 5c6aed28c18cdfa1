"""Demo devices: meters of the demo city's utilities, spread over its districts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from django.conf import settings

from qala.city.people.public import find_person, get_organisation
from qala.city.places.public import list_places, random_points_in
from qala.kernel.access import Who
from qala.kernel.ranges import day_start, local_day

from . import actions
from .models import Device, Occupancy

# model, prefix of serials, code of the owner, how many
FLEET = (
    ("demo-electricity-1p", "E", "demo-power", 8000),
    ("demo-water-15", "W", "demo-water", 8000),
    ("demo-heat-15", "H", "demo-heat", 4000),
)

# e-mail address of a demo account, number of its meter points, days ago that it came and left
RESIDENTS = (
    ("former.resident@demo.qala", 7, 300, 5),
    ("resident@demo.qala", 7, 5, None),
    ("partner@demo.qala", 7, 4, None),
    ("neighbour@demo.qala", 8, 200, None),
)


def load(*, who: Who, now: datetime, progress: Any) -> None:
    """Register 20,000 meters; each kind is spread over the districts by population, or evenly where none is known."""
    rng = np.random.default_rng(20260101)
    districts = [place for place in list_places("district", who=who) if place.is_demo]
    people = np.array([place.population or 200_000 for place in districts], dtype=float)
    progress.update(total=sum(row[3] for row in FLEET))
    for model, prefix, owner_code, count in FLEET:
        if Device.objects.filter(model=model).exists():
            progress.advance(count)
            continue
        owner = get_organisation(owner_code)
        share = rng.multinomial(count, people / people.sum())
        devices, number = [], 0
        for place, many in zip(districts, share, strict=True):
            lon, lat = random_points_in(place.code, int(many), rng, at=now)
            for x, y in zip(lon.tolist(), lat.tolist(), strict=True):
                number += 1
                devices.append(
                    actions.NewDevice(
                        serial=f"{prefix}-{number:05d}", model=model, owner_id=owner.pk, place_id=place.pk,
                        district_id=place.pk, lon=round(x, 6), lat=round(y, 6), digits=9,
                        installed_at=now - timedelta(days=400 + number % 900), meter_point=f"{prefix}P-{number:05d}",
                        is_demo=True,
                    )
                )  # fmt: skip
        actions.register_devices(devices, who=who, now=now, why="demo city")
        progress.advance(count)
    _settle(who=who, now=now)


def _settle(*, who: Who, now: datetime) -> None:
    """Residents of three flats; in the first another one lived until some days ago."""
    zone = ZoneInfo(settings.TIME_ZONE)

    def day(back: int) -> datetime:
        return day_start(local_day(now, zone) - timedelta(days=back), zone)

    for email, number, start, end in RESIDENTS:
        person = find_person(email, who=who, now=now)
        if person is None or Occupancy.objects.filter(person=person.pk).exists():
            continue
        for _model, prefix, owner, _count in FLEET:
            actions.begin_occupancy(
                who=who, now=now, owner=owner, meter_point=f"{prefix}P-{number:05d}", person=email,
                valid_from=day(start), valid_to=None if end is None else day(end), source=Occupancy.DEMO, why="demo city",
            )  # fmt: skip
