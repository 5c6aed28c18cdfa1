"""Loading places: a file's features become places, changed borders close the shapes before them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _
from shapely.geometry.base import BaseGeometry

from qala.city.people.public import Organisation, list_organisations
from qala.kernel import geometry
from qala.kernel.access import Who
from qala.kernel.errors import BadInput

from .. import rules, store
from ..models import Place, PlaceShape
from ..rules import Collection, Kind, LoadSummary
from .writing import Step, open_shapes, plan_shape, take_turn, write_steps


def load_places(
    *,
    collection: Collection,
    kind: Kind,
    who: Who,
    now: datetime,
    valid_from: datetime | None = None,
    owner: str | None = None,
    use: str | None = None,
    is_demo: bool = False,
    dry_run: bool = False,
) -> LoadSummary:
    """Make the places of a file, or bring those that exist up to date: all of them or none.

    Loading the same again changes nothing. A changed border closes the open shape at ``valid_from`` and opens a new
    one, so that the history stays. What a file does not say (a name, the population) is left as it is, and so are
    places that it does not hold. The parent is the one named by ``parent``, else the district that holds the place's
    label point, else the city. Districts make the city where there is none yet, by the code
    ``QALA_CITY_CODE``; until a file gives it an outline of its own, it is the union of its districts.

    Args:
        collection: what ``read_features`` read.
        valid_from: since when the borders hold. ``None``: new places since ever, changed borders from ``now``.
        owner, use: of zones whose feature says none: code of an organisation; what they are for. Who may load the zones
            of one organisation alone need not name it.
        dry_run: write nothing, and give faults in the summary instead of raising them.

    Raises:
        NotAllowed, SignInNeeded: ``who`` may not load places of this kind.
        BadInput: features are wrong; every wrong one is named, nothing was written.
    """
    require_some(who, kind)
    owners = _Owners(who, owner, use)
    with transaction.atomic():
        if not dry_run:
            take_turn()
        steps, refused = _plan(collection, kind, valid_from, now, is_demo, owners)
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
            write_steps(changed, kind, valid_from, now, who, verb="places.load_places")
        return summary


def require_some(who: Who, kind: Kind) -> None:
    """Whether the asker may write any place of a kind; zones of an organisation are for who manages its zones.

    Raises:
        NotAllowed, SignInNeeded: they may not.
    """
    if kind != "zone" or not who.may("places.manage_zones"):
        who.require("places.manage")


def may_change(who: Who, place: Place) -> bool:
    """Whether the asker may change a place: a zone that an organisation owns is for who manages its zones."""
    if place.kind == "zone" and place.owner_id is not None:
        return who.may("places.manage_zones", place.owner_id)
    return who.may("places.manage")


class _Owners:
    """Whom the zones of a load belong to, and which of them the asker may give zones to."""

    def __init__(self, who: Who, owner: str | None, use: str | None) -> None:
        self.who = who
        self.scope = who.scope("places.manage_zones")
        self.may_own_none = who.may("places.manage")
        self.known = {one.code: one for one in list_organisations() if self.scope.covers(one.pk)}
        self.use = use
        self.default = owner
        if owner is None and not self.may_own_none and len(self.known) == 1:
            self.default = next(iter(self.known))

    def find(self, named: str | None) -> Organisation | None:
        """The organisation of a code.

        Raises:
            BadInput: there is none, or none whose zones the asker may manage; or none is named and one must be.
        """
        if named is None:
            if not self.may_own_none:
                raise BadInput(_("names no owner."))
            return None
        if named not in self.known:
            raise BadInput(
                _("there is no organisation {code}, or you may not manage its zones.").format(code=named[:80])
            )
        return self.known[named]


def refusal(refused: Sequence[str], *, in_demo: bool = False) -> BadInput:
    """The error that a file with these faults is refused by; ``in_demo``: its places meet those of the demo."""
    fix = _("Correct the file and load the whole of it again; nothing was written.")
    if in_demo:
        fix += " " + _("This folder holds the demo's city: real places belong into another one (--data-dir).")
    return BadInput(_("The file was refused; faults found: {count}.").format(count=len(refused)), fix=fix, rows=refused)


# ---- Planning -------------------------------------------------------------------------------------------------------


def _plan(
    collection: Collection,
    kind: Kind,
    valid_from: datetime | None,
    now: datetime,
    is_demo: bool,
    owners: _Owners,
) -> tuple[list[Step], tuple[str, ...]]:
    """What is to be done for each feature, and a line for each fault."""
    refused = list(collection.refused)
    root = _root(kind, is_demo, collection)
    known = Place.objects.select_related("parent", "owner").in_bulk(
        [one.code for one in collection.features], field_name="code"
    )
    opened = open_shapes({place.pk for place in (*known.values(), root) if place is not None})
    steps = []
    for feature in collection.features:
        place = known.get(feature.code) if kind != "city" or root is None else root
        if place is not None and place.owner_id is not None and not owners.scope.covers(place.owner_id):
            refused.append(_("{where}: this code can't be used by you.").format(where=feature.where))
            continue
        if place is not None and place.kind != kind:
            refused.append(
                _("{where}: the code is that of a place of the kind {kind} already.").format(
                    where=feature.where, kind=place.get_kind_display()
                )
            )
            continue
        if place is None:
            step = Step(feature, Place(kind=kind, code=feature.code, is_demo=is_demo), is_new=True)
        else:
            step = Step(feature, place, old=opened.get(place.pk))
        why = _plan_owner(step, owners) if kind == "zone" else ""
        if why := why or plan_shape(step, valid_from, now):
            refused.append(f"{feature.where}: {why}")
            continue
        _plan_names(step)
        steps.append(step)
    refused += _plan_parents(steps, kind, root, at=valid_from or now, who=owners.who)
    if kind == "district":
        refused += _overlaps(steps)
    return steps, tuple(refused)


def _plan_owner(step: Step, owners: _Owners) -> str:
    """Set the owner of a zone and what it is for; returns why that cannot be."""
    named = step.feature.owner or owners.default
    if named is None and step.place.owner_id is not None:
        named = step.place.owner.code  # type: ignore[union-attr]
    try:
        owner = owners.find(named)
    except BadInput as error:
        return error.what
    if not step.is_new and step.place.owner_id is None and not owners.may_own_none:
        return _("this code can't be used by you.")
    before = step.place.owner.code if step.place.owner is not None else None
    if named != before:
        step.before["owner"], step.after["owner"] = before, named
        step.place.owner = owner
    step.set(use=step.feature.use or owners.use or step.place.use)
    return ""


def _root(kind: Kind, is_demo: bool, collection: Collection) -> Place | None:
    """The city: the one there is, else for a first load of districts a new one, not yet written."""
    found = store.find_city()
    if found is not None or kind != "district" or not collection.features:
        return found
    code = settings.QALA.city_code
    return Place(kind="city", code=code, name_en=code.replace("-", " ").title(), is_demo=is_demo)


def _plan_names(step: Step) -> None:
    step.set(**{f"name_{language}": name for language, name in step.feature.names.items()})
    if step.feature.population is not None:
        step.set(population=step.feature.population)


def _plan_parents(steps: list[Step], kind: Kind, root: Place | None, at: datetime, who: Who) -> list[str]:
    """Find the parent of each place; returns the lines of those that have none."""
    if kind == "city":
        return []
    refused = []
    wanted = {step.feature.parent for step in steps if step.feature.parent}
    named = store.visible_to(who).in_bulk(wanted, field_name="code")
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


def _set_parent(step: Step, parent: Place) -> None:
    before = step.place.parent.code if step.place.parent is not None else None
    if before != parent.code:
        step.before["parent"], step.after["parent"] = before, parent.code
        step.place.parent = parent


def _holders(steps: list[Step], kind: Kind, root: Place | None, at: datetime) -> list[Place | None]:
    """For each place the district that holds its label point, else the city."""
    lon = np.array([step.place.label_lon for step in steps])
    lat = np.array([step.place.label_lat for step in steps])
    holders = np.full(len(steps), None, dtype=object)
    for higher in reversed(rules.holders(kind)):
        if higher != "city" and len(steps):
            found = store.locate_points(lon, lat, kind=higher, at=at)
            holders = np.where(found == None, holders, found)  # noqa: E711 -- elementwise
    places = Place.objects.in_bulk({place_id for place_id in holders if place_id is not None})
    return [root if place_id is None else places[place_id] for place_id in holders]


def _overlaps(steps: list[Step]) -> list[str]:
    """Districts divide a city: a line for each two that would cover each other, of the file or already there."""
    in_file = {step.feature.code for step in steps}
    others = PlaceShape.objects.filter(place__kind="district", valid_to__isnull=True).exclude(place__code__in=in_file)
    others = others.order_by("place__code")
    rows = [(step.feature.code, step.feature.geometry, step.new is not None) for step in steps]
    rows += [(code, geometry.from_wkb(wkb), False) for code, wkb in others.values_list("place__code", "geometry_wkb")]
    return overlapping_lines(rows)


def overlapping_lines(rows: Sequence[tuple[str, BaseGeometry, bool]]) -> list[str]:
    """A line for each two districts that would cover each other by more than a sliver and of which one changes.

    Args:
        rows: (code, outline, whether it changes).
    """
    return [
        _("districts {one} and {other} overlap by {percent} % of the smaller.").format(
            one=rows[i][0], other=rows[j][0], percent=round(share * 100)
        )
        for i, j, share in rules.overlapping([area for _code, area, _changes in rows])
        if rows[i][2] or rows[j][2]
    ]
