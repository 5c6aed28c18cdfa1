"""Loading a file of readings."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from itertools import count
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from uuid import UUID

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import structlog
from django.conf import settings
from django.db import DatabaseError, IntegrityError, connection, transaction

from qala import drivers
from qala.city.people.public import get_organisation
from qala.kernel import audit, outbox, units
from qala.kernel.access import Who, system
from qala.kernel.clock import SYSTEM_CLOCK, Clock
from qala.kernel.errors import BadInput, Conflict, QalaError
from qala.kernel.ids import new_id
from qala.kernel.lake import clear_errors, get_lake
from qala.kernel.lake.connection import Cursor, quoted

from ..models import Device, Load, RefusalReason
from ..rules import Profile, exact_number, is_serial
from ..store import kept_from, resolve_series
from .keep import Kept, keep_staged
from .plain import may_be_plain, read_regular, stage_plain
from .registry import NewDevice, register_devices, require_for
from .spool import Part, digest, spool
from .staging import Columns, parse_cells, read_header, stage_batch, stage_lines

log = structlog.get_logger(__name__)

BATCH_ROWS = 4_000_000
EXACT_DIGITS = 15  # of a number that a double keeps exactly
SHOWN_CONTENT = 300  # characters of a refused row that are kept
LONG = "long"  # in place of a reason: still to be read exactly
RUNNING_MARK = "running"  # locked in a load's folder while its process lives


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


def load_readings(
    *,
    path: Path,
    profile: Profile,
    profile_name: str,
    who: Who,
    clock: Clock = SYSTEM_CLOCK,
    dry_run: bool = False,
    progress: Callable[[float], None] = lambda _: None,
) -> Summary:
    """Load a file of readings into the lake, part by part, and tell what became of each row.

    Each part is one commit. Whatever interrupts, what was kept is whole, and loading the file again finishes it: rows
    that are there already are not added again.

    Args:
        profile: what the columns mean.
        dry_run: read and count all, keep nothing; created devices are counted, not made.
        progress: told the share of the file that is done, 0 to 1.

    Raises:
        NotAllowed: the asker may not load readings.
        BadInput, TooMuch: the file can't be what the profile says.
        Unavailable: the disk is full.
    """
    scope = who.require("devices.load")
    if not path.is_file():
        raise BadInput(f"{path} is not a file.", fix="Give the path of a CSV (plain, gzip, zip) or Parquet file.")
    owner = get_organisation(profile.owner) if profile.owner else None
    if profile.unknown == "create":
        require_for(who, "devices.manage", owner.pk if owner else None)
        drivers.driver(profile.model or "")
    run = _Run(path=path, profile=profile, who=who, clock=clock, dry_run=dry_run, progress=progress)
    run.owner_id = owner.pk if owner else None
    if not scope.everything:
        run.owners = scope.organisations
    if dry_run:
        with _temporary_folder() as folder, clear_errors():
            run.folder = folder
            run.go()
            refused = settings.QALA.loads_dir / "dry-run-refused.csv"
            if run.summary.refused:
                settings.QALA.loads_dir.mkdir(parents=True, exist_ok=True)
                shutil.move(run.refused_path, refused)
                run.summary.refused_file = refused
        return run.summary
    with clear_errors():
        fail_interrupted_loads(now=clock.now())
        return _load(run, profile_name)


def _load(run: _Run, profile_name: str) -> Summary:
    path, who, clock = run.path, run.who, run.clock
    key = new_id()
    run.folder = settings.QALA.loads_dir / str(key)
    run.folder.mkdir(parents=True)
    mark = run.folder / RUNNING_MARK
    with _held(mark):  # before its row is there, so that a row without it is a dead process's
        run.start(key, profile_name)
        try:
            with clear_errors():
                Load.objects.filter(pk=key).update(file_sha256=digest(path))
                run.go()
                _finish(run)
        except BaseException as error:
            _clear_parts(run.folder)
            why = error.what if isinstance(error, QalaError) else f"{type(error).__name__}: {error}"
            try:
                _fail(key, why, who=who, now=clock.now(), **run.counts())
            except (DatabaseError, QalaError, duckdb.Error) as again:  # e.g. the disk is full: noted at the next load
                log.warning("load.failure_not_noted", load=str(key), error=str(again))
            raise
    mark.unlink(missing_ok=True)
    return run.summary


def _fail(key: UUID, why: str, *, who: Who, now: datetime, **counts: Any) -> bool:
    """Mark a running load as failed and tell of what it kept before; ``False`` where it runs no more."""
    source = f"load:{key}"
    kept, first, last = kept_from(source)
    with transaction.atomic():
        if not Load.objects.filter(pk=key, state=Load.RUNNING).update(
            state=Load.FAILED, finished_at=now, error=why[:2000], **counts
        ):
            return False
        audit.record(who=who, now=now, verb="devices.load_readings", thing="load", key=key, after={"error": why[:500]})
        if kept:
            tell_kept(source=source, first=first, last=last, now=now, new=kept)
    return True


def _clear_parts(folder: Path) -> None:
    for leftover in folder.glob("part-*"):
        leftover.unlink(missing_ok=True)


def fail_interrupted_loads(*, now: datetime) -> int:
    """Mark loads whose process is gone as failed and tell of what they kept; returns how many."""
    gone = 0
    for key in Load.objects.filter(state=Load.RUNNING).values_list("pk", flat=True):
        mark = settings.QALA.loads_dir / str(key) / RUNNING_MARK
        with suppress(FileNotFoundError), open(mark) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # its process lives
        gone += _fail(
            key, "The process was interrupted; load the file again to finish it.", who=system("devices"), now=now
        )
        _clear_parts(mark.parent)
    return gone


class _Run:
    """One pass over a file."""

    def __init__(
        self, *, path: Path, profile: Profile, who: Who, clock: Clock, dry_run: bool, progress: Callable[[float], None]
    ) -> None:
        self.path, self.profile, self.who, self.clock = path, profile, who, clock
        self.dry_run, self.progress = dry_run, progress
        self.summary = Summary()
        self.load: Load | None = None
        self.folder = Path()
        self.owner_id: UUID | None = None
        self.owners: frozenset[UUID] | None = None  # whose devices the asker may load for; None: all
        self.known: dict[str, list[tuple[int, str, str, int]]] = {}  # serial → (series, property, unit, exponent)
        self.matched: dict[tuple[str, str | None, str | None], tuple[int, int, int]] = {}
        self.created: set[str] = set()
        self.invented = count(-1, -1)  # series of devices that a dry run does not create
        self.touched: dict[int, datetime] = {}  # series → latest time in this file

    @property
    def refused_path(self) -> Path:
        return self.folder / "refused.csv"

    @property
    def source(self) -> str:
        return f"load:{self.load.pk}" if self.load else "dry run"

    def start(self, key: UUID, profile_name: str) -> None:
        """Write the load's row."""
        self.load = Load.objects.create(
            pk=key, file_name=_writable(self.path.name)[:255], file_bytes=self.path.stat().st_size,
            profile=_writable(profile_name)[:64], profile_text=self.profile.model_dump(mode="json"),
            started_at=self.clock.now(), who_id=self.who.id, who_name=self.who.name[:200],
            organisation_id=self.owner_id,
        )  # fmt: skip
        self.summary.load_id = key

    def go(self) -> None:
        cursor = get_lake().cursor()
        try:
            cursor.execute("SET preserve_insertion_order = true")
            if self.profile.format == "parquet":
                self._parquet(cursor)
            else:
                self._csv(cursor)
        finally:
            cursor.close()
        self.summary.series = len(self.touched)
        self.summary.devices_created = len(self.created)
        if self.refused_path.exists():
            self.summary.refused_file = self.refused_path

    def counts(self) -> dict[str, Any]:
        found = self.summary
        return {
            "rows_read": found.read, "rows_new": found.new, "rows_new_version": found.new_versions,
            "rows_already_there": found.already_there, "rows_refused": found.refused,
            "refused_by_reason": found.refused_by_reason, "series_count": len(self.touched),
            "devices_created": len(self.created), "first_time": found.first_time, "last_time": found.last_time,
        }  # fmt: skip

    def _csv(self, cursor: Cursor) -> None:
        size, columns, unpacked = self.path.stat().st_size, None, 0
        limit = settings.QALA
        estimate = size * (1 if self.path.suffix not in (".zip", ".gz") else 10)

        def advance(count: int) -> None:
            nonlocal unpacked
            unpacked += count

        parts = spool(
            self.path, self.folder, encoding=self.profile.encoding, part_bytes=limit.load_part_mib << 20,
            max_bytes=limit.load_max_gib << 30, max_ratio=limit.load_max_ratio, advance=advance,
        )  # fmt: skip
        for part in parts:
            if columns is None:
                with part.path.open(encoding="utf-8") as file:
                    columns = read_header(file.readline(), self.profile, self.path.name)
            try:
                self._part(cursor, part, columns)
            except duckdb.InvalidInputException as error:
                raise BadInput(f"{self.path.name} can't be read as lines: {str(error).splitlines()[0]}") from None
            self._report(unpacked / max(estimate, unpacked))
        if columns is None:  # pragma: no cover  (spool always yields a part)
            raise BadInput(f"{self.path.name} is empty.")

    def _part(self, cursor: Cursor, part: Part, columns: Columns) -> None:
        now = self.clock.now()
        rows = plain = 0
        if may_be_plain(self.profile) and read_regular(cursor, part, columns, self.profile):
            rows, plain = stage_plain(cursor, columns, self.profile, self._matches, now=now)
            cursor.execute("DROP VIEW cells; DROP TABLE regular")
        if not rows or plain < rows:
            stage_lines(cursor, part.path, part.first_line, columns, self.profile)
            if plain:
                cursor.execute("DELETE FROM cells WHERE line IN (SELECT line FROM plain)")
        self._keep(cursor, columns, now, rest=not rows or plain < rows, plain=plain)

    def _parquet(self, cursor: Cursor) -> None:
        try:
            file = pq.ParquetFile(self.path, pre_buffer=False)
        except (pa.ArrowException, OSError) as error:
            raise BadInput(f"{self.path.name} is not a Parquet file: {error}.") from None
        with file:
            columns = Columns(self.profile, list(file.schema_arrow.names), self.path.name)
            wanted = sorted({file.schema_arrow.names[position - 1] for position in columns.position.values()})
            total, line = max(file.metadata.num_rows, 1), 1
            for batch in _batches(file, wanted, self.path.name):
                narrowed = Columns(self.profile, list(batch.schema.names), self.path.name)
                stage_batch(cursor, batch, line, narrowed)
                now = self.clock.now()
                rows, plain = stage_plain(cursor, narrowed, self.profile, self._matches, now=now)
                if not rows or plain < rows:
                    if plain:
                        cursor.execute("DELETE FROM cells WHERE line IN (SELECT line FROM plain)")
                else:
                    cursor.execute("DROP TABLE cells")
                self._keep(cursor, narrowed, now, rest=not rows or plain < rows, plain=plain)
                line += batch.num_rows
                self._report((line - 1) / total)

    def _matches(self, wanted: Iterable[tuple[str, str | None, str | None]]) -> list[tuple[int, int, int] | None]:
        """The series of known serials and the ratio to its last digit, for ``stage_plain``."""
        asked = list(wanted)
        self.known.update(
            resolve_series(sorted({one[0] for one in asked if one[0] not in self.known}), owners=self.owners)
        )
        for one in asked:
            if one not in self.matched and one[0] in self.known:
                series, ratio, fault = _match(self.known[one[0]], one[1], one[2])
                if series is not None and fault is None:
                    self.matched[one] = (series, ratio.numerator, ratio.denominator)
        return [self.matched.get(one) for one in asked]

    def _keep(self, cursor: Cursor, columns: Columns, now: datetime, *, rest: bool, plain: int) -> None:
        """One part, the plain rows of which are staged: parse, resolve, number and refuse the rest; keep."""
        read, refused = 0, 0
        if rest:
            parse_cells(cursor, columns, self.profile, now=now)
            self._resolve(cursor, now)
            self._number(cursor)
            read, refused = _counts(cursor)
            if plain:
                cursor.execute("INSERT INTO staged SELECT line, series, t, value, quality FROM plain")
        else:
            cursor.execute("DROP TABLE IF EXISTS staged; ALTER TABLE plain RENAME TO staged")
        kept = keep_staged(cursor, source=self.source, now=now, dry_run=self.dry_run)
        if refused:
            self._refuse(cursor, now)
        self._remember(cursor)
        found = self.summary
        found.read += read + plain
        found.refused += refused
        _add(found, kept)
        cursor.execute(
            "DROP TABLE IF EXISTS parsed; DROP TABLE IF EXISTS numbered; DROP TABLE IF EXISTS plain; DROP TABLE staged"
        )

    def _resolve(self, cursor: Cursor, now: datetime) -> None:
        """Learn the series of the serials in ``parsed``, creating devices where the profile says so."""
        rows = cursor.execute("SELECT DISTINCT serial FROM parsed WHERE reason IS NULL").fetchall()
        fresh = [serial for (serial,) in rows if serial not in self.known]
        found = resolve_series(fresh, owners=self.owners)
        unknown = [serial for serial in fresh if serial not in found]
        if unknown and self.profile.unknown == "create" and self.profile.model:
            taken = set(resolve_series(unknown, owners=None))  # another organisation's: refused like an unknown one
            make = [serial for serial in unknown if serial not in taken and is_serial(serial)]
            if self.dry_run:
                self.created.update(make)
                driver = drivers.driver(self.profile.model)
                for serial in make:
                    found[serial] = [(next(self.invented), one.name, one.unit, one.exponent) for one in driver.property]
            else:
                self._create(make, now)
                found.update(resolve_series(make, owners=self.owners))
        self.known.update({serial: found.get(serial, []) for serial in fresh})

    def _create(self, serials: list[str], now: datetime) -> None:
        """Register devices; those that another load registers at the same time are left to it."""
        while serials:
            fresh = [
                NewDevice(serial=serial, model=self.profile.model or "", owner_id=self.owner_id) for serial in serials
            ]
            try:
                register_devices(
                    fresh, who=self.who, now=now, why=f"unknown in {_writable(self.path.name)}, profile creates"
                )
            except (Conflict, IntegrityError):
                there = resolve_series(serials, owners=None)
                if not there:
                    raise
                serials = [serial for serial in serials if serial not in there]
            else:
                self.created.update(serials)
                return

    def _number(self, cursor: Cursor) -> None:
        """``parsed`` → ``numbered`` (series and exact whole numbers, or a reason) → ``staged``."""
        pairs = cursor.execute("SELECT DISTINCT serial, property, unit FROM parsed WHERE reason IS NULL").fetchall()
        names = ("serial", "property", "unit", "series", "num", "den", "most", "fault")
        out: dict[str, list[Any]] = {name: [] for name in names}
        for serial, wanted, unit in pairs:
            series, ratio, fault = _match(self.known.get(serial, []), wanted, unit)
            num, den = ratio.numerator, ratio.denominator
            most = EXACT_DIGITS - (len(str(num - 1)) if num > 1 else 0)
            for name, value in zip(names, (serial, wanted, unit, series, num, den, most, fault), strict=True):
                out[name].append(value)
        kinds = (pa.string(), pa.string(), pa.string(), pa.int64(), pa.int64(), pa.int64(), pa.int64(), pa.string())
        cursor.register(
            "matched", pa.table({name: pa.array(out[name], kind) for name, kind in zip(names, kinds, strict=True)})
        )
        kind = next(row[1] for row in cursor.execute("DESCRIBE parsed").fetchall() if row[0] == "value")
        text, double = _as_number(kind, self.profile.decimal)
        R = RefusalReason
        # A text of ``most`` characters is exact as a double: the nearest whole number, put back, must give the same
        # double. Two fractions that differ, one of so few digits, differ by more than doubles of their size do.
        # Others are left to ``exact_number``, which is slow and rarely needed.
        cursor.execute(
            f"""CREATE OR REPLACE TEMP TABLE numbered AS
                SELECT line, content, serial, t, time_text, quality, series, value_text, num, den,
                  CASE WHEN is_short AND (round(approx * num / den) * den) / num = approx
                       THEN round(approx * num / den)::BIGINT END AS number,
                  CASE WHEN reason IS NOT NULL THEN reason
                       WHEN fault IS NOT NULL THEN fault
                       WHEN approx IS NULL OR NOT isfinite(approx) THEN {quoted(R.NOT_A_NUMBER.value)}
                       WHEN NOT is_short THEN '{LONG}'
                       WHEN (round(approx * num / den) * den) / num <> approx THEN {quoted(R.TOO_FINE.value)} END AS reason
                FROM (SELECT *, length(value_text) <= most AND abs(approx) * num <= 1e{EXACT_DIGITS}
                               AND (approx <> 0 OR NOT regexp_matches(value_text, '[1-9]')) AS is_short
                      FROM (SELECT p.*, CAST(value AS VARCHAR) AS value_text, m.series, m.fault, m.num, m.den, m.most,
                                   {double.format(text=text)} AS approx
                            FROM parsed p LEFT JOIN matched m ON p.serial = m.serial
                              AND p.property IS NOT DISTINCT FROM m.property AND p.unit IS NOT DISTINCT FROM m.unit))"""
        )
        cursor.unregister("matched")
        self._number_long(cursor, "." if kind != "VARCHAR" else self.profile.decimal)
        cursor.execute(
            """CREATE OR REPLACE TEMP TABLE staged AS
               SELECT line, series::INTEGER AS series, t, number AS value, quality FROM numbered WHERE reason IS NULL"""
        )

    def _number_long(self, cursor: Cursor, decimal: str) -> None:
        """Values that a double is not exact for."""
        rows = cursor.execute(f"SELECT line, value_text, num, den FROM numbered WHERE reason = '{LONG}'")
        longs: list[pa.Table] = []
        while chunk := rows.fetchmany(100_000):
            found = [exact_number(text, Fraction(num, den), decimal=decimal) for _, text, num, den in chunk]
            table = pa.table(
                {
                    "line": pa.array([row[0] for row in chunk], pa.int64()),
                    "number": pa.array([one if isinstance(one, int) else None for one in found], pa.int64()),
                    "fault": pa.array([None if isinstance(one, int) else one for one in found], pa.string()),
                }
            )
            longs.append(table)
        if longs:
            cursor.register("longs", pa.concat_tables(longs))
            cursor.execute(
                """UPDATE numbered SET number = longs.number, reason = longs.fault FROM longs
                   WHERE numbered.line = longs.line"""
            )
            cursor.unregister("longs")

    def _refuse(self, cursor: Cursor, now: datetime) -> None:
        """Append refused rows to the load's file and, once each, to the lake."""
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
        for reason, refused in cursor.execute(
            "SELECT reason, count(*) FROM numbered WHERE reason IS NOT NULL GROUP BY reason"
        ).fetchall():
            self.summary.refused_by_reason[reason] = self.summary.refused_by_reason.get(reason, 0) + refused
        if self.dry_run:
            return
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

    def _remember(self, cursor: Cursor) -> None:
        rows = cursor.execute("SELECT series, max(t) FROM staged GROUP BY series").fetchall()
        for series, last in rows:
            last = last.replace(tzinfo=UTC)
            self.touched[series] = max(last, self.touched.get(series, last))
        low, high = cursor.execute("SELECT min(t), max(t) FROM staged").fetchone() or (None, None)
        if low is not None and high is not None:
            found = self.summary
            low, high = low.replace(tzinfo=UTC), high.replace(tzinfo=UTC)
            found.first_time = min(low, found.first_time or low)
            found.last_time = max(high, found.last_time or high)

    def _report(self, share: float) -> None:
        self.progress(share)
        if self.load is not None:
            Load.objects.filter(pk=self.load.pk).update(share=min(share, 0.99), **self.counts())


def _finish(run: _Run) -> None:
    assert run.load is not None
    now = run.clock.now()
    found = run.summary
    with transaction.atomic():
        mark_seen(run.touched)
        Load.objects.filter(pk=run.load.pk).update(state=Load.DONE, finished_at=now, share=1, **run.counts())
        counts = {
            "read": found.read, "new": found.new, "new_versions": found.new_versions,
            "already_there": found.already_there, "refused": found.refused,
        }  # fmt: skip
        audit.record(
            who=run.who, now=now, verb="devices.load_readings", thing="load", key=run.load.pk,
            after={"file": _writable(run.path.name), **counts},
        )  # fmt: skip
        if found.new or found.new_versions:
            tell_kept(source=run.source, first=found.first_time, last=found.last_time, now=now, **counts)


def tell_kept(*, source: str, first: datetime | None, last: datetime | None, now: datetime, **counts: int) -> None:
    """News that readings of a source are in the lake."""
    assert first is not None and last is not None
    payload = {"source": source, "first": first.isoformat(), "last": last.isoformat(), "at": now.isoformat(), **counts}
    outbox.tell("devices.readings_kept", payload, now=now)


def mark_seen(latest: dict[int, datetime]) -> None:
    """Move ``last_seen_at`` of the devices of these series forward to a measurement time."""
    table, series = Device._meta.db_table, "devices_series"
    statement = (
        f"UPDATE {table} SET last_seen_at = %s, state = CASE state WHEN 'registered' THEN 'active' ELSE state END "
        f"WHERE id = (SELECT device_id FROM {series} WHERE id = %s) AND (last_seen_at IS NULL OR last_seen_at < %s)"
    )
    adapt = connection.ops.adapt_datetimefield_value
    adapted = ((adapt(at), number) for number, at in latest.items() if number > 0)
    rows = [(at, number, at) for at, number in adapted]
    with connection.cursor() as cursor:
        cursor.executemany(statement, rows)


def _match(
    series: list[tuple[int, str, str, int]], wanted: str | None, unit: str | None
) -> tuple[int | None, Fraction, str | None]:
    """The series of a device that (property, unit) means, the exact ratio to its last digit, or what is wrong."""
    one = Fraction(1)
    if not series:
        return None, one, RefusalReason.UNKNOWN_DEVICE.value
    chosen = [row for row in series if row[1] == wanted] if wanted else series
    if len(chosen) != 1:
        return None, one, RefusalReason.UNKNOWN_SERIES.value
    number, _, inside, exponent = chosen[0]
    try:
        return number, units.scale_of(unit or "", inside, exponent), None
    except BadInput:
        return None, one, RefusalReason.BAD_UNIT.value


def _as_number(kind: str, decimal: str) -> tuple[str, str]:
    """SQL for ``value`` as a text with a decimal point, and, with ``{text}`` for that, as a double or NULL."""
    if kind == "DOUBLE":
        return "value", "value"
    if kind != "VARCHAR":
        return "CAST(value AS VARCHAR)", "TRY_CAST({text} AS DOUBLE)"
    # DuckDB takes 1_000 for a number; a point beside a decimal comma separates thousands
    odd, text = ("'_.'", "replace(value, ',', '.')") if decimal == "," else ("'_'", "value")
    return text, f"CASE WHEN value = translate(value, {odd}, '') THEN TRY_CAST({{text}} AS DOUBLE) END"


def _counts(cursor: Cursor) -> tuple[int, int]:
    row = cursor.execute("SELECT count(*), count(reason) FROM numbered").fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)


def _add(found: Summary, kept: Kept) -> None:
    found.new += kept.new
    found.new_versions += kept.new_versions
    found.already_there += kept.already_there


def _batches(file: pq.ParquetFile, columns: list[str], name: str) -> Iterator[pa.Table]:
    """Batches of about ``BATCH_ROWS`` rows."""
    held: list[pa.RecordBatch] = []
    rows = 0
    batches = file.iter_batches(batch_size=1 << 20, columns=columns)
    while True:
        try:
            batch = next(batches, None)
        except (pa.ArrowException, OSError) as error:
            raise BadInput(f"{name} is damaged: {error}.", fix="Fetch it again.") from None
        if batch is None:
            break
        held.append(batch)
        rows += batch.num_rows
        if rows >= BATCH_ROWS:
            yield pa.Table.from_batches(held)
            held, rows = [], 0
    if held:
        yield pa.Table.from_batches(held)


def _writable(name: str) -> str:
    """A file's name as text that a database takes: names are bytes, and not all of them are UTF-8."""
    return os.fsencode(name).decode("utf-8", "replace").replace("\0", "")


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """A file that is locked while this process works, so that others see whether it lives."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(str(os.getpid()))
        file.flush()
        yield


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    settings.QALA.temp_dir.mkdir(parents=True, exist_ok=True)
    folder = Path(mkdtemp(prefix="load-", dir=settings.QALA.temp_dir))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
