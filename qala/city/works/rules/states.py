"""The life of a work order: its states, and who may take it from one to the next."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

DRAFT, ORDERED, ACCEPTED, UNDER_WAY = "draft", "ordered", "accepted", "under_way"
DONE, CHECKED, RETURNED, CANCELLED = "done", "checked", "returned", "cancelled"
ALL_STATES = (DRAFT, ORDERED, ACCEPTED, UNDER_WAY, DONE, CHECKED, RETURNED, CANCELLED)
# where somebody has still to do the work
OPEN_STATES = (ORDERED, ACCEPTED, UNDER_WAY, RETURNED)
ENDED = (CHECKED, CANCELLED)
# where the text, the place and so on may still be changed by who ordered it
EDITABLE = (DRAFT, ORDERED)
# where whoever does the work ticks, adds materials and photos
WORKED_ON = (ACCEPTED, UNDER_WAY, RETURNED)

ORDER, ASSIGN, DO, CHECK = "works.order", "works.assign", "works.do", "works.check"
Side = Literal["owner", "contractor"]


@dataclass(frozen=True, slots=True)
class Transition:
    """A step from one state to another.

    Args:
        permissions: any one of them, held for the organisation on ``side``, is enough.
        side: whose step it is: of the organisation that ordered the work, or of the one that does it.
        wants_reason: nobody takes the step without saying why.
    """

    permissions: tuple[str, ...]
    side: Side
    wants_reason: bool = False


TRANSITIONS: dict[tuple[str, str], Transition] = {
    (DRAFT, ORDERED): Transition((ORDER,), "owner"),
    (DRAFT, CANCELLED): Transition((ORDER,), "owner", wants_reason=True),
    (ORDERED, ACCEPTED): Transition((DO, ASSIGN), "contractor"),
    (ORDERED, DRAFT): Transition((ASSIGN,), "contractor", wants_reason=True),  # declined: somebody else may do it
    (ORDERED, CANCELLED): Transition((ORDER,), "owner", wants_reason=True),
    (ACCEPTED, UNDER_WAY): Transition((DO,), "contractor"),
    (ACCEPTED, CANCELLED): Transition((ORDER,), "owner", wants_reason=True),
    (UNDER_WAY, DONE): Transition((DO,), "contractor"),
    (UNDER_WAY, CANCELLED): Transition((ORDER,), "owner", wants_reason=True),
    (DONE, CHECKED): Transition((CHECK,), "owner"),
    (DONE, RETURNED): Transition((CHECK,), "owner", wants_reason=True),
    (RETURNED, UNDER_WAY): Transition((DO,), "contractor"),
    (RETURNED, CANCELLED): Transition((ORDER,), "owner", wants_reason=True),
}


@dataclass(frozen=True, slots=True)
class Standing:
    """How an order stands, as far as its next step asks.

    Args:
        unticked: how many lines of its checklist are not ticked.
    """

    state: str
    has_contractor: bool
    unticked: int


Obstacle = Literal["no_such_step", "no_reason", "no_contractor", "unticked"]


def obstacle(standing: Standing, to: str, *, reason: str) -> Obstacle | None:
    """What keeps an order from a state, whoever asks; ``None`` where nothing does."""
    step = TRANSITIONS.get((standing.state, to))
    if step is None:
        return "no_such_step"
    if step.wants_reason and not reason.strip():
        return "no_reason"
    if to == ORDERED and not standing.has_contractor:
        return "no_contractor"
    if to == DONE and standing.unticked:
        return "unticked"
    return None


def next_states(state: str, *, owner: Collection[str], contractor: Collection[str]) -> list[str]:
    """The states that somebody may take an order to, in the order of the table.

    Args:
        owner, contractor: the permissions that they hold for the organisation that ordered, and for the one that does.
    """
    return [
        to
        for (since, to), step in TRANSITIONS.items()
        if since == state and not set(step.permissions).isdisjoint(owner if step.side == "owner" else contractor)
    ]
