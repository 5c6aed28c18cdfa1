"""Loading a file of readings."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from uuid import UUID

import duckdb
import structlog
from django.conf import settings
from django.db import DatabaseError, transaction

from qala import drivers
from qala.city.people.public import get_organisation
from qala.kernel import audit, outbox
from qala.kernel.access import Who, system
from qala.kernel.clock import SYSTEM_CLOCK, Clock
from qala.kernel.errors import BadInput, QalaError
from qala.kernel.ids import new_id
from qala.kernel.lake import clear_errors

from ..models import Load
from ..rules import Profile
from ..store import kept_from
from .news import mark_seen, tell_kept
from .registry import require_for
from .run import Run, Summary, writable
from .spool import digest

log = structlog.get_logger(__name__)

RUNNING_MARK = "running"  # locked in a load's folder while its process lives


def load_readings(
    *,
    path: Path,
    profile: Profile,
    profile_name: str,
    who: Who,
    clock: Clock = SYSTEM_CLOCK,
    dry_run: bool = False,
    progress: Callable[[float], None] = lambda _: None,
) -> Summary:
    """Load a file of readings into the lake, part by part, and tell what became of each row.

    Each part is one commit. Whatever interrupts, what was kept is whole, and loading the file again finishes it: rows
    that are there already are not added again.

    Args:
        profile: what the columns mean.
        dry_run: read and count all, keep nothing; created devices are counted, not made.
        progress: told the share of the file that is done, 0 to 1.

    Raises:
        NotAllowed: the asker may not load readings.
        BadInput, TooMuch: the file can't be what the profile says.
        Unavailable: the disk is full.
    """
    scope = who.require("devices.load")
    if not path.is_file():
        raise BadInput(f"{path} is not a file.", fix="Give the path of a CSV (plain, gzip, zip) or Parquet file.")
    owner = get_organisation(profile.owner) if profile.owner else None
    if profile.unknown == "create":
        require_for(who, "devices.manage", owner.pk if owner else None)
        drivers.driver(profile.model or "")
    run = Run(
        path=path, profile=profile, who=who, clock=clock, dry_run=dry_run, progress=progress,
        owner_id=owner.pk if owner else None, owners=None if scope.everything else scope.organisations,
    )  # fmt: skip
    if dry_run:
        with _temporary_folder() as folder, clear_errors():
            run.folder = folder
            run.go()
            refused = settings.QALA.loads_dir / "dry-run-refused.csv"
            if run.summary.refused:
                settings.QALA.loads_dir.mkdir(parents=True, exist_ok=True)
                shutil.move(run.refused_path, refused)
                run.summary.refused_file = refused
        return run.summary
    with clear_errors():
        fail_interrupted_loads(now=clock.now())
        return _load(run, profile_name)


def _load(run: Run, profile_name: str) -> Summary:
    path, who, clock = run.path, run.who, run.clock
    key = new_id()
    run.folder = settings.QALA.loads_dir / str(key)
    run.folder.mkdir(parents=True)
    mark = run.folder / RUNNING_MARK
    with _held(mark):  # before its row is there, so that a row without it is a dead process's
        run.start(key, profile_name)
        try:
            with clear_errors():
                with ThreadPoolExecutor(1, thread_name_prefix="digest") as pool:
                    sha256 = pool.submit(digest, path)
                    try:
                        run.go()
                    finally:
                        Load.objects.filter(pk=key).update(file_sha256=sha256.result())
                _finish(run)
        except BaseException as error:
            _clear_parts(run.folder)
            why = error.what if isinstance(error, QalaError) else f"{type(error).__name__}: {error}"
            try:
                _fail(key, why, who=who, now=clock.now(), **run.counts())
            except (DatabaseError, QalaError, duckdb.Error) as again:  # e.g. the disk is full: noted at the next load
                log.warning("load.failure_not_noted", load=str(key), error=str(again))
            raise
    mark.unlink(missing_ok=True)
    return run.summary


def _fail(key: UUID, why: str, *, who: Who, now: datetime, **counts: Any) -> bool:
    """Mark a running load as failed and tell of what it kept before; ``False`` where it runs no more."""
    source = f"load:{key}"
    kept, first, last = kept_from(source)
    with transaction.atomic():
        if not Load.objects.filter(pk=key, state=Load.RUNNING).update(
            state=Load.FAILED, finished_at=now, error=why[:2000], **counts
        ):
            return False
        audit.record(who=who, now=now, verb="devices.load_readings", thing="load", key=key, after={"error": why[:500]})
        outbox.tell("devices.load_ended", {"load": str(key)}, now=now)
        if kept:
            tell_kept(source=source, first=first, last=last, now=now, new=kept)
    return True


def _clear_parts(folder: Path) -> None:
    for leftover in folder.glob("part-*"):
        leftover.unlink(missing_ok=True)


def fail_interrupted_loads(*, now: datetime) -> int:
    """Mark loads whose process is gone as failed and tell of what they kept; returns how many."""
    gone = 0
    for key in Load.objects.filter(state=Load.RUNNING).values_list("pk", flat=True):
        mark = settings.QALA.loads_dir / str(key) / RUNNING_MARK
        with suppress(FileNotFoundError), open(mark) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # its process lives
        gone += _fail(
            key, "The process was interrupted; load the file again to finish it.", who=system("devices"), now=now
        )
        _clear_parts(mark.parent)
    return gone


def _finish(run: Run) -> None:
    assert run.load is not None
    now = run.clock.now()
    found = run.summary
    with transaction.atomic():
        mark_seen(*run.latest())
        Load.objects.filter(pk=run.load.pk).update(state=Load.DONE, finished_at=now, share=1, **run.counts())
        counts = {
            "read": found.read, "new": found.new, "new_versions": found.new_versions,
            "already_there": found.already_there, "refused": found.refused,
        }  # fmt: skip
        audit.record(
            who=run.who, now=now, verb="devices.load_readings", thing="load", key=run.load.pk,
            after={"file": writable(run.path.name), **counts},
        )  # fmt: skip
        outbox.tell("devices.load_ended", {"load": str(run.load.pk)}, now=now)
        if found.new or found.new_versions:
            tell_kept(source=run.source, first=found.first_time, last=found.last_time, now=now, **counts)


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """A file that is locked while this process works, so that others see whether it lives."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(str(os.getpid()))
        file.flush()
        yield


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    settings.QALA.temp_dir.mkdir(parents=True, exist_ok=True)
    folder = Path(mkdtemp(prefix="load-", dir=settings.QALA.temp_dir))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
