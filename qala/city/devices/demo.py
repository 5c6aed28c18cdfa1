"""Demo devices: meters of the demo city's utilities, spread over its districts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np

from qala.city.people.public import get_organisation
from qala.city.places.public import list_places, random_points_in
from qala.kernel.access import Who

from . import actions
from .models import Device

# model, prefix of serials, code of the owner, how many
FLEET = (
    ("demo-electricity-1p", "E", "demo-power", 8000),
    ("demo-water-15", "W", "demo-water", 8000),
    ("demo-heat-15", "H", "demo-heat", 4000),
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
                        installed_at=now - timedelta(days=400 + number % 900), is_demo=True,
                    )
                )  # fmt: skip
        actions.register_devices(devices, who=who, now=now, why="demo city")
        progress.advance(count)
