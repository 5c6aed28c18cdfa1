"""A real mail server, whose answers a test chooses."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller

OK = "250 taken"


@dataclass
class Mailbox:
    """What a server took, and how it answers: by recipient, to the recipient itself or to the whole mail.

    Args:
        recipients, answers: by address; ``drop`` closes the connection instead.
        seconds: to wait before each answer to a mail.
    """

    recipients: dict[str, str] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    taken: list[EmailMessage] = field(default_factory=list)
    port: int = 0

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if self.recipients.get(address, OK).startswith("2"):
            envelope.rcpt_tos.append(address)
        return self.recipients.get(address, OK)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        answer = self.answers.get(envelope.rcpt_tos[0], OK)
        await asyncio.sleep(self.seconds)
        if answer == "drop":
            server.transport.close()
            return OK
        if answer.startswith("2"):
            parsed: Any = message_from_bytes(envelope.content, policy=policy.default)
            self.taken.append(parsed)
        return answer

    def sent_to(self, address: str) -> list[EmailMessage]:
        return [one for one in self.taken if one["To"] == address]


@pytest.fixture
def start_server() -> Iterator[Callable[[Mailbox], Controller]]:
    """Start a mail server for a mailbox on a free port (or its port, where it has one)."""
    controllers = []

    def start(mailbox: Mailbox) -> Controller:
        if not mailbox.port:
            with socket.socket() as free:  # aiosmtpd looks for its server at the port that it was given
                free.bind(("127.0.0.1", 0))
                mailbox.port = free.getsockname()[1]
        controller = Controller(mailbox, hostname="127.0.0.1", port=mailbox.port)
        controller.start()
        controllers.append(controller)
        return controller

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
