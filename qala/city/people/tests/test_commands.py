from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from qala.city.people import commands
from qala.city.people.models import Membership, Person, Role
from qala.kernel import console
from qala.kernel.errors import BadInput, Conflict
from qala.kernel.models import AuditEntry

pytestmark = pytest.mark.django_db
PASSWORD = "a quiet lake 17"


@pytest.fixture(autouse=True)
def prepared(db: None) -> Any:
    commands.prepare()
    yield
    console.speak(None)


def init(*arguments: str, given: str = f"{PASSWORD}\n") -> Result:
    return CliRunner().invoke(commands.init, [*arguments], input=given)


def test_prepare_is_there_to_be_repeated() -> None:
    before = list(Role.objects.order_by("pk").values())
    commands.prepare()
    assert list(Role.objects.order_by("pk").values()) == before


def test_init_makes_the_first_administrator() -> None:
    console.speak("json")
    result = init("--email", "A@City.test", "--name", "Aigerim", "--password-stdin")
    assert result.exception is None
    person = Person.objects.get()
    assert person.check_password(PASSWORD)
    assert [json.loads(line)["event"] for line in result.stdout.splitlines()] == ["note", "note", "result"]
    assert json.loads(result.stdout.splitlines()[-1]) == {
        "event": "result",
        "email": "a@city.test",
        "id": str(person.pk),
    }
    assert PASSWORD not in result.output
    assert Membership.objects.filter(person=person, role="administrator", organisation=None).exists()
    assert AuditEntry.objects.order_by("-id")[0].who_name.startswith("cli:")


def test_a_second_first_administrator_is_refused() -> None:
    init("--email", "a@city.test", "--name", "A", "--password-stdin")
    result = init("--email", "b@city.test", "--name", "B", "--password-stdin")
    assert isinstance(result.exception, Conflict)
    assert Person.objects.count() == 1


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        (["--name", "A", "--password-stdin"], "--email"),
        (["--email", "a@city.test", "--password-stdin"], "--name"),
        (["--email", "a@city.test", "--name", "A"], "--password-stdin"),
    ],
)
def test_a_script_is_told_what_it_lacks(arguments: list[str], missing: str) -> None:
    result = init(*arguments)
    assert isinstance(result.exception, BadInput)
    assert missing in result.exception.what
    assert not Person.objects.exists()


@pytest.mark.parametrize("given", ["", "\n", "short\n"])
def test_a_weak_password_is_refused(given: str) -> None:
    result = init("--email", "a@city.test", "--name", "A", "--password-stdin", given=given)
    assert isinstance(result.exception, BadInput)
    assert not Person.objects.exists()
