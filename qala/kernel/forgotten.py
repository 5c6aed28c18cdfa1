"""The kernel's own classes of rows that are kept for so long only: jobs that ended, news that was delivered."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, Max, OuterRef, QuerySet
from django_tasks_db.models import DBTaskResult

from .models import OutboxDelivery, OutboxEvent
from .retention import Going

AT_ONCE = 500  # rows of one transaction: others write meanwhile
TASKS: Any = DBTaskResult.objects  # its manager is typed as a plain one


def in_batches(rows: QuerySet[Any], what: str) -> Iterator[tuple[str, int]]:
    """Delete rows some hundreds at a time, each batch a transaction; yields what it was and how many."""
    while keys := list(rows.values_list("pk", flat=True)[:AT_ONCE]):
        with transaction.atomic():
            rows.model._default_manager.filter(pk__in=keys).delete()
        yield what, len(keys)


def count_nothing(before: datetime, now: datetime) -> Going:
    """Of a class that is kept for ever."""
    return Going(0, 0)


def count_jobs(before: datetime, now: datetime) -> Going:
    """Jobs that ended before an instant."""
    return Going(_jobs(before).count())


def forget_jobs(before: datetime, now: datetime) -> Iterator[tuple[str, int]]:
    """Delete jobs that ended before an instant."""
    yield from in_batches(_jobs(before), "jobs")


def count_news(before: datetime, now: datetime) -> Going:
    """News of which every delivery was done before an instant."""
    return Going(_news(before).count())


def forget_news(before: datetime, now: datetime) -> Iterator[tuple[str, int]]:
    """Delete news of which every delivery was done before an instant, with its deliveries."""
    yield from in_batches(_news(before), "news")


def _jobs(before: datetime) -> QuerySet[Any]:
    found: QuerySet[Any] = TASKS.finished().filter(finished_at__lt=before)
    return found


def _news(before: datetime) -> QuerySet[OutboxEvent]:
    left = OutboxDelivery.objects.filter(event=OuterRef("pk")).exclude(state=OutboxDelivery.DONE)
    # news that nobody hears goes by the time it was told
    return (
        OutboxEvent.objects.filter(told_at__lt=before)
        .annotate(last=Max("deliveries__done_at"))
        .exclude(last__gte=before)
        .filter(~Exists(left))
    )
