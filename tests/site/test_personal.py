"""A person's own copy of all that is known of them, and their erasure: over all matters, no field forgotten."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.apps import apps
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import models
from django.test import Client

from qala.city.devices.actions import begin_occupancy, claim_meter_point
from qala.city.devices.models import ClaimAttempt, DeviceChange, DeviceCredential, DeviceLoad, Load, Occupancy
from qala.city.notices.models import Choice, Delivery, Notice, Preference
from qala.city.people import actions
from qala.city.people.models import ErasureRequest, Membership, Organisation, Person, SignIn, Token
from qala.city.people.public import who_of
from qala.city.places.models import Place
from qala.city.works.models import (
    Asset,
    AssetChange,
    Crew,
    CrewMember,
    Kind,
    OrderItem,
    OrderNote,
    OrderPhoto,
    OrderStep,
    WorkOrder,
)
from qala.kernel import audit, personal, search
from qala.kernel.access import EVERYTHING, Who, system
from qala.kernel.errors import BadInput, Conflict, NotAllowed
from qala.kernel.models import AuditEntry, AuditName, MediaFile
from tests import factories

NOW = datetime(2026, 5, 12, 6, tzinfo=UTC)
US = system("test")
NAME, EMAIL, PHONE = "Гүлнар Сәрсенова", "gulnar@city.example", "+77011234567"
WAIT = timedelta(days=settings.QALA.erasure_days)

# Every field that points at a person, and what becomes of it: "cut" is nothing or null after an erasure; anything else is
# the reason why the id of the empty account stays.
POINTS = {
    "account.EmailAddress.user": "cut",
    "devices.ClaimAttempt.person": "cut",
    "devices.ClaimCode.made_by": "cut",
    "devices.DeviceChange.who_id": "who did it stays told apart from others, without a name",
    "devices.DeviceLoad.who_id": "who did it stays told apart from others, without a name",
    "devices.Load.who_id": "who did it stays told apart from others, without a name",
    "devices.Occupancy.entered_by": "cut",
    "devices.Occupancy.person": "cut",
    "devices.DeviceCredential.made_by_id": "who did it stays told apart from others, without a name",
    "kernel.AuditEntry.who_id": "the chain of the audit is never changed; the id leads to the empty account",
    "kernel.AuditName.who_id": "cut",
    "mfa.Authenticator.user": "cut",
    "notices.Choice.person": "cut",
    "notices.Notice.person": "cut",
    "notices.Preference.person": "cut",
    "people.ErasureRequest.person": "when it was asked for and done, of the empty account",
    "people.Membership.person": "which power was held when; it ended with the erasure",
    "people.SignIn.person": "cut",
    "people.Token.person": "cut",
    "socialaccount.SocialAccount.user": "cut",
    "works.AssetChange.who_id": "cut",
    "works.CrewMember.person": "cut",
    "works.OrderItem.who_id": "cut",
    "works.OrderNote.who_id": "cut",
    "works.OrderPhoto.who_id": "cut",
    "works.OrderStep.who_id": "cut",
}
# Every field of a person, and what it holds after an erasure.
ACCOUNT = {
    "id": "stays: it is random", "joined_at": "stays: when the empty account was made", "is_demo": "stays",
    "erased_at": "the instant of the erasure", "email": "an address that is none", "phone": None, "name": "", "language": "",
    "password": "unusable", "last_login": None, "invitation": None, "invited_at": None, "is_active": False,
}  # fmt: skip

pytestmark = pytest.mark.django_db


def pointing() -> set[str]:
    """Fields of all models that hold a person: relations, and plain ids by the names that are used for such."""
    found = set()
    for model in apps.get_models():
        for one in model._meta.get_fields():
            if one.auto_created or not isinstance(one, models.Field):
                continue
            related = one.is_relation and one.related_model is Person
            plain = isinstance(one, models.UUIDField) and one.name in (
                "who_id",
                "person",
                "person_id",
                "user_id",
                "made_by_id",
            )
            if related or plain:
                found.add(f"{model._meta.app_label}.{model.__name__}.{one.name}")
    return found


def test_every_field_that_points_at_a_person_is_told_of() -> None:
    """A new one must be erased by its matter's plug, or have its reason here."""
    assert pointing() == set(POINTS)
    assert {one.name for one in Person._meta.concrete_fields} == set(ACCOUNT)
    assert all(POINTS.values())


@pytest.fixture
def utility(roles: None) -> Organisation:
    return factories.organisation("utility")


@pytest.fixture
def gulnar(utility: Organisation, client: Client, lake: Any) -> Person:
    """Somebody of whom every matter knows something."""
    person = factories.person("manager", utility, email=EMAIL, password=factories.PASSWORD)
    actions.set_name(who=US, now=NOW, person=person, name=NAME)
    who = who_of(person, NOW)
    client.force_login(person)
    actions.begin_session(
        now=NOW, person=person, session_key=client.session.session_key or "", address="192.0.2.1", agent="Firefox"
    )
    actions.create_token(who=who, now=NOW, name="a program", permissions=["devices.view"], days=9)
    Authenticator.objects.create(user=person, type=Authenticator.Type.TOTP, data={"secret": "the secret"})
    device = factories.device("W-1", owner=utility, meter_point="P-1")
    for held in (person, factories.person(email="other@city.example")):
        begin_occupancy(
            who=Who("person", NAME, person.pk, {**who.grants, "people.view": EVERYTHING}), now=NOW, owner="utility",
            meter_point="P-1", person=held.email, valid_from=NOW - timedelta(days=9),
        )  # fmt: skip
    with pytest.raises(BadInput):
        claim_meter_point(code="0", who=who, now=NOW)
    DeviceChange.objects.create(device=device, kind="moved", at=NOW, who_id=person.pk, who_name=NAME, recorded_at=NOW)
    about = {"file_name": "a.csv", "who_id": person.pk, "who_name": NAME}
    DeviceCredential.objects.create(
        device=device, batch=person.pk, sha256="0" * 64, made_at=NOW, made_by_id=person.pk, made_by_name=NAME
    )
    Load.objects.create(profile="qala", profile_text={}, started_at=NOW, **about)
    DeviceLoad.objects.create(
        file_sha256="0", at=NOW, outcome="tried", rows_read=0, rows_new=0, rows_changed=0, rows_unchanged=0,
        rows_refused=0, **about,
    )  # fmt: skip
    actions.set_language(who=who, now=NOW, person=person, language="ru")
    Person.objects.filter(pk=person.pk).update(phone=PHONE)
    SocialAccount.objects.create(user=person, provider="oidc", uid="gulnar-outside")
    _works_of(person, utility)
    notice = Notice.objects.create(event=person.pk, kind="people.role_given", person=person, made_at=NOW)
    Delivery.objects.create(
        notice=notice, channel=Delivery.EMAIL, made_at=NOW, address=EMAIL, text=NAME, next_try_at=NOW
    )
    Preference.objects.create(person=person)
    Choice.objects.create(person=person, kind="people.role_given", in_app=True, email=False)
    return person


def _works_of(person: Person, utility: Organisation) -> None:
    by: dict[str, Any] = {"who_id": person.pk, "who_name": NAME}
    kind = Kind.objects.create(of="asset", key="lamp-of-a-test", title_en="Lamp")
    place = Place.objects.create(code="p", kind="city", name_en="P", label_lon=76.9, label_lat=43.2)
    asset = Asset.objects.create(code="A-1", kind=kind, owner=utility, place=place)
    AssetChange.objects.create(asset=asset, at=NOW, **by)
    crew = Crew.objects.create(organisation=utility, name_en="Crew")
    CrewMember.objects.create(crew=crew, person=person, valid_from=NOW)
    order = WorkOrder.objects.create(
        number="2026-000001", kind=kind, title="Mend it", asset=asset, owner=utility, state_at=NOW, opened_at=NOW
    )
    OrderStep.objects.create(order=order, to="draft", at=NOW, **by)
    OrderItem.objects.create(order=order, position=1, title_en="Look", ticked_at=NOW, **by)
    OrderNote.objects.create(order=order, text="Seen", at=NOW, **by)
    media = MediaFile.objects.create(sha256="0" * 64, bytes=1, width=1, height=1, kept_at=NOW)
    OrderPhoto.objects.create(order=order, media=media, moment="before", at=NOW, **by)


def tables(person: Person) -> dict[str, list[dict[str, Any]]]:
    return {name: rows for _title, found in personal.gather(person.pk) for name, rows in found.items()}


def test_the_copy_has_all_tables_and_no_secret(gulnar: Person, tmp_path: Path) -> None:
    found = tables(gulnar)
    empty = {"email_addresses", "readings", "erasure_requests"}
    assert {name for name, rows in found.items() if not rows} <= empty, "the fixture leaves a table untried"
    assert found["account"][0]["email"] == EMAIL
    assert [one["type"] for one in found["second_factors"]] == ["totp"]
    text = json.dumps(found, ensure_ascii=False)
    for secret in ("the secret", gulnar.password, Token.objects.get().sha256, "other@city.example"):
        assert secret not in text
    path = tmp_path / "copy.zip"
    assert personal.write_copy(path, gulnar.pk, language="ru", now=NOW) == sum(map(len, found.values()))
    with zipfile.ZipFile(path) as archive:
        assert set(archive.namelist()) == {"README.txt", "data.json", *(f"{name}.csv" for name in found)}
        assert json.loads(archive.read("data.json")).keys() == found.keys()
        assert "город" in archive.read("README.txt").decode()
        rows = list(csv.DictReader(io.StringIO(archive.read("account.csv").decode())))
        assert rows[0]["name"] == NAME


def everything() -> str:
    """All that the records hold, as text: no name may be left anywhere in it."""
    return json.dumps(
        [list(model._default_manager.values()) for model in apps.get_models() if model is not Session],
        default=str, ensure_ascii=False,
    )  # fmt: skip


def test_an_erasure_leaves_numbers_and_no_name(gulnar: Person, client: Client) -> None:
    assert NAME in everything()
    administrator = factories.asker("administrator")
    at = NOW + timedelta(hours=1)
    actions.erase_person(who=administrator, now=at, person=gulnar, why="asked by letter")
    left = everything()
    for word in (NAME, EMAIL, PHONE, "Гүлнар", "192.0.2.1", "gulnar-outside"):
        assert word not in left
    for name, becomes in POINTS.items():
        label, model, field = name.split(".")
        rows = apps.get_model(label, model)._default_manager.filter(**{field: gulnar.pk})
        assert rows.exists() == (becomes != "cut" and model != "ErasureRequest"), name
    account: dict[str, Any] = dict(Person.objects.values().get(pk=gulnar.pk))
    for name, value in ACCOUNT.items():
        if value in ("", None, False):
            assert account[name] == value, name
    assert not Person.objects.get(pk=gulnar.pk).has_usable_password()
    assert Occupancy.objects.filter(person=None, organisation=None, erased_at=at).count() == 1
    assert Occupancy.objects.filter(person__isnull=False).count() == 1
    assert not Membership.objects.filter(person=gulnar, valid_to__isnull=True).exists()
    assert search.count("person", "gulnar") == 0
    assert audit.check()[0]
    assert client.get("/my/data/").status_code in (302, 401)
    actions.index_persons()
    assert search.count("person", gulnar.pk.hex) == 0
    with pytest.raises(Conflict):
        actions.erase_person(who=administrator, now=NOW, person=gulnar, why="again")
    assert client_of(administrator).get(f"/api/v1/people/{gulnar.pk}").status_code == 404


def client_of(who: Who) -> Client:
    client = Client(SERVER_NAME="localhost", headers={"accept": "application/json"})
    assert who.id is not None
    client.force_login(Person.objects.get(pk=who.id))
    return client


# Who may erase another person: a table.
@pytest.mark.parametrize(
    ("role", "own", "may"),
    [("administrator", False, True), ("manager", True, False), ("engineer", True, False), ("mayor", False, False), (None, False, False)],
)  # fmt: skip
def test_who_may_erase_others(gulnar: Person, utility: Organisation, role: str | None, own: bool, may: bool) -> None:
    who = who_of(factories.person(role, utility if own else None), NOW)
    answer = client_of(who).post(
        f"/api/v1/people/{gulnar.pk}/erase", {"why": "asked by letter"}, content_type="application/json"
    )
    assert answer.status_code == 204 if may else answer.status_code in (403, 404)
    gulnar.refresh_from_db()
    assert (gulnar.erased_at is not None) == may


def test_a_reason_is_wanted_and_the_last_administrator_stays(roles: None) -> None:
    administrator = factories.person("administrator")
    with pytest.raises(BadInput):
        actions.erase_person(who=US, now=NOW, person=factories.person(), why="  ")
    with pytest.raises(Conflict):
        actions.erase_person(who=US, now=NOW, person=administrator, why="x")
    with pytest.raises(Conflict):
        actions.ask_erasure(who=who_of(administrator, NOW), now=NOW, person=administrator)


# asked for by oneself


def test_it_is_asked_for_waited_for_and_done(gulnar: Person) -> None:
    who = who_of(gulnar, NOW)
    for other in (who_of(factories.person(), NOW), Who("token", "a program", gulnar.pk), US):
        with pytest.raises(NotAllowed):
            actions.ask_erasure(who=other, now=NOW, person=gulnar)
    actions.ask_erasure(who=who, now=NOW, person=gulnar)
    with pytest.raises(Conflict):
        actions.ask_erasure(who=who, now=NOW, person=gulnar)
    actions.cancel_erasure(who=who, now=NOW, person=gulnar)
    assert actions.erase_due(now=NOW + WAIT) == 0
    actions.ask_erasure(who=who, now=NOW, person=gulnar)
    assert actions.erase_due(now=NOW + WAIT - timedelta(seconds=1)) == 0
    assert actions.erase_due(now=NOW + WAIT) == 1
    assert actions.erase_due(now=NOW + WAIT) == 0
    assert ErasureRequest.objects.get(done_at__isnull=False).done_at == NOW + WAIT
    assert NAME not in everything()
    assert AuditEntry.objects.filter(verb="people.erase_person").count() == 1


def test_the_pages_ask_who_it_is_again(gulnar: Person, client: Client) -> None:
    assert client.get("/my/data/").status_code == 200
    copy = client.get("/my/data/copy.zip")
    assert zipfile.is_zipfile(io.BytesIO(copy.getvalue()))
    assert client.get("/api/v1/my/data").json()["account"][0]["email"] == EMAIL
    for ask in (client.get, client.post):
        answer = ask("/my/data/erase/")
        assert answer.status_code == 302
        assert "reauthenticate" in answer.headers["Location"]
    assert not ErasureRequest.objects.exists()
    Authenticator.objects.all().delete()
    client.post("/accounts/reauthenticate/?next=/my/data/erase/", {"password": factories.PASSWORD})
    assert client.get("/my/data/erase/").status_code == 200
    assert client.post("/my/data/erase/").status_code == 302
    assert ErasureRequest.objects.filter(person=gulnar).count() == 1
    assert client.get("/my/data/").status_code == 200
    assert client.post("/my/data/keep/").status_code == 302
    assert ErasureRequest.objects.get().cancelled_at is not None


def test_who_signs_in_by_code_alone_signs_in_again(roles: None, client: Client) -> None:
    person = factories.person()
    client.force_login(person)
    assert client.post("/my/data/erase/").status_code == 302
    assert not ErasureRequest.objects.exists()
    session = client.session
    session["account_authentication_methods_user"] = str(person.pk)
    session["account_authentication_methods"] = [{"method": "code", "at": datetime.now(UTC).timestamp()}]
    session.save()
    client.post("/my/data/erase/")
    assert ErasureRequest.objects.filter(person=person).exists()


# after a restore


def test_a_restored_back_up_erases_again(gulnar: Person, django_capture_on_commit_callbacks: Any) -> None:
    path = settings.QALA.erased_path
    path.unlink(missing_ok=True)
    before = Person.objects.filter(pk=gulnar.pk).values().get()
    with django_capture_on_commit_callbacks(execute=True):
        actions.erase_person(who=US, now=NOW, person=gulnar, why="asked by letter")
    assert json.loads(path.read_text()) == {"erased": [str(gulnar.pk)]}
    assert actions.erase_again(now=NOW) == 0
    Person.objects.filter(pk=gulnar.pk).update(**before)  # as an older back-up has it
    AuditName.objects.create(code="0" * 64, who_id=gulnar.pk, name=NAME, salt="0")
    path.write_text(json.dumps({"erased": [str(gulnar.pk), str(UUID(int=1))]}))
    assert actions.erase_again(now=NOW) == 1
    assert NAME not in everything()
    path.unlink()
    assert actions.erase_again(now=NOW) == 0
    assert json.loads(path.read_text()) == {"erased": [str(gulnar.pk)]}
    path.unlink()
    assert not SignIn.objects.exists()
    assert not ClaimAttempt.objects.exists()
