"""Making a data folder ready: its folders, its records, its lake, and what each matter needs in them."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings as django_settings
from django.db import DatabaseError, connection
from django.utils.translation import gettext as _

import qala
from qala.kernel import console
from qala.kernel.config import Settings
from qala.kernel.errors import BadInput, Conflict, Unavailable
from qala.kernel.plug import load, plugs

FORMAT = 1
MARKER = "qala-data.json"
RESTORING = ".qala-restore.json"  # in a folder that a restore has not finished
# What may lie in a folder before Qala first uses it.
BROUGHT = {"qala.toml", "secret_key", "lost+found"}


def prepare(*, quiet: bool = False, fully: bool = False) -> None:
    """Make the data folder of the settings ready to use; costs milliseconds where nothing is to do.

    Args:
        quiet: say nothing of what was done.
        fully: look at everything again, also where the folder was ready for this very program before.

    Raises:
        BadInput: the path is a file, or a folder that holds other things.
        Conflict: the folder was made by a newer Qala, or an older one still runs on it.
        Unavailable: it cannot be written.
    """
    settings: Settings = django_settings.QALA
    check_folder(settings)
    stamp = _stamp(settings)
    if not fully and _read(settings.run_dir / "ready.json").get("stamp") == stamp:
        _take_secret_key(settings)
        return
    make_folders(settings)
    with _alone(settings):
        _take_secret_key(settings)
        done = [*_migrate(settings), *_prepare_lake()]
        for plug in plugs():
            if plug.prepare is not None:
                load(plug.prepare)()
        write_json(settings.run_dir / "ready.json", {"stamp": _stamp(settings)})
    if done and not quiet:
        console.say(
            _("The data folder {folder} is ready.").format(folder=settings.data_dir), event="prepared", changed=done
        )


def check_folder(settings: Settings) -> bool:
    """Whether the data folder was made by Qala; ``False`` where it is still to be made.

    Raises:
        BadInput, Conflict, Unavailable: see ``prepare``.
    """
    folder = settings.data_dir
    if folder.exists() and not folder.is_dir():
        raise BadInput(
            _("The data folder {folder} is a file.").format(folder=folder), fix=_("Name a folder with --data-dir.")
        )
    if not folder.exists():
        parent = next(above for above in folder.parents if above.exists())
        if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
            raise Unavailable(
                _("The data folder {folder} cannot be made: {parent} is not writable.").format(
                    folder=folder, parent=parent
                ),
                fix=_("Name another folder with --data-dir, or change the permissions."),
            )
        return False
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise Unavailable(
            _("The data folder {folder} is not writable for this user.").format(folder=folder),
            fix=_("Run as the user who owns it, or change the permissions."),
        )
    if (folder / RESTORING).exists():
        raise Conflict(
            _("The restore into {folder} is under way, or was interrupted.").format(folder=folder),
            fix=_("Repeat qala restore with the same --data-dir; it begins anew."),
        )
    marker = folder / MARKER
    if not marker.exists():
        others = sorted(
            one.name for one in folder.iterdir() if one.name not in BROUGHT and not one.name.startswith(".qala")
        )
        if others:
            shown = ", ".join(others[:5]) + (", …" if len(others) > 5 else "")
            raise BadInput(
                _("{folder} is not a data folder of Qala; it holds: {things}.").format(folder=folder, things=shown),
                fix=_("Name an empty folder, or one that does not exist yet, with --data-dir."),
            )
        return False
    told = _read(marker)
    if not isinstance(told.get("format"), int):
        raise BadInput(
            _("{marker} cannot be read, so that nobody knows what made this folder.").format(marker=marker),
            fix=_("Restore that file from a backup."),
        )
    if told["format"] > FORMAT:
        raise Conflict(
            _("The data folder {folder} has format {found}; this Qala ({version}) knows up to {known}.").format(
                folder=folder, found=told["format"], version=qala.__version__, known=FORMAT
            ),
            fix=_("Run the newer Qala that made it."),
        )
    return True


def migrations_on_disk() -> set[tuple[str, str]]:
    """All (app, migration) that this program brings."""
    found = set()
    for config in apps.get_app_configs():
        for file in (Path(config.path) / "migrations").glob("[0-9a-z]*.py"):
            found.add((config.label, file.stem))
    return found


def migrations_applied() -> set[tuple[str, str]]:
    """All (app, migration) that the records hold."""
    if "django_migrations" not in connection.introspection.table_names():
        return set()
    with connection.cursor() as cursor:
        cursor.execute("SELECT app, name FROM django_migrations")
        return {(app, name) for app, name in cursor.fetchall()}


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Replace a small file at once, readable by its owner."""
    beside = path.with_name(f".qala-{path.name}.{os.getpid()}")
    with open(os.open(beside, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(content, file, ensure_ascii=False, default=str)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _stamp(settings: Settings) -> str:
    """What the folder was made ready for: this program's migrations, lake tables and plugs, these very databases."""
    parts: list[object] = [qala.__version__, sorted(migrations_on_disk())]
    for plug in plugs():
        parts.append([(table.name, table.version) for table in plug.lake_tables])
        parts.append(
            [plug.prepare, sorted(permission.key for permission in plug.permissions), sorted(plug.grants.items())]
        )
    for url, path in (
        (settings.database_url, settings.records_path),
        (settings.lake_catalogue_url, settings.catalogue_path),
    ):
        if url is not None:
            where = urlsplit(url.get_secret_value())
            parts.append([where.hostname, where.port, where.path])
        else:
            parts.append(path.stat().st_ino if path.exists() else None)
    parts.append(str(settings.lake_dir))
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def make_folders(settings: Settings) -> None:
    """Make the data folder and its marker, readable by its owner alone.

    Raises:
        Unavailable: it cannot be written.
    """
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (settings.data_dir / MARKER).exists():
            write_json(
                settings.data_dir / MARKER,
                {"format": FORMAT, "created": datetime.now(UTC).isoformat(timespec="seconds"), "by": qala.__version__},
            )
        for folder in (settings.run_dir, settings.temp_dir, settings.loads_dir, settings.lake_dir):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise Unavailable(
            _("The data folder {folder} cannot be made: {why}.").format(folder=settings.data_dir, why=error.strerror),
            fix=_("Free space and repeat.") if full else _("Name another folder with --data-dir."),
        ) from None


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Only one process makes the folder ready; the others wait and then find it so."""
    with open(settings.run_dir / "prepare.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _take_secret_key(settings: Settings) -> None:
    """Make the key that signs sessions, once, and use it in this process."""
    if settings.secret_key is not None:
        return
    path = settings.data_dir / "secret_key"
    if not path.exists():
        try:
            with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
                file.write(secrets.token_urlsafe(48))
        except FileExistsError:
            pass  # another process was first
    django_settings.SECRET_KEY = path.read_text()


def _migrate(settings: Settings) -> list[str]:
    """Bring the records to this program's tables; returns the migrations that were run."""
    from django.core.management import call_command

    from . import supervisor

    try:
        applied = migrations_applied()
        here = migrations_on_disk()
        own = {config.label for config in apps.get_app_configs() if config.name.startswith("qala.")}
        newer = sorted(f"{app}.{name}" for app, name in applied - here if app in own)
        if newer:
            raise Conflict(
                _("The records were written by a newer Qala than this one ({version}).").format(
                    version=qala.__version__
                ),
                fix=_("Run the newer Qala."),
                rows=newer,
            )
        pending = sorted(f"{app}.{name}" for app, name in here - applied)
        if not pending:
            return []
        holder = supervisor.holder(settings)
        if applied and holder is not None and holder["pid"] != os.getpid():
            raise Conflict(
                _("An older qala up still runs on this data folder: process {pid}.").format(pid=holder["pid"]),
                fix=_("Stop it, then start this version."),
            )
        call_command("migrate", interactive=False, verbosity=0)
        return pending
    except DatabaseError as error:
        raise Unavailable(
            _("The records cannot be opened: {why}").format(why=str(error).strip()), fix=_("qala doctor says more.")
        ) from error


def _prepare_lake() -> list[str]:
    from qala.kernel import lake

    return [f"lake.{name}" for name in lake.prepare()]


def let_go() -> None:
    """Close records and lake in this process, which only watches over others from now on."""
    from qala.kernel import lake

    connection.close()
    held = lake.set_lake(None)
    if held is not None:
        held.close()


def prepare_static() -> None:
    """Gather style sheets and scripts where the web part serves them from; quick where none of them changed."""
    from django.contrib.staticfiles.finders import get_finders
    from django.core.management import call_command

    files = sorted(
        (path, Path(storage.path(path)).stat().st_mtime_ns)
        for finder in get_finders()
        for path, storage in finder.list([])
    )
    stamp = hashlib.sha256(repr(files).encode()).hexdigest()
    root = Path(django_settings.STATIC_ROOT)
    if _read(root / "gathered.json").get("stamp") != stamp:
        with console.progress(_("Gathering style sheets and scripts")):
            call_command(
                "collectstatic",
                interactive=False,
                verbosity=0,
                clear=True,
                ignore_patterns=["redoc*", "swagger-ui-bundle.js.map"],
            )
        write_json(root / "gathered.json", {"stamp": stamp})
