"""Writing places and their shapes: what a load and a moved border have in common."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import shapely
from django.utils.translation import gettext as _
from shapely.geometry.base import BaseGeometry

from qala.kernel import audit, geometry, outbox, search
from qala.kernel.access import Who
from qala.kernel.ids import new_id

from .. import rules, store
from ..models import BordersVersion, Place, PlaceShape
from ..rules import Feature, Kind

BATCH = 2000
CODES_AT_ONCE = 5000  # in one event


@dataclass(slots=True)
class Step:
    """What happens to one place. ``before`` and ``after`` hold the place's fields that change."""

    feature: Feature
    place: Place
    is_new: bool = False
    old: PlaceShape | None = None  # the shape that was open until now
    new: PlaceShape | None = None  # the shape that opens, where the border is new or changed
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)

    @property
    def changes(self) -> bool:
        return bool(self.after) or self.new is not None

    def set(self, **values: Any) -> None:
        """Set fields of the place, and remember what they were."""
        for name, value in values.items():
            present = getattr(self.place, name)
            if present != value:
                self.before[name], self.after[name] = present, value
                setattr(self.place, name, value)


def take_turn() -> None:
    """Writers of borders wait for each other: what one planned still holds when it writes."""
    BordersVersion.objects.get_or_create(id=1)
    BordersVersion.objects.select_for_update().get(id=1)


def open_shapes(places: Iterable[UUID]) -> dict[UUID, PlaceShape]:
    """The open shapes of places, by the place's id."""
    wanted = list(places)
    found: dict[UUID, PlaceShape] = {}
    for start in range(0, len(wanted), BATCH):
        batch = PlaceShape.objects.filter(place__in=wanted[start : start + BATCH], valid_to__isnull=True)
        found.update((shape.place_id, shape) for shape in batch)
    return found


def plan_shape(step: Step, valid_from: datetime | None, now: datetime) -> str:
    """Set ``step.new`` where the border is new or changed; returns why that cannot be."""
    outline = step.feature.geometry
    wkb = geometry.to_wkb(outline)
    if step.old is not None and bytes(step.old.geometry_wkb) == wkb:
        return ""
    since = valid_from
    if step.old is not None:
        since = valid_from or now
        if step.old.valid_from is not None and since <= step.old.valid_from:
            return _("its present border holds since {date}; a new one can only follow it.").format(
                date=f"{step.old.valid_from:%Y-%m-%d %H:%M} UTC"
            )
    west, south, east, north = geometry.bbox(outline)
    lon, lat = geometry.label_point(outline)
    step.new = PlaceShape(
        place=step.place,
        geometry_wkb=wkb,
        min_lon=west,
        max_lon=east,
        min_lat=south,
        max_lat=north,
        h3_cell=geometry.cell_of(lon, lat),
        area_km2=geometry.area_km2(outline) if outline.area > 0 else None,
        valid_from=since,
    )
    step.set(label_lon=lon, label_lat=lat)
    return ""


def write_steps(
    steps: Sequence[Step], kind: Kind, valid_from: datetime | None, now: datetime, who: Who, *, verb: str, why: str = ""
) -> UUID:
    """Write what steps change, with audit, search and news; returns the key of the act that its shapes carry."""
    entry = new_id()
    for parent in {step.place.parent for step in steps}:
        if parent is not None and parent._state.adding:
            _make_root(parent, steps, now, who, verb)
    Place.objects.bulk_create((step.place for step in steps if step.is_new), batch_size=BATCH)
    known = [step for step in steps if step.after and not step.is_new]
    if known:  # an upsert, which takes a fifth of the time of bulk_update
        fields = sorted({name for step in known for name in step.after})
        Place.objects.bulk_create(
            (step.place for step in known),
            batch_size=BATCH,
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=fields,
        )
    for step in steps:
        if step.new is not None:
            step.new.entry, step.new.entered_at, step.new.entered_by = entry, now, who.name[:200]
            step.new.why = why[:500]
    _replace_shapes(steps)
    search.put(store.SEARCH, ((step.place.pk, store.words_of(step.place)) for step in steps if step.after))
    _write_audit(steps, kind, now, who, verb, why)
    moved = [step for step in steps if step.new is not None]
    if moved:
        BordersVersion.objects.filter(id=1).update(token=new_id())
        if kind != "address":  # an address point has no border
            changed = [(step.place.code, _changed_area(step.old, step.new)) for step in moved]
            tell_borders(kind, changed, valid_from, now)
    return entry


def tell_borders(
    kind: Kind, changed: Sequence[tuple[str, BaseGeometry]], valid_from: datetime | None, now: datetime
) -> None:
    """News that borders changed: of which places, within which bounds, since when; told when they begin to hold."""
    since = None if valid_from is None else valid_from.isoformat()
    for start in range(0, len(changed), CODES_AT_ONCE):
        some = changed[start : start + CODES_AT_ONCE]
        bounds = shapely.total_bounds([area for _code, area in some])
        outbox.tell(
            "places.borders_changed",
            {
                "kind": kind, "places": [code for code, _area in some], "valid_from": since,
                "bounds": [float(one) for one in bounds],
            },
            now=now, due=valid_from,
        )  # fmt: skip


def _changed_area(old: PlaceShape | None, new: PlaceShape | None) -> BaseGeometry:
    """What lies in one of two shapes of a place but not in both."""
    assert new is not None
    present = geometry.from_wkb(new.geometry_wkb)
    before = None if old is None else geometry.from_wkb(old.geometry_wkb)
    changed = present if before is None else rules.areas_of(shapely.symmetric_difference(before, present))
    return present if changed.is_empty else changed


def _make_root(root: Place, steps: Sequence[Step], now: datetime, who: Who, verb: str) -> None:
    root.label_lon, root.label_lat = geometry.label_point(shapely.union_all([step.feature.geometry for step in steps]))
    root.save()
    search.put(store.SEARCH, [(root.pk, store.words_of(root))])
    audit.record(
        who=who, now=now, verb=verb, thing="place", key=root.code, after={"kind": root.kind, "name_en": root.name_en}
    )


def _replace_shapes(steps: Iterable[Step]) -> None:
    """Close the open shapes, then open the new ones: the database allows one open shape a place."""
    opening = [step for step in steps if step.new is not None]
    closing = defaultdict(list)
    for step in opening:
        if step.old is not None and step.new is not None:
            step.old.valid_to = step.new.valid_from
            closing[step.old.valid_to].append(step.old.pk)
    for moment, shapes in closing.items():
        for start in range(0, len(shapes), BATCH):
            PlaceShape.objects.filter(pk__in=shapes[start : start + BATCH]).update(valid_to=moment)
    PlaceShape.objects.bulk_create((step.new for step in opening if step.new is not None), batch_size=BATCH)


def _write_audit(steps: Sequence[Step], kind: Kind, now: datetime, who: Who, verb: str, why: str) -> None:
    """A row for each place; address points, of which a file has many, share one."""
    if kind == "address":
        new = sum(step.is_new for step in steps)
        audit.record(
            who=who, now=now, verb=verb, thing="places", key="address", why=why,
            after={"new": new, "changed": len(steps) - new},
        )  # fmt: skip
        return
    for step in steps:
        before, after = dict(step.before), dict(step.after)
        if step.new is not None:
            before["shape"], after["shape"] = in_words(step.old), in_words(step.new)
        audit.record(
            who=who, now=now, verb=verb, thing="place", key=step.place.code, why=why,
            before=None if step.is_new else before, after=after,
        )  # fmt: skip


def in_words(shape: PlaceShape | None) -> Mapping[str, Any] | None:
    """A shape as the audit names it; its outline is kept in its row."""
    if shape is None:
        return None
    since, until = (None if moment is None else moment.isoformat() for moment in (shape.valid_from, shape.valid_to))
    return {"id": str(shape.pk), "area_km2": shape.area_km2, "valid_from": since, "valid_to": until}
