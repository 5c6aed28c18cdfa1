"""Log lines: structlog for all, the standard library's loggers routed through it; no secrets, no query strings.

Parts of ``qala up`` log to standard error, in colour on a terminal and as JSON elsewhere. Other commands talk through
``qala.kernel.console`` and log to ``logs/commands.log`` in the data folder.
"""

from __future__ import annotations

import logging
import logging.handlers
import os
import re
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, Literal

import structlog

from qala.kernel.config import Settings

SECRET_NAME = re.compile(r"(?i)passw|secret|token|cookie|authorization|api_?key|session_?key|credential")
SECRET_IN_URL = re.compile(r"(?i)([?&;][\w.-]*(?:token|key|secret|passw|code|sig)[\w.-]*=)[^&\s\"']+")
PASSWORD_IN_TEXT = re.compile(r"(?i)(passw\w*\s*=\s*)('[^']*'|\S+)")
PASSWORD_IN_URL = re.compile(r"(\w+://[^/\s:@]*:)[^@/\s]+@")
HIDDEN = "[hidden]"
FILE_BYTES, FILES_KEPT = 5_000_000, 3
NOISY = {"django.db.backends": "WARNING", "asyncio": "WARNING", "django_tasks": "WARNING", "_granian": "WARNING"}


def command_log(settings: Settings) -> Path:
    """Where commands log."""
    return settings.data_dir / "logs" / "commands.log"


def configure(settings: Settings, *, to: Literal["stderr", "file"], part: str = "") -> None:
    """Set up logging of this process.

    Args:
        to: standard error, or the commands' log file (where the data folder does not exist, nothing is kept).
        part: which part of ``qala up`` this process is, for each line.
    """
    colours = settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())
    machine = to == "file" or not colours
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _of_part(part),
        _without_request,
        hide_secrets,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    last: list[Any] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if machine:
        last += [
            structlog.processors.format_exc_info,
            hide_secrets,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    else:
        plain = structlog.dev.plain_traceback
        last += [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    formatter = structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=last)
    root = logging.getLogger()
    for old in root.handlers[:]:
        if getattr(old, "of_qala", False):
            root.removeHandler(old)
            old.close()
    handler = _handler(settings, to)
    handler.setFormatter(formatter)
    handler.of_qala = True  # type: ignore[attr-defined]
    root.addHandler(handler)
    root.setLevel(settings.log_level.upper())
    for name, level in NOISY.items():
        if settings.log_level != "debug":
            logging.getLogger(name).setLevel(level)
    # These repeat what RequestLog and problems say, with the whole address in it.
    for name in ("django.request", "django.security.csrf", "django.server"):
        logging.getLogger(name).setLevel("ERROR" if name == "django.request" else "CRITICAL")
    logging.captureWarnings(True)


def _handler(settings: Settings, to: str) -> logging.Handler:
    if to == "stderr" or settings.log_level == "debug":
        return logging.StreamHandler(sys.stderr)
    path = command_log(settings)
    if not settings.data_dir.is_dir() or not os.access(settings.data_dir, os.W_OK):
        return logging.NullHandler()
    return _LazyFile(path, maxBytes=FILE_BYTES, backupCount=FILES_KEPT, encoding="utf-8", delay=True)


class _LazyFile(logging.handlers.RotatingFileHandler):
    """A rotating file whose folder is made by the first line; commands that say nothing make nothing."""

    def _open(self) -> Any:
        Path(self.baseFilename).parent.mkdir(mode=0o700, exist_ok=True)
        opened = super()._open()
        os.chmod(self.baseFilename, 0o600)
        return opened


def _of_part(part: str) -> Any:
    def add(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if part:
            event.setdefault("part", part)
        return event

    return add


def _without_request(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Django hands whole requests to its loggers, query strings and all."""
    event.pop("request", None)
    return event


def hide_secrets(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank every field named like a secret, and secrets within URLs of any text."""
    for name, value in event.items():
        if SECRET_NAME.search(name) and value is not None and not isinstance(value, bool | int | float):
            event[name] = HIDDEN
        elif isinstance(value, str) and ("=" in value or "@" in value):
            text = PASSWORD_IN_TEXT.sub(rf"\1{HIDDEN}", SECRET_IN_URL.sub(rf"\1{HIDDEN}", value))
            event[name] = PASSWORD_IN_URL.sub(rf"\1{HIDDEN}@", text)
    return event
