"""Files made for one answer."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.http import FileResponse


@contextmanager
def export_file() -> Iterator[Path]:
    """A path for one export; what was written there stays readable through an opened file after the block."""
    settings.QALA.temp_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="download-", dir=settings.QALA.temp_dir) as folder:
        yield Path(folder) / "export"


def file_answer(path: Path, name: str) -> FileResponse:
    """A file as an answer to be saved under a name."""
    return FileResponse(path.open("rb"), as_attachment=True, filename=name)
