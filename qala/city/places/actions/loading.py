"""Loading places: a file's features become places, changed borders close the shapes before them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
import shapely
from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from qala.kernel import audit, geometry, outbox
from qala.kernel.access import Who
from qala.kernel.errors import BadInput
from qala.kernel.ids import new_id

from .. import rules, store
from ..models import BordersVersion, Place, PlaceShape
from ..rules import Collection, Feature, Kind, LoadSummary

BATCH = 2000


@dataclass(slots=True)
class _Step:
    """What loading one feature does. ``before`` and ``after`` hold the place's fields that change."""

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


def load_places(
    *,
    collection: Collection,
    kind: Kind,
    who: Who,
    now: datetime,
    valid_from: datetime | None = None,
    is_demo: bool = False,
    dry_run: bool = False,
) -> LoadSummary:
    """Make the places of a file, or bring those that exist up to date: all of them or none.

    Loading the same again changes nothing. A changed border closes the open shape at ``valid_from`` and opens a new
    one, so that the history stays. What a file does not say (a name, the population) is left as it is, and so are
    places that it does not hold. The parent is the one named by ``parent``, else the nearest kind above that holds the
    place's label point, else the city. Districts make the city where there is none yet, by the code
    ``QALA_CITY_CODE``; until a file gives it an outline of its own, it is the union of its districts.

    Args:
        collection: what ``read_features`` read.
        valid_from: since when the borders hold. ``None``: new places since ever, changed borders from ``now``.
        dry_run: write nothing, and give faults in the summary instead of raising them.

    Raises:
        NotAllowed, SignInNeeded: ``who`` may not manage places.
        BadInput: features are wrong; every wrong one is named, nothing was written.
    """
    who.require("places.manage")
    with transaction.atomic():
        if not dry_run:
            _take_turn()
        steps, refused = _plan(collection, kind, valid_from, now, is_demo)
        summary = LoadSummary(
            read=len(collection.features) + len(collection.refused),
            new=sum(step.is_new for step in steps),
            changed=sum(step.changes and not step.is_new for step in steps),
            unchanged=sum(not step.changes for step in steps),
            refused=refused,
        )
        if dry_run:
            return summary
        if refused:
            raise refusal(refused, in_demo=not is_demo and Place.objects.filter(kind="city", is_demo=True).exists())
        changed = [step for step in steps if step.changes]
        if changed:
            _write(changed, kind, valid_from, now, who)
        return summary


def refusal(refused: Sequence[str], *, in_demo: bool = False) -> BadInput:
    """The error that a file with these faults is refused by; ``in_demo``: its places meet those of the demo."""
    fix = _("Correct the file and load the whole of it again; nothing was written.")
    if in_demo:
        fix += " " + _("This folder holds the demo's city: real places belong into another one (--data-dir).")
    return BadInput(_("The file was refused; faults found: {count}.").format(count=len(refused)), fix=fix, rows=refused)


def _take_turn() -> None:
    """Loads wait for each other: what one planned still holds when it writes."""
    BordersVersion.objects.get_or_create(id=1)
    BordersVersion.objects.select_for_update().get(id=1)


# ---- Planning -------------------------------------------------------------------------------------------------------


def _plan(
    collection: Collection, kind: Kind, valid_from: datetime | None, now: datetime, is_demo: bool
) -> tuple[list[_Step], tuple[str, ...]]:
    """What is to be done for each feature, and a line for each fault."""
    refused = list(collection.refused)
    root = _root(kind, is_demo, collection)
    known = Place.objects.select_related("parent").in_bulk([one.code for one in collection.features], field_name="code")
    open_shapes = _open_shapes({place.pk for place in (*known.values(), root) if place is not None})
    steps = []
    for feature in collection.features:
        place = known.get(feature.code) if kind != "city" or root is None else root
        if place is not None and place.kind != kind:
            refused.append(
                _("{where}: the code is that of a place of the kind {kind} already.").format(
                    where=feature.where, kind=place.get_kind_display()
                )
            )
            continue
        if place is None:
            step = _Step(feature, Place(kind=kind, code=feature.code, is_demo=is_demo), is_new=True)
        else:
            step = _Step(feature, place, old=open_shapes.get(place.pk))
        if why := _plan_shape(step, valid_from, now):
            refused.append(f"{feature.where}: {why}")
            continue
        _plan_names(step)
        steps.append(step)
    refused += _plan_parents(steps, kind, root, at=valid_from or now)
    if kind == "district":
        refused += _overlaps(steps)
    return steps, tuple(refused)


def _root(kind: Kind, is_demo: bool, collection: Collection) -> Place | None:
    """The city: the one there is, else for a first load of districts a new one, not yet written."""
    found = store.find_city()
    if found is not None or kind != "district" or not collection.features:
        return found
    code = settings.QALA.city_code
    return Place(kind="city", code=code, name_en=code.replace("-", " ").title(), is_demo=is_demo)


def _open_shapes(places: Iterable[UUID]) -> dict[UUID, PlaceShape]:
    wanted = list(places)
    found: dict[UUID, PlaceShape] = {}
    for start in range(0, len(wanted), BATCH):
        batch = PlaceShape.objects.filter(place__in=wanted[start : start + BATCH], valid_to__isnull=True)
        found.update((shape.place_id, shape) for shape in batch)
    return found


def _plan_shape(step: _Step, valid_from: datetime | None, now: datetime) -> str:
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
    _set(step, label_lon=lon, label_lat=lat)
    return ""


def _set(step: _Step, **values: Any) -> None:
    """Set fields of the place, and remember what they were."""
    for name, value in values.items():
        present = getattr(step.place, name)
        if present != value:
            step.before[name], step.after[name] = present, value
            setattr(step.place, name, value)


def _plan_names(step: _Step) -> None:
    _set(step, **{f"name_{language}": name for language, name in step.feature.names.items()})
    if step.feature.population is not None:
        _set(step, population=step.feature.population)


def _plan_parents(steps: list[_Step], kind: Kind, root: Place | None, at: datetime) -> list[str]:
    """Find the parent of each place; returns the lines of those that have none."""
    if kind == "city":
        return []
    refused = []
    named = Place.objects.in_bulk({step.feature.parent for step in steps if step.feature.parent}, field_name="code")
    if root is not None:
        named.setdefault(root.code, root)
    searching = []
    for step in steps:
        if step.feature.parent is None:
            if step.is_new or step.new is not None:
                searching.append(step)
            continue
        parent = named.get(step.feature.parent)
        if parent is None or parent.kind not in rules.above(kind):
            refused.append(
                _("{where}: its parent {code} is no place above it.").format(
                    where=step.feature.where, code=step.feature.parent[:80]
                )
            )
            continue
        _set_parent(step, parent)
    for step, parent in zip(searching, _holders(searching, kind, root, at), strict=True):
        if parent is None:
            refused.append(
                _("{where}: there is no city to put it in; load the districts first.").format(where=step.feature.where)
            )
            continue
        _set_parent(step, parent)
    return refused


def _set_parent(step: _Step, parent: Place) -> None:
    before = step.place.parent.code if step.place.parent is not None else None
    if before != parent.code:
        step.before["parent"], step.after["parent"] = before, parent.code
        step.place.parent = parent


def _holders(steps: list[_Step], kind: Kind, root: Place | None, at: datetime) -> list[Place | None]:
    """For each place the nearest one above that holds its label point, else the city."""
    lon = np.array([step.place.label_lon for step in steps])
    lat = np.array([step.place.label_lat for step in steps])
    holders = np.full(len(steps), None, dtype=object)
    for higher in reversed(rules.above(kind)):
        if higher != "city" and len(steps):
            found = store.locate_points(lon, lat, kind=higher, at=at)
            holders = np.where(found == None, holders, found)  # noqa: E711 -- elementwise
    places = Place.objects.in_bulk({place_id for place_id in holders if place_id is not None})
    return [root if place_id is None else places[place_id] for place_id in holders]


def _overlaps(steps: list[_Step]) -> list[str]:
    """Districts divide a city: a line for each two that would cover each other, of the file or already there."""
    in_file = {step.feature.code for step in steps}
    others = PlaceShape.objects.filter(place__kind="district", valid_to__isnull=True).exclude(place__code__in=in_file)
    others = others.order_by("place__code")
    rows = [(step.feature.code, step.feature.geometry, step.new is not None) for step in steps]
    rows += [(code, geometry.from_wkb(wkb), False) for code, wkb in others.values_list("place__code", "geometry_wkb")]
    return [
        _("districts {one} and {other} overlap by {percent} % of the smaller.").format(
            one=rows[i][0], other=rows[j][0], percent=round(share * 100)
        )
        for i, j, share in rules.overlapping([area for _code, area, _changes in rows])
        if rows[i][2] or rows[j][2]
    ]


# ---- Writing --------------------------------------------------------------------------------------------------------


def _write(steps: list[_Step], kind: Kind, valid_from: datetime | None, now: datetime, who: Who) -> None:
    for parent in {step.place.parent for step in steps}:
        if parent is not None and parent._state.adding:
            _make_root(parent, steps, now, who)
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
    _replace_shapes(steps)
    _write_audit(steps, kind, now, who)
    moved = [step.place.code for step in steps if step.new is not None]
    if moved:
        BordersVersion.objects.filter(id=1).update(token=new_id())
        if kind != "address":  # an address point has no border
            since = None if valid_from is None else valid_from.isoformat()
            outbox.tell("places.borders_changed", {"kind": kind, "places": moved, "valid_from": since}, now=now)


def _make_root(root: Place, steps: list[_Step], now: datetime, who: Who) -> None:
    root.label_lon, root.label_lat = geometry.label_point(shapely.union_all([step.feature.geometry for step in steps]))
    root.save()
    audit.record(
        who=who, now=now, verb="places.load_places", thing="place", key=root.code,
        after={"kind": root.kind, "name_en": root.name_en},
    )  # fmt: skip


def _replace_shapes(steps: Iterable[_Step]) -> None:
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


def _write_audit(steps: list[_Step], kind: Kind, now: datetime, who: Who) -> None:
    """A row for each place; address points, of which a file has many, share one."""
    if kind == "address":
        new = sum(step.is_new for step in steps)
        audit.record(
            who=who, now=now, verb="places.load_places", thing="places", key="address",
            after={"new": new, "changed": len(steps) - new},
        )  # fmt: skip
        return
    for step in steps:
        before, after = dict(step.before), dict(step.after)
        if step.new is not None:
            before["shape"], after["shape"] = _in_words(step.old), _in_words(step.new)
        audit.record(
            who=who, now=now, verb="places.load_places", thing="place", key=step.place.code,
            before=None if step.is_new else before, after=after,
        )  # fmt: skip


def _in_words(shape: PlaceShape | None) -> Mapping[str, Any] | None:
    """A shape as the audit names it; its outline is kept in its row."""
    if shape is None:
        return None
    since, until = (None if moment is None else moment.isoformat() for moment in (shape.valid_from, shape.valid_to))
    return {"id": str(shape.pk), "area_km2": shape.area_km2, "valid_from": since, "valid_to": until}
