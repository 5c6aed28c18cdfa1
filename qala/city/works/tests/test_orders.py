"""Work orders, crews and photos: their way, what is told, and who may what."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from PIL import Image

from qala.city.people.public import Organisation, Person, who_of
from qala.city.works import actions, store
from qala.city.works.models import Crew, CrewMember, OrderNote, OrderPhoto, WorkOrder
from qala.kernel.access import ANONYMOUS, Who
from qala.kernel.errors import BadInput, Conflict, NotAllowed, NotFound, QalaError, SignInNeeded
from qala.kernel.lists import Asked, Look
from qala.kernel.models import AuditEntry, OutboxEvent
from tests import factories

from .conftest import NOW, US, ClientOf, lamp

Orgs = dict[str, Organisation]


def picture(width: int = 64) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, 48), "green").save(out, "JPEG")
    return out.getvalue()


def order(works: Orgs, *, who: Who = US, kind: str = "lamp_repair", **more: Any) -> WorkOrder:
    told = {"title": "Lamp is dark", "lon": 76.85, "lat": 43.25, "contractor": works["builder"], **more}
    return actions.open_order(who=who, now=NOW, kind=kind, owner=works["mine"], **told)


def take_to(one: WorkOrder, *states: str, who: Who = US, reason: str = "") -> WorkOrder:
    for to in states:
        if to == "done":
            for item in one.items.all():
                actions.tick_item(number=one.number, position=item.position, ticked=True, who=US, now=NOW)
        one = actions.move_order(number=one.number, to=to, who=who, now=NOW, reason=reason)
    return one


def crew_of(works: Orgs, org: str = "builder") -> tuple[Crew, Person, Who]:
    """A crew and a person of the role crew in it."""
    crew = actions.make_crew(organisation=works[org], who=US, now=NOW, name_en="Crew")
    person = factories.person("crew", works[org])
    actions.join_crew(crew=crew.pk, email=person.email, who=US, now=NOW)
    return crew, person, who_of(person, NOW)


def test_the_way_of_an_order(works: Orgs) -> None:
    asset = lamp("L-1")
    crew, person, doer = crew_of(works)
    one = order(works, asset="L-1", lon=None, lat=None, source="requests", source_key="R-7")
    assert (one.number, one.state, one.asset, one.due_at) == ("2026-000001", "draft", asset, NOW + timedelta(days=3))
    assert one.district is not None and one.district.code == "west"
    actions.assign_order(number=one.number, crew=crew.pk, who=US, now=NOW)
    take_to(one, "ordered")
    take_to(one, "accepted", "under_way", who=doer)
    with pytest.raises(Conflict, match="checklist"):
        actions.move_order(number=one.number, to="done", who=doer, now=NOW)
    for position in (1, 2, 3):
        actions.tick_item(number=one.number, position=position, ticked=True, who=doer, now=NOW)
    actions.add_photo(number=one.number, data=picture(), moment="after", who=doer, now=NOW)
    actions.add_note(number=one.number, kind="material", text="LED 70 W", who=doer, now=NOW)
    actions.add_note(number=one.number, kind="time", text="", minutes=40, who=doer, now=NOW)
    actions.move_order(number=one.number, to="done", who=doer, now=NOW)
    actions.move_order(number=one.number, to="done", who=doer, now=NOW)  # pressed twice
    with pytest.raises(BadInput, match="why"):
        take_to(one, "returned")
    take_to(one, "returned", reason="still dark")
    take_to(one, "under_way", who=doer)
    one = take_to(one, "done", "checked")
    parts = store.parts_of(one)
    assert [step.to for step in parts.steps] == [
        "draft", "ordered", "accepted", "under_way", "done", "returned", "under_way", "done", "checked",
    ]  # fmt: skip
    assert parts.items[0].who_name == str(person) and len(parts.photos) == 1
    told = list(OutboxEvent.objects.filter(name__startswith="works.").order_by("id").values_list("name", flat=True))
    assert told == [
        "works.order_opened", "works.order_assigned", "works.order_done", "works.order_returned", "works.order_done",
        "works.order_checked",
    ]  # fmt: skip
    assigned = OutboxEvent.objects.get(name="works.order_assigned").payload
    assert (assigned["crew"], assigned["persons"]) == (str(crew.pk), [str(person.pk)])
    assert OutboxEvent.objects.get(name="works.order_checked").payload["source_key"] == "R-7"
    assert AuditEntry.objects.filter(verb="works.move_order", thing_key=str(one.pk)).count() == 8


def test_another_matter_opens_an_order_once(works: Orgs) -> None:
    first, again = (order(works, source="requests", source_key="R-1") for _ in range(2))
    assert first.pk == again.pk and WorkOrder.objects.count() == 1
    assert OutboxEvent.objects.filter(name="works.order_opened").count() == 1


def test_numbers_go_by_the_citys_year(works: Orgs) -> None:
    late = NOW.replace(month=12, day=31, hour=20)
    numbers = [
        actions.open_order(who=US, now=at, kind="repair", title="x", owner=works["mine"], place="west").number
        for at in (NOW, NOW, late)
    ]
    assert numbers == ["2026-000001", "2026-000002", "2027-000001"]


@pytest.mark.parametrize(
    "wrong",
    [{"title": " "}, {"title": "x" * 201}, {"lon": 70.0}, {"lon": None}, {"lon": None, "lat": None}, {"place": "nowhere"},
     {"place": "east"}, {"priority": 9}, {"kind": "dance"}, {"asset": "L-404"}, {"lon": float("nan")}],
)  # fmt: skip
def test_what_is_wrong_with_an_order(works: Orgs, wrong: dict[str, Any]) -> None:
    with pytest.raises((BadInput, NotFound)):
        order(works, **wrong)
    assert WorkOrder.objects.count() == 0


def test_changing_and_declining(works: Orgs) -> None:
    one = take_to(order(works), "ordered")
    changed = actions.change_order(
        number=one.number,
        who=US,
        now=NOW,
        title="Two lamps",
        text="",
        contractor=works["other"],
        priority=1,
        due_at=None,
    )
    assert (changed.title, changed.contractor, changed.priority) == ("Two lamps", works["other"], 1)
    declined = take_to(one, "draft", reason="no ladder")
    assert (declined.contractor_id, declined.ordered_at) == (None, None)
    with pytest.raises(BadInput, match="who is to do"):
        take_to(one, "ordered")
    take_to(order(works), "ordered", "accepted")
    with pytest.raises(Conflict):
        actions.change_order(
            number="2026-000002", who=US, now=NOW, title="x", text="", contractor=None, priority=1, due_at=None
        )


def test_the_same_photo_is_one_photo(works: Orgs) -> None:
    one = take_to(order(works), "ordered", "accepted")
    first = actions.add_photo(number=one.number, data=picture(), moment="before", who=US, now=NOW)
    assert actions.add_photo(number=one.number, data=picture(), moment="before", who=US, now=NOW).pk == first.pk
    assert actions.add_photo(number=one.number, data=picture(), moment="after", who=US, now=NOW).pk != first.pk
    actions.remove_photo(number=one.number, photo=first.pk, who=US, now=NOW)
    assert OrderPhoto.objects.count() == 1
    take_to(one, "cancelled", reason="gone")
    with pytest.raises(Conflict):
        actions.add_photo(number=one.number, data=picture(70), moment="after", who=US, now=NOW)


def test_crews_are_dated(works: Orgs) -> None:
    crew, person, who = crew_of(works)
    one = actions.assign_order(number=take_to(order(works), "ordered").number, crew=crew.pk, who=US, now=NOW)
    assert [mine.pk for mine in store.my_orders(who, NOW)] == [one.pk]
    with pytest.raises(NotFound, match="Nobody"):
        actions.join_crew(crew=crew.pk, email="nobody@city.example", who=US, now=NOW)
    later = NOW + timedelta(hours=1)
    actions.leave_crew(crew=crew.pk, member=CrewMember.objects.get().pk, who=US, now=later)
    assert store.my_orders(who, later) == []
    with pytest.raises(NotFound):
        store.get_order(one.number, who=who, now=later)
    actions.join_crew(crew=crew.pk, email=person.email, who=US, now=later + timedelta(hours=1))
    assert CrewMember.objects.count() == 2
    actions.close_crew(crew=crew.pk, who=US, now=later + timedelta(hours=2))
    assert store.list_crews(who=US, now=later) == []
    with pytest.raises(NotFound):
        actions.assign_order(number=one.number, crew=crew.pk, who=US, now=later + timedelta(hours=3))


def test_the_database_holds_what_must_hold(works: Orgs) -> None:
    one = order(works)
    for wrong in ({"state": "asleep"}, {"state": "ordered", "ordered_at": None}, {"priority": 0}, {"lon": None}):
        with pytest.raises(IntegrityError), transaction.atomic():
            WorkOrder.objects.filter(pk=one.pk).update(**wrong)
    with pytest.raises(IntegrityError), transaction.atomic():
        OrderNote.objects.create(order=one, kind="time", text="", minutes=None, at=NOW)


def test_a_person_is_shown_and_cut_out(works: Orgs) -> None:
    crew, person, who = crew_of(works)
    one = actions.assign_order(number=take_to(order(works), "ordered").number, crew=crew.pk, who=US, now=NOW)
    take_to(one, "accepted", who=who)
    actions.tick_item(number=one.number, position=1, ticked=True, who=who, now=NOW)
    actions.add_note(number=one.number, text="hello", who=who, now=NOW)
    actions.add_photo(number=one.number, data=picture(), moment="before", who=who, now=NOW)
    told = store.rows_of_person(person.pk)
    assert {name: len(rows) for name, rows in told.items()} == {
        "crews": 1, "steps": 1, "ticks": 1, "notes": 1, "photos": 1, "asset_changes": 0,
    }  # fmt: skip
    with transaction.atomic():
        assert actions.erase_person(person.pk, NOW) == 5
        assert actions.erase_person(person.pk, NOW) == 0
    assert not any(store.rows_of_person(person.pk).values())
    assert store.parts_of(one).notes[0].who_name == "" and store.parts_of(one).items[0].ticked_at == NOW


# ---- who may what ---------------------------------------------------------------------------------------------------

# role → what it may, of: see, order, assign, do, check
MAY: dict[str, set[str]] = {
    "administrator": {"see", "order", "assign", "do", "check"}, "manager": {"see", "order", "assign", "do", "check"},
    "engineer": {"see", "order", "assign", "check"}, "operator": {"see", "order", "assign"}, "mayor": {"see"},
    "analyst": {"see"}, "desk_official": {"see", "order"}, "inspector": {"see", "check"}, "crew": {"do"}, "pilot": set(),
    "reviewer": set(), "innovator": set(), "resident": set(),
}  # fmt: skip
ROWS = [
    (role, where)
    for role in MAY
    for where in ("mine", "builder", "other", None)
    if role != "administrator" or where is None
]


def may(act: Callable[[], object]) -> bool:
    """Whether an action is allowed, undone afterwards; what may not be known of answers as what is not there."""
    try:
        with transaction.atomic():
            act()
            transaction.set_rollback(True)
    except (NotAllowed, NotFound):
        return False
    except Conflict:  # it was theirs to do, and can't be done now
        return True
    return True


@pytest.mark.parametrize(("role", "where"), ROWS)
def test_roles_and_organisations(works: Orgs, role: str, where: str | None) -> None:
    """mine orders, builder does, other has nothing to do with it."""
    drafted = order(works)
    ordered = take_to(order(works), "ordered")
    working = take_to(order(works), "ordered", "accepted", "under_way")
    done = take_to(order(works), "ordered", "accepted", "under_way", "done")
    crew, _person, _who = crew_of(works)
    who, held = factories.asker(role, works[where] if where else None), MAY[role]
    owns, does = where in ("mine", None), where in ("builder", None)

    def number_of(one: WorkOrder) -> Callable[[], object]:
        return lambda: store.get_order(one.number, who=who, now=NOW)

    def to(one: WorkOrder, state: str) -> Callable[[], object]:
        return lambda: actions.move_order(number=one.number, to=state, who=who, now=NOW, reason="because")

    sees = "see" in held
    assert may(number_of(drafted)) == (sees and owns), "drafts are their owner's alone"
    assert may(number_of(ordered)) == (sees and (owns or does))
    assert may(lambda: order(works, who=who)) == ("order" in held and owns)
    assert may(to(drafted, "ordered")) == ("order" in held and owns)
    assert may(to(working, "cancelled")) == ("order" in held and owns)
    assert may(to(ordered, "accepted")) == (sees and does and bool(held & {"do", "assign"}))
    assert may(to(ordered, "draft")) == (sees and does and "assign" in held)
    assert may(to(working, "done")) == (sees and does and "do" in held)
    assert may(to(done, "checked")) == (sees and owns and "check" in held)
    assert may(lambda: actions.assign_order(number=ordered.number, crew=crew.pk, who=who, now=NOW)) == (
        sees and does and "assign" in held
    )
    assert may(lambda: actions.tick_item(number=working.number, position=1, ticked=True, who=who, now=NOW)) == (
        sees and does and "do" in held
    )
    assert may(lambda: actions.add_note(number=ordered.number, text="hm", who=who, now=NOW)) == (
        sees and (owns or does)
    )
    assert may(lambda: actions.add_photo(number=working.number, data=picture(), moment="after", who=who, now=NOW)) == (
        sees and does and "do" in held
    )
    made: dict[str, Any] = {"organisation": works["builder"], "name_en": "New"}
    assert may(lambda: actions.make_crew(who=who, now=NOW, **made)) == ("assign" in held and does)
    assert may(lambda: store.get_crew(crew.pk, who=who)) == ("assign" in held and does)
    if sees or "do" in held:
        found = store.ORDERS.page(Asked(), Look(who, NOW))
        assert found.total == len(found.rows) == (0 if not sees else 4 if owns else 3 if does else 0)
    else:
        with pytest.raises(NotAllowed):
            store.ORDERS.page(Asked(), Look(who, NOW))
    with pytest.raises(SignInNeeded):
        store.ORDERS.page(Asked(), Look(ANONYMOUS, NOW))


def test_a_crew_sees_its_own_orders_alone(works: Orgs) -> None:
    crew, _person, who = crew_of(works)
    mine = actions.assign_order(number=take_to(order(works), "ordered").number, crew=crew.pk, who=US, now=NOW)
    others = take_to(order(works), "ordered")
    drafted = actions.assign_order(number=order(works).number, crew=crew.pk, who=US, now=NOW)
    assert [one.pk for one in store.my_orders(who, NOW)] == [mine.pk]
    for hidden in (others, drafted):
        with pytest.raises(NotFound):
            store.get_order(hidden.number, who=who, now=NOW)
    assert take_to(mine, "accepted", who=who).state == "accepted"


# ---- the doors ------------------------------------------------------------------------------------------------------


def test_a_crew_on_a_phone(works: Orgs, client_of: ClientOf) -> None:
    crew, person, _who = crew_of(works)
    CrewMember.objects.update(valid_from=NOW - timedelta(days=1))
    one = actions.assign_order(number=take_to(order(works), "ordered").number, crew=crew.pk, who=US, now=NOW)
    client, path = client_of(person=person), f"/console/works/{one.number}"
    page = client.get("/console/crew/").content.decode()
    assert "Lamp is dark" in page and "Accept" in page and "overdue" in page and len(page) < 30_000
    assert client.post(f"{path}/step/", {"to": "accepted", "from": "list"})["Location"] == "/console/crew/"
    assert (
        client.post(f"{path}/step/", {"to": "under_way", "from": "crew"})["Location"] == f"/console/crew/{one.number}/"
    )
    page = client.get(f"/console/crew/{one.number}/").content.decode()
    assert "The light is tried" in page and "disabled" in page
    early = client.post(f"{path}/step/", {"to": "done", "from": "crew"}, follow=True).content.decode()
    assert "Tick every line" in early
    for position in ("1", "2", "3"):
        client.post(f"{path}/tick/", {"position": position, "ticked": "1", "from": "crew"})
    client.post(f"{path}/photos/", {"photo": SimpleUploadedFile("x.exe", picture()), "moment": "after", "from": "crew"})
    wrong = {"photo": SimpleUploadedFile("x.jpg", b"MZ"), "moment": "after", "from": "crew"}
    assert "no picture" in client.post(f"{path}/photos/", wrong, follow=True).content.decode()
    client.post(f"{path}/note/", {"kind": "time", "minutes": "35", "from": "crew"})
    client.post(f"{path}/note/", {"kind": "comment", "text": "<script>", "from": "crew"})
    client.post(f"{path}/step/", {"to": "done", "from": "crew"})
    one.refresh_from_db()
    assert one.state == "done"
    photo = f"/console/works/photos/{OrderPhoto.objects.get().pk}"
    answer = client.get(f"{photo}/small.jpg")
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/jpeg")
    page = client.get(path + "/").content.decode()
    assert "&lt;script&gt;" in page and "35" in page
    stranger = client_of("manager", works["other"])
    for address in (f"{path}/", f"{photo}/small.jpg", f"{photo}/large.jpg", f"/console/crew/{one.number}/"):
        assert stranger.get(address).status_code == 404, address
    for act in ("step", "assign", "tick", "note", "photos"):
        assert stranger.post(f"{path}/{act}/", {"to": "checked"}).status_code in (302, 404), act
    one.refresh_from_db()
    assert one.state == "done"
    assert client_of("manager", works["mine"]).get(f"{photo}/large.jpg").status_code == 200


def test_the_pages(works: Orgs, client_of: ClientOf) -> None:
    lamp("L-1")
    client = client_of("manager", works["mine"])
    assert "No work orders yet" in client.get("/console/works/").content.decode()
    told = {
        "kind": "lamp_repair",
        "title": "Dark",
        "owner": "mine",
        "contractor": "mine",
        "priority": "1",
        "asset": "L-1",
    }
    made = client.post("/console/works/new/?asset=L-1", told)
    one = WorkOrder.objects.get()
    assert made["Location"] == f"/console/works/{one.number}/"
    page = client.get(made["Location"]).content.decode()
    assert "Dark" in page and "urgent" in page and '<svg class="minimap"' in page
    assert one.number in client.get("/console/assets/L-1/").content.decode()
    bad = client.post("/console/works/new/", {**told, "asset": "L-404"})
    assert (bad.status_code, "There is no asset L-404" in bad.content.decode()) == (404, True)
    assert client.post(f"/console/works/{one.number}/edit/", {**told, "title": "Darker"}).status_code == 302
    answer = client.post("/console/crews/", {"organisation": "mine", "name_en": "Night"})
    mate = factories.person("crew", works["mine"])
    joined = client.post(answer["Location"], {"email": mate.email})
    assert joined.status_code == 302 and mate.name in client.get("/console/crews/").content.decode()
    assert client.post(answer["Location"], {"email": "who@city.example"}).status_code == 404
    crew = Crew.objects.get()
    client.post(f"/console/works/{one.number}/assign/", {"crew": str(crew.pk)})
    client.post(f"/console/works/{one.number}/step/", {"to": "ordered"})
    one.refresh_from_db()
    assert (one.title, one.crew, one.state) == ("Darker", crew, "ordered")
    layer = client.get("/console/map/layer/works.orders.geojson").json()
    assert [feature["properties"]["key"] for feature in layer["features"]] == [one.number]
    member = CrewMember.objects.get()
    other = client_of("manager", works["other"])
    assert other.post(f"/console/crews/{crew.pk}/members/{member.pk}/leave/").status_code == 404
    assert other.get(answer["Location"]).status_code == 404
    assert client.post(f"/console/crews/{crew.pk}/members/{member.pk}/leave/").status_code == 302
    assert client.post(f"/console/crews/{crew.pk}/close/").status_code == 302
    for query in (
        "q=dark",
        "state=open",
        "state=overdue",
        "kind=lamp_repair",
        "owner=nobody",
        "sort=number",
        "district=west",
    ):
        assert client.get(f"/console/works/?{query}").status_code == 200


def test_the_api(works: Orgs, client_of: ClientOf) -> None:
    client = client_of("manager", works["mine"])

    def post(path: str, **given: Any) -> Any:
        return client.post(f"/api/v1/{path}", given, content_type="application/json")

    made = post("orders", kind="repair", title="x", owner="mine", contractor="mine", place="west")
    assert made.status_code == 200, made.content
    number = made.json()["number"]
    assert (made.json()["state"], len(made.json()["items"])) == ("draft", 3)
    crew = post("crews", organisation="mine", name_kk="Бригада").json()
    mate = factories.person("crew", works["mine"])
    member = post(f"crews/{crew['id']}/members", email=mate.email).json()
    assert member["person"] == str(mate.pk)
    assert post(f"orders/{number}/crew", crew=crew["id"]).json()["crew"] == crew["id"]
    for state in ("ordered", "accepted", "under_way"):
        assert post(f"orders/{number}/steps", to=state).json()["state"] == state
    assert post(f"orders/{number}/steps", to="done").status_code == 409
    for position in (1, 2, 3):
        assert post(f"orders/{number}/ticks", position=position).json()["ticked_at"]
    assert post(f"orders/{number}/ticks", position=9).status_code == 404
    assert post(f"orders/{number}/notes", kind="time", minutes=10).json()["minutes"] == 10
    photo = client.post(
        f"/api/v1/orders/{number}/photos", {"photo": SimpleUploadedFile("p", picture()), "moment": "after"}
    )
    assert client.get(f"/api/v1/orders/photos/{photo.json()['id']}").status_code == 200
    assert post(f"orders/{number}/steps", to="done").json()["done_at"]
    assert client.get("/api/v1/orders?state=done").json()["count"] == 1
    whole = client.get(f"/api/v1/orders/{number}").json()
    assert (len(whole["steps"]), len(whole["photos"]), len(whole["notes"])) == (5, 1, 1)
    assert client.get("/api/v1/crews").json()[0]["members"][0]["name"] == mate.name
    assert client.delete(f"/api/v1/crews/{crew['id']}/members/{member['id']}").status_code == 204
    stranger = client_of("manager", works["other"])
    assert stranger.get(f"/api/v1/orders/{number}").status_code == 404
    assert stranger.get(f"/api/v1/orders/photos/{photo.json()['id']}").status_code == 404


def test_lists_ask_a_fixed_number_of_times(works: Orgs, client_of: ClientOf) -> None:
    crew, person, _who = crew_of(works)
    CrewMember.objects.update(valid_from=NOW - timedelta(days=1))
    manager, doer = client_of("manager", works["builder"]), client_of(person=person)
    pages = [
        (manager, "/console/works/"),
        (manager, "/api/v1/orders"),
        (manager, "/console/crews/"),
        (doer, "/console/crew/"),
    ]
    counts = []
    for number in (1, 2, 3):
        actions.assign_order(number=take_to(order(works), "ordered").number, crew=crew.pk, who=US, now=NOW)
        crew_of(works)
        if number == 2:
            continue
        for client, address in pages:
            client.get(address)
            with CaptureQueriesContext(connection) as asked:
                assert client.get(address).status_code == 200
            counts.append(len(asked))
    assert counts[:4] == counts[4:]
    assert max(counts) < 20


def test_errors_are_the_domains(works: Orgs) -> None:
    one = order(works)
    for wrong in (
        lambda: actions.move_order(number=one.number, to="nowhere", who=US, now=NOW),
        lambda: actions.move_order(number="x", to="done", who=US, now=NOW),
        lambda: actions.add_note(number=one.number, text=" ", who=US, now=NOW),
        lambda: actions.add_note(number=one.number, kind="song", text="la", who=US, now=NOW),
        lambda: actions.add_note(number=one.number, kind="time", text="", who=US, now=NOW),
        lambda: actions.add_photo(number=one.number, data=b"", moment="during", who=US, now=NOW),
        lambda: actions.make_crew(organisation=works["mine"], who=US, now=NOW),
    ):
        with pytest.raises(QalaError):
            wrong()
