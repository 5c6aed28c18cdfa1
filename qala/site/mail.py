"""Mail by SMTP: the back end that all mails of the city go through, and a trial that tells what the server said."""

from __future__ import annotations

import smtplib
import socket
import ssl
from datetime import datetime
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend
from django.core.mail.message import sanitize_address
from django.utils.translation import gettext as _

from qala.kernel.config import MAIL_PORTS, Settings
from qala.kernel.errors import BadInput, NotFound, QalaError, Unavailable

Reply = tuple[int, bytes]


class Backend(EmailBackend):
    """Django's, which also believes the certificates of ``email_ca_file``."""

    @cached_property
    def ssl_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        named = django_settings.QALA.email_ca_file
        if named is not None:
            try:
                context.load_verify_locations(named)
            except OSError as error:
                raise BadInput(
                    _("{path} holds no certificates: {why}").format(path=named, why=error.strerror or error),
                    fix=_("Name a file in PEM form in QALA_EMAIL_CA_FILE."),
                ) from None
        return context


def server_of(settings: Settings) -> tuple[str, str, int]:
    """``(scheme, host, port)`` of the mail server.

    Raises:
        NotFound: none is set.
    """
    if settings.email_url is None:
        raise NotFound(
            _("No mail server is set: mails are written to {folder}.").format(
                folder=settings.data_dir / "outgoing-mail"
            ),
            fix=_("Set QALA_EMAIL_URL, e.g. smtp+starttls://user:password@mail.example"),
        )
    url = urlsplit(settings.email_url.get_secret_value())
    return url.scheme, str(url.hostname), url.port or MAIL_PORTS[url.scheme]


def send_test(settings: Settings, to: str, *, now: datetime) -> str:
    """Send a mail that says it is a trial, the way that all mails go; returns what the server said last.

    Raises:
        NotFound: no mail server is set.
        BadInput: ``to`` is no address, or the server takes no mail from or for an address.
        Unavailable: the server can't be reached, shows no good certificate, or does not let us in.
    """
    scheme, host, port = server_of(settings)
    try:
        recipient = sanitize_address(to, "utf-8")
    except ValueError:
        recipient = ""
    if "@" not in recipient or any(sign.isspace() for sign in to.strip()):
        raise BadInput(_("{address} is no e-mail address.").format(address=to))
    message = EmailMessage(
        _("A trial of Qala's mail"),
        _("Qala sent this mail at {time} UTC to try its mail server. Nobody needs to answer it.").format(
            time=f"{now:%Y-%m-%d %H:%M}"
        ),
        settings.email_from, [to],
    )  # fmt: skip
    way = Backend()
    try:
        way.open()
        return _handed_over(way.connection, message, settings.email_from, recipient)
    except QalaError:
        raise
    except Exception as error:
        raise in_words(error, scheme, host, port) from error
    finally:
        way.close()


def _handed_over(session: Any, message: EmailMessage, sender: str, recipient: str) -> str:
    """The steps of a mail one by one, so that each refusal is known for what it is."""
    session.ehlo_or_helo_if_needed()
    code, said = session.mail(sanitize_address(sender, "utf-8"))
    if code != 250:
        raise smtplib.SMTPSenderRefused(code, said, sender)
    code, said = session.rcpt(recipient)
    if code not in (250, 251):
        raise smtplib.SMTPRecipientsRefused({recipient: (code, said)})
    code, said = session.data(message.message().as_bytes(linesep="\r\n"))  # type: ignore[call-arg]
    if code != 250:
        raise smtplib.SMTPDataError(code, said)
    return _reply(code, said)


def _reply(code: int, said: bytes | str) -> str:
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    return f"{code} {' '.join(text.split())}"[:300]


def in_words(error: Exception, scheme: str, host: str, port: int) -> BadInput | Unavailable:
    """What went wrong with a mail, for the person who runs the city. Never holds the password."""
    where = f"{host}:{port}"
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return Unavailable(
            _("The mail server {server} refuses the login: {reply}").format(
                server=where, reply=_reply(error.smtp_code, error.smtp_error)
            ),
            fix=_("Check user and password in QALA_EMAIL_URL; write @ as %40 and : as %3A in them."),
        )
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return Unavailable(
            _("The mail server {server} does not offer what is asked of it: {why}").format(server=where, why=error),
            fix=_("Try the other ways: smtp+starttls:// (port 587), smtps:// (port 465), smtp:// without a login."),
        )
    if isinstance(error, smtplib.SMTPSenderRefused):
        return BadInput(
            _("The mail server {server} takes no mail from {sender}: {reply}").format(
                server=where, sender=error.sender, reply=_reply(error.smtp_code, error.smtp_error)
            ),
            fix=_("Set QALA_EMAIL_FROM to an address that this server may send from, and a login where it wants one."),
        )
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        recipient, (code, said) = next(iter(error.recipients.items()))
        return BadInput(
            _("The mail server {server} takes no mail for {recipient}: {reply}").format(
                server=where, recipient=recipient, reply=_reply(code, said)
            ),
            fix=_("Check the address; a server that passes mail on often wants a login in QALA_EMAIL_URL."),
        )
    if isinstance(error, smtplib.SMTPResponseException):  # also a refused greeting or message
        return Unavailable(
            _("The mail server {server} refuses: {reply}").format(
                server=where, reply=_reply(error.smtp_code, error.smtp_error)
            ),
            fix=_("Ask who runs the mail server what this answer means."),
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return Unavailable(
            _("The certificate of the mail server {server} is not good: {why}").format(
                server=where, why=error.verify_message
            ),
            fix=_("Use the name that stands in its certificate; name its authority's file in QALA_EMAIL_CA_FILE."),
        )
    if isinstance(error, ssl.SSLError):
        return Unavailable(
            _("The mail server {server} speaks no TLS on this port: {why}").format(server=where, why=error.reason or error),
            fix=_("Try smtp+starttls:// (port 587) instead of smtps:// (port 465), or the other way round."),
        )  # fmt: skip
    if isinstance(error, socket.gaierror):
        return Unavailable(
            _("The mail server {server} is not known by that name.").format(server=where),
            fix=_("Check the host in QALA_EMAIL_URL and this machine's name service."),
        )
    if isinstance(error, TimeoutError):
        return Unavailable(
            _("The mail server {server} does not answer in time.").format(server=where),
            fix=_("Check host and port, a firewall between, and that smtps:// is used where the port speaks TLS."),
        )
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return Unavailable(
            _("The mail server {server} closed the connection.").format(server=where),
            fix=_("Check that the port belongs to this way: 587 smtp+starttls://, 465 smtps://, 25 smtp://."),
        )
    if isinstance(error, OSError):
        return Unavailable(
            _("The mail server {server} cannot be reached: {why}").format(
                server=where, why=error.strerror or str(error)
            ),
            fix=_("Check host and port in QALA_EMAIL_URL, and a firewall between."),
        )
    return Unavailable(_("The mail could not be sent: {why}").format(why=f"{type(error).__name__}: {error}"))
