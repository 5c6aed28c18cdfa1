"""How the city runs, over HTTP."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime

from django.http import HttpRequest
from ninja import Field, Router, Schema

from qala.kernel import retention
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


class GoingOut(Schema):
    rows: int
    bytes: int | None = Field(description="About; null where it is not known.")


class ClassOut(Schema):
    key: str
    title: str
    days: int | None = Field(description="Days that it is kept; null: for ever.")
    least_days: int
    before: datetime | None = Field(description="What is older goes; null: nothing does.")
    horizon: datetime | None = Field(description="What was before it is gone or going and is not taken any more.")
    ran_at: datetime | None
    by_month: bool
    settable: bool
    why: str
    waits: str = Field(description="Why nothing may be deleted now; empty: it may.")
    going: GoingOut


class DaysIn(Schema):
    days: int | None = Field(description="Days to keep it; null: for ever.")


def _classes(request: HttpRequest) -> list[ClassOut]:
    found = retention.list_classes(who=request.who, now=SYSTEM_CLOCK.now())  # type: ignore[attr-defined]
    return [ClassOut.model_validate(asdict(one)) for one in found]


@router.get("/retention", response=list[ClassOut], summary="How long each class of data is kept, and what would go now")
def list_retention(request: HttpRequest) -> list[ClassOut]:
    """Every class of data with its days, its horizon, and the rows and bytes that the next run deletes."""
    return _classes(request)


@router.put("/retention/{key}", response=ClassOut, summary="Set how long a class of data is kept")
def set_retention(request: HttpRequest, key: str, given: DaysIn) -> ClassOut:
    """It counts from the next nightly run on. What was deleted does not come back."""
    retention.set_retention(key, days=given.days, who=request.who, now=SYSTEM_CLOCK.now())  # type: ignore[attr-defined]
    return next(one for one in _classes(request) if one.key == key)
