"""What the lake holds, table by table and month by month, read from the catalogue's own tables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from .connection import Lake

# Tables of the DuckLake specification; the paths of partitioned files name year and month.
FILES = r"""
SELECT t.table_name, try_cast(regexp_extract(f.path, 'year=(\d+)', 1) AS INTEGER) AS year,
       try_cast(regexp_extract(f.path, 'month=(\d+)', 1) AS INTEGER) AS month,
       sum(f.record_count - coalesce(d.delete_count, 0))::BIGINT AS rows,
       sum(f.file_size_bytes + coalesce(d.file_size_bytes, 0))::BIGINT AS bytes, count(*) AS files
FROM __ducklake_metadata_lake.ducklake_data_file f
JOIN __ducklake_metadata_lake.ducklake_table t ON t.table_id = f.table_id AND t.end_snapshot IS NULL
LEFT JOIN __ducklake_metadata_lake.ducklake_delete_file d
  ON d.data_file_id = f.data_file_id AND d.end_snapshot IS NULL
WHERE f.end_snapshot IS NULL GROUP BY ALL ORDER BY t.table_name, year, month
"""


@dataclass(frozen=True, slots=True)
class Held:
    """Rows of a table in files of their own, by month or by year as the table is parted.

    Args:
        month: its first day, that of the year where ``whole_year``; ``None`` where the table is not parted by time.
        rows: those that were deleted are not counted.
        bytes: of the files that hold them now; older versions of files, which questions under way may read, are not
            counted.
    """

    table: str
    month: date | None
    rows: int
    bytes: int
    files: int
    whole_year: bool = False


def by_month(lake: Lake) -> list[Held]:
    """What the files of all tables hold, by table and time."""
    with lake.question() as cursor:
        rows: list[tuple[Any, ...]] = cursor.execute(FILES).fetchall()
    return [
        Held(
            table, date(year, month or 1, 1) if year else None, count, size, files,
            whole_year=year is not None and month is None,
        )
        for table, year, month, count, size, files in rows
    ]  # fmt: skip


def row_counts(lake: Lake, tables: list[str]) -> dict[str, int]:
    """How many rows each table has, also those few that lie in the catalogue until they are enough for a file."""
    with lake.question() as cursor:
        return {name: int(cursor.execute(f"SELECT count(*) FROM lake.{name}").fetchone()[0]) for name in tables}  # type: ignore[index]
