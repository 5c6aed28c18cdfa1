"""Consumption over HTTP."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from django.http import HttpRequest
from ninja import Query, Router, Schema

from qala.kernel.paging import cursor_instant, decode_cursor, encode_cursor, span_of

from . import store

router = Router(tags=["intervals"])


class IntervalOut(Schema):
    serial: str
    property: str
    start: datetime
    end: datetime
    value: Decimal
    unit: str
    quality: str
    method: str
    flags: list[str]
    version: int
    received_at: datetime
    source: str = "close"


class IntervalPage(Schema):
    items: list[IntervalOut]
    next_cursor: str | None


@router.get("", response=IntervalPage, summary="Current consumption, hour by hour, or as known at an instant")
def list_intervals(
    request: HttpRequest, serial: str | None = None, property: str | None = None,
    start: Annotated[datetime | None, Query(alias="from")] = None,
    end: Annotated[datetime | None, Query(alias="to")] = None,
    as_of: datetime | None = None, cursor: str | None = None, limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> dict[str, object]:  # fmt: skip
    """Ordered by series and start. An interval is longer than an hour where hours are missing: its total is known, the
    hours' shares are not. Quality N: the register fell or jumped, the difference is no consumption."""
    after = decode_cursor(cursor, int, cursor_instant) if cursor else None
    items, following = store.page_intervals(
        who=request.who, span=span_of(start, end, as_of), serial=serial, property=property, as_of=as_of,  # type: ignore[attr-defined]
        after=(after[0], after[1]) if after else None, limit=limit,
    )  # fmt: skip
    return {"items": items, "next_cursor": encode_cursor(*following) if following else None}
