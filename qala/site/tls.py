"""The certificate that ``qala up`` speaks HTTPS with: whether its files are good, and when they changed."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtensionOID, NameOID
from django.utils.translation import gettext as _

from qala.kernel.config import Settings
from qala.kernel.errors import BadInput


@dataclass(frozen=True, slots=True)
class Certificate:
    """For which names, from when until when."""

    names: tuple[str, ...]
    since: datetime
    until: datetime

    def covers(self, host: str) -> bool:
        """Whether it is for that name, also by ``*.``, which stands for one label."""
        return any(
            name == host or (name.startswith("*.") and host.partition(".")[2] == name[2:] and "." in name[2:])
            for name in self.names
        )


def check(settings: Settings) -> Certificate | None:
    """The certificate of the settings; ``None`` where none is set.

    Raises:
        BadInput: a file can't be read or is none, or the key is another certificate's.
    """
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    chain, secret = _read(settings.tls_certificate), _read(settings.tls_key)
    try:
        first = x509.load_pem_x509_certificates(chain)[0]
    except (ValueError, IndexError):
        raise BadInput(
            _("{path} holds no certificate in PEM form.").format(path=settings.tls_certificate),
            fix=_("Name the file with the whole chain, often called fullchain.pem."),
        ) from None
    try:
        key = serialization.load_pem_private_key(secret, password=None)
    except TypeError:
        raise BadInput(
            _("The key {path} wants a passphrase.").format(path=settings.tls_key),
            fix=_("Take it off: openssl pkey -in KEY -out KEY-WITHOUT; let only Qala's user read that file."),
        ) from None
    except ValueError:
        raise BadInput(_("{path} holds no private key in PEM form.").format(path=settings.tls_key)) from None
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*form) != first.public_key().public_bytes(*form):
        raise BadInput(
            _("The key {key} is not the key of the certificate {certificate}.").format(
                key=settings.tls_key, certificate=settings.tls_certificate
            ),
            fix=_("Name the two files that were made together."),
        )
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.tls_certificate, settings.tls_key)
    except ssl.SSLError as error:  # too weak for this system
        raise BadInput(
            _("The certificate {path} cannot be used: {why}").format(
                path=settings.tls_certificate, why=error.reason or error
            )
        ) from None
    return Certificate(_names(first), first.not_valid_before_utc, first.not_valid_after_utc)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(
            _("{path} cannot be read: {why}").format(path=path, why=error.strerror),
            fix=_("Check path and permissions; Qala's user must be able to read it."),
        ) from None


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    except x509.ExtensionNotFound:
        common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return tuple(str(one.value) for one in common)
    assert isinstance(found, x509.SubjectAlternativeName)
    addresses = map(str, found.get_values_for_type(x509.IPAddress))
    return (*found.get_values_for_type(x509.DNSName), *addresses)


def stamp(settings: Settings) -> object:
    """Something that is equal for as long as the files are the same; ``None`` where none are set or one is missing."""
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    try:
        found = [path.stat() for path in (settings.tls_certificate, settings.tls_key)]
    except OSError:
        return None
    return [(one.st_ino, one.st_size, one.st_mtime_ns) for one in found]


def anybody() -> ssl.SSLContext:
    """For asking one's own city whether it answers: any certificate will do."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
