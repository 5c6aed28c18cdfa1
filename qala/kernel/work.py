"""Work in the background as people see it: jobs and news under way, waiting, given up; and doing one again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _
from django_tasks_db.models import DBTaskResult

from . import audit, plug
from .access import Who
from .errors import NotFound
from .models import OutboxDelivery

OPERATE = "city.operate"
State = Literal["waiting", "running", "failed", "done"]
STATES: dict[str, State] = {
    "READY": "waiting", "RUNNING": "running", "FAILED": "failed", "SUCCESSFUL": "done", OutboxDelivery.DUE: "waiting",
    OutboxDelivery.CLAIMED: "running", OutboxDelivery.FAILED: "failed", OutboxDelivery.DONE: "done",
}  # fmt: skip
TASKS: Any = DBTaskResult.objects  # its manager is typed as a plain one


@dataclass(frozen=True, slots=True)
class Work:
    """One job, or the delivery of one piece of news to one that hears it.

    Args:
        title: in words where the plug has some; ``name`` is stable.
        at: when it ended, began, or is due.
        reason: why it failed, one line.
    """

    kind: Literal["job", "news"]
    key: UUID
    name: str
    title: str
    state: State
    at: datetime | None
    attempts: int
    reason: str


def list_jobs(*, who: Who, state: State, limit: int = 50) -> list[Work]:
    """Jobs in a state, latest first; finished ones are kept for a week.

    Raises:
        SignInNeeded, NotAllowed: the asker may not operate the city.
    """
    who.require(OPERATE)
    titles = {job.name: str(job.title) for job in plug.declared("jobs")}
    wanted = [status for status, shown in STATES.items() if shown == state]
    return [_job(task, titles) for task in TASKS.filter(status__in=wanted).order_by("-enqueued_at")[:limit]]


def last_failure(name: str, *, since: datetime | None) -> Work | None:
    """The latest failure of a job, where it was after ``since``; failures are kept for a week."""
    failed = TASKS.filter(status="FAILED", args_kwargs__args__0=name)
    if since is not None:
        failed = failed.filter(finished_at__gt=since)
    task = failed.order_by("-finished_at").first()
    return None if task is None else _job(task, {})


def _job(task: Any, titles: dict[str, str]) -> Work:
    given = task.args_kwargs.get("args") or [task.task_path]
    name, state = str(given[0]), STATES[task.status]
    last = task.traceback.strip().splitlines()[-1:] or [task.exception_class_path]
    return Work(
        "job", task.pk, name, titles.get(name) or name, state, task.finished_at or task.started_at or task.enqueued_at,
        len(task.worker_ids), last[0][:300] if state == "failed" else "",
    )  # fmt: skip


def list_news(*, who: Who, state: State, limit: int = 50) -> list[Work]:
    """Deliveries of news in a state, latest first; the reason of one that waits is that of its last attempt.

    Raises:
        SignInNeeded, NotAllowed: the asker may not operate the city.
    """
    who.require(OPERATE)
    wanted = [status for status, shown in STATES.items() if shown == state]
    rows = OutboxDelivery.objects.filter(state__in=wanted).select_related("event").order_by("-due_at")[:limit]
    return [
        Work(
            "news", row.pk, row.event.name, f"{row.event.name} → {row.handler.rpartition('.')[0]}", state,
            row.done_at or row.due_at, row.attempts, row.error.strip().partition("\n")[0][:300],
        )
        for row in rows
    ]  # fmt: skip


def repeat(kind: str, key: UUID, *, who: Who, now: datetime) -> None:
    """Queue a job again that failed, or a delivery that was given up; jobs and handlers may be repeated without harm.

    Raises:
        SignInNeeded, NotAllowed: the asker may not operate the city.
        NotFound: there is no such failed one (any more).
    """
    who.require(OPERATE)
    with transaction.atomic():
        if kind == "job":
            changed = TASKS.filter(pk=key, status="FAILED").update(
                status="READY", worker_ids=[], started_at=None, finished_at=None, exception_class_path="", traceback=""
            )
        else:
            changed = OutboxDelivery.objects.filter(pk=key, state=OutboxDelivery.FAILED).update(
                state=OutboxDelivery.DUE, attempts=0, claim=None, due_at=now
            )
        if not changed:
            raise NotFound(_("There is no failed work of that key; perhaps it was repeated already."))
        audit.record(who=who, now=now, verb="city.repeat_work", thing=kind, key=key)
