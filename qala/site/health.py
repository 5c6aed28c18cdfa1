"""``/healthz``: whether the city runs, for whoever watches over it. Holds no secrets."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog
from django.conf import settings as django_settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

import qala
from qala.kernel.config import Settings
from qala.kernel.errors import QalaError
from qala.kernel.models import OutboxDelivery

from . import supervisor
from .demo import is_demo
from .doctor import HARDLY_ANY_DISK
from .status import disk_free

log = structlog.get_logger(__name__)
OLD_BEAT = 30.0  # seconds after which a worker without a sign of life counts as stuck
OLD_NEWS = 120.0  # seconds that an outbox delivery may wait
KNOWN_FOR = 5.0  # seconds that the lake's answer is good for
PATIENCE = 3.0


def look(settings: Settings) -> tuple[int, dict[str, Any]]:
    """The present health.

    Returns:
        (HTTP status: 200 where all parts are up and records and lake answer, else 503; the body)
    """
    state = supervisor.read_state(settings)
    parts = [
        {key: part.get(key) for key in ("part", "state", "since", "restarts", "last_exit")}
        for part in state.get("parts", [])
    ]
    records = _records()
    worker = _worker(settings)
    body: dict[str, Any] = {
        "state": "ok",
        "version": qala.__version__,
        "demo": is_demo(settings),
        "parts": parts,
        "records": records,
        "lake": LAKE.answer(),
        "disk": _disk(settings),
        "outbox": _outbox() if records["state"] == "ok" else {"state": "unknown"},
        "worker": worker,
    }
    down = (
        any(part["state"] != "running" for part in parts)
        or records["state"] != "ok"
        or body["lake"]["state"] == "failed"
        or (bool(parts) and worker["state"] == "stuck")
    )
    if down or any(body[key]["state"] not in ("ok", "unknown") for key in ("lake", "disk", "outbox")):
        body["state"] = "degraded"
    return (503 if down else 200), body


@require_safe
def view(request: HttpRequest) -> HttpResponse:
    status, body = look(django_settings.QALA)
    answer = JsonResponse(body, status=status, json_dumps_params={"ensure_ascii": False, "default": str})
    answer["Cache-Control"] = "no-store"
    answer._has_been_logged = True  # type: ignore[attr-defined]  # a watcher's question is no error of ours
    return answer


class Asked:
    """A question that may take long: asked in a thread of its own, its last answer kept for a few seconds."""

    def __init__(self, question: Callable[[], None]) -> None:
        self._question = question
        self._lock = threading.Lock()
        self._answered = threading.Event()
        self._asking = False
        self._told: dict[str, Any] = {"state": "unknown"}
        self._at = -1e9

    def answer(self) -> dict[str, Any]:
        """``{"state": "ok" | "failed" | "slow" | "unknown", "why"?}``, at most ``PATIENCE`` seconds later."""
        with self._lock:
            if time.monotonic() - self._at < KNOWN_FOR:
                return self._told
            if not self._asking:
                self._asking = True
                self._answered.clear()
                threading.Thread(target=self._ask, name="health", daemon=True).start()
        return self._told if self._answered.wait(PATIENCE) else {"state": "slow"}

    def _ask(self) -> None:
        told: dict[str, Any] = {"state": "ok"}
        try:
            self._question()
        except QalaError as error:
            told = {"state": "failed", "why": error.what}
        except Exception as error:
            log.exception("health.fault")
            told = {"state": "failed", "why": type(error).__name__}
        with self._lock:
            self._told, self._at, self._asking = told, time.monotonic(), False
        self._answered.set()


def _ping_lake() -> None:
    from qala.kernel import lake

    lake.ping()


LAKE = Asked(_ping_lake)


def _records() -> dict[str, Any]:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
    except DatabaseError as error:
        log.error("health.records", error=str(error))
        return {"state": "failed"}
    return {"state": "ok"}


def _disk(settings: Settings) -> dict[str, Any]:
    free = disk_free(settings)
    return {"state": "ok" if free > HARDLY_ANY_DISK else "low", "free_bytes": free}


def _outbox() -> dict[str, Any]:
    """How many deliveries wait, for how long the oldest does, and how many were given up."""
    waiting = OutboxDelivery.objects.filter(state=OutboxDelivery.DUE)
    oldest = waiting.order_by("due_at").values_list("due_at", flat=True).first()
    late = max(0.0, (datetime.now(UTC) - oldest).total_seconds()) if oldest is not None else 0.0
    failed = OutboxDelivery.objects.filter(state=OutboxDelivery.FAILED).count()
    state = "failed" if failed else "late" if late > OLD_NEWS else "ok"
    return {"state": state, "waiting": waiting.count(), "oldest_seconds": round(late, 1), "failed": failed}


def _worker(settings: Settings) -> dict[str, Any]:
    """The worker's last sign of life, and the job it is at."""
    try:
        told = json.loads((settings.run_dir / "worker.beat").read_text())
        quiet = time.time() - datetime.fromisoformat(told["at"]).timestamp()
    except (OSError, ValueError, KeyError):
        return {"state": "unknown"}
    return {
        "state": "stuck" if quiet > OLD_BEAT else "ok", "seconds_since_beat": round(max(quiet, 0.0), 1),
        "doing": told.get("doing"),
    }  # fmt: skip
