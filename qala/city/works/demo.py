"""Demo works: lamps, pipes, valves, manholes, road sections, trees and benches of the demo city; invented, marked so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.db import transaction

from qala.city.people.public import find_person, get_organisation
from qala.city.places.public import Place, list_places, locate_points, random_points_in
from qala.kernel.access import Who

from . import actions
from .models import Asset, Crew

# kind, prefix of codes, code of the owner, how many
POINTS = (
    ("lamp", "SL", "demo-power", 2400),
    ("valve", "V", "demo-water", 300),
    ("manhole", "M", "demo-water", 400),
    ("tree", "T", "demo-city", 500),
    ("bench", "B", "demo-city", 150),
)
LINES = (("pipe", "WP", "demo-water", 220), ("pipe", "HP", "demo-heat", 90), ("road_section", "R", "demo-city", 160))
ORDERS = 44
# code of an organisation: its crews, in Kazakh, Russian, English
CREWS = {
    "demo-water": (
        ("1-апаттық бригада (демо)", "Аварийная бригада 1 (демо)", "Emergency crew 1 (demo)"),
        ("2-апаттық бригада (демо)", "Аварийная бригада 2 (демо)", "Emergency crew 2 (demo)"),
    ),
    "demo-power": (("Жарық бригадасы (демо)", "Бригада освещения (демо)", "Lighting crew (demo)"),),
    "demo-heat": (("Жылу бригадасы (демо)", "Бригада теплосетей (демо)", "Heat crew (demo)"),),
    "demo-city": (("Жол бригадасы (демо)", "Дорожная бригада (демо)", "Road crew (demo)"),),
}
# kind of work, kind of asset, title
WORK = (
    ("lamp_repair", "lamp", "Шам жанбайды"),
    ("leak_repair", "pipe", "Утечка на трубопроводе"),
    ("pothole_repair", "road_section", "Выбоина на проезжей части"),
    ("inspection", "valve", "Осмотр задвижки"),
    ("cleaning", "bench", "Орындықты тазалау"),
    ("repair", "manhole", "Люк разбит"),
    ("lamp_repair", "lamp", "Светильник мигает"),
)
_DONE = ("ordered", "accepted", "under_way", "done")
WAYS: tuple[tuple[str, ...], ...] = (
    (), ("ordered",), ("ordered", "accepted"), ("ordered", "accepted", "under_way"), _DONE, (*_DONE, "checked"),
    (*_DONE, "returned"), (*_DONE, "returned", "under_way", "done", "checked"), ("ordered", "cancelled"),
    ("ordered", "accepted", "under_way"), ("ordered",),
)  # fmt: skip
CONDITIONS = np.array(["good", "fair", "poor", "bad"])
SPECIES = ("Apple", "Elm", "Oak", "Birch", "Pine", "Poplar")
ROW_STEP = 0.0004  # degrees between lamps of a row, about 35 m


def load(*, who: Who, now: datetime, progress: Any) -> None:
    """Make what is missing of the demo's assets; each kind is spread over the districts by population."""
    rng = np.random.default_rng(20260202)
    districts = [place for place in list_places("district", who=who) if place.is_demo]
    if not districts or Asset.objects.filter(is_demo=True).exists():
        return
    rows = _inside([*_points(districts, rng, now), *_lines(districts, rng, now)], now)
    progress.update(total=len(rows) + ORDERS)
    actions.put_assets(rows=rows, who=who, now=now, why="demo city", is_demo=True)
    progress.advance(len(rows))
    _orders(_crews(who, now), rng, who=who, now=now)
    progress.advance(ORDERS)


def _crews(who: Who, now: datetime) -> dict[str, list[Crew]]:
    """Crews by the code of their organisation, with the colleagues of the demo who are crew there."""
    found: dict[str, list[Crew]] = {}
    for code, names in CREWS.items():
        for name_kk, name_ru, name_en in names:
            crew = actions.make_crew(
                organisation=get_organisation(code), who=who, now=now, name_kk=name_kk, name_ru=name_ru, name_en=name_en,
                is_demo=True,
            )  # fmt: skip
            found.setdefault(code, []).append(crew)
        email = f"crew.{code.removeprefix('demo-')}@demo.qala"
        if find_person(email, who=who, now=now) is not None:
            actions.join_crew(crew=found[code][0].pk, email=email, who=who, now=now)
    return found


def _orders(crews: dict[str, list[Crew]], rng: np.random.Generator, *, who: Who, now: datetime) -> None:
    """Orders in all states; the owner of an asset does its work itself, by one of its crews."""
    demo = Asset.objects.filter(is_demo=True, owner__code__in=CREWS).order_by("code").select_related("owner")
    assets = {of: list(demo.filter(kind__key=of)) for _kind, of, _title in WORK}
    for number in range(ORDERS):
        kind, of, title = WORK[number % len(WORK)]
        asset = assets[of][int(rng.integers(len(assets[of])))]
        priority = int(rng.choice([1, 2, 3, 3, 3, 4]))
        own = crews[asset.owner.code]
        with transaction.atomic():  # one wait for the disk an order
            _order(
                kind, asset, title, priority, own[number % len(own)], WAYS[number % len(WAYS)], rng, who=who, now=now
            )


def _order(
    kind: str, asset: Asset, title: str, priority: int, crew: Crew, way: tuple[str, ...], rng: np.random.Generator, *,
    who: Who, now: datetime,
) -> None:  # fmt: skip
    """One order on an asset, taken from state to state."""
    at = now - timedelta(hours=float(rng.uniform(1, 24 * 12)))
    order = actions.open_order(
        who=who, now=at, kind=kind, title=title, owner=asset.owner, contractor=asset.owner, asset=asset.code,
        priority=priority, is_demo=True,
    )  # fmt: skip
    if way:
        actions.assign_order(number=order.number, crew=crew.pk, who=who, now=at)
    for to in way:
        at = min(now, at + timedelta(hours=float(rng.uniform(0.2, 20))))
        if to == "done":
            for item in order.items.all():
                actions.tick_item(number=order.number, position=item.position, ticked=True, who=who, now=at)
            minutes = int(rng.integers(15, 240))
            actions.add_note(number=order.number, kind="time", text="", minutes=minutes, who=who, now=at)
        reason = "demo city" if to in ("returned", "cancelled") else ""
        actions.move_order(number=order.number, to=to, who=who, now=at, reason=reason)


def _inside(rows: list[dict[str, Any]], now: datetime) -> list[dict[str, Any]]:
    """The rows that lie in the city with both ends: rows of lamps and lines near its border may leave it."""
    ends = np.array(
        [
            row["geometry"]["coordinates"] if "geometry" in row else [[float(row["lon"]), float(row["lat"])]] * 2
            for row in rows
        ]
    )  # shape (n, 2, 2)
    found = locate_points(ends[:, :, 0], ends[:, :, 1], kind="city", at=now)
    return [row for row, places in zip(rows, found, strict=True) if all(place is not None for place in places)]


def _spread(districts: list[Place], rng: np.random.Generator, count: int) -> Iterator[tuple[Place, int]]:
    people = np.array([place.population or 200_000 for place in districts], dtype=float)
    yield from zip(districts, rng.multinomial(count, people / people.sum()).tolist(), strict=True)


def _points(districts: list[Place], rng: np.random.Generator, now: datetime) -> Iterator[dict[str, object]]:
    for kind, prefix, owner, count in POINTS:
        number = 0
        for place, many in _spread(districts, rng, count):
            # lamps stand in rows along a street, the others anywhere
            seeds = -(-many // 12) if kind == "lamp" else many
            lon, lat = random_points_in(place.code, seeds, rng, at=now)
            for i in range(many):
                number += 1
                row, step = (i // 12, i % 12) if kind == "lamp" else (i, 0)
                along = ROW_STEP * step
                spot = {
                    "lon": f"{lon[row] + (along if row % 2 else 0):.6f}",
                    "lat": f"{lat[row] + (0 if row % 2 else along):.6f}",
                }
                yield {**_common(kind, f"{prefix}-{number:05d}", owner, rng, now), **_of_kind(kind, rng), **spot}


def _lines(districts: list[Place], rng: np.random.Generator, now: datetime) -> Iterator[dict[str, object]]:
    for kind, prefix, owner, count in LINES:
        number = 0
        for place, many in _spread(districts, rng, count):
            lon, lat = random_points_in(place.code, many, rng, at=now)
            for x, y in zip(lon.tolist(), lat.tolist(), strict=True):
                number += 1
                # streets run along the compass; what is under or on them does too
                length, is_north = float(rng.uniform(0.001, 0.004)), bool(rng.integers(2))
                end = [x, y - length] if is_north else [x - length, y]
                yield {
                    **_common(kind, f"{prefix}-{number:05d}", owner, rng, now), **_of_kind(kind, rng, prefix),
                    "geometry": {"type": "LineString", "coordinates": [[round(x, 6), round(y, 6)], [round(end[0], 6), round(end[1], 6)]]},
                }  # fmt: skip


def _common(kind: str, code: str, owner: str, rng: np.random.Generator, now: datetime) -> dict[str, object]:
    share = (0.55, 0.3, 0.12, 0.03) if kind in ("lamp", "bench", "tree") else (0.3, 0.4, 0.22, 0.08)
    condition = str(rng.choice(CONDITIONS, p=share))
    installed = now - timedelta(days=int(rng.integers(100, 14_000)))
    state = "out_of_order" if condition == "bad" and rng.random() < 0.5 else "in_use"
    return {
        "code": code, "kind": kind, "owner": owner, "condition": condition, "state": state,
        "installed_on": installed.date().isoformat(),
    }  # fmt: skip


def _of_kind(kind: str, rng: np.random.Generator, prefix: str = "") -> dict[str, object]:
    if kind == "lamp":
        is_led = rng.random() < 0.7
        return {"light_source": "led" if is_led else "sodium", "power_w": int(rng.choice([40, 70, 100])) if is_led else 150,
                "pole_height_m": int(rng.choice([6, 8, 10]))}  # fmt: skip
    if kind == "pipe":
        sizes = [100, 150, 200, 300] if prefix == "WP" else [80, 150, 250, 400]
        return {"material": str(rng.choice(["PE", "steel", "cast iron"])), "diameter_mm": int(rng.choice(sizes))}
    if kind == "valve":
        return {"diameter_mm": int(rng.choice([100, 150, 200])), "normally_open": bool(rng.random() < 0.9)}
    if kind == "manhole":
        return {"depth_m": round(float(rng.uniform(1.2, 4.5)), 1)}
    if kind == "road_section":
        return {"surface": str(rng.choice(["asphalt", "concrete"])), "lanes": int(rng.choice([2, 2, 4, 6]))}
    if kind == "tree":
        return {"species": str(rng.choice(SPECIES)), "planted_in": int(rng.integers(1950, 2024))}
    return {"seats": int(rng.choice([2, 3, 4]))}
