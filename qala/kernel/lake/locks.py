"""Locks of one lake over all processes; a killed process lets go of them."""

from __future__ import annotations

import fcntl
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg

from qala.kernel.config import Settings
from qala.kernel.errors import Unavailable

# Held by every commit.
COMMITS = "lake"
# Shared by whoever copies files of the lake, held alone while upkeep deletes some.
FILES = "files"


@contextmanager
def locked(settings: Settings, name: str, *, shared: bool = False, patient: bool = True) -> Iterator[bool]:
    """Hold the lock of that name: a file in the data folder, or with a catalogue on PostgreSQL one of its own.

    Needs no attached lake.

    Args:
        shared: beside others that hold it so.
        patient: wait for it; else go without where another holds it.

    Returns:
        Whether it is held.

    Raises:
        Unavailable: the catalogue does not answer.
    """
    if settings.lake_catalogue_url is None:
        mode = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if patient else fcntl.LOCK_NB)
        with open(settings.run_dir / f"{name}.lock", "w") as file:
            try:
                fcntl.flock(file, mode)
            except BlockingIOError:
                yield False
                return
            yield True
        return
    function = f"pg_{'' if patient else 'try_'}advisory_lock{'_shared' if shared else ''}"
    try:
        session = psycopg.connect(settings.lake_catalogue_url.get_secret_value(), autocommit=True)
        row = session.execute(f"SELECT {function}(%s)", [zlib.crc32(f"qala {name}".encode())]).fetchone()
    except psycopg.Error as error:
        raise Unavailable("The lake's catalogue on PostgreSQL does not answer.", fix="Start it.") from error
    with closing(session):  # the server lets go of the lock with the session
        yield patient or bool(row and row[0])
