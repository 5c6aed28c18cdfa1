"""What a copy of the lake consists of, read from its catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from qala.kernel.config import Settings
from qala.kernel.errors import Conflict

from .locks import COMMITS, FILES, locked

# Tables of the DuckLake specification; those of files that deletes are kept in have the same columns.
FILES_OF = """
SELECT DISTINCT s.path, s.path_is_relative, t.path, t.path_is_relative, f.path, f.path_is_relative, f.file_size_bytes
FROM {files} f JOIN ducklake_table t ON t.table_id = f.table_id JOIN ducklake_schema s ON s.schema_id = t.schema_id
"""


@contextmanager
def files_kept(settings: Settings) -> Iterator[None]:
    """While the block runs no file of the lake is deleted; commits and merges go on.

    Raises:
        Unavailable: the catalogue does not answer.
    """
    with locked(settings, FILES, shared=True):
        yield


@contextmanager
def commits_paused(settings: Settings) -> Iterator[None]:
    """While the block runs nobody commits to the lake; keep it short.

    Raises:
        Unavailable: the catalogue does not answer.
    """
    with locked(settings, COMMITS):
        yield


def files_of(rows: Callable[[str], list[tuple[Any, ...]]]) -> dict[str, int]:
    """The files that a catalogue knows: path below the lake's folder → size in bytes.

    Args:
        rows: asks the catalogue itself a question in SQL.

    Raises:
        Conflict: a file lies outside the lake's folder.
    """
    found: dict[str, int] = {}
    for table in ("ducklake_data_file", "ducklake_delete_file"):
        for *parts, size in rows(FILES_OF.format(files=table)):
            names, relative = parts[::2], parts[1::2]
            path = "".join(f"{name.rstrip('/')}/" for name in names[:2]) + names[2]
            if not all(relative) or ".." in path.split("/"):
                raise Conflict(f"The lake's catalogue names a file outside its folder: {names[2]}.")
            found[path] = int(size)
    return found
