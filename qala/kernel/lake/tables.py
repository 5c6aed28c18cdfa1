"""Tables of the lake, declared by plugs and migrated forward by version."""

from __future__ import annotations

from dataclasses import dataclass

from qala.kernel.errors import Conflict

from .connection import Cursor


@dataclass(frozen=True, slots=True)
class LakeTable:
    """A table of the lake.

    Args:
        columns: (name, DuckDB type) of version 1; instants are ``TIMESTAMP`` in UTC.
        partitioned_by: partition expressions, e.g. ``("year(t)", "month(t)")``.
        sorted_by: order inside a file; what is asked for together lies together.
        upgrades: one SQL statement for each later version, ``{table}`` standing for the table.
    """

    name: str
    columns: tuple[tuple[str, str], ...]
    partitioned_by: tuple[str, ...] = ()
    sorted_by: tuple[str, ...] = ()
    upgrades: tuple[str, ...] = ()

    @property
    def version(self) -> int:
        return 1 + len(self.upgrades)


def migrate(cursor: Cursor, tables: list[LakeTable]) -> list[str]:
    """Bring the tables to their declared versions, inside the caller's transaction; returns the names of those changed.

    Raises:
        Conflict: a table in the lake is newer than this program.
    """
    cursor.execute("CREATE TABLE IF NOT EXISTS lake.lake_tables (name VARCHAR, version INTEGER)")
    stored = dict(cursor.execute("SELECT name, max(version) FROM lake.lake_tables GROUP BY name").fetchall())
    changed = []
    for table in tables:
        version = stored.get(table.name, 0)
        if version > table.version:
            raise Conflict(
                f"The lake's table {table.name} has version {version}; this program knows up to {table.version}.",
                fix="Run the newer Qala that wrote it.",
            )
        if version == table.version:
            continue
        if version == 0:
            columns = ", ".join(f"{name} {kind}" for name, kind in table.columns)
            cursor.execute(f"CREATE TABLE lake.{table.name} ({columns})")
            if table.partitioned_by:
                cursor.execute(f"ALTER TABLE lake.{table.name} SET PARTITIONED BY ({', '.join(table.partitioned_by)})")
            if table.sorted_by:
                cursor.execute(f"ALTER TABLE lake.{table.name} SET SORTED BY ({', '.join(table.sorted_by)})")
            version = 1
        for statement in table.upgrades[version - 1 :]:
            cursor.execute(statement.format(table=f"lake.{table.name}"))
        cursor.execute("DELETE FROM lake.lake_tables WHERE name = ?", [table.name])
        cursor.execute("INSERT INTO lake.lake_tables VALUES (?, ?)", [table.name, table.version])
        changed.append(table.name)
    return changed
