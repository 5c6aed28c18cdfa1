"""Jobs by name: background work that plugs declare, queued and run by ``django-tasks-db``."""

from __future__ import annotations

import time
from typing import Any

import structlog
from django_tasks import task

from . import plug
from .clock import SYSTEM_CLOCK

log = structlog.get_logger(__name__)


@task()
def run_job(name: str, arguments: dict[str, Any]) -> None:
    """Run the declared job of that name; what it raises is kept with the task."""
    started = time.perf_counter()
    plug.load(plug.job_named(name).run)(now=SYSTEM_CLOCK.now(), **arguments)
    log.info("job.done", job=name, seconds=round(time.perf_counter() - started, 3))


def run_later(name: str, **arguments: Any) -> None:
    """Queue a job; it runs after the present transaction commits.

    Raises:
        LookupError: no plug declares a job of that name.
    """
    plug.job_named(name)
    run_job.enqueue(name, arguments)
