"""A real mail server, whose answers a test chooses."""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller

OK = "250 taken"


@dataclass
class Mailbox:
    """What a server took, and how it answers: by recipient, to the recipient itself or to the whole mail.

    Args:
        recipients, answers: by address; ``drop`` closes the connection instead.
        seconds: to wait after a mail was taken, before it is answered.
    """

    recipients: dict[str, str] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    taken: list[EmailMessage] = field(default_factory=list)
    taken_at: list[float] = field(default_factory=list)
    port: int = 0

    def start(self) -> Controller:
        """Serve on a free port, or on the one of the time before."""
        if not self.port:
            with socket.socket() as free:  # aiosmtpd looks for its server at the port that it was given
                free.bind(("127.0.0.1", 0))
                self.port = free.getsockname()[1]
        controller = Controller(self, hostname="127.0.0.1", port=self.port)
        controller.start()
        return controller

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if self.recipients.get(address, OK).startswith("2"):
            envelope.rcpt_tos.append(address)
        return self.recipients.get(address, OK)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        answer = self.answers.get(envelope.rcpt_tos[0], OK)
        if answer == "drop":
            server.transport.close()
            return OK
        if answer.startswith("2"):
            parsed: Any = message_from_bytes(envelope.content, policy=policy.default)
            self.taken.append(parsed)
            self.taken_at.append(time.time())
        await asyncio.sleep(self.seconds)
        return answer

    def sent_to(self, address: str) -> list[EmailMessage]:
        return [one for one in self.taken if one["To"] == address]
