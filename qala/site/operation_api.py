"""How the city runs, over HTTP."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date

from django.http import HttpRequest
from ninja import Router, Schema

from qala.kernel.clock import SYSTEM_CLOCK

from . import storage

router = Router(tags=["operation"])


class PartOut(Schema):
    name: str
    bytes: int
    growth_bytes_per_day: float | None


class MonthOut(Schema):
    month: date | None
    whole_year: bool
    rows: int
    bytes: int
    files: int


class TableOut(Schema):
    name: str
    rows: int
    waiting: int
    bytes: int
    files: int
    months: list[MonthOut]


class StorageOut(Schema):
    parts: list[PartOut]
    tables: list[TableOut]
    free_bytes: int
    growth_bytes_per_day: float | None
    full_on: date | None


@router.get("/storage", response=StorageOut, summary="What the city takes on disk, and when the disk will be full")
def show_storage(request: HttpRequest) -> StorageOut:
    """Bytes by part, rows and bytes of the lake by table and month, growth over the last six weeks."""
    found = storage.look(who=request.who, now=SYSTEM_CLOCK.now())  # type: ignore[attr-defined]
    return StorageOut.model_validate(asdict(found))
