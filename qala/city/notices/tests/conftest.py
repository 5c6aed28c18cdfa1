from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from tests.mailbox import Mailbox


@pytest.fixture
def start_server() -> Iterator[Callable[[Mailbox], Controller]]:
    """Start a mail server for a mailbox on a free port (or its port, where it has one)."""
    controllers = []

    def start(mailbox: Mailbox) -> Controller:
        controllers.append(mailbox.start())
        return controllers[-1]

    yield start
    for controller in controllers:
        if controller.loop.is_running():  # a test may have stopped it
            controller.stop(no_assert=True)


@pytest.fixture
def mailbox(start_server: Callable[[Mailbox], Controller], settings: Any) -> Mailbox:
    """A mail server that runs, and that the settings name."""
    made = Mailbox()
    start_server(made)
    use(made, settings)
    return made


def use(mailbox: Mailbox, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", mailbox.port, 2
