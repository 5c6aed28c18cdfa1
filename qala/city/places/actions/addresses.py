"""Address points lie in the district that holds them: they follow its border."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from uuid import UUID

from django.db import transaction

from qala.kernel import audit
from qala.kernel.access import system

from .. import store
from ..models import Place
from .writing import BATCH


def follow_borders(*, bounds: Sequence[float] | None, now: datetime) -> int:
    """Put address points under the district that holds them now, within some bounds; those that a file put into a zone
    stay there. Repeating it changes nothing.

    Args:
        bounds: west, south, east, north of what changed; ``None``: everywhere.

    Returns:
        how many were put under another one.
    """
    root = store.find_city()
    if root is None:
        return 0
    points = Place.objects.filter(kind="address", parent__kind__in=["district", "city"])
    if bounds is not None:
        west, south, east, north = bounds
        points = points.filter(label_lon__range=(west, east), label_lat__range=(south, north))
    columns = ("pk", "parent_id", "label_lon", "label_lat")
    rows = iter(list(points.values_list(*columns)))
    moved = 0
    with transaction.atomic():
        while some := list(islice(rows, BATCH)):
            held = store.locate_points([row[2] for row in some], [row[3] for row in some], at=now)
            below: dict[UUID, list[UUID]] = defaultdict(list)
            for (key, parent, _lon, _lat), district in zip(some, held, strict=True):
                if (district or root.pk) != parent:
                    below[district or root.pk].append(key)
            for district, keys in below.items():
                moved += Place.objects.filter(pk__in=keys).update(parent_id=district)
        if moved:
            audit.record(
                who=system("places.follow_borders"), now=now, verb="places.follow_borders", thing="places",
                key="address", after={"moved": moved},
            )  # fmt: skip
    return moved
