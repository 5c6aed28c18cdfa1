"""What a back-up holds: its manifest, and whether the files are still what it says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from qala.kernel.errors import BadInput, Conflict, NotFound

FORMAT = 1
NAME = "manifest.json"
UNFINISHED = ".part"  # end of a folder's name until its manifest is written
CHUNK = 1 << 20
Moved = Callable[[int], None]  # told how many bytes were read or written


@dataclass(frozen=True, slots=True)
class Kept:
    """One file of a back-up; ``modified_ns`` is of the original."""

    path: str
    bytes: int
    sha256: str
    modified_ns: int = 0


@dataclass(frozen=True, slots=True)
class Manifest:
    """What stands in ``manifest.json``.

    Args:
        name: of the back-up's folder, its instant in UTC.
        data_format: of the data folder.
        records, catalogue: ``sqlite`` or ``postgresql``; ``catalogue`` is ``records`` where both share one database.
        migrations: ``app.name`` of each that the records hold.
    """

    name: str
    made: str
    by: str
    data_format: int
    records: str
    catalogue: str
    versions: dict[str, str]
    migrations: list[str]
    files: list[Kept] = field(default_factory=list)
    format: int = FORMAT

    def content(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def bytes(self) -> int:
        return sum(one.bytes for one in self.files)


def list_complete(into: Path) -> list[Path]:
    """The finished back-ups in a folder, oldest first; one that was killed has no manifest and is none."""
    if not into.is_dir():
        return []
    return sorted(one for one in into.iterdir() if (one / NAME).is_file() and not one.name.endswith(UNFINISHED))


def find(given: Path) -> Path:
    """The back-up that a path means: itself, or the latest one in it.

    Raises:
        NotFound: there is none; an interrupted one does not count.
    """
    if (given / NAME).is_file() and not given.name.endswith(UNFINISHED):
        return given
    found = list_complete(given)
    if found:
        return found[-1]
    interrupted = given.name.endswith(UNFINISHED) or (given.is_dir() and any(given.glob(f"*{UNFINISHED}")))
    raise NotFound(
        _("{folder} holds a back-up that was interrupted, and no finished one.").format(folder=given)
        if interrupted
        else _("{folder} holds no back-up: there is no manifest.").format(folder=given),
        fix=_("Name a folder that qala backup wrote."),
    )


def read(folder: Path) -> Manifest:
    """The manifest of a back-up.

    Raises:
        BadInput: it can't be read.
        Conflict: a newer Qala wrote it.
    """
    damaged = BadInput(
        _("The manifest of the back-up {folder} is damaged.").format(folder=folder), fix=_("Take another back-up.")
    )
    try:
        told = json.loads((folder / NAME).read_text(encoding="utf-8"))
        if told["format"] > FORMAT:
            raise Conflict(
                _("The back-up {folder} was made by a newer Qala ({version}).").format(
                    folder=folder, version=told.get("by", "?")
                ),
                fix=_("Run the newer Qala that made it."),
            )
        files = [Kept(**one) for one in told.pop("files")]
        manifest = Manifest(**told, files=files)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise damaged from None
    if any(Path(one.path).is_absolute() or ".." in Path(one.path).parts for one in manifest.files):
        raise damaged
    return manifest


def verify(folder: Path, manifest: Manifest, *, moved: Moved = lambda _bytes: None) -> None:
    """Read every file of a back-up and compare it with the manifest.

    Raises:
        BadInput: files are missing or differ; every one is named.
    """
    faults = []
    for one in manifest.files:
        try:
            size, digest = hashed(folder / one.path, moved)
        except OSError as error:
            faults.append(f"{one.path}: {error.strerror}")
            continue
        if size != one.bytes:
            faults.append(_("{path}: {found} bytes instead of {wanted}").format(
                path=one.path, found=size, wanted=one.bytes))  # fmt: skip
        elif digest != one.sha256:
            faults.append(_("{path}: other content than was written").format(path=one.path))
    if faults:
        raise BadInput(
            _("The back-up {folder} is damaged.").format(folder=folder),
            fix=_("Take another back-up."),
            rows=faults,
        )


def hashed(path: Path, moved: Moved = lambda _bytes: None) -> tuple[int, str]:
    """Size and SHA-256 of a file."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
            moved(len(chunk))
    return size, digest.hexdigest()


def copied(source: Path, target: Path, moved: Moved = lambda _bytes: None) -> tuple[int, str]:
    """Copy a file beside its place, then put it there; size and SHA-256 of what was written."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = target.with_name(f"{target.name}{UNFINISHED}")
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as file, beside.open("wb") as out:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            out.write(chunk)
            size += len(chunk)
            moved(len(chunk))
    beside.replace(target)
    return size, digest.hexdigest()
