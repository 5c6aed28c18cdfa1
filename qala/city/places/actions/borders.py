"""A border that moves: planned, so that its effects are seen; entered with the date since which it holds; taken back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import shapely
from django.db import transaction
from django.utils.translation import gettext as _
from shapely.geometry.base import BaseGeometry

from qala.kernel import audit, geometry
from qala.kernel.access import Who
from qala.kernel.clock import utc
from qala.kernel.errors import BadInput, Conflict
from qala.kernel.ids import new_id

from .. import rules, store
from ..models import BordersVersion, Place, PlaceShape
from ..rules import Feature, Kind
from .loading import may_change, overlapping_lines
from .writing import Step, in_words, open_shapes, plan_shape, take_turn, tell_borders, write_steps


@dataclass(frozen=True, slots=True)
class BorderChange:
    """What a moved border makes of one place: its outline before and after."""

    place: Place
    before: BaseGeometry
    after: BaseGeometry

    @property
    def km2_before(self) -> float:
        return geometry.area_km2(self.before)

    @property
    def km2_after(self) -> float:
        return geometry.area_km2(self.after)


@dataclass(frozen=True, slots=True)
class BorderPlan:
    """A border that was drawn, and what entering it does.

    Args:
        changes: the place itself first, then the neighbours that follow it.
        warnings: gaps and overlaps; entering it is possible.
        refused: why it can't be entered as it is; empty where it can.
        addresses: address points that lie in another district since then.
    """

    place: Place
    valid_from: datetime
    changes: tuple[BorderChange, ...]
    warnings: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    addresses: int = 0

    @property
    def kind(self) -> Kind:
        return self.place.kind  # type: ignore[return-value]


def plan_border(
    *, code: str, outline: BaseGeometry, valid_from: datetime, who: Who, now: datetime, neighbours_follow: bool = False
) -> BorderPlan:
    """What entering a border would do; nothing is written.

    Args:
        outline: the whole new outline of the place.
        valid_from: since when it holds; may lie in the future.
        neighbours_follow: neighbours of the same kind lose what the place takes and get what it leaves.

    Raises:
        NotFound: there is no such place, or none that the asker may know of.
        NotAllowed, SignInNeeded: the asker may not change it.
        BadInput: the place has no border, or the date can't be right.
    """
    plan, _steps = _plan(code, outline, valid_from, who, now, neighbours_follow)
    return plan


def move_border(
    *, code: str, outline: BaseGeometry, valid_from: datetime, who: Who, now: datetime,
    neighbours_follow: bool = False, why: str = "",
) -> BorderPlan:  # fmt: skip
    """Enter a border: the old one keeps its dates and ends at ``valid_from``, where the new one begins.

    Raises:
        NotFound, NotAllowed, SignInNeeded, BadInput: as ``plan_border``.
        Conflict: it is the present border already, or would overlap a district.
    """
    with transaction.atomic():
        take_turn()
        plan, steps = _plan(code, outline, valid_from, who, now, neighbours_follow)
        if plan.refused:
            raise Conflict(_("The border can't be entered as it is."), rows=plan.refused, fix=_("Draw it otherwise."))
        write_steps(steps, plan.kind, plan.valid_from, now, who, verb="places.move_border", why=why)
    return plan


def take_back_border(*, code: str, who: Who, now: datetime, why: str) -> list[str]:
    """Take back the latest border of a place, which was entered wrongly, and those that were entered with it; the ones
    before hold again, as if nothing had been entered. The audit keeps the outlines.

    Returns:
        the codes of the places whose border was taken back.

    Raises:
        NotFound, NotAllowed, SignInNeeded: as ``plan_border``.
        BadInput: no reason is given.
        Conflict: there is no border before it, or one entered with it was changed since.
    """
    place = _changeable(code, who)
    if not why.strip():
        raise BadInput(_("Say why it is taken back."))
    with transaction.atomic():
        take_turn()
        last = open_shapes([place.pk]).get(place.pk)
        if last is None or last.valid_from is None:
            raise Conflict(_("{code} has had no other border.").format(code=code))
        together = PlaceShape.objects.filter(entry=last.entry) if last.entry else PlaceShape.objects.filter(pk=last.pk)
        # what was loaded with it in one file is taken back with a file, what was drawn with it here
        shapes = list(together.filter(valid_from=last.valid_from).select_related("place").order_by("place__code"))
        befores = {
            one.place_id: one
            for one in PlaceShape.objects.filter(place__in=[s.place_id for s in shapes], valid_to=last.valid_from)
        }
        changed = []
        for shape in shapes:
            if shape.valid_to is not None:
                raise Conflict(
                    _("The border of {code} was changed again since; take that back first.").format(
                        code=shape.place.code
                    )
                )
            before = befores.get(shape.place_id)
            if before is None:
                raise Conflict(_("{code} has had no other border.").format(code=shape.place.code))
            changed.append((shape, before))
        areas = [_take_back(shape, before, who, now, why) for shape, before in changed]
        BordersVersion.objects.filter(id=1).update(token=new_id())
        codes = [shape.place.code for shape, _before in changed]
        kind: Kind = place.kind  # type: ignore[assignment]
        tell_borders(kind, list(zip(codes, areas, strict=True)), last.valid_from, now)
    return codes


def _take_back(shape: PlaceShape, before: PlaceShape, who: Who, now: datetime, why: str) -> BaseGeometry:
    """One border taken back; returns the area that belongs to another place again."""
    outline, earlier = geometry.from_wkb(shape.geometry_wkb), geometry.from_wkb(before.geometry_wkb)
    shape.delete()
    before.valid_to = None
    before.save(update_fields=["valid_to"])
    place = shape.place
    place.label_lon, place.label_lat = geometry.label_point(earlier)
    place.save(update_fields=["label_lon", "label_lat"])
    taken = {**(in_words(shape) or {}), "entered_by": shape.entered_by, "outline": geometry.to_geojson(outline)}
    audit.record(
        who=who, now=now, verb="places.take_back_border", thing="place", key=place.code, why=why,
        before={"shape": taken}, after={"shape": in_words(before)},
    )  # fmt: skip
    return shapely.symmetric_difference(outline, earlier)


def _changeable(code: str, who: Who) -> Place:
    place = store.get_place(code, who=who)
    if not may_change(who, place):
        who.require("places.manage_zones" if place.owner_id is not None else "places.manage", place.owner_id)
    if place.kind == "address":
        raise BadInput(_("{code} is an address point, which has no border.").format(code=code))
    return place


def _plan(
    code: str, outline: BaseGeometry, valid_from: datetime, who: Who, now: datetime, neighbours_follow: bool
) -> tuple[BorderPlan, list[Step]]:
    place = _changeable(code, who)
    outline = shapely.normalize(outline)
    try:
        since = utc(valid_from)
    except ValueError as error:
        raise BadInput(_("The time is wrong: {error}.").format(error=error), fix="2026-05-12T00:00:00+05:00") from None
    last = open_shapes([place.pk]).get(place.pk)
    if last is None:
        raise BadInput(
            _("{code} has no border of its own that could be moved.").format(code=code),
            fix=_("Load its outline first."),
        )
    old = geometry.from_wkb(last.geometry_wkb)
    if geometry.to_wkb(old) == geometry.to_wkb(outline):
        raise Conflict(_("This is the border that {code} has already.").format(code=code))
    peers = _peers(place, old, outline)
    areas = [geometry.from_wkb(shape.geometry_wkb) for shape in peers]
    following = rules.give_way(old, outline, areas) if neighbours_follow else {}
    after = [following.get(i, area) for i, area in enumerate(areas)]
    refused = [
        _("Nothing would be left of {code}.").format(code=peers[i].place.code)
        for i, area in following.items()
        if area.is_empty
    ]
    steps = [Step(Feature(code, code, {}, outline), place, old=last)]
    steps += [
        Step(Feature(peers[i].place.code, peers[i].place.code, {}, area), peers[i].place, old=peers[i])
        for i, area in sorted(following.items())
        if not area.is_empty
    ]
    refused += [f"{step.feature.code}: {why}" for step in steps if (why := plan_shape(step, since, now))]
    if place.kind == "district" and not refused:
        rows = [(code, outline, True)]
        rows += [(shape.place.code, area, False) for shape, area in zip(peers, after, strict=True)]
        refused += overlapping_lines(rows)
    changes = [BorderChange(place, old, outline)]
    changes += [BorderChange(peers[i].place, areas[i], area) for i, area in sorted(following.items())]
    plan = BorderPlan(
        place, since, tuple(changes), tuple(_warnings(place, old, outline, peers, after)), tuple(refused),
        _addresses_between(changes) if place.kind == "district" else 0,
    )  # fmt: skip
    return plan, steps


def _peers(place: Place, old: BaseGeometry, new: BaseGeometry) -> list[PlaceShape]:
    """The open shapes of the places that share the ground with one: districts, or zones of the same owner and use."""
    if place.kind == "city":
        return []
    west, south, east, north = shapely.total_bounds([old, new]) + rules.TOUCHING * np.array([-1, -1, 1, 1])
    found = PlaceShape.objects.filter(
        place__kind=place.kind, valid_to__isnull=True, min_lon__lte=east, max_lon__gte=west, min_lat__lte=north,
        max_lat__gte=south,
    ).exclude(place=place)  # fmt: skip
    if place.kind == "zone":
        found = found.filter(place__owner=place.owner_id, place__use=place.use)
    return list(found.select_related("place", "place__parent").order_by("place__code"))


def _warnings(
    place: Place, old: BaseGeometry, new: BaseGeometry, peers: Sequence[PlaceShape], after: Sequence[BaseGeometry]
) -> list[str]:
    """Gaps and overlaps with neighbours, in words."""
    found = []
    free = rules.uncovered(old, new, after)
    if free.area > rules.SLIVER and place.kind != "city":
        found.append(_("{km2} km² that {code} leaves would belong to nobody.").format(
            km2=_km2(free), code=place.code
        ))  # fmt: skip
    found += [
        _("{code} would overlap {other} by {km2} km².").format(
            code=place.code, other=peers[i].place.code, km2=_km2(part)
        )
        for i, part in rules.new_overlaps(old, new, after)
    ]
    root = store.find_city()
    own = PlaceShape.objects.filter(place=root, valid_to__isnull=True).first() if root is not None else None
    if own is not None and place.kind == "district":
        outside = rules.areas_of(shapely.difference(shapely.difference(new, old), geometry.from_wkb(own.geometry_wkb)))
        if outside.area > rules.SLIVER:
            found.append(_("{km2} km² of it would lie outside the city.").format(km2=_km2(outside)))
    return found


def _km2(area: BaseGeometry) -> str:
    return f"{geometry.area_km2(area):.4g}"


def _addresses_between(changes: Sequence[BorderChange]) -> int:
    """How many address points the changes move from one place to another."""
    moved = rules.areas_of(shapely.union_all([shapely.symmetric_difference(one.before, one.after) for one in changes]))
    if moved.is_empty:
        return 0
    west, south, east, north = moved.bounds
    near = Place.objects.filter(
        kind="address", label_lon__range=(west, east), label_lat__range=(south, north)
    ).values_list("label_lon", "label_lat")  # fmt: skip
    points = np.array(list(near), dtype=np.float64).reshape(-1, 2)
    shapely.prepare(moved)
    return int(np.count_nonzero(shapely.contains_xy(moved, points[:, 0], points[:, 1])))
