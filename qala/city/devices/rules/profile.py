"""Profiles: what the columns of a file of readings mean."""

from __future__ import annotations

import tomllib
from datetime import datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from qala.kernel.errors import BadInput

QUALITIES = "ASEFN"  # actual, substituted, estimated, final substituted, null: NEM12's letters


class Columns(BaseModel):
    """Names of the columns (or their numbers from 1, in a file without header)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    serial: str | int
    time: str | int
    value: str | int
    property: str | int | None = None
    unit: str | int | None = None
    quality: str | int | None = None

    def named(self) -> dict[str, str | int]:
        return {field: value for field, value in self.model_dump().items() if value is not None}


class Profile(BaseModel):
    """How to read one kind of file.

    Args:
        time_format: ``rfc3339``, ``epoch_s``, ``epoch_ms``, or a strptime pattern such as ``%d/%m/%Y %H:%M:%S``.
        zone: IANA zone of local times without offset; the repeated hour at the end of summer time is told apart by
            order in the file: within it, a meter's time that does not go on belongs to the second pass.
        unit: UCUM code of the values, unless a column says it.
        property: what is measured, unless a column says it or the device has just one series.
        unknown: what to do with serials that no device has.
        model: driver of the devices that are created.
        owner: code of the organisation that owns created devices.
        not_before: earlier times are refused as absurd.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = ""
    format: Literal["csv", "parquet"] = "csv"
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    encoding: str = "utf-8"
    header: bool = True
    decimal: Literal[".", ","] = "."
    columns: Columns
    time_format: str = "rfc3339"
    zone: str | None = None
    unit: str | None = None
    property: str | None = None
    quality: Literal["A", "S", "E", "F", "N"] = "A"
    unknown: Literal["refuse", "create"] = "refuse"
    model: str | None = None
    owner: str | None = None
    not_before: datetime = datetime.fromisoformat("2000-01-01T00:00:00+00:00")

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        try:
            "1,2".encode(value)  # unlike codecs.lookup, refuses what is no text encoding, e.g. base64
        except (LookupError, UnicodeError):
            raise ValueError(f"{value!r} is no encoding; common ones are utf-8, utf-16, cp1251") from None
        return value

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                ZoneInfo(value)
            except (KeyError, ValueError, OSError):
                raise ValueError(f"{value!r} is no IANA time zone; one looks like Europe/Madrid") from None
        return value

    @model_validator(mode="after")
    def _complete(self) -> Profile:
        if self.unknown == "create" and self.model is None:
            raise ValueError("unknown = 'create' needs a model for the created devices")
        if self.unit is None and self.columns.unit is None:
            raise ValueError("name the unit of the values (unit = 'L') or the column that holds it")
        if (
            self.time_format not in ("rfc3339", "epoch_s", "epoch_ms")
            and "%z" not in self.time_format
            and not self.zone
        ):
            raise ValueError("times without an offset need a zone")
        if self.not_before.tzinfo is None:
            raise ValueError("not_before needs an offset, e.g. 2000-01-01T00:00:00Z")
        if not self.header and any(isinstance(column, str) for column in self.columns.named().values()):
            raise ValueError("without a header, columns are numbers from 1")
        return self


def parse_profile(text: str, where: str) -> Profile:
    """A profile from TOML.

    Raises:
        BadInput: it is not TOML or not a profile; every wrong line is named.
    """
    try:
        return Profile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{where} is not TOML: {error}") from None
    except ValidationError as error:
        rows = [f"{'.'.join(map(str, e['loc'])) or 'profile'}: {e['msg']}" for e in error.errors(include_url=False)]
        raise BadInput(f"{where} is not a profile of readings.", fix="docs: reference, profiles.", rows=rows) from None
