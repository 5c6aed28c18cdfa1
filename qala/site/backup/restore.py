"""A city from a back-up. Until all of it is there, a file in the data folder says so and every command refuses."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from django.apps import apps
from django.utils.translation import gettext as _
from pydantic import SecretStr

import qala
from qala.kernel.config import Settings, toml_file
from qala.kernel.errors import BadInput, Conflict, Unavailable
from qala.kernel.lake.connection import sync_folder
from qala.site import supervisor
from qala.site.prepare import FORMAT, RESTORING, check_folder, migrations_on_disk, write_json

from .databases import is_empty, put_back, say_stopped
from .manifest import Manifest, Moved, copied, hashed, read, verify
from .take import SETTINGS, Begun, clear_errors, one_database


def restore(
    settings: Settings,
    folder: Path,
    *,
    replace: bool = False,
    begun: Begun = lambda _bytes: None,
    moved: Moved = lambda _bytes: None,
) -> Manifest:
    """Fill the data folder (and its databases on PostgreSQL) from a back-up, after every file of that was verified.

    One that was killed is done again from the beginning. What was under way in the city is taken up anew at its next
    start, as after a power cut; everybody signs in again.

    Args:
        replace: put it in place of the city that is there; for the roll-back of an upgrade.

    Raises:
        BadInput: the back-up is damaged, or the data folder holds other things.
        Conflict: the data folder holds a city, or a newer Qala made the back-up.
        Unavailable: a disk is full or a database does not answer; repeat it then.
    """
    manifest = read(folder)
    refuse_newer(folder, manifest)
    _refuse_other_databases(settings, manifest)
    again = _interrupted(settings)
    if not again and not replace:
        _refuse_city(settings)
    begun(2 * manifest.bytes)
    verify(folder, manifest, moved=moved)
    with clear_errors(settings.data_dir):
        _refuse_little_room(settings, manifest)
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        settings.run_dir.mkdir(exist_ok=True, mode=0o700)
        if replace:  # its caller holds the folder
            _fill(settings, folder, manifest, moved)
        else:
            with supervisor.take_folder(settings):
                if not toml_file().exists():
                    shutil.copyfile(folder / SETTINGS, settings.data_dir / "qala.toml")
                _fill(settings, folder, manifest, moved)
    return manifest


def _fill(settings: Settings, folder: Path, manifest: Manifest, moved: Moved) -> None:
    marker = settings.data_dir / RESTORING
    write_json(marker, {"from": str(folder), "into": _places(settings), "began": datetime.now(UTC).isoformat()})
    for url, path, wanted in (
        (settings.database_url, settings.records_path, True),
        (settings.lake_catalogue_url, settings.catalogue_path, not one_database(settings)),
    ):
        if not wanted:
            continue
        if url is not None:
            put_back(folder / f"{path.stem}.dump", url)
        else:
            for end in ("", "-wal", "-shm", "-journal"):  # a log of other pages would be played into this file
                path.with_name(path.name + end).unlink(missing_ok=True)
            copied(folder / path.name, path, moved)
    for one in manifest.files:
        root, _slash, rest = one.path.partition("/")
        if root == "lake":
            target = settings.lake_dir / rest
            if not (target.is_file() and hashed(target) == (one.bytes, one.sha256)):
                copied(folder / one.path, target)
            moved(one.bytes)
        elif root == "data":
            copied(folder / one.path, settings.data_dir / rest, moved)
    _keep_erasures(settings, folder)
    say_stopped(settings.database_url, settings.records_path)
    (settings.run_dir / "ready.json").unlink(missing_ok=True)
    settings.lake_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    sync_folder(settings.data_dir)
    sync_folder(settings.lake_dir)
    marker.unlink()


def _keep_erasures(settings: Settings, folder: Path) -> None:
    """Whom newer back-ups beside this one know to be erased is erased again once the records are ready."""
    listed: set[str] = set()
    for path in [settings.erased_path, *folder.resolve().parent.glob(f"*/data/{settings.erased_path.name}")]:
        with suppress(FileNotFoundError):
            listed |= set(json.loads(path.read_text(encoding="utf-8"))["erased"])
    if listed:
        write_json(settings.erased_path, {"erased": sorted(listed)})


def refuse_newer(folder: Path, manifest: Manifest) -> None:
    """Refuse what this program does not know.

    Raises:
        Conflict: a newer Qala made the back-up; its records hold what this one does not know.
    """
    own = {config.label for config in apps.get_app_configs() if config.name.startswith("qala.")}
    known = {f"{app}.{name}" for app, name in migrations_on_disk()}
    newer = [one for one in manifest.migrations if one.partition(".")[0] in own and one not in known]
    if newer or manifest.data_format > FORMAT:
        raise Conflict(
            _("The back-up {folder} was made by a newer Qala ({made}) than this one ({version}).").format(
                folder=folder, made=manifest.by, version=qala.__version__
            ),
            fix=_("Run the newer Qala that made it."),
            rows=newer,
        )


def _refuse_other_databases(settings: Settings, manifest: Manifest) -> None:
    shared = one_database(settings)
    here = {
        "database_url": "sqlite" if settings.database_url is None else "postgresql",
        "lake_catalogue_url": "records"
        if shared
        else "sqlite"
        if settings.lake_catalogue_url is None
        else "postgresql",
    }
    wanted = {"database_url": manifest.records, "lake_catalogue_url": manifest.catalogue}
    differing = [name for name in here if here[name] != wanted[name]]
    if differing:
        raise BadInput(
            _(
                "The back-up has records on {records} and its catalogue on {catalogue}; the settings here differ."
            ).format(records=manifest.records, catalogue=manifest.catalogue),
            fix=_("Set or unset {names} to match; databases on PostgreSQL must be there and empty.").format(
                names=", ".join(f"QALA_{name.upper()}" for name in differing)
            ),
        )


def _places(settings: Settings) -> list[str]:
    """What a restore writes to, without passwords: one that was killed may be repeated only there."""

    def place(url: SecretStr | None) -> str:
        if url is None:
            return "sqlite"
        where = urlsplit(url.get_secret_value())
        return f"{where.hostname}:{where.port}{where.path}"

    return [place(settings.database_url), place(settings.lake_catalogue_url), str(settings.lake_dir.resolve())]


def _interrupted(settings: Settings) -> bool:
    """Whether a restore into this very data folder and these databases was killed."""
    marker = settings.data_dir / RESTORING
    if not marker.exists():
        return False
    try:
        told = json.loads(marker.read_text(encoding="utf-8"))["into"]
    except (OSError, ValueError, KeyError, TypeError):
        told = None
    if told != _places(settings):
        raise Conflict(
            _("The restore into {folder} that was interrupted wrote to other databases or another lake.").format(
                folder=settings.data_dir
            ),
            fix=_("Use the settings that it ran with."),
        )
    return True


def _refuse_city(settings: Settings) -> None:
    """Refuse whatever a restore would be written over."""
    fix = _("Name a new folder with --data-dir, and empty databases.")
    if check_folder(settings):
        raise Conflict(_("The data folder {folder} holds a city.").format(folder=settings.data_dir), fix=fix)
    if settings.lake_dir.is_dir() and next(settings.lake_dir.rglob("*.parquet"), None) is not None:
        raise Conflict(_("The lake's folder {folder} holds files.").format(folder=settings.lake_dir), fix=fix)
    for url in (settings.database_url, settings.lake_catalogue_url):
        if url is not None and not is_empty(url):
            raise Conflict(_("A database that the settings name holds tables."), fix=fix)


def _refuse_little_room(settings: Settings, manifest: Manifest) -> None:
    folder = settings.data_dir
    while not folder.exists():
        folder = folder.parent
    there = sum(
        (settings.lake_dir / one.path.removeprefix("lake/")).is_file() * one.bytes
        for one in manifest.files
        if one.path.startswith("lake/")
    )
    free, wanted = shutil.disk_usage(folder).free, manifest.bytes - there
    if free < wanted:
        raise Unavailable(
            _("The disk of {folder} is too small: {wanted} bytes are wanted, {free} are free.").format(
                folder=folder, wanted=wanted, free=free
            ),
            fix=_("Free space, or name a folder on another disk."),
        )
