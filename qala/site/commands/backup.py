"""``qala backup`` and ``qala restore``."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import click
from django.conf import settings
from django.db import DatabaseError, transaction
from django.utils.translation import gettext as _

from qala.city.people.public import erase_again
from qala.kernel import audit, console, outbox
from qala.kernel.access import system
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.errors import QalaError
from qala.site import backup as backups
from qala.site.backup import daily
from qala.site.formats.text import bytes_text
from qala.site.status import records_ready

MIB = 1 << 20


@click.command(help=_("Copy the whole city, also while it runs, into a new folder in DIR; again copies what is new."))
@click.argument("dir", type=click.Path(path_type=Path))
@click.option(
    "--keep",
    type=click.IntRange(1),
    metavar="N",
    help=_("Then delete all back-ups in DIR but the latest N; what they share stays with those that are left."),
)
def backup(dir: Path, keep: int | None) -> None:
    began = time.perf_counter()
    try:
        with console.progress(_("Backing up"), unit="MiB") as bar:
            taken = backups.take(
                settings.QALA, dir, now=SYSTEM_CLOCK.now(), begun=lambda size: bar.update(total=round(size / MIB, 1)),
                moved=lambda size: bar.advance(size / MIB),
            )  # fmt: skip
            bar.update(done=bar.total)
    except (QalaError, OSError) as error:
        tell_failed(dir, str(error))
        raise
    who, known = system(f"cli:{console.operator()}"), records_ready(settings.QALA)
    if known:
        audit.record(
            who=who, now=SYSTEM_CLOCK.now(), verb=daily.TAKEN, thing="backup", key=taken.folder.name,
            after={"files": taken.files, "bytes": taken.bytes, "into": str(dir.absolute())},
        )  # fmt: skip
    deleted = backups.prune(dir, keep=keep) if keep is not None else []
    for name in deleted if known else ():
        audit.record(who=who, now=SYSTEM_CLOCK.now(), verb="city.delete_back_up", thing="backup", key=name)
    say(
        {
            "folder": taken.folder, "files": taken.files, "bytes": taken.bytes, "copied_files": taken.copied_files,
            "copied_bytes": taken.copied_bytes, "linked_files": taken.linked_files, "deleted": deleted if keep is not None else None,
            "seconds": round(time.perf_counter() - began, 1),
        }
    )  # fmt: skip


def tell_failed(folder: Path, reason: str) -> None:
    """News for whoever runs the city, where its records can take any."""
    with suppress(DatabaseError):  # what failed the back-up may fail this too, and is what must be told of
        if records_ready(settings.QALA):
            with transaction.atomic():
                outbox.tell(
                    "city.backup_failed", {"folder": str(folder), "reason": reason[:300]}, now=SYSTEM_CLOCK.now()
                )


@click.command(
    help=_("Make a city from a back-up: from DIR itself or the latest one in it, into an empty data folder.")
)
@click.argument("dir", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--check", is_flag=True, help=_("Only read the back-up and compare every file with its manifest."))
def restore(dir: Path, check: bool) -> None:
    began = time.perf_counter()
    folder = backups.find(dir)
    if check:
        manifest = backups.read(folder)
        with console.progress(_("Reading the back-up"), total=round(manifest.bytes / MIB, 1), unit="MiB") as bar:
            backups.verify(folder, manifest, moved=lambda size: bar.advance(size / MIB))
    else:
        with console.progress(_("Restoring"), unit="MiB") as bar:
            manifest = backups.restore(
                settings.QALA, folder, begun=lambda size: bar.update(total=round(size / MIB, 1)),
                moved=lambda size: bar.advance(size / MIB),
            )  # fmt: skip
            bar.update(done=bar.total)
        if records_ready(settings.QALA):
            audit.record(
                who=system(f"cli:{console.operator()}"), now=SYSTEM_CLOCK.now(), verb="city.restore", thing="backup",
                key=manifest.name,
            )  # fmt: skip
            erase_again(now=SYSTEM_CLOCK.now())
    say(
        {
            "folder": folder, "made": manifest.made, "files": len(manifest.files), "bytes": manifest.bytes,
            "seconds": round(time.perf_counter() - began, 1),
        }
    )  # fmt: skip


def say(found: dict[str, object]) -> None:
    """The outcome: numbers of bytes for machines, sizes in words for people."""
    labels = {
        "folder": _("back-up"), "made": _("made"), "files": _("files"), "bytes": _("size"),
        "copied_files": _("files copied"), "copied_bytes": _("size copied"),
        "linked_files": _("files shared with the back-up before"), "deleted": _("old back-ups deleted"), "seconds": _("seconds"),
    }  # fmt: skip
    if console.form() != "json":
        found = {
            key: bytes_text(value) if key in ("bytes", "copied_bytes") and isinstance(value, int) else value
            for key, value in found.items()
        }
    console.result(labels, **found)
