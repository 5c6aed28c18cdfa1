"""The door of server-sent events: ``GET /sse/NAME/ARGUMENT``, for the streams that plugs declare.

A stream's snapshot is asked once a second for each distinct (stream, argument, what the asker may see, language),
however many watch it, and sent as one JSON message where it changed. So that sharing can never leak, the snapshot is
told what its watchers may see, not who they are. Every watcher is looked at again once a minute: whoever was signed
out, or may see something else now, is sent away and comes back as what they are.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import structlog
from django.core.exceptions import DisallowedHost
from django.core.handlers.wsgi import WSGIRequest
from django.core.serializers.json import DjangoJSONEncoder
from django.db import close_old_connections
from django.utils import translation
from django.utils.translation import gettext as _

from qala.kernel.access import Who
from qala.kernel.errors import BadInput, NotFound, QalaError, Unavailable
from qala.kernel.plug import declared, load

from . import metrics, problems
from .bridge import Message, Receive, Send, environ
from .forwarded import believe
from .middleware import attach_asker, language_of

log = structlog.get_logger(__name__)
ASKED_EVERY = 1.0  # seconds
HEARTBEAT = 15.0
LOOKED_AT_AGAIN = 60.0
PATIENCE = 30.0  # for a watcher that does not read
MOST_STREAMS, MOST_TOPICS = 1000, 200  # of one process
LONGEST_ARGUMENT = 200
THREADS = 2
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
]
Key = tuple[object, ...]


@dataclass
class Topic:
    """One thing that is watched: its latest snapshot, and whoever waits for the next."""

    key: Key
    ask: Callable[[], bytes]
    text: bytes | None = None
    version: int = 0
    refusal: QalaError | None = None
    known: asyncio.Event = field(default_factory=asyncio.Event)
    watchers: set[asyncio.Event] = field(default_factory=set)
    asking: asyncio.Task[None] | None = None


class Door:
    """The ASGI application below ``/sse/``; lives in one event loop."""

    def __init__(self) -> None:
        self._streams = {stream.name: stream for stream in declared("streams")}
        self._topics: dict[Key, Topic] = {}
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="events")
        self._closing = asyncio.Event()
        self._open = 0

    def close(self) -> None:
        """End every stream; browsers come back by themselves."""
        self._closing.set()
        for topic in self._topics.values():
            _wake(topic)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        name, _slash, argument = scope["path"].removeprefix("/sse/").partition("/")
        route = f"sse:{name}" if name in self._streams else "sse"
        try:
            if scope["method"] != "GET":
                raise BadInput(_("Event streams are read with GET."))
            if self._open >= MOST_STREAMS or self._closing.is_set():
                raise Unavailable(_("Too many event streams are open."), fix=_("Try again in a minute."))
            topic, who_key = await self._topic(scope, name, argument)
        except QalaError as error:
            metrics.REQUESTS.labels(route, "GET", str(error.status)).inc()
            log.info("events.refused", route=route, status=error.status)
            await _refuse(send, problems.details(error))
            return
        except Exception:
            log.exception("events.fault", stream=name)
            await _refuse(send, problems.as_details(500, "fault", _("Something went wrong here")))
            return
        metrics.REQUESTS.labels(route, "GET", "200").inc()
        log.info("events.opened", route=route, open=self._open + 1)
        self._open += 1
        metrics.STREAMS.set(self._open)
        changed = asyncio.Event()
        topic.watchers.add(changed)
        leaving = asyncio.ensure_future(_gone(receive))
        try:
            await self._watch(scope, topic, who_key, changed, leaving, send)
        finally:
            leaving.cancel()
            topic.watchers.discard(changed)
            self._open -= 1
            metrics.STREAMS.set(self._open)

    async def _topic(self, scope: Any, name: str, argument: str) -> tuple[Topic, Key]:
        """The topic of a request, with its first snapshot known.

        Raises:
            QalaError: the stream does not exist, or the snapshot refuses this asker.
        """
        stream = self._streams.get(name)
        if stream is None or len(argument) > LONGEST_ARGUMENT:
            raise NotFound(_("There is no such event stream."))
        who, language = await self._in_thread(_identify, scope)
        who_key: Key = (who.kind, frozenset(who.grants.items()), language)
        key: Key = (name, argument, *who_key)
        topic = self._topics.get(key)
        if topic is None:
            if len(self._topics) >= MOST_TOPICS:
                raise Unavailable(_("Too many different things are watched."), fix=_("Try again in a minute."))
            anybody = Who(who.kind, "events", None, who.grants)
            snapshot = load(stream.snapshot)
            topic = Topic(key, lambda: _snapshot(snapshot, anybody, argument, language))
            self._topics[key] = topic
            topic.asking = asyncio.create_task(self._keep_asking(topic))
        await topic.known.wait()
        if topic.refusal is not None:
            raise topic.refusal
        return topic, who_key

    async def _keep_asking(self, topic: Topic) -> None:
        """Ask for a topic's snapshot while anybody watches."""
        idle_since: float | None = None
        try:
            while not self._closing.is_set():
                started = time.monotonic()
                try:
                    text = await self._in_thread(topic.ask)
                    if text != topic.text:
                        topic.text = text
                        topic.version += 1
                        _wake(topic)
                except Unavailable as error:
                    if topic.text is None:
                        topic.refusal = error
                        break
                except QalaError as error:  # it is gone, or they may not see it any more
                    topic.refusal = error
                    break
                except Exception:  # a fault of ours: those who watch keep what they have
                    log.exception("events.fault", topic=topic.key[:2])
                    if topic.text is None:
                        topic.refusal = Unavailable(_("This cannot be followed now."), fix=_("Try again in a minute."))
                        break
                topic.known.set()
                took = time.monotonic() - started
                # a slow snapshot is asked less often, so that it never takes more than half of a thread
                await asyncio.sleep(max(ASKED_EVERY - took, took))
                if topic.watchers:
                    idle_since = None
                elif idle_since is None:
                    idle_since = time.monotonic()
                elif time.monotonic() - idle_since > 2 * ASKED_EVERY:
                    break
        finally:
            if self._topics.get(topic.key) is topic:
                del self._topics[topic.key]
            topic.known.set()
            _wake(topic)

    async def _watch(
        self, scope: Any, topic: Topic, who_key: Key, changed: asyncio.Event, leaving: asyncio.Future[Any], send: Send
    ) -> None:
        """Send one watcher what changes, until they leave, are sent away, or the server stops."""
        out = _Out(send, leaving)
        await out.put({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await out.body(f"retry: {random.randint(1000, 3000)}\n\n".encode())
        sent = 0
        look_again = time.monotonic() + LOOKED_AT_AGAIN
        while not self._closing.is_set() and topic.refusal is None and not leaving.done() and not out.stuck:
            changed.clear()
            if topic.version != sent and topic.text is not None:
                sent = topic.version
                await out.body(b"data: " + topic.text + b"\n\n")
            waiting: asyncio.Future[Any] = asyncio.ensure_future(changed.wait())
            done, _rest = await asyncio.wait({waiting, leaving}, timeout=HEARTBEAT, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if not done:
                await out.body(b": still here\n\n")
            if time.monotonic() > look_again:
                who, language = await self._in_thread(_identify, scope)
                if (who.kind, frozenset(who.grants.items()), language) != who_key:
                    break
                look_again = time.monotonic() + LOOKED_AT_AGAIN
            if topic.asking is not None and topic.asking.done():
                break
        if not leaving.done() and not out.stuck:
            await out.put({"type": "http.response.body", "body": b""})

    async def _in_thread(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, _with_records, work, *arguments)


class _Out:
    """What goes to one watcher; one who does not take it in time is ``stuck``, and is left alone."""

    def __init__(self, send: Send, leaving: asyncio.Future[Any]) -> None:
        self._send, self._leaving = send, leaving
        self.stuck = False

    async def put(self, message: Message) -> None:
        sending = asyncio.ensure_future(_awaited(self._send, message))
        await asyncio.wait({sending, self._leaving}, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        if not sending.done():
            sending.cancel()
            self.stuck = True

    async def body(self, text: bytes) -> None:
        await self.put({"type": "http.response.body", "body": text, "more_body": True})


def _identify(scope: Any) -> tuple[Who, str]:
    """Who asks by the session's cookie, and in which language; in a thread.

    Raises:
        BadInput: the request names a host that is not ours.
    """
    request = WSGIRequest(environ(scope, list(scope["headers"]), BytesIO()))
    believe(request.META)
    try:
        request.get_host()
    except DisallowedHost:
        raise BadInput(_("This server does not answer to that name."), fix=_("Set QALA_ALLOWED_HOSTS.")) from None
    attach_asker(request)
    who: Who = request.who  # type: ignore[attr-defined]
    return Who(who.kind, who.name, who.id, dict(who.grants)), language_of(request)


def _snapshot(snapshot: Callable[[Who, str], Any], who: Who, argument: str, language: str) -> bytes:
    """A stream's present snapshot as JSON on one line; in a thread."""
    with translation.override(language):
        return json.dumps(snapshot(who, argument), cls=DjangoJSONEncoder, ensure_ascii=False).encode()


def _with_records(work: Callable[..., Any], *arguments: Any) -> Any:
    close_old_connections()
    try:
        return work(*arguments)
    finally:
        close_old_connections()


def _wake(topic: Topic) -> None:
    for watcher in topic.watchers:
        watcher.set()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _awaited(send: Send, message: Message) -> None:
    await send(message)


async def _refuse(send: Send, problem: dict[str, Any]) -> None:
    text = json.dumps(problem, ensure_ascii=False).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(text)).encode())]
    if problem["status"] == 503:
        headers.append((b"retry-after", b"60"))
    await send({"type": "http.response.start", "status": problem["status"], "headers": headers})
    await send({"type": "http.response.body", "body": text})
