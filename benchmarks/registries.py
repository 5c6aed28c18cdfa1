"""Lists, searches and maps of a large city: 1,000,000 devices, 100,000 people; each page in-process, with its queries.

python benchmarks/registries.py                          on SQLite, full size
python benchmarks/registries.py --postgresql --scale 0.1 on PostgreSQL, a tenth
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from common import Results, arguments, open_city, percentile, say, timed, work_folder

FLOOR_MS = 300.0
DEVICES, PEOPLE, ORGANISATIONS = 1_000_000, 100_000, 40
ROUNDS = 20
AT_ONCE = 10_000
WEST, SOUTH, EAST, NORTH = 76.75, 43.10, 77.10, 43.40
FIRST = ("Әлия", "Болат", "Дина", "Ержан", "Жанна", "Иван", "Мария", "Нұрлан", "Ольга", "Сергей")
LAST = ("Әбдіров", "Ким", "Иванова", "Нұрланов", "Петров", "Сейітқазы", "Смирнова", "Тілеу", "Цой", "Шарипов")
KINDS = (("WM", "demo-water-15", 0.6), ("EM", "demo-electricity-1p", 0.3), ("HM", "demo-heat-15", 0.1))


def some(rows: Iterator[Any]) -> Iterator[list[Any]]:
    while taken := list(islice(rows, AT_ONCE)):
        yield taken


def fill(devices: int, people: int, now: datetime) -> list[Any]:
    """A city of that size, written past the verbs; returns its organisations."""
    from django.db import transaction

    from qala import drivers
    from qala.city.devices.actions.registry import put_words
    from qala.city.devices.models import Device
    from qala.city.people.models import Membership, Organisation, Person
    from qala.city.people.public import create_organisation
    from qala.city.places import demo
    from qala.city.places.public import list_places
    from qala.kernel import console, search
    from qala.kernel.access import system
    from qala.kernel.geometry import cell_of
    from qala.kernel.ids import new_id

    drawn, who = random.Random(11), system("bench")
    for number in range(ORGANISATIONS):
        create_organisation(who=who, now=now, code=f"o-{number:02d}", kind="utility", name_en=f"Utility {number}")
    owners = list(Organisation.objects.order_by("code"))
    with console.progress("districts") as progress:
        demo.load(who=who, now=now, progress=progress)
    districts = [place.pk for place in list_places("district", who=who)]
    known = list(drivers.drivers())
    models = [(prefix, model if model in known else known[0], share) for prefix, model, share in KINDS]

    def device(number: int) -> Device:
        prefix, model, _share = drawn.choices(models, [one[2] for one in models])[0]
        # most devices stand where people live: around some centres
        lon = min(max(drawn.gauss(76.92, 0.06), WEST), EAST)
        lat = min(max(drawn.gauss(43.25, 0.05), SOUTH), NORTH)
        silent = drawn.random() < 0.01
        seen = now - (timedelta(days=drawn.uniform(40, 90)) if silent else timedelta(minutes=drawn.uniform(1, 55)))
        state = drawn.choices(("active", "registered", "retired"), (0.95, 0.03, 0.02))[0]
        return Device(
            serial=f"{prefix}-{number * 7919 % 9_999_991:07d}", model=model, owner=owners[min(int(drawn.expovariate(0.2)), ORGANISATIONS - 1)],
            district_id=drawn.choice(districts), lon=lon, lat=lat, h3_cell=cell_of(lon, lat), state=state,
            last_seen_at=None if state == "registered" else seen, installed_at=now - timedelta(days=drawn.randrange(30, 3000)),
            meter_point=f"MP-{number}", address=f"Street {drawn.randrange(900)}, {drawn.randrange(90)}",
        )  # fmt: skip

    for taken in some(device(number) for number in range(devices)):
        with transaction.atomic():
            Device.objects.bulk_create(taken)
            put_words(taken)

    def person(number: int) -> Person:
        name = f"{drawn.choice(FIRST)} {drawn.choice(LAST)} {number % 997}"
        return Person(
            id=new_id(), email=f"p{number}@city.example", name=name, password="!", is_active=drawn.random() < 0.97,
            last_login=now - timedelta(days=drawn.uniform(0, 300)) if drawn.random() < 0.8 else None,
        )  # fmt: skip

    roles = ("engineer", "operator", "crew", "manager", "analyst")
    for crowd in some(person(number) for number in range(people)):
        with transaction.atomic():
            Person.objects.bulk_create(crowd)
            search.put("person", ((one.pk, f"{one.name} {one.email}") for one in crowd))
            Membership.objects.bulk_create(
                Membership(
                    person=one, role_id=drawn.choice(roles), organisation=owners[min(int(drawn.expovariate(0.2)), ORGANISATIONS - 1)],
                    valid_from=now - timedelta(days=10),
                )
                for one in crowd
            )  # fmt: skip
    settle()
    return owners


def settle() -> None:
    """What a database does by itself in time: statistics for its planner."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def addresses(owner: str, serial: str, last: dict[str, str]) -> dict[str, list[str]]:
    """What is asked, by what it is called: several addresses of a kind."""
    devices, people = "/console/devices/", "/console/people/"
    box = f"{76.90:.2f},{43.23:.2f},{76.95:.2f},{43.27:.2f}"
    return {
        "devices, first page": [devices],
        "devices, a page deep inside": [f"{devices}?after={last['devices']}"],
        "devices, by last reading": [f"{devices}?sort=last_seen", f"{devices}?sort=-last_seen"],
        "devices, by last reading, deep inside": [f"{devices}?sort=-last_seen&after={last['seen']}"],
        "devices, by day of installation": [f"{devices}?sort=installed", f"{devices}?sort=-installed"],
        "devices, by state or model": [f"{devices}?sort=state", f"{devices}?sort=-model"],
        "devices, part of a serial": [f"{devices}?q={serial[3:8]}", f"{devices}?q={serial}"],
        "devices, words that find many": [f"{devices}?q=WM", f"{devices}?q=street", f"{devices}?q=HM&sort=-serial"],
        "devices, a word that finds a thousand": [f"{devices}?q=street+17"],
        "devices, each filter": [
            f"{devices}?state=retired", f"{devices}?state=registered&sort=last_seen", f"{devices}?model=demo-heat-15",
            f"{devices}?owner={owner}", f"{devices}?silent=1", f"{devices}?silent=1&owner={owner}&sort=-last_seen",
        ],
        "API of devices": ["/api/v1/devices", "/api/v1/devices?query=WM-00&limit=100"],
        "people, first page": [people],
        "people, a page deep inside": [f"{people}?after={last['people']}"],
        "people, by last sign-in or e-mail": [f"{people}?sort=last_sign_in", f"{people}?sort=-email"],
        "people, part of a name": [f"{people}?q=%D3%99%D0%BB%D0%B8", f"{people}?q=%D0%BA%D0%B8%D0%BC+99", f"{people}?q=p777"],
        "people, each filter": [f"{people}?organisation={owner}", f"{people}?role=crew", f"{people}?state=disabled"],
        "map of the city": ["/console/map/layer/devices.points.geojson"],
        "map of a district": [f"/console/map/layer/devices.points.geojson?bounds={box}"],
        "map of some streets": ["/console/map/layer/devices.points.geojson?bounds=76.920,43.250,76.926,43.254"],
        "home": ["/console/"],
        "organisations, roles, loads, audit": [
            "/console/organisations/", "/console/roles/", "/console/loads/", "/console/audit/",
        ],
    }  # fmt: skip


def measure(found: Results, as_whom: str, client: Any, asked: dict[str, list[str]], rounds: int) -> None:
    from django.db import connection, reset_queries

    for title, paths in asked.items():
        times, spent, queries = [], [], 0
        for path in paths:
            answer = client.get(path)
            assert answer.status_code == 200, (path, answer.status_code)
        for number in range(rounds):
            path = paths[number % len(paths)]
            began = time.process_time()
            seconds, answer = timed(lambda path=path: client.get(path))
            times.append(1000 * seconds)
            spent.append(1000 * (time.process_time() - began))
        connection.force_debug_cursor = True
        for path in paths:
            reset_queries()
            client.get(path)
            queries = max(queries, len(connection.queries))
        connection.force_debug_cursor = False
        note = f"{rounds} requests, {queries} queries, {percentile(spent, 0.5):.0f} ms of one core, {len(answer.content) / 1024:.0f} KiB"
        found.add(f"{title}, {as_whom}, p50", percentile(times, 0.5), "ms", note=note)
        found.add(
            f"{title}, {as_whom}, p95", percentile(times, 0.95), "ms", floor=None if found.arguments.check else FLOOR_MS
        )


def cursors() -> dict[str, str]:
    """Where pages deep inside begin."""
    from qala.city.devices.models import Device
    from qala.city.people.models import Person
    from qala.kernel.paging import encode_cursor

    middle = Device.objects.count() // 2
    serial = Device.objects.order_by("serial").values_list("serial", flat=True)[middle]
    seen, same = (
        Device.objects.filter(last_seen_at__isnull=False)
        .order_by("-last_seen_at", "-serial")
        .values_list("last_seen_at", "serial")[middle]
    )
    name, key = Person.objects.order_by("name", "id").values_list("name", "id")[Person.objects.count() // 2]
    return {
        "devices": encode_cursor(serial), "seen": encode_cursor("with", seen, same), "people": encode_cursor(name, key),
    }  # fmt: skip


def main() -> None:
    given = arguments(
        __doc__ or "",
        ("--scale", {"type": float, "default": 1.0, "help": "share of 1,000,000 devices and 100,000 people"}),
        ("--postgresql", {"action": "store_true", "help": "on a PostgreSQL that is started for it"}),
    )
    found = Results("registries", given)
    devices, people = max(500, round(DEVICES * given.scale)), max(100, round(PEOPLE * given.scale))
    rounds = 3 if given.check else ROUNDS
    with ExitStack() as stack:
        folder = stack.enter_context(work_folder(given))
        if given.postgresql:
            from qala.site.pytest_plugin import POSTGRES_PROGRAMS, find_program
            from qala.site.throwaway_postgres import Postgres, write_settings

            initdb, postgres = (find_program(name, beside=POSTGRES_PROGRAMS) for name in ("initdb", "postgres"))
            if initdb is None or postgres is None:
                raise SystemExit("PostgreSQL (initdb, postgres) is not installed")
            server = Postgres(initdb, postgres)
            stack.callback(server.stop)
            write_settings(folder / "city", server.address)
        os.environ["QALA_LOG_LEVEL"] = "warning"
        open_city(folder / "city")
        import structlog
        from django.test import Client

        from qala.city.devices.models import Device
        from qala.city.people.models import Organisation, Person
        from qala.city.people.public import create_person, join
        from qala.kernel.access import system

        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
        now, us = datetime.now(UTC), system("bench")
        if not Device.objects.exists():
            seconds, _done = timed(lambda: fill(devices, people, now))
            say(f"  {devices:,} devices and {people:,} people in {seconds:.0f} s")
            for role, at in (("administrator", None), ("manager", "o-00"), ("manager", "o-20")):
                one = create_person(who=us, now=now, email=f"{role}-{at}@bench.example".lower(), name=f"{role} {at}")
                join(
                    who=us,
                    now=now,
                    person=one,
                    role=role,
                    organisation=Organisation.objects.get(code=at) if at else None,
                )
            settle()
        last = cursors()
        serial = Device.objects.order_by("pk").values_list("serial", flat=True)[Device.objects.count() // 3]
        for as_whom, email in (
            ("administrator", "administrator-none@bench.example"),
            ("a utility with a sixth of all", "manager-o-00@bench.example"),
            ("a small utility", "manager-o-20@bench.example"),
        ):
            client = Client(SERVER_NAME="localhost")
            client.force_login(Person.objects.get(email=email))
            asked = addresses("o-00" if as_whom != "a small utility" else "o-20", serial, last)
            if as_whom != "administrator":
                asked["organisations, roles, loads, audit"].remove("/console/audit/")
            measure(found, as_whom, client, asked, rounds)
    found.write()


if __name__ == "__main__":
    main()
