"""The outbox: news written with the change it tells of, delivered to each hearing matter at least once.

A delivery is claimed by a conditional update, so that any number of workers and commands may deliver side by side.
A claim outlived by its lease goes back to due, and on the same machine at once where its process was killed: handlers
are idempotent.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction

from . import plug
from .clock import SYSTEM_CLOCK, Clock
from .config import get_settings
from .ids import new_id
from .models import OutboxDelivery, OutboxEvent

LEASE = timedelta(minutes=30)
MAX_ATTEMPTS = 12
WORK_FAILED = "city.work_failed"
log = structlog.get_logger(__name__)


def tell(event: str, payload: dict[str, Any], *, now: datetime, due: datetime | None = None) -> OutboxEvent:
    """Write an event and its deliveries; call it inside the transaction of the change.

    Args:
        event: declared name in the past tense, e.g. ``devices.readings_loaded``.
        payload: JSON values; keys of things rather than the things.
        due: when it is to be delivered, where that is later than ``now``: news of something that begins in the future.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError(f"{event} is told outside a transaction")
    if event not in {told.event for told in plug.declared("told")}:
        raise LookupError(f"no plug declares the event {event!r}")
    row = OutboxEvent.objects.create(name=event, payload=payload, told_at=now)
    OutboxDelivery.objects.bulk_create(
        OutboxDelivery(event=row, handler=handler, due_at=max(now, due or now)) for handler in plug.handlers_of(event)
    )
    return row


def tell_failed(kind: str, key: object, name: str, reason: str, *, now: datetime) -> None:
    """News that work in the background was given up.

    Args:
        kind: ``job`` or ``news``; with ``key`` it names the work, as in ``qala.kernel.work``.
        name: of the job or of the event.
        reason: one line.
    """
    payload = {"kind": kind, "key": str(key), "name": name, "reason": reason[:300]}
    with transaction.atomic():
        tell(WORK_FAILED, payload, now=now)


def deliver_due(*, clock: Clock = SYSTEM_CLOCK, most: int = 100) -> int:
    """Deliver what is due, one after the other, oldest first; returns how many were tried."""
    tried = 0
    while tried < most:
        delivery = _claim(clock.now())
        if delivery is None:
            break
        _deliver(delivery, clock)
        tried += 1
    return tried


def _claim(now: datetime) -> OutboxDelivery | None:
    # due_at of a claimed row is the end of its lease
    ready = OutboxDelivery.objects.filter(state__in=[OutboxDelivery.DUE, OutboxDelivery.CLAIMED], due_at__lte=now)
    orphaned = [
        delivery
        for delivery in OutboxDelivery.objects.filter(state=OutboxDelivery.CLAIMED, due_at__gt=now)
        if _is_orphaned(delivery)
    ]
    for candidate in [*ready.order_by("due_at", "id")[:5], *orphaned]:
        as_seen = OutboxDelivery.objects.filter(
            pk=candidate.pk, state=candidate.state, claim=candidate.claim, due_at=candidate.due_at
        )
        if candidate.attempts >= MAX_ATTEMPTS:  # its handler ended the whole process each time
            as_seen.update(state=OutboxDelivery.FAILED, error="the process ended while this was delivered")
            continue
        claim = new_id()
        won = as_seen.update(
            state=OutboxDelivery.CLAIMED, claim=claim, due_at=now + LEASE, attempts=candidate.attempts + 1
        )
        if won:
            if candidate.claim is not None:
                _mark(candidate.claim).unlink(missing_ok=True)
            return OutboxDelivery.objects.select_related("event").get(pk=candidate.pk)
    return None


def _deliver(delivery: OutboxDelivery, clock: Clock) -> None:
    mine = OutboxDelivery.objects.filter(pk=delivery.pk, claim=delivery.claim)
    started = time.perf_counter()
    try:
        with _under_way(delivery.claim):
            plug.load(delivery.handler)(delivery.event.payload, delivery.event_id, clock.now())
    except Exception as error:  # whatever it was, the delivery is kept and tried again
        log.exception("outbox.failed", handler=delivery.handler, event_name=delivery.event.name)
        gave_up = delivery.attempts >= MAX_ATTEMPTS
        mine.update(
            state=OutboxDelivery.FAILED if gave_up else OutboxDelivery.DUE,
            due_at=clock.now() + timedelta(seconds=min(2**delivery.attempts, 3600)),
            error=f"{type(error).__name__}: {error}"[:2000],
        )
        if gave_up and delivery.event.name != WORK_FAILED:  # who can't hear of a failure would be told of it for ever
            tell_failed("news", delivery.pk, delivery.event.name, f"{type(error).__name__}: {error}", now=clock.now())
    else:
        mine.update(state=OutboxDelivery.DONE, done_at=clock.now(), error="")
        log.info("outbox.delivered", handler=delivery.handler, seconds=round(time.perf_counter() - started, 3))


def _mark(claim: UUID | None) -> Path:
    return get_settings().run_dir / f"delivery-{claim}.lock"


@contextmanager
def _under_way(claim: UUID | None) -> Iterator[None]:
    """A file that is locked during a delivery, so that others on this machine see when its process was killed."""
    path = _mark(claim)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    with new.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        new.rename(path)  # nobody sees it unlocked: that would be a dead process's
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _is_orphaned(delivery: OutboxDelivery) -> bool:
    try:
        with _mark(delivery.claim).open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (FileNotFoundError, BlockingIOError):  # elsewhere, or alive
        return False
    return True
