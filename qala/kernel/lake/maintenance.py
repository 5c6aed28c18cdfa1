"""Keeping the lake quick and small: merge, expire, flush, clean, orphans. Runs beside readers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow
import structlog

from qala.kernel.clock import SYSTEM_CLOCK

from .connection import Cursor, Lake, LakeBusyError, get_lake
from .locks import FILES, locked

log = structlog.get_logger(__name__)

# A merge holds the commit lock: so many files at once, then writers get their turn.
MERGED_AT_ONCE = 60
# Files that no catalogue knows are left by killed writers; a day is longer than any commit.
ORPHAN_AGE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Maintained:
    """What a round of maintenance did."""

    merged_files: int
    made_files: int
    expired_snapshots: int
    deleted_files: int
    orphan_files: int


def maintain_in_turn(*, now: datetime) -> None:
    """The job: a round, or none where questions keep the lake busy; the next one is minutes away."""
    try:
        maintain(now=now)
    except LakeBusyError as error:
        log.warning("lake.busy", reason=error.what)


def maintain(*, now: datetime | None = None, lake: Lake | None = None, keep: timedelta | None = None) -> Maintained:
    """One round: small files merged table by table, old snapshots expired, unused and orphaned files deleted (not while a back-up copies files).

    Args:
        keep: how long snapshots live after the next one came; ``lake_snapshot_hours`` by default. It must be longer than
            any question takes.
    """
    held = lake or get_lake()
    instant = (now or SYSTEM_CLOCK.now()).replace(tzinfo=None)
    kept = timedelta(hours=held.settings.lake_snapshot_hours) if keep is None else keep
    limit, orphan_limit = instant - kept, instant - ORPHAN_AGE

    def call(statement: str) -> pyarrow.Table:
        def work(cursor: Cursor) -> pyarrow.Table:
            return cursor.execute(statement).to_arrow_table()  # instants with a zone need no further package this way

        return held.exclusively(work)

    call("CALL ducklake_flush_inlined_data('lake')")
    merged = made = 0
    for table in _tables(held):
        while True:
            rows = call(
                f"CALL ducklake_merge_adjacent_files('lake', '{table}', max_compacted_files => {MERGED_AT_ONCE})"
            )
            done = sum(rows["files_processed"].to_pylist())
            merged += done
            made += sum(rows["files_created"].to_pylist())
            if done == 0:
                break
    # A snapshot stays in use until the next one came, however old it is: what a question may be on is what was current
    # at the limit or came after. One on an expired snapshot would find nothing, without an error.
    current = call(
        f"SELECT max(snapshot_time) AS at FROM ducklake_snapshots('lake') WHERE snapshot_time <= TIMESTAMPTZ '{limit}+00'"
    )["at"].to_pylist()[0]
    expired = 0
    if current is not None:
        before = current.astimezone(UTC).replace(tzinfo=None)
        expired = call(f"CALL ducklake_expire_snapshots('lake', older_than => TIMESTAMPTZ '{before}+00')").num_rows
    deleted = orphans = 0
    with locked(held.settings, FILES, patient=False) as nobody_copies:
        if nobody_copies:  # else they are deleted in a later round
            deleted = call(f"CALL ducklake_cleanup_old_files('lake', older_than => TIMESTAMPTZ '{limit}+00')").num_rows
            orphans = call(
                f"CALL ducklake_delete_orphaned_files('lake', older_than => TIMESTAMPTZ '{orphan_limit}+00')"
            ).num_rows
    result = Maintained(merged, made, expired, deleted, orphans)
    log.info("lake.maintained", **{name: getattr(result, name) for name in result.__slots__})
    return result


def _tables(lake: Lake) -> list[str]:
    with lake.question() as cursor:
        rows = cursor.execute(
            "SELECT table_name FROM duckdb_tables() WHERE database_name = 'lake' AND schema_name = 'main'"
        ).fetchall()
    return [str(row[0]) for row in rows]
