"""``qala up``: one parent that holds the folder's lock and the port, and keeps the parts running.

A part is a child process (``qala _part NAME``). It dies with its parent, whatever kills that: its standard input is a
pipe, and an end of it is the end of the part. The listening socket belongs to the parent, so that a restarted web part
takes over the connections that wait.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, Any

import structlog
from django.utils.translation import gettext as _

import qala
from qala.kernel.config import Settings
from qala.kernel.errors import BadInput, Conflict, QalaError

from . import tls
from .prepare import write_json

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0  # seconds before a dead part is started again, doubled each time
PROVEN = 60.0  # seconds alive after which the next wait is the first one again
BACKLOG = 2048
CERTIFICATE_SECONDS = 10.0  # between two looks at the certificate's files
PARTS = ("web", "worker")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
LISTEN_FD = "QALA_LISTEN_FD"
log = structlog.get_logger(__name__)


def holder(settings: Settings) -> dict[str, Any] | None:
    """Who runs on the data folder: ``{"pid", "address", "started"}`` of its ``qala up``, or ``None``."""
    try:
        with open(settings.run_dir / "up.lock") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return _told(file)
    except OSError:
        pass
    return None


def _told(file: IO[str]) -> dict[str, Any]:
    """What the holder wrote into its lock file; it may be writing just now."""
    for _attempt in range(20):
        file.seek(0)
        try:
            found = json.loads(file.read())
            return {"pid": found["pid"], "address": found["address"], "started": found["started"]}
        except (ValueError, KeyError):
            time.sleep(0.05)
    return {"pid": 0, "address": "?", "started": ""}


def take_folder(settings: Settings) -> IO[str]:
    """Hold the folder's lock for as long as the returned file is open.

    Raises:
        Conflict: another ``qala up`` holds it.
    """
    file = open(os.open(settings.run_dir / "up.lock", os.O_RDWR | os.O_CREAT, 0o600), "r+")  # noqa: SIM115
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        other = _told(file)
        file.close()
        raise Conflict(
            _("qala up already runs on {folder}: process {pid} at {address}.").format(
                folder=settings.data_dir, pid=other["pid"], address=other["address"]
            ),
            fix=_("Use that one, stop it first, or name another folder with --data-dir."),
        ) from None
    write_lock(file, "")
    return file


def write_lock(file: IO[str], address: str) -> None:
    """Say in the lock file who holds it and where it answers."""
    file.seek(0)
    file.truncate()
    json.dump({"pid": os.getpid(), "address": address, "started": now_text()}, file)
    file.flush()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, made before anything else so that a taken port is told at once.

    Raises:
        Conflict: the port is taken.
        BadInput: the address is none of this machine's.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _kind, _protocol, _name, where = found[0]
        made = socket.socket(family, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind(where)
            made.listen(BACKLOG)
        except OSError:
            made.close()
            raise
    except PermissionError:
        raise Conflict(
            _("Port {port} is only for the administrator of this machine.").format(port=port),
            fix=_("Choose a port above 1023 with --port and put a proxy before it."),
        ) from None
    except OSError as error:
        if isinstance(error, socket.gaierror) or error.errno == 99:
            raise BadInput(
                _("{host} is no address of this machine.").format(host=host), fix=_("Give --host 127.0.0.1 or 0.0.0.0.")
            ) from None
        raise Conflict(
            _("Port {port} on {host} is in use by another program.").format(port=port, host=host),
            fix=_("Stop that program, or choose another port with --port (0 picks a free one)."),
        ) from None
    return made


def address_of(settings: Settings, listening: socket.socket) -> str:
    """The URL that a listening socket answers at, e.g. ``http://127.0.0.1:8000``."""
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"{'https' if settings.tls_certificate else 'http'}://{host}:{port}"


def now_text() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def read_state(settings: Settings) -> dict[str, Any]:
    """``run/state.json``: ``{"pid", "address", "started", "demo", "parts": [...]}``; empty where nothing ever ran."""
    try:
        found = json.loads((settings.run_dir / "state.json").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


@dataclass
class Part:
    """One child process and its history."""

    name: str
    process: subprocess.Popen[bytes] | None = None
    state: str = "waiting"
    since: str = ""
    restarts: int = 0
    last_exit: dict[str, Any] | None = None
    wait: float = FIRST_WAIT
    renewed: bool = False  # it was asked to end, to be started again with other files
    started: float = 0.0
    next_start: float = 0.0

    def told(self) -> dict[str, Any]:
        return {
            "part": self.name,
            "state": self.state,
            "pid": self.process.pid if self.process is not None else None,
            "since": self.since,
            "restarts": self.restarts,
            "last_exit": self.last_exit,
        }


@dataclass
class Supervisor:
    """Keeps the parts running until it is told to stop."""

    settings: Settings
    listening: socket.socket
    demo: bool
    parts: list[Part] = field(default_factory=lambda: [Part(name) for name in PARTS])
    stopping: threading.Event = field(default_factory=threading.Event)
    at_once: bool = False
    started: str = field(default_factory=now_text)
    served: object = None  # the state of the certificate's files that the web part began with
    next_look: float = 0.0

    def run(self) -> None:
        """Start the parts, restart those that die, return when all are stopped after ``stop``."""
        self._clean()
        self.served, self.next_look = tls.stamp(self.settings), time.monotonic() + CERTIFICATE_SECONDS
        for part in self.parts:
            self._start(part)
        self._tell()
        try:
            while not self.stopping.wait(0.1):
                changed = self._look()
                if time.monotonic() >= self.next_look:
                    self.next_look = time.monotonic() + CERTIFICATE_SECONDS
                    self._renew()
                if changed:
                    self._tell()
        finally:
            self._stop_all()

    def stop(self) -> None:
        """End ``run``; a second call ends the parts at once."""
        self.at_once = self.stopping.is_set()
        self.stopping.set()

    def look_at_certificate(self) -> None:
        """Have the certificate's files looked at now rather than soon."""
        self.next_look = 0.0

    def _renew(self) -> None:
        """Where the certificate's files changed and belong together, start the web part again with them: connections
        wait meanwhile, event streams come back by themselves."""
        found = tls.stamp(self.settings)
        if found == self.served:
            return
        try:
            tls.check(self.settings)
        except QalaError as error:  # half written perhaps; what is served stays until the files are good
            log.error("certificate.not_taken", why=error.what)
            return
        self.served = found
        for part in self.parts:
            if part.name == "web" and part.process is not None:
                log.info("certificate.renewed")
                part.renewed = True
                _signal(part, signal.SIGTERM)

    def _clean(self) -> None:
        """Forget what processes of a former run left: their metrics, heartbeats and files on their way."""
        shutil.rmtree(self.settings.run_dir / "metrics", ignore_errors=True)
        (self.settings.run_dir / "metrics").mkdir(mode=0o700)
        for leftover in [*self.settings.run_dir.glob(".qala-*"), *self.settings.run_dir.glob("*.beat")]:
            leftover.unlink(missing_ok=True)

    def _start(self, part: Part) -> None:
        environment = {
            **os.environ,
            "QALA_DATA_DIR": str(self.settings.data_dir),
            "PROMETHEUS_MULTIPROC_DIR": str(self.settings.run_dir / "metrics"),
            LISTEN_FD: str(self.listening.fileno()),
        }
        try:
            part.process = subprocess.Popen(
                [sys.executable, "-m", "qala", "_part", part.name],
                stdin=subprocess.PIPE,
                env=environment,
                pass_fds=[self.listening.fileno()] if part.name == "web" else [],
                process_group=0,  # Ctrl-C on the terminal is for the parent, which stops the parts in order
            )
        except OSError as error:  # no memory, no processes left: as bad as a part that dies at once
            log.error("part.not_started", of=part.name, why=str(error))
            part.process = None
            self._wait(part, {"code": None, "why": str(error)})
            return
        part.started = time.monotonic()
        part.since = now_text()
        part.state = "running"
        log.info("part.started", of=part.name, pid=part.process.pid, restarts=part.restarts)

    def _look(self) -> bool:
        """Notice dead parts and start those whose wait is over; returns whether anything changed."""
        changed = False
        for part in self.parts:
            if part.process is not None and part.process.poll() is not None:
                self._buried(part)
                changed = True
            elif part.process is None and time.monotonic() >= part.next_start:
                part.restarts += 1
                self._start(part)
                changed = True
            elif part.process is not None and part.wait > FIRST_WAIT and time.monotonic() - part.started > PROVEN:
                part.wait = FIRST_WAIT
        return changed

    def _buried(self, part: Part) -> None:
        process = part.process
        assert process is not None
        _close(process)
        for gauge in (self.settings.run_dir / "metrics").glob(f"gauge_live*_{process.pid}.db"):
            gauge.unlink(missing_ok=True)
        how = {"code": process.returncode, "at": now_text(), "why": exit_text(process.returncode)}
        if part.renewed:
            part.process, part.renewed, part.next_start = None, False, 0.0
            part.restarts -= 1  # of our own will: nothing to worry about
            return
        log.warning("part.died", of=part.name, pid=process.pid, why=how["why"], again_in=part.wait)
        part.process = None
        self._wait(part, how)

    def _wait(self, part: Part, how: dict[str, Any]) -> None:
        part.last_exit = how
        part.state = "waiting"
        part.since = now_text()
        part.next_start = time.monotonic() + part.wait
        part.wait = min(part.wait * 2, LONGEST_WAIT)

    def _stop_all(self) -> None:
        """Ask all parts to end, and kill those that have not when the time of the settings is over."""
        deadline = time.monotonic() + self.settings.stop_seconds
        alive = [part for part in self.parts if part.process is not None]
        for part in alive:
            part.state = "stopping"
            _signal(part, signal.SIGTERM)
        self._tell()
        while any(part.process is not None and part.process.poll() is None for part in alive):
            if self.at_once or time.monotonic() > deadline:
                for part in alive:
                    if part.process is not None and part.process.poll() is None:
                        log.warning("part.killed", of=part.name)
                        _signal(part, signal.SIGKILL)
                break
            time.sleep(0.05)
        for part in alive:
            if part.process is not None:
                part.process.wait()
                _close(part.process)
            part.state = "stopped"
        (self.settings.run_dir / "state.json").unlink(missing_ok=True)

    def _tell(self) -> None:
        try:
            write_json(
                self.settings.run_dir / "state.json",
                {
                    "pid": os.getpid(),
                    "address": address_of(self.settings, self.listening),
                    "started": self.started,
                    "version": qala.__version__,
                    "demo": self.demo,
                    "parts": [part.told() for part in self.parts],
                },
            )
        except OSError as error:  # a full disk must not take the city down
            log.error("state.not_written", why=str(error))


def exit_text(code: int) -> str:
    """How a process ended, in words for an operator: ``exit 1`` or ``SIGKILL``."""
    if code >= 0:
        return f"exit {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _signal(part: Part, number: int) -> None:
    if part.process is not None:
        with contextlib.suppress(ProcessLookupError):
            part.process.send_signal(number)


def _close(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()


def end_with_parent(stop: threading.Event, seconds: float) -> None:
    """In a part: set ``stop`` when the parent is gone (end of standard input), and leave if that did not suffice."""

    def watch() -> None:
        try:
            while os.read(0, 1024):
                pass
        except OSError:
            pass
        log.warning("parent.gone")
        stop.set()
        time.sleep(seconds)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def wait_until_answering(address: str, stop: threading.Event, seconds: float = 120.0) -> bool:
    """Wait until the web part answers; ``False`` where it does not, or ``stop`` is set first."""
    import http.client
    from urllib.parse import urlsplit

    where = urlsplit(address)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not stop.is_set():
        host = where.hostname or "127.0.0.1"
        connection = (
            http.client.HTTPSConnection(host, where.port, timeout=10, context=tls.anybody())
            if where.scheme == "https"
            else http.client.HTTPConnection(host, where.port, timeout=10)
        )
        try:
            connection.request("GET", "/robots.txt", headers={"Host": "localhost"})
            connection.getresponse().read()
            return True
        except (OSError, http.client.HTTPException):
            stop.wait(0.2)
        finally:
            connection.close()
    return False
