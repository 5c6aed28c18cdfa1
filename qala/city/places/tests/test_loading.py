from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import shapely
from django.db import IntegrityError, transaction

from qala.city.places import store
from qala.city.places.actions import load_places, read_features
from qala.city.places.models import BordersVersion, Place, PlaceShape
from qala.kernel import geometry
from qala.kernel.access import ANONYMOUS, EVERYTHING, Who
from qala.kernel.errors import BadInput, NotAllowed, SignInNeeded
from qala.kernel.models import AuditEntry, OutboxEvent

from .conftest import NOW, TWO, WHO, Load, collection, feature, square

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(days=30)


def faults(load: Load, given: Any, kind: str = "district", **more: Any) -> tuple[str, ...]:
    """The lines that a file is refused by; nothing of it was written."""
    before = (
        Place.objects.count(),
        PlaceShape.objects.count(),
        AuditEntry.objects.count(),
        OutboxEvent.objects.count(),
    )
    with pytest.raises(BadInput) as caught:
        load(given, kind, **more)
    after = (Place.objects.count(), PlaceShape.objects.count(), AuditEntry.objects.count(), OutboxEvent.objects.count())
    assert before == after
    return caught.value.rows


def test_districts_make_the_city_too(load: Load) -> None:
    summary = load(TWO)
    assert (summary.read, summary.new, summary.changed, summary.unchanged, summary.refused) == (2, 2, 0, 0, ())
    root = store.city()
    assert (root.code, root.name_en, root.parent) == ("almaty", "Almaty", None)
    west = store.get_place("west", who=WHO)
    assert west.parent == root and west.names == {"kk": "Батыс", "ru": "", "en": "West"}
    shape = store.find_shape(west, at=NOW)
    assert shape is not None and shape.valid_from is None and shape.valid_to is None
    assert [shape.min_lon, shape.max_lon, shape.min_lat] == pytest.approx([76.8, 76.9, 43.2])
    assert shape.area_km2 == pytest.approx(90.2, abs=0.2)
    assert shape.h3_cell == geometry.cell_of(west.label_lon, west.label_lat)
    assert store.get_place("east", who=WHO).population == 1000


def test_the_city_is_the_union_of_its_districts(load: Load) -> None:
    load(TWO)
    united = store.borders("city", at=NOW)
    assert united.codes == ("almaty",)
    assert geometry.bbox(united.areas[0]) == pytest.approx((76.8, 43.2, 77.0, 43.3))
    load([feature(square(77.0, 43.2), code="far", name_en="Far")])
    assert geometry.bbox(store.borders("city", at=NOW).areas[0]) == pytest.approx((76.8, 43.2, 77.1, 43.3))


def test_a_city_with_an_outline_of_its_own(load: Load) -> None:
    load(TWO)
    summary = load([feature(square(76.7, 43.1, 0.5), code="whatever", name_kk="Алматы", name_ru="Алматы")], "city")
    assert (summary.new, summary.changed) == (0, 1)
    root = store.city()
    assert (root.code, root.name_kk, root.name_en) == ("almaty", "Алматы", "Almaty")
    assert geometry.bbox(store.borders("city", at=NOW).areas[0]) == pytest.approx((76.7, 43.1, 77.2, 43.6))
    assert Place.objects.filter(kind="city").count() == 1


def test_loading_again_changes_nothing(load: Load) -> None:
    load(TWO)
    entries, events = AuditEntry.objects.count(), OutboxEvent.objects.count()
    summary = load(TWO, now=LATER, valid_from=LATER)
    assert (summary.new, summary.changed, summary.unchanged) == (0, 0, 2)
    assert (AuditEntry.objects.count(), OutboxEvent.objects.count()) == (entries, events)
    assert PlaceShape.objects.filter(valid_to__isnull=False).count() == 0


def moved() -> list[dict[str, Any]]:
    """The border between the two a little to the east."""
    west = shapely.box(76.8, 43.2, 76.92, 43.3)
    east = shapely.box(76.92, 43.2, 77.0, 43.3)
    return [feature(west, code="west", name_en="West"), feature(east, code="east", name_en="East")]


def test_a_moved_border_keeps_its_history(load: Load) -> None:
    load(TWO)
    since = datetime(2026, 6, 1, tzinfo=UTC)
    summary = load(moved(), now=LATER, valid_from=since)
    assert (summary.new, summary.changed, summary.unchanged) == (0, 2, 0)
    west = store.get_place("west", who=WHO)
    latest, first = store.history(west)
    assert (first.valid_from, first.valid_to) == (None, since)
    assert (latest.valid_from, latest.valid_to) == (since, None)
    before, after = since - timedelta(microseconds=1), since
    assert store.find_shape(west, at=before) == first and store.find_shape(west, at=after) == latest
    ids = {code: store.get_place(code, who=WHO).pk for code in ("west", "east")}
    assert store.locate_points([76.91], [43.25], at=before).tolist() == [ids["east"]]
    assert store.locate_points([76.91], [43.25], at=after).tolist() == [ids["west"]]
    assert west.names["kk"] == "Батыс"  # the second file said nothing of it


def test_a_changed_border_without_a_date_holds_from_now(load: Load) -> None:
    load(TWO)
    load(moved(), now=LATER)
    assert set(PlaceShape.objects.filter(valid_to__isnull=False).values_list("valid_to", flat=True)) == {LATER}


def test_a_border_cannot_change_before_its_present_one(load: Load) -> None:
    load(TWO, valid_from=NOW)
    rows = faults(load, moved(), valid_from=NOW)
    assert len(rows) == 2
    assert rows[0] == (
        "feature 1 (west): its present border holds since 2026-05-12 06:00 UTC; a new one can only follow it."
    )


def test_names_and_people_change_without_a_new_border(load: Load) -> None:
    load(TWO)
    summary = load([feature(square(76.8, 43.2), code="west", name_en="Western", population="2 000")], now=LATER)
    assert (summary.changed, summary.unchanged) == (1, 0)
    west = store.get_place("west", who=WHO)
    assert (west.name_en, west.name_kk, west.population) == ("Western", "Батыс", 2000)
    assert len(store.history(west)) == 1
    entry = AuditEntry.objects.filter(thing_key="west").latest("id")
    assert entry.before == {"name_en": "West", "population": None}
    assert entry.after == {"name_en": "Western", "population": 2000}
    assert OutboxEvent.objects.filter(name="places.borders_changed").count() == 1


def test_audit_and_news(load: Load) -> None:
    load(TWO)
    first = AuditEntry.objects.get(thing_key="west")
    assert (first.verb, first.thing_kind, first.before, first.at) == ("places.load_places", "place", None, NOW)
    load(moved(), now=LATER, valid_from=LATER)
    entry = AuditEntry.objects.filter(thing_key="west").latest("id")
    assert entry.before is not None and entry.after is not None
    assert entry.before["shape"]["valid_to"] == entry.after["shape"]["valid_from"] == LATER.isoformat()
    new, changed = OutboxEvent.objects.filter(name="places.borders_changed").order_by("id")
    assert new.payload == {
        "kind": "district", "places": ["west", "east"], "valid_from": None,
        "bounds": pytest.approx([76.8, 43.2, 77.0, 43.3]),
    }  # fmt: skip
    assert (changed.payload["places"], changed.payload["valid_from"]) == (["west", "east"], LATER.isoformat())


def test_zones_and_addresses_find_their_parents(load: Load) -> None:
    load(TWO)
    load([feature(square(76.91, 43.21, 0.03), code="z1", name_en="Zone 1")], "zone")
    load([feature(square(76.81, 43.21, 0.03), code="z2", name_en="Zone 2", parent="east")], "zone")
    points = {"in-zone": (76.92, 43.22), "in-district": (76.85, 43.29), "outside": (76.0, 43.0)}
    summary = load([feature(shapely.Point(at), code=code) for code, at in points.items()], "address")
    assert summary.new == 3
    parents = {one.code: one.parent.code for one in store.list_places(who=WHO) if one.parent}
    assert parents == {
        "west": "almaty", "east": "almaty", "z1": "east", "z2": "east",
        "in-zone": "east", "in-district": "west", "outside": "almaty",
    }  # fmt: skip
    assert store.get_place("in-zone", who=WHO).name == "in-zone"
    shape = store.find_shape(store.get_place("in-zone", who=WHO), at=NOW)
    assert shape is not None and shape.area_km2 is None
    assert AuditEntry.objects.get(thing_kind="places").after == {"new": 3, "changed": 0}
    assert OutboxEvent.objects.filter(payload__kind="address").count() == 0


def test_wrong_parents(load: Load) -> None:
    zone = feature(square(76.91, 43.21, 0.03), code="z1", name_en="Zone 1")
    assert faults(load, [zone], "zone") == ("feature 1 (z1): there is no city to put it in; load the districts first.",)
    load(TWO)
    load([zone], "zone")
    for parent in ("nowhere", "z1"):
        other = feature(square(76.94, 43.21, 0.03), code="z2", name_en="Zone 2", parent=parent)
        assert faults(load, [other], "zone") == (f"feature 1 (z2): its parent {parent} is no place above it.",)


def test_districts_do_not_overlap(load: Load) -> None:
    load(TWO)
    over = feature(square(76.85, 43.2), code="over", name_en="Over")
    assert faults(load, [over]) == (
        "districts over and east overlap by 50 % of the smaller.",
        "districts over and west overlap by 50 % of the smaller.",
    )
    assert len(faults(load, [TWO[0] | {"properties": {"code": "a", "name_en": "A"}}, *TWO])) == 1
    # the same two borders moved together do not meet where they were
    assert load(moved(), now=LATER).changed == 2


def test_real_places_do_not_go_into_the_demo(load: Load) -> None:
    load(TWO, is_demo=True)
    with pytest.raises(BadInput) as caught:
        load([feature(square(76.85, 43.2), code="over", name_en="Over")])
    assert "--data-dir" in caught.value.fix
    assert store.get_place("west", who=WHO).is_demo


def test_a_code_belongs_to_one_kind(load: Load) -> None:
    load(TWO)
    rows = faults(load, [feature(square(76.81, 43.21, 0.02), code="west", name_en="Zone")], "zone")
    assert rows == ("feature 1 (west): the code is that of a place of the kind District already.",)
    rows = faults(load, [feature(square(77.1, 43.2), code="almaty", name_en="Almaty")])
    assert "of the kind City already" in rows[0]


def test_all_faults_are_listed_and_nothing_is_written(load: Load) -> None:
    rows = faults(
        load,
        [
            TWO[0],
            feature(square(76.9, 43.2), code="west", name_en="Twin"),
            feature(None, code="empty", name_en="Empty"),
            feature(square(77.0, 43.2), name="Без кода"),
            feature(square(77.0, 43.2), code="nameless"),
            feature(square(77.0, 43.2), code="crowd", name_en="Crowd", population="many"),
            feature(square(77.0, 43.2), code="orphan", name_en="Orphan", parent=""),
            feature(square(77.0, 43.2), code="child", name_en="Child", parent="nobody"),
            "no feature",
            {"type": "Feature", "geometry": None, "properties": []},
        ],
    )
    assert rows == (
        "feature 2 (west): the code west is that of feature 1 (west) too.",
        "feature 3 (empty): has no geometry.",
        "feature 4: has no code: give it a property code, ref, wikidata or name:en of Latin letters and digits.",
        "feature 5 (nameless): has no name: give it name:kk, name:ru or name:en.",
        "feature 6 (crowd): population is not a whole number of people.",
        "feature 7 (orphan): parent is not the code of a place.",
        "feature 9: is not a GeoJSON feature.",
        "feature 10: its properties are not an object.",
        "feature 8 (child): its parent nobody is no place above it.",
    )


def test_a_dry_run_writes_nothing(load: Load) -> None:
    summary = load([*TWO, feature(None, code="empty", name_en="Empty")], dry_run=True)
    assert (summary.read, summary.new, summary.refused) == (3, 2, ("feature 3 (empty): has no geometry.",))
    assert Place.objects.count() == BordersVersion.objects.count() == AuditEntry.objects.count() == 0
    load(TWO)
    assert load(moved(), now=LATER, dry_run=True).changed == 2
    assert PlaceShape.objects.count() == 2


@pytest.mark.parametrize(
    ("who", "error"),
    [
        (ANONYMOUS, SignInNeeded),
        (Who("person", "analyst", grants={"places.view": EVERYTHING}), NotAllowed),
        (Who("person", "administrator", grants={"places.manage": EVERYTHING}), None),
        (WHO, None),
    ],
)
def test_who_may_load(who: Who, error: type[Exception] | None) -> None:
    read = read_features(collection(*TWO), kind="district")
    if error is None:
        assert load_places(collection=read, kind="district", who=who, now=NOW).new == 2
    else:
        with pytest.raises(error):
            load_places(collection=read, kind="district", who=who, now=NOW)
        assert not Place.objects.exists()


# ---- What the database refuses, whoever writes ----------------------------------------------------------------------


def refused_by_the_database(**changes: Any) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Place.objects.filter(code="west").update(**changes)


def test_the_database_refuses_what_must_never_be(load: Load) -> None:
    load(TWO)
    refused_by_the_database(kind="region")
    refused_by_the_database(parent=None)
    refused_by_the_database(name_kk="", name_ru="", name_en="")
    refused_by_the_database(label_lat=91.0)
    refused_by_the_database(code="east")
    refused_by_the_database(population=-1)
    refused_by_the_database(kind="city", parent=None)
    with pytest.raises(IntegrityError), transaction.atomic():  # a second open shape
        PlaceShape.objects.create(**shape_values())
    with pytest.raises(IntegrityError), transaction.atomic():  # it ends as it starts
        PlaceShape.objects.create(**shape_values(), valid_from=NOW, valid_to=NOW)
    with pytest.raises(IntegrityError), transaction.atomic():
        PlaceShape.objects.create(**shape_values() | {"max_lon": 0.0}, valid_to=NOW)
    with pytest.raises(IntegrityError), transaction.atomic():
        BordersVersion.objects.create(id=2)
    with pytest.raises(IntegrityError), transaction.atomic():
        store.city().delete()


def shape_values() -> dict[str, Any]:
    shape = PlaceShape.objects.get(place__code="west")
    return {
        "place": shape.place, "geometry_wkb": shape.geometry_wkb, "min_lon": 1.0, "max_lon": 2.0, "min_lat": 1.0,
        "max_lat": 2.0, "h3_cell": shape.h3_cell,
    }  # fmt: skip
