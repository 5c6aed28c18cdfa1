"""The worker part: runs queued jobs, queues recurring ones, delivers the outbox.

Jobs run one after the other in the main thread, the outbox is delivered in a second one, so that neither waits for the
other. Any number of workers may run: a job is claimed by a locked row, a delivery by a conditional update, and a
recurring job is queued under a key made of its name and its turn, which the database takes only once.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from typing import Any
from uuid import UUID, uuid5

import structlog
from django.conf import settings as django_settings
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.utils import OperationalError
from django_tasks_db.management.commands.db_worker import Worker as TaskWorker
from django_tasks_db.models import DBTaskResult, get_date_max
from django_tasks_db.utils import exclusive_transaction, is_locked_database_exception

from qala.kernel import jobs, outbox
from qala.kernel.config import Settings
from qala.kernel.plug import Job, declared

from . import metrics
from .prepare import write_json
from .supervisor import end_with_parent, now_text

log = structlog.get_logger(__name__)
INTERVAL = 0.3  # seconds between two looks at queue and outbox
LONGEST_WAIT = 10.0  # where the records do not answer
BEAT = 5.0  # seconds between two signs of life
MOST_ATTEMPTS = 3  # of a job that takes its worker down each time
TURNS = UUID("019350b0-0000-7000-8000-9a1a0b0c0d0e")  # namespace of the keys of recurring jobs
READY, RUNNING = "READY", "RUNNING"
TASKS: Any = DBTaskResult.objects  # its manager is typed as a plain one


class Worker(TaskWorker):
    """Django-tasks-db's worker, one task at a time when told so."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(
            queue_names=["default"], interval=INTERVAL, batch=False, backend_name="default", startup_delay=False,
            max_tasks=None, worker_id=f"{place_of(settings)}.{os.getpid()}", excluded_queue_names=[],
        )  # fmt: skip
        self.doing: str | None = None

    def run_next(self) -> bool:
        """Claim and run the next task; ``False`` where none is ready."""
        ready = TASKS.ready().filter(backend_name=self.backend_name, queue_name__in=self.queue_names)
        if not ready.exists():  # without the exclusive lock that claiming takes
            return False
        with exclusive_transaction(ready.db):
            task = ready.get_locked()
            if task is None:
                return False
            task.claim(self.worker_id)
        self.doing = name_of(task)
        started = time.perf_counter()
        try:
            self.run_task(task)
        finally:
            outcome = task.status.lower()
            metrics.JOBS.labels(self.doing, outcome).inc()
            metrics.JOB_SECONDS.labels(self.doing).observe(time.perf_counter() - started)
            if outcome == "failed":
                log.error(
                    "job.failed", job=self.doing, error=task.exception_class_path, traceback=task.traceback[-4000:]
                )
                outbox.tell_failed("job", task.pk, self.doing, reason_of(task), now=datetime.now(UTC))
            self.doing = None
        return True


def place_of(settings: Settings) -> str:
    """Names this machine and data folder, so that a worker knows the tasks that its dead forerunner held."""
    return f"{socket.gethostname()[:24]}:{uuid5(TURNS, str(settings.data_dir)).hex[:12]}"


def name_of(task: DBTaskResult[Any, Any]) -> str:
    """The job's name, or the task's path where it is no job of ours."""
    given = task.args_kwargs.get("args") or []
    return str(given[0]) if task.task_path == jobs.run_job.module_path and given else task.task_path


def reason_of(task: DBTaskResult[Any, Any]) -> str:
    """The last line of what a failed task left behind."""
    lines: list[str] = task.traceback.strip().splitlines()
    return lines[-1] if lines else str(task.exception_class_path)


def take_back(settings: Settings) -> int:
    """Make the tasks ready again that a dead worker of this folder was at; returns how many.

    Call it while holding ``worker.lock``: then no other worker of this folder lives.
    """
    count = 0
    for task in TASKS.running():
        if not task.worker_ids or not task.worker_ids[-1].startswith(place_of(settings) + "."):
            continue
        count += 1
        if len(task.worker_ids) >= MOST_ATTEMPTS:
            log.error("job.given_up", job=name_of(task), attempts=len(task.worker_ids))
            task.set_failed(RuntimeError(f"its worker died {len(task.worker_ids)} times"))
            outbox.tell_failed("job", task.pk, name_of(task), reason_of(task), now=datetime.now(UTC))
        else:
            log.warning("job.taken_back", job=name_of(task), attempts=len(task.worker_ids))
            TASKS.filter(pk=task.pk, status=RUNNING).update(status=READY)
    return count


def turn_key(job: Job, now: datetime) -> UUID:
    """The key of a recurring job's present turn: the same for every worker, another one each ``every``."""
    assert job.every is not None
    return uuid5(TURNS, f"{job.name} {int(now.timestamp() // job.every.total_seconds())}")


class Calendar:
    """Queues recurring jobs when their turn comes; remembers what it queued, so that a quiet moment costs no query."""

    def __init__(self) -> None:
        self._jobs: list[Job] = [job for job in declared("jobs") if job.every is not None]
        self._seen: dict[str, UUID] = {}

    def queue_due(self, now: datetime) -> int:
        """Queue each job whose turn began and that is not still waiting or running from an earlier one."""
        queued = 0
        for job in self._jobs:
            key = turn_key(job, now)
            before = self._seen.get(job.name)
            if before == key:
                continue
            self._seen[job.name] = key
            if before is not None and TASKS.filter(pk=before, status__in=[READY, RUNNING]).exists():
                log.warning("job.late", job=job.name)
                self._seen[job.name] = before
                continue
            queued += _queue_once(job, key)
        return queued


def _queue_once(job: Job, key: UUID) -> bool:
    task = jobs.run_job
    try:
        with transaction.atomic():
            TASKS.create(
                id=key, args_kwargs={"args": [job.name, {}], "kwargs": {}}, priority=task.priority,
                task_path=task.module_path, queue_name=task.queue_name, backend_name=task.backend,
                run_after=get_date_max(),
            )  # fmt: skip
    except IntegrityError:
        return False  # another worker, or this one before it was restarted
    return True


def run() -> None:
    """Work until SIGTERM or the end of the parent; a running job is finished where time allows."""
    settings: Settings = django_settings.QALA
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_given: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent(stop, settings.stop_seconds)
    with open(settings.run_dir / "worker.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a forerunner that is still dying lets go soon
        worker, calendar = Worker(settings), Calendar()
        take_back(settings)
        since: dict[str, float] = {"jobs": time.time(), "outbox": time.time()}

        def deliver() -> None:
            tried = outbox.deliver_due(most=20)
            metrics.OUTBOX_DELIVERIES.inc(tried)
            since["outbox"] = time.time()

        def work() -> bool:
            calendar.queue_due(datetime.now(UTC))
            since["jobs"] = time.time()
            return worker.run_next()

        def beat() -> None:
            told = {"at": now_text(), "doing": worker.doing, "jobs": since["jobs"], "outbox": since["outbox"]}
            write_json(settings.run_dir / "worker.beat", told)

        def tidy() -> None:
            import_module(django_settings.SESSION_ENGINE).SessionStore.clear_expired()

        threads = [
            threading.Thread(target=_again, args=(stop, deliver, INTERVAL), name="outbox", daemon=True),
            threading.Thread(target=_again, args=(stop, beat, BEAT), name="beat", daemon=True),
            threading.Thread(target=_again, args=(stop, tidy, 3600.0), name="tidy", daemon=True),
        ]
        for thread in threads:
            thread.start()
        _again(stop, work, INTERVAL)
        threads[0].join(settings.stop_seconds)
    log.info("worker.stopped")


def _again(stop: threading.Event, what: Callable[[], object], interval: float) -> None:
    """Do it again and again until told to stop; at once where it says that there is more."""
    wait = interval
    while not stop.is_set():
        more: object = False
        try:
            more = what()
            wait = interval
        except (DatabaseError, OSError) as error:
            if not (isinstance(error, OperationalError) and is_locked_database_exception(error)):
                log.error("worker.fault", error=f"{type(error).__name__}: {error}")
            connection.close()  # the next round opens another one
            wait = min(wait * 2, LONGEST_WAIT)
        except Exception:  # a fault of ours must not end this thread, which nobody would notice
            log.exception("worker.fault")
            wait = min(wait * 2, LONGEST_WAIT)
        if not more:
            stop.wait(wait)
