"""Deleting old back-ups. Each holds all its files, shared ones by links: the others stay whole."""

from __future__ import annotations

import shutil
from pathlib import Path

from qala.kernel.errors import BadInput

from .manifest import UNFINISHED, list_complete
from .take import clear_errors


def prune(into: Path, *, keep: int) -> list[str]:
    """Delete all finished back-ups of a folder but the latest ``keep``; returns the names of those deleted, oldest first.

    One that is killed in the middle leaves a folder that counts as interrupted, which the next back-up deletes.

    Raises:
        BadInput: none would be left.
        Unavailable: the disk does not let it.
    """
    if keep < 1:
        raise BadInput("At least one back-up is kept.")
    old = list_complete(into)[:-keep]
    with clear_errors(into):
        for folder in old:
            leaving = folder.with_name(f"{folder.name}{UNFINISHED}")
            folder.rename(leaving)  # before anything of it goes: half a back-up never looks like a whole one
            shutil.rmtree(leaving)
    return [folder.name for folder in old]
