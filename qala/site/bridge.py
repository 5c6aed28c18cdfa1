"""Django's WSGI application behind an ASGI server: a few threads, and none of them waits for a slow small request.

A small body is read before a thread is taken and a small answer is sent after it is given back. Larger ones stream, a
chunk at a time, through threads that do not count among those for pages: slow clients keep nobody waiting. A client
that leaves in the middle of its upload is an error for the reader: half a body never looks like a whole one.
"""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog

log = structlog.get_logger(__name__)
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

SMALL = 256 * 1024  # bytes of a body that is read, or an answer that is kept, outside the threads
CHUNK = 64 * 1024
LONG = 32  # large uploads and downloads that may be under way at once
PATIENCE = 60.0  # seconds without progress before a large upload or download is given up


class Upload(io.RawIOBase):
    """A large request body, read by a thread from the server's event loop.

    Raises:
        OSError: while reading, when the client left or sends nothing for ``PATIENCE`` seconds.
    """

    def __init__(self, receive: Receive, loop: asyncio.AbstractEventLoop) -> None:
        self._receive, self._loop = receive, loop
        self._left = b""
        self._more = True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left and self._more:
            waiting = asyncio.run_coroutine_threadsafe(_awaited(self._receive()), self._loop)
            try:
                message = waiting.result(PATIENCE)
            except TimeoutError:
                waiting.cancel()
                raise OSError("the client stopped sending") from None
            if message["type"] == "http.disconnect":
                raise OSError("the client left before the end of its body")
            self._left = message.get("body", b"")
            self._more = message.get("more_body", False)
        taken = self._left[: len(buffer)]
        self._left = self._left[len(taken) :]
        buffer[: len(taken)] = taken
        return len(taken)


class Pages:
    """The ASGI application around a WSGI one."""

    def __init__(self, application: Wsgi, threads: int) -> None:
        self._application = application
        self._slots = asyncio.Semaphore(threads)
        self._threads = ThreadPoolExecutor(threads + LONG, thread_name_prefix="page")
        self.busy = 0  # requests under way

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        headers: list[tuple[bytes, bytes]] = list(scope["headers"])
        length = next((value for name, value in headers if name == b"content-length"), b"0")
        if any(name == b"transfer-encoding" for name, _value in headers):
            await _plain(send, 411, b"This server needs a Content-Length.")
            return
        loop = asyncio.get_running_loop()
        slot = Slot(self._slots)
        answer = Answer(receive, send, loop, slot)
        body: Any = io.BytesIO()
        self.busy += 1
        try:
            if length.isdigit() and int(length) > SMALL:
                body = io.BufferedReader(Upload(receive, loop), CHUNK)
            else:
                if length != b"0":
                    whole = await _whole(receive)
                    if whole is None:
                        return  # the client left
                    body = io.BytesIO(whole)
                await slot.take()
            variables = environ(scope, headers, body)
            rest = await loop.run_in_executor(self._threads, answer.make, self._application, variables)
            slot.give_back()
            await answer.finish(rest)
        finally:
            slot.give_back()
            self.busy -= 1


class Slot:
    """A page's right to one of the threads; given back when its answer is made, or turns out to be a long one."""

    def __init__(self, slots: asyncio.Semaphore) -> None:
        self._slots, self._held = slots, False

    async def take(self) -> None:
        await self._slots.acquire()
        self._held = True

    def give_back(self) -> None:
        if self._held:
            self._held = False
            self._slots.release()


class Answer:
    """One answer on its way: kept until it is whole, or streamed where it grows large."""

    def __init__(self, receive: Receive, send: Send, loop: asyncio.AbstractEventLoop, slot: Slot) -> None:
        self._receive, self._send, self._loop, self._slot = receive, send, loop, slot
        self._start: Message = {"type": "http.response.start", "status": 500, "headers": []}
        self._begun = False
        self._broken = False
        self._leaving: asyncio.Task[Any] | None = None

    def make(self, application: Wsgi, variables: dict[str, Any]) -> bytes:
        """Run the application in this thread; returns what is still to be sent at the end."""
        chunks: list[bytes] = []
        kept, most = 0, SMALL
        found: Iterable[bytes] = ()
        try:
            found = application(variables, self._start_response)
            for chunk in found:
                chunks.append(chunk)
                kept += len(chunk)
                if kept >= most:
                    self._stream(b"".join(chunks))
                    chunks, kept, most = [], 0, CHUNK
        except ClientLeft as error:
            log.info("page.client_left", why=str(error))
            self._broken = True
        except Exception:  # Django answers its own faults; this one came while its answer was on its way, or deeper
            log.exception("page.broken")
            chunks, self._broken = [], self._begun
        finally:
            close = getattr(found, "close", None)
            if close is not None:
                close()
        return b"".join(chunks)

    async def finish(self, rest: bytes) -> None:
        """Send what is left. A broken answer is cut off, so that nobody takes half of it for the whole."""
        if self._leaving is not None:
            self._leaving.cancel()
        if self._broken:
            raise ClientLeft("the answer was cut off")
        if not self._begun:
            await self._send(self._start)
        await self._send({"type": "http.response.body", "body": rest})

    def _start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[..., Any]:
        self._start = {
            "type": "http.response.start",
            "status": int(status[:3]),
            "headers": [(name.lower().encode("latin1"), value.encode("latin1")) for name, value in headers],
        }
        return self._stream

    def _stream(self, chunk: bytes) -> None:
        """Send a part from this thread, and wait until the server took it."""
        sending = asyncio.run_coroutine_threadsafe(self._send_part(chunk), self._loop)
        try:
            sending.result(PATIENCE)
        except TimeoutError:
            sending.cancel()
            raise ClientLeft("it stopped reading") from None

    async def _send_part(self, chunk: bytes) -> None:
        if self._leaving is None:
            self._slot.give_back()
            self._leaving = asyncio.ensure_future(_gone(self._receive))
        if not self._begun:
            self._begun = True
            await self._send(self._start)
        part = {"type": "http.response.body", "body": chunk, "more_body": True}
        sending = asyncio.ensure_future(_awaited(self._send(part)))
        # the server's send may wait for ever for somebody who left
        await asyncio.wait({sending, self._leaving}, return_when=asyncio.FIRST_COMPLETED)
        if self._leaving.done():
            sending.cancel()
            raise ClientLeft("it closed the connection")


class ClientLeft(OSError):
    """Whoever asked is gone, or reads no more."""


def environ(scope: Any, headers: list[tuple[bytes, bytes]], body: Any) -> dict[str, Any]:
    """The WSGI variables of a request; headers with an underscore, which pass for others there, are left out."""
    server = scope.get("server") or ("localhost", 80)
    client = scope.get("client") or ("", 0)
    made: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode().decode("latin1"),
        "QUERY_STRING": scope["query_string"].decode("latin1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1] or 0),
        "REMOTE_ADDR": client[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": body,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for raw, value in headers:
        name = raw.decode("latin1")
        if "_" in name:
            continue
        key = name.upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        text = value.decode("latin1")
        if key in made:
            text = f"{made[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{text}"
        made[key] = text
    return made


async def _whole(receive: Receive) -> bytes | None:
    """A small body in full, or ``None`` where the client left."""
    parts = []
    while True:
        try:
            message = await asyncio.wait_for(_awaited(receive()), PATIENCE)
        except TimeoutError:
            return None
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


async def _gone(receive: Receive) -> None:
    """Return when the client is gone; call it once its body is read."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _awaited(what: Awaitable[Any]) -> Any:
    """A coroutine around what granian gives, which is awaitable and none."""
    return await what


async def _plain(send: Send, status: int, text: bytes) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
