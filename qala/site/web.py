"""The web part: granian embedded, event streams in asyncio, all other requests to Django on a few threads."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from typing import Any

import structlog
from django.conf import settings as django_settings
from django.core.wsgi import get_wsgi_application
from granian._granian import SocketHolder
from granian.constants import Interfaces, SSLProtocols
from granian.server.embed import Server

from . import events
from .bridge import Pages
from .supervisor import BACKLOG, LISTEN_FD, end_with_parent

log = structlog.get_logger(__name__)
STREAMS_END = 0.3  # seconds that event streams get to say goodbye before the server stops


class ParentsSocket(Server):
    """Granian on the socket that the supervisor holds, so that nobody is turned away while this part restarts."""

    def _init_shared_socket(self) -> None:
        self._ssp = None
        self._shd: Any = SocketHolder(int(os.environ[LISTEN_FD]), False, BACKLOG)  # type: ignore[call-arg]


class Hybrid:
    """The ASGI application: ``/sse/`` to the event streams, everything else to Django."""

    def __init__(self, threads: int) -> None:
        self.streams = events.Door()
        self.pages = Pages(get_wsgi_application(), threads)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/sse/"):
            await self.streams(scope, receive, send)
        else:
            await self.pages(scope, receive, send)


async def _serve(stop: threading.Event) -> None:
    settings = django_settings.QALA
    application = Hybrid(settings.web_threads)
    server = ParentsSocket(
        application,
        interface=Interfaces.ASGINL,
        backlog=BACKLOG,
        backpressure=BACKLOG,
        websockets=False,
        log_enabled=False,
        ssl_cert=settings.tls_certificate,
        ssl_key=settings.tls_key,
        ssl_protocol_min=SSLProtocols.tls12,
    )
    serving = asyncio.create_task(server.serve())
    while not stop.is_set() and not serving.done():
        await asyncio.sleep(0.05)
    application.streams.close()
    await asyncio.sleep(STREAMS_END)
    server.stop()  # type: ignore[no-untyped-call]
    await serving


def run() -> None:
    """Serve until SIGTERM or the end of the parent."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent(stop, django_settings.QALA.stop_seconds)
    started = time.monotonic()
    asyncio.run(_serve(stop))
    log.info("web.stopped", served_seconds=round(time.monotonic() - started))
