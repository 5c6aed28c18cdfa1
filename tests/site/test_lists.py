"""Every list that a plug declares: queries of a fixed number, files, hostile cells, sight, addresses that ask nonsense."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from python_calamine import CalamineWorkbook
from shapely import Point

from qala.city.devices.models import ClaimCode, Device, DeviceLoad, Load, Occupancy
from qala.city.people.actions import set_name
from qala.city.people.models import Organisation, Token
from qala.city.people.public import who_of
from qala.city.places.models import Place, PlaceShape
from qala.city.works.actions import prepare_kinds
from qala.city.works.models import Asset, Crew, CrewMember, Kind, WorkOrder
from qala.kernel import audit, list_pages, lists, search
from qala.kernel.errors import TooMuch
from qala.kernel.geometry import to_wkb
from qala.kernel.ids import new_id
from qala.kernel.lake import Lake
from qala.kernel.lists import Asked, Column, List, Look
from qala.kernel.paging import encode_cursor
from qala.kernel.plug import declared
from qala.kernel.plug import load as named
from tests import factories
from tests.factories import NOW

HOSTILE = ("=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "＝1+1")
Browser = Callable[[str, Organisation | None], Client]


@cache
def every() -> dict[str, tuple[List, str]]:
    """Every declared list by its key, with the URL name of its page."""
    found: list[tuple[Any, str]] = [(named(one.declared), one.url) for one in declared("lists")]
    assert len({one.key for one, _url in found}) == len(found)
    return {one.key: (one, url) for one, url in found}


@dataclass(frozen=True)
class Made:
    """How a test fills a list: ``make(number, owner, word)`` adds a row that shows ``word`` in the column ``column``;
    ``role`` sees it where its organisation owns it; ``None``: anybody who has the role sees every row."""

    make: Callable[[int, Organisation, str], Any] | None
    column: str = ""
    role: str | None = "manager"
    status: int = 403  # for a resident; where it is 200 they see what is their own


def a_device(number: int, owner: Organisation, word: str) -> None:
    one = factories.device(f"D-{owner.code}-{number}", "daiad-swm", owner, address=word)
    with transaction.atomic():
        search.put("device", [(one.pk, f"{one.serial} {word}")])


def a_load(number: int, owner: Organisation, word: str) -> Load:
    one = Load.objects.create(
        file_name=word, profile="p", profile_text={}, started_at=NOW, who_name=owner.code, organisation=owner,
        state=Load.FAILED,
    )  # fmt: skip
    with transaction.atomic():
        search.put("load", [(one.pk, word)])
    return one


def a_device_load(number: int, owner: Organisation, word: str) -> DeviceLoad:
    one = DeviceLoad.objects.create(
        file_name=word, file_sha256="0" * 64, at=NOW, who_id=new_id(), who_name=owner.code, outcome="kept",
        rows_read=0, rows_new=0, rows_changed=0, rows_unchanged=0, rows_refused=0,
    )  # fmt: skip
    with transaction.atomic():
        search.put("device_load", [(one.pk, word)])
    return one


def refused_rows(load: Load | DeviceLoad, words: list[str]) -> None:
    folder = settings.QALA.loads_dir / str(load.pk)
    folder.mkdir(parents=True, exist_ok=True)
    name = "refused.csv" if isinstance(load, Load) else "refused-devices.csv"
    with (folder / name).open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["line", "serial", "reason", "content"])
        table.writerows([number, "S", "bad_serial", word] for number, word in enumerate(words, start=2))


def a_person(number: int, owner: Organisation, word: str) -> None:
    one = factories.person("engineer", owner, email=f"p{number}@{owner.code}.example")
    set_name(who=factories.US, now=NOW, person=one, name=word)


def an_organisation(number: int, owner: Organisation, word: str) -> None:
    factories.organisation(f"more-{number}", name_en=word)


def a_token(number: int, owner: Organisation, word: str) -> None:
    Token.objects.create(
        name=word, organisation=owner, sha256=new_id().hex * 2, permissions=["devices.view"], made_at=NOW,
        expires_at=NOW + timedelta(days=9000),
    )  # fmt: skip


def an_asset(number: int, owner: Organisation, word: str) -> None:
    """A lamp; a code, so that it needs no place of the demo."""
    prepare_kinds(who=factories.US, now=NOW)
    kind = Kind.objects.get(of=Kind.ASSET, key="lamp")
    one = Asset.objects.create(
        code=f"L-{owner.code}-{number}", kind=kind, owner=owner, name=word, geometry_wkb=to_wkb(Point(76.9, 43.2)),
        min_lon=76.9, max_lon=76.9, min_lat=43.2, max_lat=43.2,
    )  # fmt: skip
    with transaction.atomic():
        search.put("asset", [(one.pk, word)])


def an_order(number: int, owner: Organisation, word: str) -> None:
    prepare_kinds(who=factories.US, now=NOW)
    one = WorkOrder.objects.create(
        number=f"2026-{WorkOrder.objects.count():06d}", kind=Kind.objects.get(of=Kind.ORDER, key="repair"), title=word,
        owner=owner, contractor=owner, lon=76.9, lat=43.2, state_at=NOW, opened_at=NOW,
    )  # fmt: skip
    with transaction.atomic():
        search.put("work_order", [(one.pk, word)])


def a_crew(number: int, owner: Organisation, word: str) -> None:
    crew = Crew.objects.create(organisation=owner, name_en=word)
    CrewMember.objects.create(crew=crew, person=factories.person("crew", owner), valid_from=NOW - timedelta(days=1))


def a_point(number: int, owner: Organisation, word: str) -> None:
    """Two devices at one meter point, which is one row."""
    for part in ("a", "b"):
        one = factories.device(
            f"P-{owner.code}-{number}{part}", "daiad-swm", owner, address=word, meter_point=f"P-{number}"
        )
        with transaction.atomic():
            search.put("device", [(one.pk, f"{one.serial} {word}")])


def an_occupancy(number: int, owner: Organisation, word: str) -> None:
    person = factories.person("engineer", owner, email=f"p{number}@{owner.code}.example")
    set_name(who=factories.US, now=NOW, person=person, name=word)
    Occupancy.objects.create(
        owner=owner, meter_point=f"P-{number}", person=person, valid_from=NOW, source=Occupancy.FILE, entered_at=NOW
    )


def a_claim_code(number: int, owner: Organisation, word: str) -> None:
    ClaimCode.objects.create(
        owner=owner, meter_point=word, digest=new_id().hex * 2, made_at=NOW, expires_at=NOW + timedelta(days=9000)
    )


def a_place(number: int, owner: Organisation, word: str) -> None:
    """A zone of a utility."""
    spot = {"label_lon": 76.9, "label_lat": 43.2}
    city, _made = Place.objects.get_or_create(kind="city", defaults={"code": "city", "name_en": "City", **spot})
    one = Place.objects.create(
        kind="zone", code=f"z-{owner.code}-{number}", name_en=word, parent=city, owner=owner, use="water", **spot
    )
    PlaceShape.objects.create(
        place=one, geometry_wkb=to_wkb(Point(76.9, 43.2)), min_lon=76.9, max_lon=76.9, min_lat=43.2, max_lat=43.2,
        h3_cell="", area_km2=1.5,
    )  # fmt: skip
    with transaction.atomic():
        search.put("place", [(one.pk, word)])


def an_act(number: int, owner: Organisation, word: str) -> None:
    """Something that a person of the organisation did."""
    person = factories.person("engineer", owner)
    with transaction.atomic():
        audit.record(
            who=who_of(person, NOW), now=NOW, verb="devices.act", thing="device", key=word, after={"n": number}
        )


LISTS = {
    "audit": Made(an_act, "key"),
    "place-list": Made(a_place, "name"),
    "meter-points": Made(a_point, "address"),
    "occupancies": Made(an_occupancy, "occupant"),
    "claim-codes": Made(a_claim_code, "meter_point"),
    "assets": Made(an_asset, "name"),
    "work-orders": Made(an_order, "title"),
    "crews": Made(a_crew, "crew"),
    "people": Made(a_person, "name"),
    "organisations": Made(an_organisation, "name", role=None),
    "roles": Made(None),
    "tokens": Made(a_token, "name", status=200),
    "devices": Made(a_device, "address"),
    "loads": Made(a_load, "file"),
    "device-loads": Made(a_device_load, "file"),
    "models": Made(None),
    "refused-readings": Made(None),
    "refused-devices": Made(None),
}


def test_every_list_is_in_this_table() -> None:
    assert set(every()) == set(LISTS) | {"deliveries"}  # that one is tested in its matter, notices


@pytest.fixture
def browser(roles: None) -> Browser:
    def of(role: str, at: Organisation | None) -> Client:
        client = Client(SERVER_NAME="localhost")
        client.force_login(factories.person(role, at))
        return client

    return of


def address(key: str) -> str:
    """The page of a list; that of a thing's own list with a thing that holds hostile rows."""
    owner = Organisation.objects.filter(code="own").first() or factories.organisation("own")
    if key in ("refused-readings", "refused-devices"):
        load = (a_load if key == "refused-readings" else a_device_load)(0, owner, "file.csv")
        type(load).objects.filter(pk=load.pk).update(refused_by_reason={"bad_serial": len(HOSTILE)})
        refused_rows(load, list(HOSTILE))
        return reverse(every()[key][1], args=[load.pk])
    return reverse(every()[key][1])


def sheet_of(answer: Any) -> list[list[Any]]:
    """The lines of the first sheet."""
    book = CalamineWorkbook.from_filelike(io.BytesIO(b"".join(answer.streaming_content)))
    return book.get_sheet_by_index(0).to_python()


def cells(answer: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode(), newline="")))


@pytest.mark.parametrize("key", sorted(LISTS))
def test_lists_and_files_ask_as_often_for_three_rows_as_for_one(key: str, browser: Browser, lake: Lake) -> None:
    made, path = LISTS[key], address(key)
    client, owner = browser("administrator", None), factories.organisation("other")
    if made.make is None:
        return
    counts: list[tuple[int, ...]] = []
    for numbers in ((0,), (1, 2)):
        for number in numbers:
            made.make(number, owner, f"word {number}")
        found = []
        for asked in ("", "?q=word", "?form=csv", "?form=xlsx"):
            client.get(path + asked)
            with CaptureQueriesContext(connection) as queries:
                assert client.get(path + asked).status_code == 200
            found.append(len(queries))
        counts.append(tuple(found))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("key", sorted(LISTS))
def test_a_hostile_cell_is_no_formula_in_a_file_and_no_markup_on_a_page(key: str, browser: Browser, lake: Lake) -> None:
    made, path = LISTS[key], address(key)
    client = browser("administrator", None)
    own = Organisation.objects.get(code="own")
    if made.make is not None:
        for number, word in enumerate((*HOSTILE, "<b>x</b>")):
            made.make(number, own, word)
    column = made.column or {"models": "key", "roles": "key"}.get(key, "content")
    page = client.get(path, {"columns": column})
    assert page.status_code == 200
    assert b"<b>x</b>" not in page.content
    answer = client.get(path, {"form": "csv"})
    assert answer["Content-Type"] == "text/csv"
    rows = [cell for row in cells(answer) for cell in row.values()]
    assert rows
    book = client.get(path, {"form": "xlsx"})
    lines = sheet_of(book)
    assert len(lines) > 1
    for cell in [*rows, *(one for line in lines for one in line if isinstance(one, str))]:
        assert not (cell.startswith(("=", "+", "@", "\t", "\r", "＝")) or cell == "-1"), cell
    if key not in ("models", "roles"):
        assert "'=cmd|' /C calc'!A0" in rows
        assert any("'=cmd|' /C calc'!A0" in line for line in lines)


@pytest.mark.parametrize("key", sorted(key for key, one in LISTS.items() if one.make is not None and one.role))
def test_nobody_sees_rows_of_another_organisation_on_a_page_or_in_a_file(
    key: str, browser: Browser, lake: Lake
) -> None:
    made, path = LISTS[key], address(key)
    own, other = Organisation.objects.get(code="own"), factories.organisation("other")
    assert made.make is not None
    made.make(1, own, "mine")
    made.make(2, other, "theirs")
    client = browser(made.role or "", own)
    for asked in ({}, {"q": "theirs"}, {"owner": "other"}, {"columns": made.column}, {"q": "i"}):
        assert b">theirs<" not in client.get(path, asked).content
        rows = cells(client.get(path, {**asked, "form": "csv"}))
        assert "theirs" not in {cell for row in rows for cell in row.values()}
        book = client.get(path, {**asked, "form": "xlsx"})
        assert "theirs" not in {cell for line in sheet_of(book) for cell in line}
    mine = b">mine<" in client.get(path, {"columns": made.column}).content
    assert mine == (key not in ("device-loads", "tokens")), "those are of who made them, or of who manages people"
    nobody = Client(SERVER_NAME="localhost")
    for asked in ({}, {"form": "csv"}, {"form": "xlsx"}):
        assert nobody.get(path, asked).status_code in (302, 401)
        assert browser("resident", own).get(path, asked).status_code == made.status
    assert b">mine<" not in browser("resident", own).get(path).content


@pytest.mark.parametrize("key", sorted(LISTS))
@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"after": "nonsense"}, 422),
        ({"after": encode_cursor("a", "b", "c")}, 422),
        ({"after": encode_cursor("\x00", "x")}, 422),
        ({"form": "exe"}, 422),
        ({"sort": "password", "columns": "nothing,__class__", "state": "x", "model": "' OR 1=1"}, 200),
        ({"q": "\ud800%_\"'", "reason": "x"}, 200),
        ({"q": "\x00", "state": "\x00"}, 422),
        ({"columns": ",".join("abc" * 5000)}, 200),
    ],
)
def test_addresses_that_ask_nonsense(
    key: str, asked: dict[str, str], status: int, browser: Browser, lake: Lake
) -> None:
    given = {name: value.encode("utf-8", "surrogatepass") for name, value in asked.items()}
    assert browser("administrator", None).get(address(key), given).status_code == status


@pytest.mark.parametrize("key", sorted(LISTS))
def test_every_order_walks_all_rows_once(key: str, browser: Browser, lake: Lake) -> None:
    made, path = LISTS[key], address(key)
    own = Organisation.objects.get(code="own")
    found = every()[key][0]
    if made.make is not None:
        for number in range(5):
            made.make(number, own, f"w{number}")
    if key == "devices":
        Device.objects.filter(serial__endswith="3").update(last_seen_at=NOW)
    thing = Load.objects.first() if "readings" in key else DeviceLoad.objects.first()
    look = Look(factories.asker("administrator"), NOW, thing)
    whole = found.count(Asked(), look)
    assert whole
    for sort in found.sorts:
        for sign in ("", "-"):
            asked = Asked(sort=f"{sign}{sort.column}")
            seen: list[Any] = []
            after: tuple[str, ...] = ()
            for _page in range(whole + 1):
                page = found.page(Asked(sort=asked.sort, after=after, limit=2), look)
                seen += [found.columns[0].value(row) for row in page.rows]
                after = page.following
                if not after:
                    break
            assert len(seen) == whole == page.total
            assert seen == [found.columns[0].value(row) for row in found.every(asked, look)]
    assert path


def test_columns_filters_and_sort_stay_in_the_address(browser: Browser, lake: Lake) -> None:
    own = factories.organisation("own")
    for number in range(3):
        a_device(number, own, "Abai 1")
    client = browser("administrator", None)
    page = client.get("/console/devices/", {"columns": ["address", "model"], "owner": "own", "sort": "-serial"})
    text = page.content.decode()
    assert "Abai 1" in text
    assert text.index("D-own-2") < text.index("D-own-0")
    assert "columns=address&amp;columns=model&amp;owner=own&amp;sort=-serial&amp;form=csv" in text
    assert "columns=address&amp;columns=model&amp;owner=own&amp;sort=serial" in text
    rows = cells(client.get("/console/devices/", {"columns": "address,serial", "sort": "-serial", "form": "csv"}))
    assert [list(row.values()) for row in rows] == [[f"D-own-{n}", "Abai 1"] for n in (2, 1, 0)]


def test_a_sheet_holds_dates_and_numbers_as_such(browser: Browser, lake: Lake) -> None:
    own = factories.organisation("own")
    factories.device("a", "daiad-swm", own, installed_at=NOW, lon=76.9, lat=43.2, digits=8)
    Device.objects.update(last_seen_at=NOW)
    book = browser("administrator", None).get("/console/devices/", {"form": "xlsx"})
    head, row = sheet_of(book)
    found = dict(zip([one.key for one in every()["devices"][0].columns], row, strict=True))
    assert found["lon"] == 76.9
    assert found["digits"] == 8
    assert found["last_seen"].year == NOW.year
    assert any(settings.TIME_ZONE in str(title) for title in head)


def test_more_rows_than_a_sheet_holds_are_told_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    column = Column("n", "n", lambda row: row, "number")
    with pytest.raises(TooMuch, match="1048575"):
        lists.write_xlsx(tmp_path / "x", iter(()), [column], title="x", total=1_048_576)
    assert lists.write_xlsx(tmp_path / "x", iter(range(3)), [column], title="x", total=3) == 3


def test_only_some_files_are_written_at_once(browser: Browser, lake: Lake) -> None:
    client = browser("administrator", None)
    with list_pages._turn(), list_pages._turn():
        assert client.get("/console/devices/", {"form": "csv"}).status_code == 503
    assert client.get("/console/devices/", {"form": "csv"}).status_code == 200
