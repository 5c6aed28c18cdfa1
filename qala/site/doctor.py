"""What can be wrong with an installation, looked at one by one, for ``qala doctor``. Creates nothing."""

from __future__ import annotations

import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import duckdb
from django.db import DatabaseError, connection
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from qala.kernel.config import Settings
from qala.kernel.errors import QalaError
from qala.kernel.plug import declared, load

from . import mail, supervisor, tls
from .prepare import check_folder, migrations_applied, migrations_on_disk
from .status import disk_free, records_ready

GIB = 2**30
LITTLE_DISK, HARDLY_ANY_DISK = 5 * GIB, GIB // 2
SKEW_SECONDS = 5.0
OLD_BACKUP = timedelta(days=2)
FEW_DAYS = 14  # that a certificate is still good for
NETWORK = {
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "afs",
    "ceph",
    "glusterfs",
    "lustre",
    "fuse.sshfs",
    "fuse.s3fs",
}
State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor: what was looked at, how it is, what to do."""

    check: str
    state: State
    what: str
    fix: str = ""

    def told(self) -> dict[str, str]:
        return asdict(self)


def examine(settings: Settings, *, port: int | None = None, send_test: str | None = None) -> Iterator[Finding]:
    """Every check's finding, as soon as it is known; a check that breaks is a finding itself.

    Args:
        send_test: an address that a mail is sent to.
    """
    checks: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("python", python),
        ("duckdb", engine),
        ("sqlite", sqlite),
        ("folder", lambda: folder(settings)),
        ("disk", lambda: disk(settings)),
        ("clock", lambda: clock(settings)),
        ("port", lambda: port_free(settings, settings.port if port is None else port)),
        ("records", lambda: records(settings)),
        ("catalogue", lambda: catalogue(settings)),
        ("matters", lambda: matters(settings)),
        ("back-up", lambda: last_backup(settings)),
        ("tls", lambda: certificate(settings)),
        ("mail", lambda: mail_server(settings, send_test)),
    ]
    for name, check in checks:
        try:
            yield from check()
        except QalaError as error:
            yield Finding(name, "fail", error.what, error.fix)
        except Exception as error:  # noqa: BLE001 - the doctor looks at broken things; one of them must not stop the others
            yield Finding(name, "fail", f"{type(error).__name__}: {error}")


def python() -> Iterator[Finding]:
    found = ".".join(map(str, sys.version_info[:3]))
    good = (3, 11) <= sys.version_info[:2] <= (3, 13)
    yield Finding("python", "ok" if good else "warn", f"Python {found}", "" if good else _("Use Python 3.11 to 3.13."))


def engine() -> Iterator[Finding]:
    """DuckDB and its extensions, loaded as the lake loads them."""
    from qala.kernel.lake.connection import EXTENSIONS, extension_path, quoted

    trial = duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
    try:
        for name in EXTENSIONS:
            trial.execute(f"LOAD {quoted(extension_path(name))}")
    except duckdb.Error as error:
        yield Finding("duckdb", "fail", str(error).splitlines()[0], _("Install Qala again from its lock file."))
        return
    finally:
        trial.close()
    yield Finding("duckdb", "ok", f"DuckDB {duckdb.__version__}: {', '.join(EXTENSIONS)}")


def sqlite() -> Iterator[Finding]:
    trial = sqlite3.connect(":memory:")
    try:
        trial.execute("CREATE VIRTUAL TABLE t USING fts5(word, tokenize='trigram')")
        works = sqlite3.sqlite_version_info >= (3, 38)
    except sqlite3.OperationalError:
        works = False
    finally:
        trial.close()
    yield Finding(
        "sqlite", "ok" if works else "fail", f"SQLite {sqlite3.sqlite_version}",
        "" if works else _("Use a Python whose SQLite is 3.38 or newer, with FTS5 and its trigram tokenizer."),
    )  # fmt: skip


def folder(settings: Settings) -> Iterator[Finding]:
    """Permissions and file system of the data folder."""
    if not check_folder(settings):
        yield Finding(
            "folder", "ok", _("{folder} is not made yet; the first command makes it.").format(folder=settings.data_dir)
        )
        return
    told = settings.data_dir.stat()
    if told.st_mode & 0o077:
        yield Finding(
            "folder", "warn",
            _("{folder} can be read by other users of this machine.").format(folder=settings.data_dir),
            f"chmod 700 {settings.data_dir}",
        )  # fmt: skip
    elif told.st_uid != os.geteuid():
        yield Finding(
            "folder", "warn", _("{folder} belongs to another user.").format(folder=settings.data_dir),
            _("Run Qala as the user who owns it."),
        )  # fmt: skip
    else:
        yield Finding("folder", "ok", str(settings.data_dir))
    kind = file_system(settings.data_dir)
    if kind in NETWORK:
        yield Finding(
            "file system", "warn",
            _("The data folder lies on a network file system ({kind}); locks may fail there.").format(kind=kind),
            _("Keep it on a local disk, or use PostgreSQL for records and catalogue."),
        )  # fmt: skip
    elif kind:
        yield Finding("file system", "ok", kind)


def file_system(path: Path) -> str:
    """The type of file system that a path lies on, ``""`` where the system does not tell."""
    best, kind = "", ""
    try:
        mounts = Path("/proc/self/mounts").read_text().splitlines()
    except OSError:
        return ""
    real = str(path.resolve())
    for line in mounts:
        _device, point, found, *_rest = line.split()
        point = point.replace("\\040", " ")
        if (real == point or real.startswith(point.rstrip("/") + "/")) and len(point) >= len(best):
            best, kind = point, found
    return kind


def disk(settings: Settings) -> Iterator[Finding]:
    free = disk_free(settings)
    state: State = "ok" if free > LITTLE_DISK else "warn" if free > HARDLY_ANY_DISK else "fail"
    fix = "" if state == "ok" else _("Free space, or move the data folder to a larger disk.")
    yield Finding("disk", state, _("{free} GiB free").format(free=round(free / GIB, 1)), fix)


def clock(settings: Settings) -> Iterator[Finding]:
    """A wrong clock writes wrong times into everything: the year, the zone data, files from the future, jumps."""
    now = datetime.now(UTC)
    fix = _("Set the machine's clock, e.g. by a time service.")
    if not 2025 <= now.year <= 2100:
        yield Finding("clock", "fail", _("The clock says {year}.").format(year=now.year), fix)
        return
    wall, steady = time.time(), time.monotonic()
    time.sleep(0.05)
    jump = abs((time.time() - wall) - (time.monotonic() - steady))
    ahead = 0.0
    if settings.records_path.exists():
        ahead = settings.records_path.stat().st_mtime - time.time()
    skew = 0.0
    if settings.run_dir.is_dir():
        with tempfile.NamedTemporaryFile(dir=settings.run_dir, prefix=".qala-clock") as file:
            file.write(b"x")
            file.flush()
            skew = abs(os.stat(file.name).st_mtime - time.time())
    if jump > 1 or ahead > SKEW_SECONDS or skew > SKEW_SECONDS:
        yield Finding(
            "clock", "warn",
            _("The clock is off: a jump of {jump} s, records {ahead} s in the future, the disk {skew} s away.").format(
                jump=round(jump, 1), ahead=round(max(ahead, 0.0), 1), skew=round(skew, 1)
            ),
            fix,
        )  # fmt: skip
    else:
        local = now.astimezone(ZoneInfo(settings.city_zone))
        yield Finding("clock", "ok", f"{now:%Y-%m-%d %H:%M} UTC, {local:%H:%M} {settings.city_zone}")


def port_free(settings: Settings, port: int) -> Iterator[Finding]:
    holder = supervisor.holder(settings)
    if holder is not None:
        yield Finding("port", "ok", _("qala up runs at {address}").format(address=holder["address"]))
        return
    if port == 0:
        yield Finding("port", "ok", _("a free port is picked"))
        return
    try:
        supervisor.listen(settings.host, port).close()
    except QalaError as error:
        owner = port_owner(port)
        # in the way of `qala up` alone: a folder that is only looked at is well
        yield Finding("port", "warn", f"{error.what} {owner}".strip(), error.fix)
        return
    yield Finding("port", "ok", _("{host}:{port} is free").format(host=settings.host, port=port))


def port_owner(port: int) -> str:
    """Which process listens on a TCP port, as far as this user may know: ``(process 12, nginx)``."""
    sockets = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            parts = line.split()
            if parts[3] == "0A" and int(parts[1].rpartition(":")[2], 16) == port:  # 0A: listening
                sockets.add(f"socket:[{parts[9]}]")
    for process in Path("/proc").glob("[0-9]*") if sockets else ():
        try:
            if any(os.readlink(opened) in sockets for opened in (process / "fd").iterdir()):
                word = _("process")
                return f"({word} {process.name}, {(process / 'comm').read_text().strip()})"
        except OSError:
            continue
    return ""


def records(settings: Settings) -> Iterator[Finding]:
    if settings.database_url is None and not settings.records_path.exists():
        yield Finding("records", "ok", _("not made yet"))
        return
    try:
        pending = migrations_on_disk() - migrations_applied()
        if connection.vendor == "sqlite":
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA quick_check(3)")
                said = [row[0] for row in cursor.fetchall()]
            if said != ["ok"]:
                yield Finding("records", "fail", "; ".join(said), _("Restore the records from a backup."))
                return
    except DatabaseError as error:
        yield Finding(
            "records", "fail", str(error).strip(), _("Check the database's address, its rights and its disk.")
        )
        return
    if pending:
        yield Finding(
            "records", "warn", _("{count} migrations are still to run").format(count=len(pending)),
            _("The next command or start runs them."),
        )  # fmt: skip
    else:
        done = _("all migrations are in")
        yield Finding("records", "ok", f"{connection.vendor}, {done}")


def catalogue(settings: Settings) -> Iterator[Finding]:
    """The lake's catalogue: sound, in WAL mode, and open to questions."""
    if settings.lake_catalogue_url is None:
        path = settings.catalogue_path
        if not path.exists():
            yield Finding("catalogue", "ok", _("not made yet"))
            return
        # Before this process opens the lake: closing the file here would let go of the lake's own locks.
        opened = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=10)
        try:
            mode = opened.execute("PRAGMA journal_mode").fetchone()[0]
            said = [row[0] for row in opened.execute("PRAGMA quick_check(3)").fetchall()]
        except sqlite3.DatabaseError as error:
            yield Finding("catalogue", "fail", str(error), _("Restore catalogue and lake from the same backup."))
            return
        finally:
            opened.close()
        if said != ["ok"]:
            yield Finding("catalogue", "fail", "; ".join(said), _("Restore catalogue and lake from the same backup."))
            return
        if mode != "wal":
            yield Finding(
                "catalogue", "warn", _("not in WAL mode: commits wait for readers"), "PRAGMA journal_mode=WAL"
            )
            return
    from qala.kernel import lake

    lake.ping()
    yield Finding("catalogue", "ok", "SQLite, WAL" if settings.lake_catalogue_url is None else "PostgreSQL")


def matters(settings: Settings) -> Iterator[Finding]:
    """What the matters themselves look at; only where their tables are."""
    if not check_folder(settings) or not records_ready(settings):
        return
    for check in declared("checks"):
        try:
            good, what, fix = load(check.run)()
        except Exception as error:  # noqa: BLE001 - see examine
            good, what, fix = False, f"{type(error).__name__}: {error}", ""
        yield Finding(check.name, "ok" if good else "fail", str(what), "" if good else str(fix))


def last_backup(settings: Settings) -> Iterator[Finding]:
    """How old the last back-up is; asked where one is taken each day, or was ever taken."""
    if not check_folder(settings) or not records_ready(settings):
        return
    from .backup import daily

    into, now = None if settings.backup_dir is None else str(settings.backup_dir), datetime.now(UTC)
    last = daily.last_of(into)
    if last is None and into is None:
        yield Finding("back-up", "ok", _("there is none"))
        return
    how = (
        _("Run qala backup DIR each night, with DIR on another disk.")
        if into is None
        else _("See the job that backs the city up on the page How it runs; its reason stands there.")
    )
    what = _("there is none") if last is None else _("{name}, of {time} UTC").format(
        name=last.name, time=f"{last.at.astimezone(UTC):%Y-%m-%d %H:%M}"
    )  # fmt: skip
    old = daily.is_late(settings, now) if into is not None else last is not None and now - last.at > OLD_BACKUP
    yield Finding("back-up", "warn" if old else "ok", what, how if old else "")


def certificate(settings: Settings) -> Iterator[Finding]:
    """HTTPS: whether the certificate is good and for how long, or who takes it before us."""
    if settings.tls_certificate is None:
        if settings.public_url and settings.public_url.startswith("https:") and not settings.trusted_proxies:
            yield Finding(
                "tls", "warn", _("The public address is https://, and no proxy is named that takes it."),
                _("Name the proxy's address in QALA_TRUSTED_PROXIES, or set QALA_TLS_CERTIFICATE and QALA_TLS_KEY."),
            )  # fmt: skip
            return
        yield Finding(
            "tls", "ok", _("a proxy takes TLS") if settings.trusted_proxies else _("plain HTTP, for loopback")
        )
        return
    found = tls.check(settings)
    if found is None:
        return
    now, how = datetime.now(UTC), _("Renew it; Qala takes the new files by itself.")
    names, days = ", ".join(found.names), (found.until - now).days
    if found.until <= now:
        what = _("The certificate for {names} ended on {day}: browsers refuse it.").format(
            names=names, day=f"{found.until:%Y-%m-%d}"
        )
        yield Finding("tls", "fail", what, how)
        return
    if found.since > now:
        what = _("The certificate for {names} begins on {day}.").format(names=names, day=f"{found.since:%Y-%m-%d}")
        yield Finding("tls", "fail", what, _("Look at this machine's clock, or use another certificate."))
        return
    public = urlsplit(settings.public_url or "").hostname
    if public is not None and not found.covers(public):
        what = _("The certificate is for {names}, not for {host}.").format(names=names, host=public)
        yield Finding("tls", "fail", what, _("Have one made for the name in QALA_PUBLIC_URL."))
        return
    what = ngettext(
        "The certificate for {names} is good for {n} day more.",
        "The certificate for {names} is good for {n} days more.",
        days,
    ).format(names=names, n=days)
    yield Finding("tls", "warn" if days < FEW_DAYS else "ok", what, how if days < FEW_DAYS else "")


def mail_server(settings: Settings, send_test: str | None) -> Iterator[Finding]:
    """Where mails go; with an address, what became of one that was sent there."""
    if settings.email_url is None and send_test is None:
        yield Finding(
            "mail", "warn" if settings.public_url else "ok",
            _("No mail server is set: mails are written to {folder}.").format(
                folder=settings.data_dir / "outgoing-mail"
            ),
            _("Set QALA_EMAIL_URL, else nobody gets an invitation or a code.") if settings.public_url else "",
        )  # fmt: skip
        return
    scheme, host, server_port = mail.server_of(settings)
    url = urlsplit(settings.email_url.get_secret_value() if settings.email_url else "")
    if scheme == "smtp" and url.username and host not in supervisor.LOOPBACK:
        yield Finding(
            "mail", "warn", _("The password of the mail server goes over the network in the clear."),
            _("Use smtp+starttls:// or smtps:// in QALA_EMAIL_URL."),
        )  # fmt: skip
    if settings.email_from.endswith("@localhost"):
        yield Finding(
            "mail", "warn", _("Mails come from {sender}, which servers refuse.").format(sender=settings.email_from),
            _("Set QALA_EMAIL_FROM to an address of the city."),
        )  # fmt: skip
    where = f"{scheme}://{host}:{server_port}"
    if send_test is None:
        yield Finding("mail", "ok", where)
        return
    said = mail.send_test(settings, send_test, now=datetime.now(UTC))
    yield Finding(
        "mail", "ok",
        _("{server} took the mail to {address} and said: {reply}").format(
            server=where, address=send_test, reply=said
        ),
    )  # fmt: skip


def counts(findings: list[Finding]) -> dict[str, Any]:
    """How many findings of each state."""
    return {state: sum(one.state == state for one in findings) for state in ("ok", "warn", "fail")}
