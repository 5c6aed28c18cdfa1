"""Mail through real servers: with and without TLS and login, and what is said where one refuses."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message
from aiosmtpd.smtp import SMTP, AuthResult
from pydantic import ValidationError

from qala.kernel.config import Settings
from qala.site.mail import server_of
from qala.site.testing import run_command
from tests.certificates import write_certificate

NOW = datetime(2026, 5, 12, 9, 0, tzinfo=UTC)
LOGIN = "city%40mail:p%40ss%3Aword"


class Kept(Message):
    """Keeps the mails that it takes; some addresses it refuses."""

    def __init__(self) -> None:
        super().__init__()
        self.mails: list[Any] = []

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802 - the names of aiosmtpd
        if address.startswith("nobody@"):
            return "553 5.7.1 not your address"
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802 - the names of aiosmtpd
        if address.startswith("full@"):
            return "452 4.2.2 mailbox full"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - the names of aiosmtpd
        await super().handle_DATA(server, session, envelope)
        return "250 2.0.0 queued as 4711"

    def handle_message(self, message: Any) -> None:
        self.mails.append(message)


def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
    return AuthResult(success=(data.login, data.password) == (b"city@mail", b"p@ss:word"), handled=False)


class Served(Controller):
    """A mail server on a free port."""

    def __init__(self, handler: Kept, at_once: ssl.SSLContext | None, **options: Any) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        super().__init__(handler, hostname="127.0.0.1", port=port, ssl_context=at_once)
        self.options = options

    def factory(self) -> SMTP:
        return SMTP(self.handler, hostname="mail.test", **self.options)


@contextmanager
def mail_server(way: str, folder: Path, *, login: bool = False) -> Iterator[tuple[Served, Kept, Path]]:
    certificate, key = write_certificate(folder, "mail")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    options: dict[str, Any] = {}
    if way == "smtp+starttls":
        options |= {"tls_context": context, "require_starttls": True}
    if login:
        options |= {"auth_required": True, "authenticator": authenticate, "auth_require_tls": way == "smtp+starttls"}
    kept = Kept()
    served = Served(kept, context if way == "smtps" else None, **options)
    served.start()
    try:
        yield served, kept, certificate
    finally:
        served.stop()


def send_test(
    folder: Path, url: str | None, to: str = "who@city.example", **settings: str
) -> tuple[list[dict[str, Any]], int]:
    """What ``qala doctor --send-test`` finds of the mail, and its exit code."""
    named = {"QALA_EMAIL_URL": url} if url else {}
    done = run_command(
        "doctor", "--json", "--port", "0", "--send-test", to, data_dir=folder / "city",
        QALA_EMAIL_FROM="qala@city.example", QALA_EMAIL_TIMEOUT_SECONDS="3", **named, **settings,
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert "p@ss:word" not in done.stdout + done.stderr
    return [line for line in lines if line.get("check") == "mail"], done.returncode


@pytest.mark.parametrize("login", [False, True])
@pytest.mark.parametrize("way", ["smtp", "smtps", "smtp+starttls"])
def test_a_mail_arrives(way: str, login: bool, tmp_path: Path) -> None:
    with mail_server(way, tmp_path, login=login) as (served, kept, certificate):
        url = f"{way}://{f'{LOGIN}@' if login else ''}localhost:{served.port}"
        found, code = send_test(tmp_path, url, QALA_EMAIL_CA_FILE=str(certificate))
    assert ([one["state"] for one in found], code) == (["ok"], 0), found
    assert "250 2.0.0 queued as 4711" in found[0]["what"]
    assert len(kept.mails) == 1
    assert (kept.mails[0]["To"], kept.mails[0]["From"]) == ("who@city.example", "qala@city.example")


@pytest.mark.parametrize(
    ("served_as", "asked_as", "changes", "words"),
    [
        ("smtps", "smtps", {"login": "city%40mail:wrong"}, "refuses the login"),
        ("smtps", "smtps", {"ca": ""}, "certificate"),
        ("smtp+starttls", "smtp+starttls", {"ca": ""}, "certificate"),
        ("smtp", "smtp+starttls", {}, "does not offer"),
        ("smtp", "smtps", {}, "speaks no TLS"),
        ("smtps", "smtp", {}, "in time|closed"),
        ("smtp", "smtp", {"from": "nobody@city.example"}, "takes no mail from nobody@city.example: 553"),
        ("smtp", "smtp", {"to": "full@city.example"}, "takes no mail for full@city.example: 452"),
        ("smtp", "smtp", {"to": "no address"}, "no e-mail address"),
        ("smtp+starttls", "smtp", {}, "530|refuses|takes no mail"),
    ],
)
def test_what_is_said_where_it_fails(
    served_as: str, asked_as: str, changes: dict[str, str], words: str, tmp_path: Path
) -> None:
    login = changes.get("login", "")
    with mail_server(served_as, tmp_path, login=bool(login)) as (served, kept, certificate):
        settings = {"QALA_EMAIL_CA_FILE": str(certificate)} if "ca" not in changes else {}
        if "from" in changes:
            settings["QALA_EMAIL_FROM"] = changes["from"]
        url = f"{asked_as}://{f'{login}@' if login else ''}localhost:{served.port}"
        named = {"QALA_EMAIL_FROM": "qala@city.example", "QALA_EMAIL_TIMEOUT_SECONDS": "3", "QALA_EMAIL_URL": url}
        done = run_command(
            "doctor", "--json", "--port", "0", "--send-test", changes.get("to", "who@city.example"),
            data_dir=tmp_path / "city", **{**named, **settings},
        )  # fmt: skip
    found = [line for line in map(json.loads, done.stdout.splitlines()) if line.get("check") == "mail"]
    assert (found[-1]["state"], done.returncode) == ("fail", 1), done.stdout + done.stderr
    assert any(word in found[-1]["what"] for word in words.split("|")), found
    assert found[-1]["fix"] or "address" in words
    assert "Traceback" not in done.stderr
    assert not kept.mails


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        found, code = send_test(tmp_path, f"smtp://127.0.0.1:{taken.getsockname()[1]}")
    assert (found[-1]["state"], code) == ("fail", 1)
    assert "cannot be reached" in found[-1]["what"]
    found, code = send_test(tmp_path, "smtp://mail.invalid")
    assert "not known by that name" in found[-1]["what"]
    found, code = send_test(tmp_path, None)
    assert (found[-1]["state"], code) == ("fail", 1)
    assert "No mail server is set" in found[-1]["what"]


def test_authorities_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    for name in ("empty.pem", "missing.pem"):
        path = str(tmp_path / name)
        with mail_server("smtps", tmp_path) as (served, _kept, _certificate):
            found, code = send_test(tmp_path, f"smtps://localhost:{served.port}", QALA_EMAIL_CA_FILE=path)
        assert (found[-1]["state"], code) == ("fail", 1)
        assert f"{name} holds no certificates" in found[-1]["what"]


def test_a_password_in_the_clear_is_warned_of(tmp_path: Path) -> None:
    done = run_command(
        "doctor", "--json", "--port", "0", data_dir=tmp_path / "city",
        QALA_EMAIL_URL="smtp://a:secret@mail.city.example",
    )  # fmt: skip
    found = [line for line in map(json.loads, done.stdout.splitlines()) if line.get("check") == "mail"]
    assert [one["state"] for one in found] == ["warn", "warn", "ok"]
    assert "in the clear" in found[0]["what"]
    assert "qala@localhost" in found[1]["what"]
    assert "secret" not in done.stdout


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example", ("smtp", "mail.example", 25)),
        ("smtps://a:b@mail.example", ("smtps", "mail.example", 465)),
        ("smtp+starttls://mail.example", ("smtp+starttls", "mail.example", 587)),
        ("smtps://[::1]:2465", ("smtps", "::1", 2465)),
        ("http://mail.example", None),
        ("mail.example:25", None),
        ("smtp://", None),
        ("smtp://mail.example:99999", None),
        ("smtp://mail.example/?tls=1", None),
    ],
)
def test_addresses_of_mail_servers(url: str, server: tuple[str, str, int] | None) -> None:
    if server is None:
        with pytest.raises(ValidationError, match="email_url"):
            Settings(email_url=url)
    else:
        assert server_of(Settings(email_url=url)) == server
