"""One pass over a file of readings: part by part, what is plain quickly, the rest carefully."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from django.conf import settings
from django.db import transaction
from numpy.typing import NDArray

from qala.kernel.access import Who
from qala.kernel.clock import Clock, utc
from qala.kernel.errors import BadInput
from qala.kernel.lake import get_lake
from qala.kernel.lake.connection import Cursor, quoted

from ..models import Load
from ..rules import Profile
from .aged import Aged
from .keep import READING, Kept, Ordered, in_order, keep_ordered
from .matching import Matching
from .numbering import number
from .plain import Plain, may_be_plain, read_cells, take_plain
from .registry import put_load_words
from .spool import Part, spool
from .staging import Columns, parse_cells, read_header, stage_lines, stage_rows

BATCH_ROWS = 2_000_000
FIRST_ROWS = 250_000  # of a first batch, which the lake waits for; each is twice the one before
SHOWN_CONTENT = 300  # characters of a refused row that are kept
EARLY = timedelta(minutes=10)  # that a clock may be ahead of ours


@dataclass
class Summary:
    """What became of a file: read = new + new_versions + already_there + refused, always."""

    load_id: UUID | None = None
    read: int = 0
    new: int = 0
    new_versions: int = 0
    already_there: int = 0
    refused: int = 0
    refused_by_reason: dict[str, int] = field(default_factory=dict)
    series: int = 0
    devices_created: int = 0
    first_time: datetime | None = None
    last_time: datetime | None = None
    refused_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A part that is ready to be kept: its readings, what was refused of it, and the share of the file up to its end."""

    ordered: Ordered
    now: datetime
    refused_by_reason: dict[str, int]
    share: float


class Run:
    """One pass over a file: while a part is being kept, the next one is prepared.

    Args:
        owner_id: the organisation that created devices belong to.
        owners: whose devices the asker may load for; ``None``: all.
        progress: told the share of the file that is done, 0 to 1.
    """

    def __init__(
        self, *, path: Path, profile: Profile, who: Who, clock: Clock, dry_run: bool, owner_id: UUID | None,
        owners: frozenset[UUID] | None, progress: Callable[[float], None],
    ) -> None:  # fmt: skip
        self.path, self.profile, self.who, self.clock = path, profile, who, clock
        self.dry_run, self.progress, self.owner_id = dry_run, progress, owner_id
        self.matching = Matching(
            profile, who=who, file_name=writable(path.name), owner_id=owner_id, owners=owners, dry_run=dry_run
        )
        self.summary = Summary()
        self.load: Load | None = None
        self.aged = Aged()
        self.folder = Path()
        self._latest: list[tuple[NDArray[np.int32], NDArray[np.int64]]] = []  # by part: (series, latest time)
        self._keeper = ThreadPoolExecutor(1, thread_name_prefix="keep")
        self._under_way: tuple[Prepared, Future[Kept]] | None = None

    @property
    def refused_path(self) -> Path:
        return self.folder / "refused.csv"

    @property
    def source(self) -> str:
        return f"load:{self.load.pk}" if self.load else "dry run"

    def start(self, key: UUID, profile_name: str) -> None:
        """Write the load's row."""
        with transaction.atomic():
            self.load = Load.objects.create(
                pk=key, file_name=writable(self.path.name)[:255], file_bytes=self.path.stat().st_size,
                profile=writable(profile_name)[:64], profile_text=self.profile.model_dump(mode="json"),
                started_at=self.clock.now(), who_id=self.who.id, who_name=self.who.name[:200],
                organisation_id=self.owner_id,
            )  # fmt: skip
            put_load_words([self.load])
        self.summary.load_id = key
        self.aged = Aged()  # again, now that retention can see this load: it does not delete beside it

    def go(self) -> None:
        cursor = get_lake().cursor()
        try:
            cursor.execute("SET preserve_insertion_order = true")
            if self.profile.format == "parquet":
                self._parquet(cursor)
            else:
                self._csv(cursor)
        finally:
            try:
                self._settle()  # also where a later part is at fault
            finally:
                self._keeper.shutdown()
                cursor.close()
        self.summary.series = len(self.latest()[0])
        self.summary.devices_created = len(self.matching.created)
        if self.refused_path.exists():
            self.summary.refused_file = self.refused_path

    def counts(self) -> dict[str, Any]:
        found = self.summary
        return {
            "rows_read": found.read, "rows_new": found.new, "rows_new_version": found.new_versions,
            "rows_already_there": found.already_there, "rows_refused": found.refused,
            "refused_by_reason": found.refused_by_reason, "series_count": len(self.latest()[0]),
            "devices_created": len(self.matching.created), "first_time": found.first_time, "last_time": found.last_time,
        }  # fmt: skip

    def latest(self) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Each series of the file so far, and the latest time (microseconds) that it has in it."""
        if len(self._latest) > 1:
            series, times = (np.concatenate(columns) for columns in zip(*self._latest, strict=True))
            order = np.lexsort((times, series))
            series, times = series[order], times[order]
            is_last = np.append(series[1:] != series[:-1], True)
            self._latest = [(series[is_last], times[is_last])]
        return self._latest[0] if self._latest else (np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int64))

    def _csv(self, cursor: Cursor) -> None:
        size, unpacked = self.path.stat().st_size, 0
        columns: Columns | None = None
        limit = settings.QALA
        estimate = size * (1 if self.path.suffix not in (".zip", ".gz") else 10)

        def advance(count: int) -> None:
            nonlocal unpacked
            unpacked += count

        parts = spool(
            self.path, encoding=self.profile.encoding, part_bytes=limit.load_part_mib << 20,
            max_bytes=limit.load_max_gib << 30, max_ratio=limit.load_max_ratio, advance=advance,
        )  # fmt: skip
        for part in parts:
            if columns is None:
                first_line = part.data[: part.data.find(b"\n") + 1 or None].decode()
                columns = read_header(first_line, self.profile, self.path.name)
            self._part(cursor, part, columns, share=unpacked / max(estimate, unpacked))

    def _part(self, cursor: Cursor, part: Part, columns: Columns, *, share: float) -> None:
        now = self.clock.now()
        line = np.arange(part.first_line, part.first_line + part.lines)
        plain = None
        if may_be_plain(self.profile) and (cells := read_cells(part, columns, self.profile)) is not None:
            skipped = part.lines - cells.num_rows  # the header
            plain = self._plain(cursor, cells, line[skipped:], now)
            line = line[skipped:][~plain.taken]
        if len(line):
            path = self.folder / "part-lines.csv"
            path.write_bytes(part.of_lines(line))
            try:
                stage_lines(cursor, path, line, columns, self.profile)
            except duckdb.InvalidInputException as error:
                raise BadInput(f"{self.path.name} can't be read as lines: {str(error).splitlines()[0]}") from None
            path.unlink()
        self._hand_over(cursor, columns, plain, now, rest=len(line) > 0, share=share)

    def _parquet(self, cursor: Cursor) -> None:
        try:
            names = list(pq.read_schema(self.path).names)
            columns = Columns(self.profile, names, self.path.name)
            words = [names[at - 1] for field, at in columns.position.items() if field != "value"]
            file = pq.ParquetFile(self.path, pre_buffer=False, read_dictionary=words)
        except (pa.ArrowException, OSError) as error:
            raise BadInput(f"{self.path.name} is not a Parquet file: {error}.") from None
        with file:
            total, done = max(file.metadata.num_rows, 1), 0
            for cells in _batches(
                file, {field: names[at - 1] for field, at in columns.position.items()}, self.path.name
            ):
                now = self.clock.now()
                line = np.arange(done + 1, done + 1 + cells.num_rows)
                plain = self._plain(cursor, cells, line, now)
                left = ~plain.taken
                if left.any():
                    stage_rows(cursor, cells.filter(pa.array(left)), line[left])
                done += cells.num_rows
                self._hand_over(cursor, columns, plain, now, rest=bool(left.any()), share=done / total)

    def _plain(self, cursor: Cursor, cells: pa.Table, line: NDArray[np.int64], now: datetime) -> Plain:
        try:
            plain = take_plain(
                cursor, cells, line, self.profile, self.matching.matches, earliest=utc(self.profile.not_before),
                latest=now + EARLY,
            )  # fmt: skip
        except UnicodeDecodeError:  # only Parquet holds such texts
            raise BadInput(f"{self.path.name} holds texts that are not UTF-8.", fix="Write them as UTF-8.") from None
        return self.aged.left_out(plain)

    def _hand_over(
        self, cursor: Cursor, columns: Columns, plain: Plain | None, now: datetime, *, rest: bool, share: float
    ) -> None:
        """One part: parse, number and refuse what is staged of it in ``cells``, and have that and the plain rows kept."""
        readings = READING.empty_table() if plain is None else plain.readings
        refused: dict[str, int] = {}
        if rest:
            parse_cells(cursor, columns, self.profile, latest=now + EARLY)
            serials = cursor.execute("SELECT DISTINCT serial FROM parsed WHERE reason IS NULL").fetchall()
            self.matching.learn((serial for (serial,) in serials), now)
            careful = number(cursor, self.matching, self.profile, self.aged)
            readings = pa.concat_tables([readings, careful.cast(READING)])
            refused = self._refuse(cursor, now)
            cursor.execute("DROP TABLE parsed; DROP TABLE numbered")
        part = Prepared(in_order(readings), now, refused, share)
        self._settle()
        future = self._keeper.submit(keep_ordered, part.ordered, source=self.source, now=now, dry_run=self.dry_run)
        self._under_way = part, future

    def _settle(self) -> None:
        """Wait for the part that is being kept, and count it."""
        if self._under_way is None:
            return
        part, future = self._under_way
        self._under_way = None
        kept = future.result()
        found, refused = self.summary, sum(part.refused_by_reason.values())
        found.read += part.ordered.total + refused
        found.refused += refused
        for reason, rows in part.refused_by_reason.items():
            found.refused_by_reason[reason] = found.refused_by_reason.get(reason, 0) + rows
        found.new += kept.new
        found.new_versions += kept.new_versions
        found.already_there += kept.already_there
        self._remember(part.ordered.staged)
        self.progress(part.share)
        if self.load is not None:
            Load.objects.filter(pk=self.load.pk).update(share=min(part.share, 0.99), **self.counts())

    def _refuse(self, cursor: Cursor, now: datetime) -> dict[str, int]:
        """Append refused rows to the load's file and, once each, to the lake; returns how many by reason."""
        counted = cursor.execute("SELECT reason, count(*) FROM numbered WHERE reason IS NOT NULL GROUP BY reason")
        refused = dict(counted.fetchall())
        if not refused:
            return refused
        content = f"left(coalesce(content, concat_ws(' ', serial, time_text, value_text)), {SHOWN_CONTENT})"
        piece = self.folder / "part-refused.csv"
        header = not self.refused_path.exists()
        cursor.execute(
            f"""COPY (SELECT line, reason, {content} AS content FROM numbered WHERE reason IS NOT NULL ORDER BY line)
                TO {quoted(piece)} (FORMAT csv, HEADER {str(header).lower()})"""
        )
        with piece.open("rb") as source, self.refused_path.open("ab") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        piece.unlink()
        if self.dry_run:
            return refused
        get_lake().commit(
            lambda held: held.execute(
                f"""INSERT INTO lake.refusals
                    SELECT $source, line, serial, t, {content}, reason, $now FROM numbered n
                    WHERE reason IS NOT NULL AND NOT EXISTS (
                      SELECT 1 FROM lake.refusals r WHERE r.serial IS NOT DISTINCT FROM n.serial AND r.line = n.line
                        AND r.reason = n.reason AND r.content = {content.replace("content,", "n.content,")})""",
                {"source": self.source, "now": now.replace(tzinfo=None)},
            ),
            cursor=cursor,
        )
        return refused

    def _remember(self, readings: pa.Table) -> None:
        """Note which series came, and from when to when; the readings lie in order."""
        if readings.num_rows == 0:
            return
        series, t = readings["series"].to_numpy(), pc.cast(readings["t"], pa.int64()).to_numpy()
        is_last = np.append(series[1:] != series[:-1], True)
        self._latest.append((series[is_last], t[is_last]))
        times = pc.min_max(readings["t"]).as_py()
        low, high = (times[edge].replace(tzinfo=UTC) for edge in ("min", "max"))
        found = self.summary
        found.first_time = min(low, found.first_time or low)
        found.last_time = max(high, found.last_time or high)


def _batches(file: pq.ParquetFile, fields: dict[str, str], name: str) -> Iterator[pa.Table]:
    """Batches of about ``BATCH_ROWS`` rows, columns by field."""
    held: list[pa.RecordBatch] = []
    rows = 0
    enough = FIRST_ROWS
    batches = file.iter_batches(batch_size=1 << 18, columns=sorted(set(fields.values())))
    while True:
        try:
            batch = next(batches, None)
        except (pa.ArrowException, OSError) as error:
            raise BadInput(f"{name} is damaged: {error}.", fix="Fetch it again.") from None
        if batch is not None:
            held.append(batch)
            rows += batch.num_rows
        if held and (batch is None or rows >= enough):
            enough = min(2 * enough, BATCH_ROWS)
            table = pa.Table.from_batches(held)
            yield pa.table({field: table[column] for field, column in fields.items()})
            held, rows = [], 0
        if batch is None:
            return


def writable(name: str) -> str:
    """A file's name as text that a database takes: names are bytes, and not all of them are UTF-8."""
    return os.fsencode(name).decode("utf-8", "replace").replace("\0", "")
