"""The life of a work order as a table: whatever steps are taken, in whatever order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from qala.city.works.rules import (
    ALL_STATES,
    CANCELLED,
    CHECKED,
    DONE,
    DRAFT,
    ENDED,
    OPEN_STATES,
    ORDERED,
    RETURNED,
    TRANSITIONS,
    UNDER_WAY,
    Standing,
    next_states,
    obstacle,
)  # fmt: skip

PERMISSIONS = ("works.order", "works.assign", "works.do", "works.check")
some = st.frozensets(st.sampled_from(PERMISSIONS))
walks = st.lists(st.tuples(st.sampled_from(ALL_STATES), st.booleans(), st.booleans(), st.integers(0, 2)), max_size=40)


@given(walks)
def test_any_walk_keeps_the_promises(walk: list[tuple[str, bool, bool, int]]) -> None:
    state, seen = DRAFT, [DRAFT]
    for to, has_reason, has_contractor, unticked in walk:
        found = obstacle(Standing(state, has_contractor, unticked), to, reason="because" if has_reason else " ")
        if (state, to) not in TRANSITIONS:
            assert found == "no_such_step"
        if found is not None:
            continue
        assert not (to in (RETURNED, CANCELLED) and not has_reason), "nobody goes back without a reason"
        assert not (to == ORDERED and not has_contractor)
        assert not (to == DONE and unticked)
        state = to
        seen.append(to)
    assert not set(seen[:-1]) & set(ENDED), "what has ended stays so"
    for number, one in enumerate(seen):
        if one == CHECKED:
            assert seen[number - 1] == DONE
        if one == DONE:
            assert seen[number - 1] == UNDER_WAY


def test_every_state_can_be_reached_and_ended() -> None:
    reached = {DRAFT}
    for _ in ALL_STATES:
        reached |= {to for since, to in TRANSITIONS if since in reached}
    assert reached == set(ALL_STATES)
    ending = set(ENDED)
    for _ in ALL_STATES:
        ending |= {since for since, to in TRANSITIONS if to in ending}
    assert ending == set(ALL_STATES)
    assert {since for since, to in TRANSITIONS if to == CANCELLED} == {DRAFT, *OPEN_STATES}


@given(st.sampled_from(ALL_STATES), some, some)
def test_steps_are_those_of_the_table(state: str, owner: frozenset[str], contractor: frozenset[str]) -> None:
    for to in ALL_STATES:
        step = TRANSITIONS.get((state, to))
        held = owner if step is None or step.side == "owner" else contractor
        may = step is not None and bool(held & set(step.permissions))
        assert (to in next_states(state, owner=owner, contractor=contractor)) == may


def test_nobody_checks_their_own_work_by_the_permission_to_do_it() -> None:
    assert next_states(DONE, owner=("works.do", "works.order"), contractor=("works.check",)) == []
