"""All that is known about a person, gathered from every matter's plug: for their own copy, and for erasure."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from . import plug
from .plug import Personal
from .sheets import defused

Tables = dict[str, list[dict[str, Any]]]


def gather(person: UUID) -> list[tuple[str, Tables]]:
    """(title of the part, its tables by name) of all that the matters know of a person.

    Raises:
        RuntimeError: two parts have a table of the same name.
    """
    found: list[tuple[str, Tables]] = []
    names: set[str] = set()
    for one in _declared():
        tables: Tables = plug.load(one.export)(person)
        if names & set(tables):
            raise RuntimeError(f"two parts of what is known of a person have a table {sorted(names & set(tables))}")
        names |= set(tables)
        found.append((str(one.title), tables))
    return found


def write_copy(path: Path, person: UUID, *, language: str, now: datetime) -> int:
    """Write all that is known of a person to a ZIP: a README in their language, all as JSON, and a CSV file a table.

    Returns:
        how many rows.
    """
    with translation.override(language or None):
        parts = gather(person)
        lines = [
            _("All that this city knows about you, as of {instant} (UTC).").format(
                instant=now.strftime("%Y-%m-%d %H:%M")
            ),
            _("data.json holds everything; each table is a CSV file too. Times are in UTC."),
            _("Passwords, keys and codes are not in it: the city keeps them in a form that nobody can read back."),
            "",
        ]
        for title, tables in parts:
            lines.append(title)
            for name, rows in tables.items():
                count = ngettext("{n} row", "{n} rows", len(rows)).format(n=len(rows))
                lines.append(f"  {name}.csv: {count}")
            lines.append("")
    everything = {name: rows for _title, tables in parts for name, rows in tables.items()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", "\n".join(lines))
        archive.writestr("data.json", json.dumps(everything, ensure_ascii=False, indent=1, default=str))
        for name, rows in everything.items():
            archive.writestr(f"{name}.csv", _csv(rows))
    return sum(map(len, everything.values()))


def erase(person: UUID, *, now: datetime) -> dict[str, int]:
    """Have every matter erase what it knows of a person, the matters that stand on others first; harmless to repeat.

    Returns:
        how many rows were removed or cut, by the path of what did it.

    Raises:
        RuntimeError: outside a transaction.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("a person is erased outside a transaction")
    return {one.erase: int(plug.load(one.erase)(person, now)) for one in reversed(_declared())}


def _declared() -> list[Personal]:
    return plug.declared("personal")


def _csv(rows: list[dict[str, Any]]) -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    file = io.StringIO(newline="")
    table = csv.writer(file)
    table.writerow(columns)
    for row in rows:
        table.writerow([_cell(row.get(name)) for name in columns])
    return file.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return defused(value) if isinstance(value, str) else str(value)
