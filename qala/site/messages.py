"""Translations: ``.po`` files are kept with the source, the ``.mo`` files that pages read are made from them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent


def catalogues(root: Path = PACKAGE) -> list[Path]:
    """All ``.po`` files: of the site, the kernel and the matters."""
    return sorted(root.glob("*/locale/*/LC_MESSAGES/*.po")) + sorted(root.glob("city/*/locale/*/LC_MESSAGES/*.po"))


def compile_changed(root: Path = PACKAGE) -> list[Path]:
    """Make the ``.mo`` files that are missing or older than their ``.po``; costs nothing where none is.

    Returns:
        the files that were made; where the program's folder is not writable, none
    """
    made = []
    for source in catalogues(root):
        target = source.with_suffix(".mo")
        if target.exists() and target.stat().st_mtime_ns >= source.stat().st_mtime_ns:
            continue
        if not os.access(source.parent, os.W_OK):
            continue
        from babel.messages.mofile import write_mo
        from babel.messages.pofile import read_po

        with source.open("rb") as file:
            catalogue = read_po(file, locale=source.parent.parent.name)
        # replaced in one step: another process may be reading the old one
        with tempfile.NamedTemporaryFile(dir=source.parent, suffix=".mo.new", delete=False) as made_file:
            write_mo(made_file, catalogue)
        os.chmod(made_file.name, 0o644)
        os.replace(made_file.name, target)
        made.append(target)
    return made
