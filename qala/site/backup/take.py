"""Taking a back-up, of a city that runs or of one that stands."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from django.utils.translation import gettext as _
from pydantic import SecretStr

import qala
from qala.kernel.config import Settings
from qala.kernel.errors import BadInput, Conflict, NotFound, QalaError, Unavailable
from qala.kernel.lake.connection import sync_folder
from qala.kernel.lake.copies import commits_paused, files_kept, files_of
from qala.site.prepare import FORMAT, MARKER, check_folder, write_json
from qala.site.status import versions

from .databases import Snapshot, snapshot
from .manifest import NAME, UNFINISHED, Kept, Manifest, Moved, copied, hashed, list_complete, read

# Of the data folder: what is made anew, what is secret, what is a message on its way, and what is copied as a database.
LEFT_OUT = {"run", "tmp", "static", "logs", "outgoing-mail", "outgoing-sms", "lost+found", "secret_key", "qala.toml"}
SETTINGS = "settings.toml"
LOCK = ".lock"  # held while a back-up is written
# Settings that are of the machine rather than of the city.
OF_THE_MACHINE = {
    "data_dir", "lake_data_path", "host", "port", "backup_dir", "tls_certificate", "tls_key", "email_ca_file",
}  # fmt: skip
Begun = Callable[[int], None]  # told how many bytes are to be moved


@dataclass(frozen=True, slots=True)
class Taken:
    """What a back-up became.

    Args:
        copied_files: files that were copied; ``linked_files`` are shared with the back-up before.
        bytes: of all files; ``copied_bytes`` of those that were copied.
    """

    folder: Path
    files: int
    bytes: int
    copied_files: int
    copied_bytes: int
    linked_files: int


def take(
    settings: Settings, into: Path, *, now: datetime, begun: Begun = lambda _bytes: None, moved: Moved = lambda _bytes: None
) -> Taken:  # fmt: skip
    """Write a back-up into a folder of its own in ``into``; what did not change since the one before is linked to it.

    Raises:
        BadInput: ``into`` is no place for it.
        NotFound: there is no city in the data folder.
        Conflict: one was begun in the same second.
        Unavailable: a disk is full or a database does not answer; nothing is left of this one.
    """
    if not check_folder(settings) or (settings.database_url is None and not settings.records_path.is_file()):
        raise NotFound(
            _("There is no city in {folder}.").format(folder=settings.data_dir), fix=_("Name it with --data-dir.")
        )
    _refuse_place(settings, into)
    name = f"{now.astimezone(UTC):%Y-%m-%dT%H%M%SZ}"
    folder, done = into / f"{name}{UNFINISHED}", into / name
    with clear_errors(into):
        into.mkdir(parents=True, exist_ok=True, mode=0o700)
        forget_interrupted(into)
        if folder.exists() or done.exists():
            raise Conflict(_("There is a back-up {folder} already.").format(folder=done), fix=_("Repeat the command."))
        folder.mkdir(mode=0o700)
        try:
            with _under_way(folder):
                return _fill(settings, folder, done, now=now, begun=begun, moved=moved)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def _fill(
    settings: Settings, folder: Path, done: Path, *, now: datetime, begun: Begun, moved: Moved
) -> Taken:  # fmt: skip
    before_folder, before = _before(done.parent)
    shared = one_database(settings)
    with files_kept(settings):
        with commits_paused(settings):  # for the moment in which both instants are taken
            records = snapshot(settings.database_url, settings.records_path)
            catalogue = records if shared else snapshot(settings.lake_catalogue_url, settings.catalogue_path)
        with closing(records), closing(catalogue):
            lake = files_of(catalogue.rows)
            others = {path: path.stat() for path in _others(settings)}
            begun(
                records.size() + (0 if shared else catalogue.size()) + sum(lake.values())
                + sum(stat.st_size for stat in others.values())
            )  # fmt: skip
            migrations = [f"{app}.{name}" for app, name in records.rows("SELECT app, name FROM django_migrations")]
            kept = [_dumped(records, folder, "records", settings.database_url, moved)]
            if not shared:
                kept.append(_dumped(catalogue, folder, "catalogue", settings.lake_catalogue_url, moved))
        linked = 0
        for path, size in lake.items():
            found = _linked(before_folder, before, folder, Kept(f"lake/{path}", size, ""), moved)
            linked += found is not None
            kept.append(found or _copied_of_lake(settings, folder, path, size, moved))
    for source, stat in others.items():
        path = f"data/{source.relative_to(settings.data_dir).as_posix()}"
        found = _linked(before_folder, before, folder, Kept(path, stat.st_size, "", stat.st_mtime_ns), moved)
        linked += found is not None
        kept.append(found or Kept(path, *copied(source, folder / path, moved), stat.st_mtime_ns))
    (folder / SETTINGS).write_text(settings_text(settings), encoding="utf-8")
    kept.append(Kept(SETTINGS, *hashed(folder / SETTINGS)))
    told = json.loads((settings.data_dir / MARKER).read_text(encoding="utf-8"))
    manifest = Manifest(
        name=done.name, made=now.astimezone(UTC).isoformat(timespec="seconds"), by=qala.__version__,
        data_format=int(told.get("format", FORMAT)), records=_kind(settings.database_url),
        catalogue="records" if shared else _kind(settings.lake_catalogue_url), versions=versions(),
        migrations=sorted(migrations), files=kept,
    )  # fmt: skip
    sync_folder(folder)
    write_json(folder / NAME, manifest.content())
    folder.rename(done)
    (done / LOCK).unlink()
    sync_folder(done.parent)
    new = [one for one in kept if (done / one.path).stat().st_nlink == 1]
    return Taken(done, len(kept), manifest.bytes, len(new), sum(one.bytes for one in new), linked)


def one_database(settings: Settings) -> bool:
    """Whether records and catalogue share a database on PostgreSQL."""
    if settings.database_url is None or settings.lake_catalogue_url is None:
        return False
    records, catalogue = (
        urlsplit(url.get_secret_value()) for url in (settings.database_url, settings.lake_catalogue_url)
    )
    return (records.hostname, records.port, records.path) == (catalogue.hostname, catalogue.port, catalogue.path)


def _kind(url: SecretStr | None) -> str:
    return "sqlite" if url is None else "postgresql"


def _dumped(of: Snapshot, folder: Path, name: str, url: SecretStr | None, moved: Moved) -> Kept:
    file = f"{name}.sqlite" if url is None else f"{name}.dump"
    of.copy_to(folder / file, moved)
    return Kept(file, *hashed(folder / file))


def _copied_of_lake(settings: Settings, folder: Path, path: str, size: int, moved: Moved) -> Kept:
    try:
        found, digest = copied(settings.lake_dir / path, folder / "lake" / path, moved)
    except FileNotFoundError:
        found = -1
    if found != size:
        raise Unavailable(
            _("The lake's file {path} is missing or torn, so that there is nothing whole to copy.").format(path=path),
            fix=_("Restore an earlier back-up."),
        )
    return Kept(f"lake/{path}", size, digest)


def _before(into: Path) -> tuple[Path, dict[str, Kept]]:
    """The back-up before this one and its files by path."""
    for folder in reversed(list_complete(into)):
        try:
            return folder, {one.path: one for one in read(folder).files}
        except QalaError:
            continue  # a damaged one gives nothing
    return into, {}


def _linked(before_folder: Path, before: dict[str, Kept], folder: Path, wanted: Kept, moved: Moved) -> Kept | None:
    """The same file of the back-up before, linked into this one; ``None`` where it must be copied."""
    held = before.get(wanted.path)
    if held is None or (held.bytes, held.modified_ns) != (wanted.bytes, wanted.modified_ns):
        return None
    target = folder / wanted.path
    try:
        if (before_folder / wanted.path).stat().st_size != wanted.bytes:
            return None
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.link(before_folder / wanted.path, target)
    except OSError:  # a file system without links, too many of them, a file that went away: a copy does as well
        return None
    moved(wanted.bytes)
    return held


def _others(settings: Settings) -> Iterator[Path]:
    """What else a city keeps in its data folder: the files of loads, media, markers."""
    databases = {settings.records_path.name, settings.catalogue_path.name}
    elsewhere = {settings.lake_dir.resolve(), Path(os.environ.get("QALA_SECRETS_DIR") or settings.run_dir).resolve()}
    for entry in sorted(settings.data_dir.iterdir()):
        name = entry.name.removesuffix("-wal").removesuffix("-shm").removesuffix("-journal")
        if entry.name in LEFT_OUT or entry.name.startswith(".") or name in databases or entry.resolve() in elsewhere:
            continue
        for path in sorted(entry.rglob("*")) if entry.is_dir() else [entry]:
            if path.is_file() and not path.is_symlink() and elsewhere.isdisjoint(path.resolve().parents):
                yield path


def settings_text(settings: Settings) -> str:
    """The settings that differ from the defaults, as TOML; secrets are named without their values."""
    lines = []
    for name, value in settings.model_dump(mode="json", exclude_defaults=True).items():
        if isinstance(getattr(settings, name), SecretStr):
            lines.append(f"# {name} was set; it is a secret and not kept here")
        elif name not in OF_THE_MACHINE and value is not None:
            lines.append(f"{name} = {json.dumps(value, ensure_ascii=False)}")
    return "".join(f"{line}\n" for line in lines)


def _refuse_place(settings: Settings, into: Path) -> None:
    place = into.resolve()
    for held in (settings.data_dir.resolve(), settings.lake_dir.resolve()):
        if place == held or held in place.parents:
            raise BadInput(
                _("A back-up in {folder} would be part of what it copies.").format(folder=into),
                fix=_("Name a folder outside the data folder, best on another disk."),
            )
    if place.exists() and not place.is_dir():
        raise BadInput(_("{folder} is a file.").format(folder=into), fix=_("Name a folder."))


@contextmanager
def _under_way(folder: Path) -> Iterator[None]:
    with open(folder / LOCK, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def forget_interrupted(into: Path) -> int:
    """Delete what killed back-ups left in a folder; returns how many."""
    count = 0
    for folder in into.glob(f"*{UNFINISHED}"):
        try:
            with open(folder / LOCK) as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue  # it is under way
        except OSError:
            pass  # killed before it locked anything
        shutil.rmtree(folder, ignore_errors=True)
        count += 1
    return count


@contextmanager
def clear_errors(folder: Path) -> Iterator[None]:
    """Say what a failing disk means to the person who runs the city."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or "disk is full" in str(
            error
        )
        raise Unavailable(
            _("The disk of {folder} is full.").format(folder=folder)
            if full
            else _("{folder} cannot be written or read: {why}").format(folder=folder, why=str(error)),
            fix=_("Free space and repeat the command.") if full else _("Check disk and permissions, then repeat."),
        ) from error
