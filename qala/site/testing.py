"""A real city for tests: ``qala up`` as its own process on a free port, and people who sign in to it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit


@dataclass
class Answer:
    """What came back for a request; an error's status is an answer too."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


class Visitor:
    """A browser without scripts: keeps cookies, follows redirects, hands the CSRF token back."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.cookies = CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))

    def get(self, path: str, **headers: str) -> Answer:
        return self._send(urllib.request.Request(self.address + path, headers=_headers(headers)))

    def post(self, path: str, data: Mapping[str, str] | bytes, **headers: str) -> Answer:
        body = data if isinstance(data, bytes) else urlencode(data).encode()
        return self._send(urllib.request.Request(self.address + path, body, _headers(headers), method="POST"))

    def sign_in(self, email: str, password: str) -> Answer:
        """Sign in through the page that people use."""
        page = self.get("/accounts/login/", accept="text/html").text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert token, "the sign-in page has no form"
        form = {"csrfmiddlewaretoken": token[1], "login": email, "password": password}
        return self.post("/accounts/login/", form, accept="text/html", referer=f"{self.address}/accounts/login/")

    def cookie_header(self) -> str:
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.cookies)

    def _send(self, request: urllib.request.Request) -> Answer:
        try:
            with self._opener.open(request, timeout=60) as found:
                return Answer(found.status, dict(found.headers.items()), found.read(), found.url)
        except HTTPError as error:
            return Answer(error.code, dict(error.headers.items()), error.read(), error.url)


def _headers(given: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-").title(): value for name, value in given.items()}


@dataclass
class RunningCity:
    """``qala up`` on a data folder; use it as a context manager.

    Args:
        data_dir: made where it does not exist.
        options: further options of ``qala up``, e.g. ``("--demo",)``.
        settings: ``QALA_*`` variables.
    """

    data_dir: Path
    options: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    patience: float = 120.0
    address: str = ""
    accounts: list[dict[str, Any]] = field(default_factory=list)

    def __enter__(self) -> RunningCity:
        self.start()
        return self

    def __exit__(self, *_given: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [sys.executable, "-m", "qala", "up", "--json", "--port", "0", "--data-dir", str(self.data_dir)]
        self.process = subprocess.Popen(
            [*command, *self.options],
            env={**os.environ, **self.settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[dict[str, Any]] = []
        self.log: list[str] = []
        readers = [
            threading.Thread(target=self._read_lines, daemon=True),
            threading.Thread(target=self._read_log, daemon=True),
        ]
        for reader in readers:
            reader.start()
        deadline = time.monotonic() + self.patience
        while not self.address:
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                for reader in readers:
                    reader.join(5)
                raise AssertionError("qala up did not start:\n" + "".join(self.log[-40:]))
            time.sleep(0.05)

    def stop(self, patience: float = 30.0) -> float:
        """Stop it with SIGTERM where it still runs; returns the seconds that took."""
        began = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise
        return time.monotonic() - began

    def visitor(self) -> Visitor:
        return Visitor(self.address)

    def health(self) -> tuple[int, dict[str, Any]]:
        found = self.visitor().get("/healthz")
        return found.status, found.json()

    def pids(self) -> dict[str, int]:
        """The process of each part."""
        state = json.loads((self.data_dir / "run" / "state.json").read_text())
        return {part["part"]: part["pid"] for part in state["parts"]}

    def _read_lines(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            told = json.loads(line)
            self.lines.append(told)
            if told.get("event") == "ready":
                self.accounts = told["accounts"]
                self.address = told["address"]

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line)


def run_command(*arguments: str, data_dir: Path | None = None, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run one ``qala`` command to its end; ``settings`` are environment variables."""
    named = ["--data-dir", str(data_dir)] if data_dir is not None else []
    return subprocess.run(
        [sys.executable, "-m", "qala", *arguments, *named],
        env={**os.environ, **settings}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def open_stream(city: RunningCity, path: str, cookie: str = "", more: str = "") -> socket.socket:
    """An open connection on which an event stream was asked for."""
    where = urlsplit(city.address)
    opened = socket.create_connection((where.hostname, where.port), timeout=30)
    opened.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n{more}\r\n".encode())
    return opened


def read_until(opened: socket.socket, sign: bytes) -> bytes:
    seen = b""
    while sign not in seen:
        more = opened.recv(65536)
        assert more, f"the stream ended after {seen!r}"
        seen += more
    return seen


def wait_for(what: str, seconds: float, check: Callable[[], object]) -> None:
    """Wait until ``check`` holds; ``what`` is told where it never does."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, f"after {seconds} s still not: {what}"
        time.sleep(0.1)
