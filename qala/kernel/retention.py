"""How long each class of rows is kept, and the deletion of what is older.

Matters declare classes (``plug.Retained``); a city chooses days for them. A nightly job deletes step by step. Where whole
months go, the horizon is written down before the first row is deleted: what arrives late for before it is not taken any
more, and a killed run is finished by the next one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import structlog
from django.db import transaction
from django.utils.translation import gettext as _

from . import audit, plug
from .access import Who, system
from .errors import BadInput, Conflict, NotFound
from .lake import get_lake
from .models import RetentionRule
from .work import OPERATE

RETAIN = "city.retain"
MOST_DAYS = 36_500
PATIENCE = timedelta(hours=2)  # of one run; what is left goes in the next
TOLD_AT_ONCE = 20_000  # rows of one kind that one row of the audit tells of
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Going:
    """What is older than it is kept: rows, and the bytes that they take, about; ``None`` where that is not known."""

    rows: int
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Class:
    """One class as it stands.

    Args:
        days: how long it is kept; ``None``: for ever.
        before: what is older goes; ``None`` where nothing does.
        horizon: what was before it is gone or going, however long the class is kept now.
        settable: whether the days may be chosen here; else ``why`` says why not.
        waits: why nothing may be deleted now, ``""``: it may.
    """

    key: str
    title: str
    days: int | None
    least_days: int
    before: datetime | None
    horizon: datetime | None
    ran_at: datetime | None
    by_month: bool
    settable: bool
    why: str
    waits: str
    going: Going


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run did with one class: ``rows`` were (or, in a dry run, would be) deleted."""

    key: str
    state: Literal["done", "dry_run", "waits", "unfinished"]
    before: datetime
    rows: int
    bytes: int | None
    why: str = ""


def horizon(key: str) -> datetime | None:
    """The instant before which rows of a class are gone or going; ``None`` where nothing was ever deleted."""
    return RetentionRule.objects.filter(key=key).values_list("horizon", flat=True).first()


def days_of(key: str) -> int | None:
    """How long a class is kept, in days; ``None``: for ever.

    Raises:
        NotFound: there is no such class.
    """
    return _days(_named(key), RetentionRule.objects.filter(key=key).first())


def list_classes(*, who: Who, now: datetime) -> list[Class]:
    """Every class, with what would go now.

    Raises:
        SignInNeeded, NotAllowed: the asker may neither operate the city nor set how long data are kept.
        Unavailable: the lake does not answer.
    """
    if not who.may(RETAIN):
        who.require(OPERATE)
    rules = RetentionRule.objects.in_bulk()
    return [_shown(one, rules.get(one.key), now) for one in plug.declared("retained")]


def set_retention(key: str, *, days: int | None, who: Who, now: datetime) -> None:
    """Choose how long a class is kept.

    Args:
        days: ``None``: for ever. What was deleted does not come back.

    Raises:
        SignInNeeded, NotAllowed: the asker may not.
        NotFound: there is no such class.
        Conflict: it can't be chosen for this class.
        BadInput: not between the least days of the class and a hundred years.
    """
    who.require(RETAIN)
    found = _named(key)
    if not found.forget:
        raise Conflict(
            _("How long “{title}” is kept can't be chosen here.").format(title=found.title), fix=str(found.why)
        )
    if days is not None and not found.least_days <= days <= MOST_DAYS:
        raise BadInput(
            _("“{title}” may be kept for {least} to {most} days, or for ever.").format(
                title=found.title, least=found.least_days, most=MOST_DAYS
            )
        )
    with transaction.atomic():
        RetentionRule.objects.get_or_create(key=key)
        rule = RetentionRule.objects.select_for_update().get(key=key)
        before = _days(found, rule)
        rule.chosen, rule.days = True, days
        rule.save(update_fields=["chosen", "days"])
        audit.record(
            who=who, now=now, verb="city.set_retention", thing="retention", key=key, before={"days": before},
            after={"days": days},
        )  # fmt: skip


def run_nightly(now: datetime) -> None:
    """The job: delete what is older than it is kept."""
    run(who=system("job:retention.run"), now=now)


def run(*, who: Who, now: datetime, dry_run: bool = False, patience: timedelta = PATIENCE) -> list[Outcome]:
    """Delete what is older than it is kept, class by class; harmless to repeat, and a run that was killed is finished by it.

    Args:
        dry_run: count only.
        patience: no further step is begun after so long.

    Returns:
        one outcome for each class of which something is older.

    Raises:
        SignInNeeded, NotAllowed: the asker may not.
        Unavailable: the lake does not answer.
    """
    who.require(RETAIN)
    deadline = time.monotonic() + patience.total_seconds()
    with get_lake().alone("retention"):
        rules = RetentionRule.objects.in_bulk()
        found = []
        for one in plug.declared("retained"):
            shown = _shown(one, rules.get(one.key), now)
            if not one.forget or shown.before is None or (shown.going.rows == 0 and dry_run):
                continue
            if shown.waits or dry_run:
                state: Literal["waits", "dry_run"] = "waits" if shown.waits else "dry_run"
                outcome = Outcome(one.key, state, shown.before, shown.going.rows, shown.going.bytes, shown.waits)
            else:
                outcome = _forget(one, shown, who=who, now=now, deadline=deadline)
            log.info("retention.class", key=one.key, state=outcome.state, rows=outcome.rows, why=outcome.why)
            if outcome.rows or outcome.state == "waits":
                found.append(outcome)
    return found


def _forget(one: plug.Retained, shown: Class, *, who: Who, now: datetime, deadline: float) -> Outcome:
    before = shown.before
    assert before is not None
    if one.by_month and shown.going.rows:
        _move_horizon(one.key, before, who=who, now=now)
        waits = _waits(one, before)  # what began before the horizon was there for all to see
        if waits:
            return Outcome(one.key, "waits", before, shown.going.rows, shown.going.bytes, waits)
    rows = 0
    steps: Iterator[tuple[str, int]] = plug.load(one.forget)(before, now)
    state: Literal["done", "unfinished"] = "done"
    untold: dict[str, int] = {}
    for step, count in steps:
        rows += count
        untold[step] = untold.get(step, 0) + count
        late = time.monotonic() > deadline
        if late or len(untold) > 1 or untold[step] >= TOLD_AT_ONCE:
            _tell(one.key, before, untold, who=who, now=now)
        if late:
            state = "unfinished"
            break
    _tell(one.key, before, untold, who=who, now=now)
    RetentionRule.objects.update_or_create(key=one.key, defaults={"ran_at": now})
    return Outcome(one.key, state, before, rows, shown.going.bytes)


def _tell(key: str, before: datetime, untold: dict[str, int], *, who: Who, now: datetime) -> None:
    """An audit row for each of the steps that were done, which are then told."""
    for step, count in untold.items():
        if count:
            audit.record(
                who=who, now=now, verb="city.forget", thing="retention", key=key,
                after={"before": before.isoformat(), "what": step, "rows": count},
            )  # fmt: skip
    untold.clear()


def _move_horizon(key: str, before: datetime, *, who: Who, now: datetime) -> None:
    with transaction.atomic():
        RetentionRule.objects.get_or_create(key=key)
        rule = RetentionRule.objects.select_for_update().get(key=key)
        if rule.horizon is not None and rule.horizon >= before:
            return
        audit.record(
            who=who, now=now, verb="city.move_horizon", thing="retention", key=key,
            before={"horizon": rule.horizon.isoformat() if rule.horizon else None},
            after={"horizon": before.isoformat()},
        )  # fmt: skip
        rule.horizon = before
        rule.save(update_fields=["horizon"])


def _named(key: str) -> plug.Retained:
    for one in plug.declared("retained"):
        if one.key == key:
            return one  # type: ignore[no-any-return]
    raise NotFound(
        _("There is no class of data {key}.").format(key=key), fix=_("`qala retention list` names all of them.")
    )


def _days(one: plug.Retained, rule: RetentionRule | None) -> int | None:
    if one.elsewhere:
        days: int | None = plug.load(one.elsewhere)()
        return days
    return rule.days if rule is not None and rule.chosen else one.days


def _before(one: plug.Retained, days: int | None, now: datetime) -> datetime | None:
    if days is None:
        return None
    before = now.astimezone(UTC) - timedelta(days=days)
    return before.replace(day=1, hour=0, minute=0, second=0, microsecond=0) if one.by_month else before


def _waits(one: plug.Retained, before: datetime) -> str:
    found: Any = plug.load(one.waits)(before) if one.waits else ""
    return str(found)


def _shown(one: plug.Retained, rule: RetentionRule | None, now: datetime) -> Class:
    days = _days(one, rule)
    before = _before(one, days, now)
    going: Going = plug.load(one.count)(before, now) if before is not None else Going(0, 0)
    return Class(
        key=one.key, title=str(one.title), days=days, least_days=one.least_days, before=before,
        horizon=rule.horizon if rule else None, ran_at=rule.ran_at if rule else None, by_month=one.by_month,
        settable=bool(one.forget), why=str(one.why), waits=_waits(one, before) if before and going.rows else "",
        going=going,
    )  # fmt: skip
