"""Instants on the command line."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import click
from django.conf import settings

from .paging import parse_instant


class Instant(click.ParamType[datetime]):
    """A date or an RFC 3339 instant; a date means midnight of the city."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        return value if isinstance(value, datetime) else parse_instant(str(value), ZoneInfo(settings.TIME_ZONE))
