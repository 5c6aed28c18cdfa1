from __future__ import annotations

from uuid import UUID

import pytest

from qala.kernel.access import ANONYMOUS, EVERYTHING, NOTHING, Scope, Who, system
from qala.kernel.errors import NotAllowed, SignInNeeded

WATER, HEAT = UUID(int=1), UUID(int=2)
ENGINEER = Who("person", "Aigerim", UUID(int=7), {"devices.view": Scope(organisations=frozenset({WATER}))})
MAYOR = Who("person", "Bolat", UUID(int=8), {"devices.view": EVERYTHING, "devices.load": NOTHING})
ROBOT = system("job:lake.maintain")


@pytest.mark.parametrize(
    ("who", "permission", "anywhere", "water", "heat", "unowned"),
    [
        (ENGINEER, "devices.view", True, True, False, False),
        (ENGINEER, "devices.load", False, False, False, False),
        (MAYOR, "devices.view", True, True, True, True),
        (MAYOR, "devices.load", False, False, False, False),
        (ROBOT, "anything.at_all", True, True, True, True),
        (ANONYMOUS, "devices.view", False, False, False, False),
    ],
)
def test_people_by_rows(who: Who, permission: str, anywhere: bool, water: bool, heat: bool, unowned: bool) -> None:
    assert who.may(permission) is anywhere
    assert who.may(permission, WATER) is water
    assert who.may(permission, HEAT) is heat
    assert who.may(permission, None) is unowned
    for organisation, allowed in ((WATER, water), (HEAT, heat), (None, unowned)):
        if allowed:
            assert who.require(permission, organisation) == who.scope(permission)
        else:
            with pytest.raises(SignInNeeded if who is ANONYMOUS else NotAllowed):
                who.require(permission, organisation)


def test_scopes_add_up() -> None:
    water, heat = Scope(organisations=frozenset({WATER})), Scope(organisations=frozenset({HEAT}))
    assert (water | heat).covers(WATER) and (water | heat).covers(HEAT)
    assert not (water | heat).covers(None)
    assert (water | EVERYTHING).covers(None)
    assert not NOTHING and water and EVERYTHING
