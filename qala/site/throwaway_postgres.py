"""A PostgreSQL server for one run of tests: made in a temporary folder, on a free port, gone with the run."""

from __future__ import annotations

import ctypes
import hashlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

USER, PASSWORD = "qala", "a pass/word with @:% 'signs'"  # signs that an address must escape
OPTIONS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
}
DATABASES = {"database_url": "records", "lake_catalogue_url": "catalogue"}  # setting → end of the database's name


class Postgres:
    """A running server; ``address`` is its URL without a database.

    Args:
        initdb, postgres: paths of the programs.

    Raises:
        RuntimeError: it does not start; the message holds its log.
    """

    def __init__(self, initdb: str, postgres: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="qala-postgres-"))
        drop = self._other_user()
        (self.folder / "password").write_text(PASSWORD)
        self.folder.chmod(0o755)
        data, log = self.folder / "data", self.folder / "log"
        made = subprocess.run(
            [initdb, "-D", str(data), "-U", USER, f"--pwfile={self.folder / 'password'}", "--auth=scram-sha-256",
             "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"],
            capture_output=True, text=True, cwd=self.folder, check=False, **drop,
        )  # fmt: skip
        if made.returncode != 0:
            raise RuntimeError(f"initdb failed: {made.stderr}")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        options = [part for name, value in OPTIONS.items() for part in ("-c", f"{name}={value}")]
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [postgres, "-D", str(data), "-p", str(port), *options],
                stdout=out, stderr=out, cwd=self.folder, preexec_fn=_die_with_parent, **drop,
            )  # fmt: skip
        self.address = f"postgresql://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {log.read_text()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop it and delete its folder."""
        self.process.send_signal(signal.SIGINT)  # fast shutdown: open sessions are ended
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(f"{self.address}/postgres", connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def _other_user(self) -> dict[str, Any]:
        """PostgreSQL refuses to run as root: the identity that it runs as instead, who gets the folder."""
        if os.geteuid() != 0:
            return {}
        known = {one.pw_name: one for one in pwd.getpwall()}
        other = known.get("postgres") or known["nobody"]
        os.chown(self.folder, other.pw_uid, other.pw_gid)
        return {"user": other.pw_uid, "group": other.pw_gid, "extra_groups": []}


def _die_with_parent() -> None:
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGINT)


def write_settings(folder: Path, address: str, like: Path | None = None) -> None:
    """Make databases for a data folder and name them in its ``qala.toml``.

    Args:
        address: of the server, without a database.
        like: a data folder whose databases are copied; nobody may be connected to them.
    """
    import psycopg
    from psycopg import sql

    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    with psycopg.connect(f"{address}/postgres", autocommit=True) as connection:
        for setting, end in DATABASES.items():
            name = database_name(folder, end)
            copied = sql.SQL(" TEMPLATE {}").format(sql.Identifier(database_name(like, end))) if like else sql.SQL("")
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)) + copied)
            lines.append(f'{setting} = "{address}/{name}"\n')
    (folder / "qala.toml").write_text("".join(lines))


def database_name(folder: Path, end: str) -> str:
    """The database of a data folder; the same folder has the same one."""
    return f"qala_{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}_{end}"
