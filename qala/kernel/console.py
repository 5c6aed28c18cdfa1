"""What commands say: for people on a terminal, as plain lines elsewhere, as JSON lines with ``--json``.

Nothing else in Qala prints. Texts come translated; the names of fields are stable and are for machines.
"""

from __future__ import annotations

import getpass
import json
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

Form = Literal["human", "plain", "json"]
PLAIN_SECONDS = 5.0  # between two progress lines without a terminal
JSON_SECONDS = 1.0
_form: Form | None = None
_writing = threading.Lock()


def speak(form: Form | None) -> None:
    """Set the form of output; ``None`` picks ``human`` on a terminal and ``plain`` elsewhere."""
    global _form
    _form = form


def form() -> Form:
    """The present form of output."""
    return _form or ("human" if sys.stdout.isatty() else "plain")


def say(text: str, *, event: str = "note", **fields: Any) -> None:
    """Tell one thing: a line of text, or the JSON object ``{"event", "text", …fields}``."""
    _write(event, text, fields)


def warn(text: str, **fields: Any) -> None:
    """Tell of something that is not as it should be and stops nothing; text goes to standard error."""
    if form() == "json":
        _line({"event": "warning", "text": text, **fields})
        return
    from rich.text import Text

    _print(Text(text, style="yellow"), error=True)


def result(labels: Mapping[str, str] | None = None, **fields: Any) -> None:
    """The command's outcome, said last: an aligned list of fields, or one JSON object with ``"event": "result"``.

    Args:
        labels: what a person reads for a field; a field without one is shown by its name.
    """
    if form() == "json":
        _line({"event": "result", **fields})
        return
    shown = {
        (labels or {}).get(key, key.replace("_", " ")): value for key, value in fields.items() if value is not None
    }
    width = max(map(len, shown), default=0)
    for label, value in shown.items():
        _print(f"{label:<{width}}  {_text(value)}")


def table(event: str, rows: Sequence[Mapping[str, Any]], labels: Mapping[str, str]) -> None:
    """Rows of the same fields: a table with the titles of ``labels`` (in that order), or one JSON line a row."""
    if form() == "json":
        for row in rows:
            _line({"event": event, **row})
        return
    from rich.table import Table
    from rich.text import Text

    if form() == "human":
        drawn = Table(box=None, pad_edge=False, header_style="bold")
        for title in labels.values():
            drawn.add_column(title, overflow="fold")
        for row in rows:
            drawn.add_row(*(Text(_text(row.get(key))) for key in labels))
        _print(drawn)
        return
    for row in rows:
        _print("  ".join(_text(row.get(key)) for key in labels).rstrip())


def error(problem: Mapping[str, Any]) -> None:
    """The problem that ended the command, on standard error: ``what``, ``rows`` and ``fix`` as text, or all as JSON."""
    if form() == "json":
        _line({"event": "error", **problem}, error=True)
        return
    from rich.text import Text

    _print(Text(str(problem.get("what", "")), style="bold red"), error=True)
    for row in problem.get("rows", ()):
        _print(f"  {row}", error=True)
    if problem.get("fix"):
        _print(str(problem["fix"]), error=True)


@dataclass
class Progress:
    """Work under way: how much of it is done. Safe to call from several threads."""

    title: str
    total: float | None = None
    unit: str = ""
    done: float = 0.0
    note: str = ""

    def advance(self, n: float = 1) -> None:
        """``n`` more units are done."""
        with _writing:
            self.done += n
        self._changed()

    def update(self, done: float | None = None, note: str | None = None, total: float | None = None) -> None:
        """Set what is done in all, a short note, or a total that became known."""
        with _writing:
            self.done = self.done if done is None else done
            self.note = self.note if note is None else note
            self.total = self.total if total is None else total
        self._changed()

    def amount(self) -> str:
        """What is done in words, e.g. ``674 019 rows``; empty where nothing is counted."""
        if not self.done and self.total is None:
            return ""
        return f"{_text(self.done)}{f' / {_text(self.total)}' if self.total is not None else ''} {self.unit}".rstrip()

    def _changed(self, last: bool = False) -> None:
        """What the form of output does with a change."""


class _Lines(Progress):
    """Progress as lines, plain or JSON, not more often than people or machines want to read."""

    _told = -1e9

    def _changed(self, last: bool = False) -> None:
        now = time.monotonic()
        with _writing:
            if not last and now - self._told < (JSON_SECONDS if form() == "json" else PLAIN_SECONDS):
                return
            self._told = now
        if form() == "json":
            _line(
                {"event": "progress", "title": self.title, "done": self.done, "total": self.total, "unit": self.unit,
                 "note": self.note, "finished": last}
            )  # fmt: skip
            return
        _print(": ".join(part for part in (self.title, self.amount(), self.note) if part))


class _Bar(Progress):
    """Progress as a bar on a terminal."""

    def begin(self) -> None:
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        self._bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[amount]}", markup=False),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=_console(),
            transient=True,
        )
        self._task = self._bars.add_task(self.title, total=self.total, amount="", note="")
        self._bars.start()

    def end(self) -> None:
        self._bars.stop()

    def _changed(self, last: bool = False) -> None:
        self._bars.update(self._task, completed=self.done, total=self.total, amount=self.amount(), note=self.note)


@contextmanager
def progress(title: str, total: float | None = None, unit: str = "") -> Iterator[Progress]:
    """Show work under way while the block runs; ``total`` may be unknown (``None``)."""
    if form() != "human":
        lines = _Lines(title, total, unit)
        yield lines
        lines._changed(last=True)
        return
    bar = _Bar(title, total, unit)
    bar.begin()
    try:
        yield bar
    finally:
        bar.end()
    _print(": ".join(part for part in (title, bar.amount(), bar.note) if part))


def _write(event: str, text: str, fields: Mapping[str, Any]) -> None:
    if form() == "json":
        _line({"event": event, "text": text, **fields})
    else:
        _print(text)


def _line(fields: Mapping[str, Any], *, error: bool = False) -> None:
    stream = sys.stderr if error else sys.stdout
    text = json.dumps(fields, default=_plain_json, ensure_ascii=False)
    with _writing:
        stream.write(text + "\n")
        stream.flush()


def _print(what: Any, *, error: bool = False) -> None:
    console = _console(error=error)
    with _writing:
        if form() == "human":
            console.print(what, markup=False, highlight=False)
        else:
            stream = sys.stderr if error else sys.stdout
            stream.write(f"{what}\n")
            stream.flush()


_consoles: dict[bool, Any] = {}


def _console(*, error: bool = False) -> Any:
    from rich.console import Console

    if error not in _consoles:
        _consoles[error] = Console(stderr=error, soft_wrap=True)
    return _consoles[error]


def _text(value: Any) -> str:
    """A value as a person reads it: thin spaces between thousands, no needless decimals."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int):
        return f"{value:,}".replace(",", " ") if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return f"{value:,.2f}".replace(",", " ")
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_text(one)}" for key, one in value.items())
    if isinstance(value, (list, tuple, set, frozenset)):
        return ", ".join(map(_text, value))
    return str(value)


def _plain_json(value: Any) -> Any:
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, (UUID, Path)):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if hasattr(value, "item"):  # a NumPy scalar
        return value.item()
    return str(value)


def operator() -> str:
    """The system's user who runs the command; a container may run it under a number without a name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
