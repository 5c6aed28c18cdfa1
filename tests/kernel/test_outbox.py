from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction

from qala.kernel import outbox, plug
from qala.kernel.clock import SetClock
from qala.kernel.config import get_settings
from qala.kernel.models import OutboxDelivery, OutboxEvent

NOW = datetime(2026, 3, 5, tzinfo=UTC)
heard: list[tuple[Any, UUID, datetime]] = []
behaviour: list[Callable[[], None]] = []


def hear(payload: Any, event_id: UUID, now: datetime) -> None:
    """The handler of these tests: remembers what it heard after doing what the test wants it to do."""
    for act in behaviour:
        act()
    heard.append((payload, event_id, now))


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    yield
    heard.clear()
    behaviour.clear()


def event(number: int = 1, due: datetime = NOW) -> OutboxDelivery:
    told = OutboxEvent.objects.create(name="tests.tried", payload={"number": number}, told_at=NOW)
    return OutboxDelivery.objects.create(event=told, handler=f"{__name__}.hear", due_at=due)


def state(delivery: OutboxDelivery) -> str:
    delivery.refresh_from_db()
    return delivery.state


@pytest.mark.django_db
class TestTelling:
    def test_an_event_goes_to_each_handler_that_hears_it(self) -> None:
        for name in {told.event for told in plug.declared("told")}:
            row = outbox.tell(name, {"key": "Абай"}, now=NOW)
            assert OutboxEvent.objects.get(pk=row.pk).payload == {"key": "Абай"}
            assert {(one.handler, one.state, one.due_at) for one in row.deliveries.all()} == {
                (handler, OutboxDelivery.DUE, NOW) for handler in plug.handlers_of(name)
            }

    def test_an_undeclared_event_is_refused(self) -> None:
        with pytest.raises(LookupError, match=r"tests\.never_declared"):
            outbox.tell("tests.never_declared", {}, now=NOW)


@pytest.mark.django_db(transaction=True)
def test_an_event_is_told_with_its_change() -> None:
    with pytest.raises(RuntimeError, match="outside a transaction"):
        outbox.tell("tests.tried", {}, now=NOW)


@pytest.mark.django_db
class TestDelivering:
    def test_what_is_due_is_delivered_once_oldest_first(self) -> None:
        clock = SetClock(NOW)
        second, first = event(2), event(1, NOW - timedelta(seconds=1))
        later = event(3, NOW + timedelta(seconds=1))
        assert outbox.deliver_due(clock=clock) == 2
        assert heard == [({"number": 1}, first.event_id, NOW), ({"number": 2}, second.event_id, NOW)]
        assert (state(first), state(second), state(later)) == ("done", "done", "due")
        assert (first.done_at, first.attempts) == (NOW, 1)
        assert outbox.deliver_due(clock=clock) == 0

        clock.advance(timedelta(seconds=1))
        assert outbox.deliver_due(clock=clock) == 1
        assert len(heard) == 3

    def test_no_more_than_asked(self) -> None:
        for number in range(5):
            event(number)
        assert outbox.deliver_due(clock=SetClock(NOW), most=3) == 3
        assert OutboxDelivery.objects.filter(state="due").count() == 2

    def test_a_failure_is_tried_again_later_and_later(self) -> None:
        def fail() -> None:
            raise ValueError("the pump is dry")

        clock, delivery = SetClock(NOW), event()
        behaviour.append(fail)
        waits = []
        for _ in range(4):
            assert outbox.deliver_due(clock=clock) == 1
            assert outbox.deliver_due(clock=clock) == 0
            assert state(delivery) == "due"
            assert delivery.error == "ValueError: the pump is dry"
            waits.append(delivery.due_at - clock.at)
            clock.at = delivery.due_at
        assert waits == [timedelta(seconds=seconds) for seconds in (2, 4, 8, 16)]

        behaviour.clear()
        assert outbox.deliver_due(clock=clock) == 1
        assert (state(delivery), delivery.attempts, delivery.error) == ("done", 5, "")
        assert len(heard) == 1

    def test_one_failing_delivery_holds_up_no_other(self) -> None:
        def fail_first() -> None:
            behaviour.clear()
            raise ValueError

        behaviour.append(fail_first)
        first, second = event(1, NOW - timedelta(seconds=9)), event(2)
        assert outbox.deliver_due(clock=SetClock(NOW)) == 2
        assert (state(first), state(second)) == ("due", "done")

    def test_it_gives_up_in_the_end_and_keeps_the_row(self) -> None:
        def fail() -> None:
            raise ValueError("never")

        behaviour.append(fail)
        clock, delivery = SetClock(NOW), event()
        for _ in range(outbox.MAX_ATTEMPTS):
            outbox.deliver_due(clock=clock)
            clock.advance(timedelta(hours=1))
        assert (state(delivery), delivery.attempts) == ("failed", outbox.MAX_ATTEMPTS)
        assert outbox.deliver_due(clock=clock) == 0

    def test_a_handler_that_is_gone_fails_as_any(self) -> None:
        delivery = event()
        OutboxDelivery.objects.update(handler="qala.kernel.outbox.no_such_handler")
        outbox.deliver_due(clock=SetClock(NOW))
        assert state(delivery) == "due" and "no_such_handler" in delivery.error

    def test_a_claim_is_kept_until_its_lease_ends(self) -> None:
        delivery, clock = event(), SetClock(NOW)
        assert outbox._claim(NOW) == delivery
        clock.advance(outbox.LEASE - timedelta(seconds=1))
        assert outbox.deliver_due(clock=clock) == 0
        clock.advance(timedelta(seconds=1))
        assert outbox.deliver_due(clock=clock) == 1
        assert (state(delivery), delivery.attempts) == ("done", 2)

    def test_who_lost_the_claim_changes_nothing_any_more(self) -> None:
        event()
        slow = outbox._claim(NOW)
        assert slow is not None
        quick = outbox._claim(NOW + outbox.LEASE)
        assert quick is not None and quick.claim != slow.claim
        outbox._deliver(slow, SetClock(NOW + outbox.LEASE))
        assert state(slow) == "claimed" and slow.claim == quick.claim

    def test_a_delivery_that_kills_its_process_each_time_is_given_up(self) -> None:
        delivery, now = event(), NOW
        for _ in range(outbox.MAX_ATTEMPTS):
            assert outbox._claim(now) == delivery
            now += outbox.LEASE
        other = event(2)
        assert outbox.deliver_due(clock=SetClock(now)) == 1
        assert (state(delivery), state(other)) == ("failed", "done")


@pytest.mark.django_db(transaction=True)
class TestSideBySide:
    def test_several_workers_deliver_each_event_once(self) -> None:
        with transaction.atomic():
            for number in range(60):
                event(number)
        gate, finished = threading.Barrier(4), []

        def work() -> None:
            try:
                gate.wait()
                while OutboxDelivery.objects.filter(state="due").exists():
                    outbox.deliver_due(clock=SetClock(NOW))
                finished.append(True)
            finally:
                connection.close()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(finished) == 4
        assert Counter(payload["number"] for payload, _, _ in heard) == Counter(range(60))
        assert set(OutboxDelivery.objects.values_list("state", "attempts")) == {("done", 1)}

    def test_what_a_dead_process_had_claimed_is_delivered_after_the_lease(self) -> None:
        delivery = event()
        connection.close()  # a connection must not be shared with the child
        child = os.fork()
        if child == 0:
            behaviour.append(lambda: os._exit(9))
            try:
                outbox.deliver_due(clock=SetClock(NOW))
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9

        assert state(delivery) == "claimed"
        for mark in get_settings().run_dir.glob("delivery-*.lock"):
            mark.unlink()  # as on another machine, which can't see that the process is dead
        assert outbox.deliver_due(clock=SetClock(NOW)) == 0
        assert outbox.deliver_due(clock=SetClock(NOW + outbox.LEASE)) == 1
        assert (state(delivery), len(heard)) == ("done", 1)
