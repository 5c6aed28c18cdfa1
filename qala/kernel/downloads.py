"""Files made for one answer, and files that came with one request."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import FileResponse, HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.translation import gettext as _

from . import media
from .errors import NotFound, TooMuch

MOST_UPLOAD_BYTES = 64 << 20


@contextmanager
def export_file() -> Iterator[Path]:
    """A path for one export; what was written there stays readable through an opened file after the block."""
    settings.QALA.temp_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="download-", dir=settings.QALA.temp_dir) as folder:
        yield Path(folder) / "export"


def file_answer(path: Path, name: str) -> FileResponse:
    """A file as an answer to be saved under a name."""
    return FileResponse(path.open("rb"), as_attachment=True, filename=name)


def picture_answer(request: HttpRequest, sha256: str, *, thumbnail: bool) -> HttpResponseBase:
    """A kept picture, for whoever was found to be allowed to see it: for their browser alone, and nothing but a picture.

    Raises:
        NotFound: its file is gone.
    """
    etag = f'"{sha256[:32]}{"s" if thumbnail else ""}"'
    found: HttpResponseBase | None = get_conditional_response(request, etag=etag)
    if found is None:
        try:
            found = FileResponse(media.path_of(sha256, thumbnail=thumbnail).open("rb"), content_type=media.CONTENT_TYPE)
        except FileNotFoundError:
            raise NotFound(_("There is no such picture.")) from None
        found.headers["Content-Disposition"] = 'inline; filename="photo.jpg"'
    found.headers["ETag"] = etag
    found.headers["Cache-Control"] = "private, max-age=86400"
    found.headers["X-Content-Type-Options"] = "nosniff"
    found.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return found


@contextmanager
def uploaded_file(upload: UploadedFile[Any]) -> Iterator[Path]:
    """What came with a request as a file at a path, for the time of the block.

    Raises:
        TooMuch: it is larger than pages take.
    """
    if (upload.size or 0) > MOST_UPLOAD_BYTES:
        raise TooMuch(
            _("The file is larger than {most} MiB.").format(most=MOST_UPLOAD_BYTES >> 20),
            fix=_("Pack it, or load it on the server's command line."),
        )
    with export_file() as path:
        with path.open("wb") as file:
            for chunk in upload.chunks():
                file.write(chunk)
        yield path
