"""Pictures that people hand in: read by their content, drawn anew, kept under their digest in ``media/`` of the data folder.

Nothing of a file goes further as it came: the picture is decoded, turned upright, made smaller and encoded as JPEG without
any of its words, so that neither its place nor something hidden in it is kept. Rows (``MediaFile``) say whose it is.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _
from PIL import Image, ImageOps

from .config import get_settings
from .errors import BadInput, TooMuch
from .lake.locks import FILES, locked
from .models import MediaFile

MOST_BYTES = 20 << 20
MOST_PIXELS = 60_000_000
LONGEST_PIXELS = 2048
THUMBNAIL_PIXELS = 320
FORMATS = ("JPEG", "PNG", "WEBP")
QUALITY = 82
KEPT_FOR = timedelta(days=1)  # a file may wait that long for the transaction that points at it
CONTENT_TYPE = "image/jpeg"
# what decoders raise where they stumble
BROKEN = (
    OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, AttributeError, ArithmeticError, struct.error,
    Image.DecompressionBombError,
)  # fmt: skip
_decoding = threading.BoundedSemaphore(2)  # a picture of the largest size takes some hundred MiB
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture drawn anew: JPEG of at most 2048 pixels on its longest side, and a small one of at most 320."""

    data: bytes
    thumbnail: bytes
    width: int
    height: int

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


def read_picture(data: bytes) -> Picture:
    """The picture in a file's content; its name and what it says of its kind do not count.

    Raises:
        TooMuch: more bytes or pixels than are taken; nothing of it is decoded.
        BadInput: it is no whole JPEG, PNG or WebP picture.
    """
    if len(data) > MOST_BYTES:
        raise TooMuch(
            _("The picture is larger than {most} MiB.").format(most=MOST_BYTES >> 20), fix=_("Take a smaller one.")
        )
    try:
        with _decoding, warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit below is ours
            with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
                if opened.width * opened.height > MOST_PIXELS:
                    raise TooMuch(
                        _("The picture has more than {most} million pixels.").format(most=MOST_PIXELS // 1_000_000),
                        fix=_("Take a smaller one."),
                    )
                opened.draft("RGB", (LONGEST_PIXELS, LONGEST_PIXELS))
                upright = ImageOps.exif_transpose(opened)
                upright.thumbnail((LONGEST_PIXELS, LONGEST_PIXELS))
                plain = _plain(upright)
            small = plain.copy()
            small.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
            return Picture(_jpeg(plain), _jpeg(small), plain.width, plain.height)
    except BROKEN as error:
        log.info("media.unreadable", error=type(error).__name__)
        raise BadInput(_("This is no picture that can be read."), fix=_("Give a JPEG, PNG or WebP picture.")) from None


def _plain(picture: Image.Image) -> Image.Image:
    """The pixels alone, on white where the picture is transparent."""
    made = Image.new("RGB", picture.size, "white")
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        seen = picture.convert("RGBA")
        made.paste(seen, mask=seen.getchannel("A"))
    else:
        made.paste(picture.convert("RGB"))
    return made


def _jpeg(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=QUALITY, optimize=True, progressive=True)
    return out.getvalue()


def keep(picture: Picture, *, owner: UUID | None, now: datetime) -> MediaFile:
    """Keep a picture: its files first, safely on the disk, then its row; call it inside the transaction of the change.

    Args:
        owner: the organisation whose it is.

    Raises:
        OSError: it can't be written.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("a picture is kept outside the transaction of the change")
    sha256 = picture.sha256
    with _lock(exclusive=False):
        for data, thumbnail in ((picture.data, False), (picture.thumbnail, True)):
            _write(path_of(sha256, thumbnail=thumbnail), data)
    return MediaFile.objects.create(
        owner=owner, sha256=sha256, bytes=len(picture.data), width=picture.width, height=picture.height, kept_at=now
    )


def path_of(sha256: str, *, thumbnail: bool = False) -> Path:
    """Where the file of a digest lies."""
    name = f"{sha256}.small.jpg" if thumbnail else f"{sha256}.jpg"
    return get_settings().media_dir / sha256[:2] / name


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        os.utime(path)  # its time says since when somebody may be waiting to point at it
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def clean(now: datetime) -> None:
    """Remove rows that nothing points at and files that no row names, once they are a day old.

    A back-up under way keeps all files, as it does those of the lake.
    """
    before = now - KEPT_FOR
    unused = MediaFile.objects.filter(kept_at__lt=before)
    for relation in MediaFile._meta.related_objects:
        field = relation.field.name
        unused = unused.exclude(Exists(relation.related_model._base_manager.filter(**{field: OuterRef("pk")})))
    rows = unused.delete()[0]
    folder, files = get_settings().media_dir, 0
    with _lock(exclusive=True), locked(get_settings(), FILES, patient=False) as may_delete:
        for path in folder.glob("??/*") if may_delete else ():
            digest = path.name.lstrip(".").partition(".")[0]
            is_old = path.stat().st_mtime < before.timestamp()
            if is_old and (path.name.startswith(".") or not MediaFile.objects.filter(sha256=digest).exists()):
                path.unlink()
                files += 1
    if rows or files:
        log.info("media.cleaned", rows=rows, files=files)


@contextmanager
def _lock(*, exclusive: bool) -> Iterator[None]:
    """Nobody removes files while one is written, and the other way round."""
    path = get_settings().run_dir / "media.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        yield
