"""Prometheus metrics, summed over the processes of one installation (files in ``run/metrics``)."""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterator

from django.conf import settings
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django_tasks_db.models import DBTaskResult
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from qala.city.people.public import is_loopback, remote_address
from qala.kernel.errors import NotAllowed
from qala.kernel.models import OutboxDelivery

from . import supervisor

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
REQUESTS = Counter("qala_http_requests", "Requests answered, by route name.", ["route", "method", "status"])
REQUEST_SECONDS = Histogram("qala_http_request_seconds", "Time to an answer's first byte.", ["route"], buckets=SECONDS)
STREAMS = Gauge("qala_event_streams", "Event streams that are open.", multiprocess_mode="livesum")
CSP_VIOLATIONS = Counter("qala_csp_violations", "Reports of the content security policy.")
JOBS = Counter("qala_jobs", "Background jobs run, by name and outcome.", ["job", "outcome"])
JOB_SECONDS = Histogram(
    "qala_job_seconds", "Time that background jobs took.", ["job"], buckets=(*SECONDS, 60, 300, 1800)
)
OUTBOX_DELIVERIES = Counter("qala_outbox_deliveries", "Outbox deliveries tried.")


class House(Collector):
    """What is not counted but looked up when asked: parts, queue and outbox."""

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("qala_part_up", "Whether a part runs.", labels=["part"])
        restarts = CounterMetricFamily("qala_part_restarts", "Restarts of a part.", labels=["part"])
        for part in supervisor.read_state(settings.QALA).get("parts", []):
            up.add_metric([part["part"]], part["state"] == "running")
            restarts.add_metric([part["part"]], part["restarts"])
        yield up
        yield restarts
        outbox = GaugeMetricFamily("qala_outbox", "Outbox deliveries that are not done, by state.", labels=["state"])
        found = dict.fromkeys((OutboxDelivery.DUE, OutboxDelivery.CLAIMED, OutboxDelivery.FAILED), 0)
        states = OutboxDelivery.objects.filter(state__in=list(found)).values_list("state").annotate(Count("id"))
        for state, count in {**found, **dict(states)}.items():
            outbox.add_metric([state], count)
        yield outbox
        waiting = DBTaskResult.objects.filter(status="READY").count()
        yield GaugeMetricFamily("qala_jobs_waiting", "Jobs that are queued.", value=waiting)


def text() -> bytes:
    """All metrics in Prometheus' text form."""
    house = CollectorRegistry()
    house.register(House())
    counted = REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        counted = CollectorRegistry()
        multiprocess.MultiProcessCollector(counted)  # type: ignore[no-untyped-call]
    return generate_latest(counted) + generate_latest(house)


def view(request: HttpRequest) -> HttpResponse:
    """``/metrics``: for loopback, or for whoever holds the token of the settings."""
    token = settings.QALA.metrics_token
    given = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
    holds = token is not None and hmac.compare_digest(given.encode(), token.get_secret_value().encode())
    if not holds and not is_loopback(remote_address(request.META)):
        raise NotAllowed(
            "Metrics are for loopback or for a holder of the token.", fix="Set QALA_METRICS_TOKEN and send it."
        )
    return HttpResponse(text(), content_type=CONTENT_TYPE_LATEST)
