"""The audit: one row for each change of state, in the transaction of the change, chained to the one before it.

The digest of a row covers its content and the digest before it, so that a row that is changed, taken out or put in
later shows. There are several chains (lanes), so that transactions that write at once on PostgreSQL don't wait for each
other: each takes a lane that is free, until it ends. SQLite has one writer at a time and one lane.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Concat, Substr
from django.utils.translation import gettext as _

from .access import Who
from .ids import new_id
from .models import AuditEntry, AuditName

LANES = 16
LOCK = 0x51A1A  # the first half of the advisory locks' key; the lane is the second
FIELDS = ("id", "at", "who_kind", "who_id", "who_name", "verb", "thing_kind", "thing_key", "before", "after", "why")
VIEW = "audit.view"


def record(
    *,
    who: Who,
    now: datetime,
    verb: str,
    thing: str,
    key: object,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    why: str = "",
) -> AuditEntry:
    """Write who did what to which thing.

    Args:
        verb: the action's name, e.g. ``devices.load_readings``.
        thing: kind of thing, e.g. ``device``; with ``key`` it names one thing for all time.
        before, after: the fields that changed, as JSON values.
        why: the reason that the person gave.
    """
    with transaction.atomic(savepoint=False):
        lane = _free_lane()
        number, digest = _last_of(lane)
        entry = AuditEntry(
            id=new_id(), at=now, who_kind=who.kind, who_id=who.id, who_name=_kept_name(who), verb=verb, thing_kind=thing,
            thing_key=str(key)[:200], before=before, after=after, why=why, lane=lane, number=number + 1,
        )  # fmt: skip
        entry.digest = digest_of({name: getattr(entry, name) for name in FIELDS}, lane, number + 1, digest)
        entry.save(force_insert=True)
        return entry


def _kept_name(who: Who) -> str:
    """What a row has of a name: of a person (or their program) a salted digest, as the chain stays for ever."""
    name = who.name[:200]
    if who.id is None or who.kind not in ("person", "token"):
        return name
    held = AuditName.objects.filter(who_id=who.id, name=name).first()
    if held is None:
        salt = secrets.token_hex(16)
        held = AuditName.objects.create(who_id=who.id, name=name, salt=salt, code=name_code(salt, name))
    return AuditName.MARK + held.code


def name_code(salt: str, name: str) -> str:
    """The digest by which a row of the audit knows a name."""
    return hashlib.sha256(f"{salt}\n{name}".encode("utf-8", "surrogatepass")).hexdigest()


def _last_of(lane: int) -> tuple[int, str]:
    with connection.cursor() as cursor:  # half the time of the same as a query of Django's
        cursor.execute(
            "SELECT number, digest FROM kernel_auditentry WHERE lane = %s ORDER BY number DESC LIMIT 1", [lane]
        )
        found = cursor.fetchone()
    return (int(found[0]), str(found[1])) if found else (0, "")


def _free_lane() -> int:
    """A lane that nobody else writes to until this transaction ends."""
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        # a session begins its search at its own place, so that it finds the lane again that it holds already
        cursor.execute(
            "SELECT lane FROM (SELECT (i + pg_backend_pid()) %% %s AS lane FROM generate_series(0, %s) i) lanes"
            " WHERE pg_try_advisory_xact_lock(%s, lane) LIMIT 1",
            [LANES, LANES - 1, LOCK],
        )
        found = cursor.fetchone()
        if found is None:
            cursor.execute(
                "SELECT pg_backend_pid() %% %s, pg_advisory_xact_lock(%s, pg_backend_pid() %% %s)", [LANES, LOCK, LANES]
            )
            found = cursor.fetchone()
        return int(found[0])


def digest_of(content: dict[str, Any], lane: int, number: int, before: str) -> str:
    """SHA-256 of a row's content (by field of ``FIELDS``), its place in the chain and the digest before it."""
    told = {
        **content, "id": str(UUID(str(content["id"]))), "at": content["at"].astimezone(UTC).isoformat(timespec="microseconds"),
        "who_id": None if content["who_id"] is None else str(UUID(str(content["who_id"]))),
        "before": _plain(content["before"]), "after": _plain(content["after"]), "lane": lane, "number": number,
    }  # fmt: skip
    text = json.dumps(told, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(f"{before}\n{text}".encode("utf-8", "surrogatepass")).hexdigest()


def _plain(value: Any) -> Any:
    """A JSON value in one form on all databases: PostgreSQL writes numbers anew, 1e16 comes back as a whole one."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    sign, digits, exponent = Decimal(str(value)).as_tuple()
    if not isinstance(exponent, int):
        return str(value)
    text = "".join(map(str, digits)).lstrip("0")
    short = text.rstrip("0")
    return f"n{'-' if sign and short else ''}{short or '0'}e{exponent + len(text) - len(short) if short else 0}"


@dataclass(frozen=True, slots=True)
class Break:
    """The first row of a chain that is not what was written: ``entry`` is its id, or what follows a missing one."""

    lane: int
    number: int
    entry: UUID
    missing: bool


def verify() -> tuple[int, list[Break]]:
    """Read all chains from their beginning.

    Returns:
        (rows read, the first break of each chain that has one)
    """
    read, breaks, lane, number, digest, broken = 0, [], -1, 0, "", False
    for row in _rows():
        read += 1
        if row["lane"] != lane:
            lane, number, digest, broken = row["lane"], 0, "", False
        if broken:
            continue
        missing = row["number"] != number + 1
        digest = digest_of({name: row[name] for name in FIELDS}, lane, row["number"], digest)
        number = row["number"]
        if missing or digest != row["digest"]:
            breaks.append(Break(lane, number, row["id"], missing))
            broken = True
    return read, breaks


def _rows() -> Iterator[dict[str, Any]]:
    asked = AuditEntry.objects.order_by("lane", "number").values(*FIELDS, "lane", "number", "digest")
    yield from asked.iterator(chunk_size=2000)


def check() -> tuple[bool, str, str]:
    """The line of ``qala doctor``: whether the audit is as it was written."""
    read, breaks = verify()
    changed = [row for row in AuditName.objects.iterator(2000) if name_code(row.salt, row.name) != row.code]
    if changed:
        return (
            False,
            _("a name in the audit is not what was written: {name}").format(name=changed[0].name),
            _(
                "Somebody changed the database past Qala. Compare that row with a back-up, and find out who may write there."
            ),
        )
    if not breaks:
        return True, _("{count} rows, each chained to the one before").format(count=read), ""
    first = breaks[0]
    what = (
        _("rows are missing before row {entry} (chain {lane}, number {number})")
        if first.missing
        else _("row {entry} (chain {lane}, number {number}) is not what was written")
    )
    return (
        False,
        what.format(entry=first.entry, lane=first.lane, number=first.number),
        _(
            "Somebody changed the database past Qala. Compare that row with a back-up, and find out who may write there."
        ),
    )


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """What of the audit is wanted; an empty field narrows nothing.

    Args:
        person: id of who did it; ``name`` is part of the name as it was then.
        kind, key: of the thing.
        verb: the beginning of the verb, e.g. ``devices.``.
        start, end: half-open range of time.
    """

    person: UUID | None = None
    name: str = ""
    kind: str = ""
    key: str = ""
    verb: str = ""
    start: datetime | None = None
    end: datetime | None = None


def entries(wanted: AuditFilter, *, who: Who, persons: Any = None) -> QuerySet[AuditEntry]:
    """The rows that match and that the asker may see, latest first.

    Args:
        persons: ids (or a query of them) of those whose acts an asker sees that holds the permission for some
            organisations only.

    Raises:
        SignInNeeded, NotAllowed: the asker may not see any.
    """
    scope = who.require(VIEW)
    found = _named().order_by("-at", "-id")
    if not scope.everything:
        found = found.filter(who_kind="person", who_id__in=persons if persons is not None else [])
    return narrowed(found, wanted)


def narrowed(found: QuerySet[AuditEntry], wanted: AuditFilter) -> QuerySet[AuditEntry]:
    """Those of the rows that match."""
    if wanted.person is not None:
        found = found.filter(who_id=wanted.person)
    if wanted.name:
        coded = AuditName.objects.filter(name__icontains=wanted.name).values(mark=Concat(Value(AuditName.MARK), "code"))
        plain = Q(who_name__icontains=wanted.name) & ~Q(who_name__startswith=AuditName.MARK)
        found = found.filter(plain | Q(who_name__in=coded))
    if wanted.kind:
        found = found.filter(thing_kind=wanted.kind)
    if wanted.key:
        found = found.filter(thing_key=wanted.key)
    if wanted.verb:
        found = found.filter(verb__startswith=wanted.verb)
    if wanted.start is not None:
        found = found.filter(at__gte=wanted.start)
    if wanted.end is not None:
        found = found.filter(at__lt=wanted.end)
    return found


def _named() -> QuerySet[AuditEntry]:
    """The rows with the names of who did it, as far as they are kept."""
    code = Substr(OuterRef("who_name"), len(AuditName.MARK) + 1)
    names = AuditName.objects.filter(code=code, who_id=OuterRef("who_id")).values("name")[:1]
    return AuditEntry.objects.annotate(known_name=Subquery(names))


def export_of(person: UUID) -> dict[str, list[dict[str, Any]]]:
    """What the audit has by a person and about their account, latest first, for their own copy."""
    own = Q(who_id=person) | Q(thing_kind="person", thing_key=str(person))
    columns = ("at", "who_kind", "verb", "thing_kind", "thing_key", "before", "after", "why", "who_id")
    found = AuditEntry.objects.filter(own).order_by("-at", "-id").values(*columns)
    rows = [
        {
            "at": row["at"].astimezone(UTC).isoformat(), "by_me": row["who_id"] == person, "verb": row["verb"],
            "thing": row["thing_kind"], "key": row["thing_key"], "before": row["before"], "after": row["after"],
            "why": row["why"],
        }
        for row in found.iterator(2000)
    ]  # fmt: skip
    return {"audit": rows}


def erase_names(person: UUID, now: datetime) -> int:
    """Cut the names that a person had in the audit; the chain stays whole, as it holds digests of them alone."""
    return AuditName.objects.filter(who_id=person).delete()[0]
