"""The settings of one installation: typed, from ``QALA_*`` variables and one TOML file.

``docs/reference/settings.md`` is generated from the descriptions below.
"""

from __future__ import annotations

import os
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from .errors import BadInput


class Settings(BaseSettings):
    """Every setting of Qala; the order of precedence is variable, secret file, TOML file, default."""

    model_config = SettingsConfigDict(env_prefix="QALA_", extra="forbid", frozen=True)

    data_dir: Path = Field(
        Path("qala-data"), description="Folder that holds everything this city keeps (also `--data-dir`)."
    )
    database_url: SecretStr | None = Field(
        None,
        description="Records on PostgreSQL: `postgresql://user:password@host:port/name`. "
        "Unset: SQLite in the data folder.",
    )
    lake_catalogue_url: SecretStr | None = Field(
        None, description="Lake catalogue on PostgreSQL, same form. Unset: SQLite in the data folder."
    )
    lake_data_path: str | None = Field(
        None, description="Where the lake's Parquet files lie: a folder. Unset: `lake/` in the data folder."
    )
    lake_memory_limit_mib: int = Field(
        1024, ge=256, description="Memory that one process's lake may use, in MiB; budget a third more."
    )
    lake_threads: int = Field(2, ge=1, le=256, description="Threads that one lake query may use.")
    lake_concurrent_queries: int = Field(
        3, ge=1, le=64, description="Lake queries that one process runs at once; the others wait."
    )
    lake_snapshot_hours: int = Field(
        24, ge=1, description="How long the lake keeps old snapshots (for readers under way) before it frees files."
    )
    load_max_gib: int = Field(
        64, ge=1, description="Largest loaded file after unpacking, in GiB; a larger one is refused."
    )
    load_part_mib: int = Field(
        64, ge=1, le=4096, description="A file is loaded in parts of about so many MiB of text, each one commit."
    )
    load_max_ratio: int = Field(
        200, ge=10, description="Largest ratio of unpacked to packed size; beyond it a file is refused as a zip bomb."
    )
    host: str = Field("127.0.0.1", description="Address that `qala up` listens on (also `--host`).")
    port: int = Field(
        8000, ge=0, le=65535, description="Port that `qala up` listens on; 0 picks a free one (`--port`)."
    )
    public_url: str | None = Field(
        None, description="Address under which people reach the city, e.g. `https://qala.example`; used in e-mails."
    )
    allowed_hosts: Annotated[list[str], NoDecode] = Field(
        default_factory=list, description="Host names that pages answer to beside loopback, comma separated."
    )
    city_zone: str = Field("Asia/Almaty", description="IANA time zone of the city: its days begin at midnight here.")
    city_code: str = Field(
        "almaty",
        pattern=r"^[a-z0-9][a-z0-9-]*$",
        description="Code of the city's own place, the root of the tree of places.",
    )
    language: Literal["kk", "ru", "en"] = Field(
        "kk", description="Language of pages for people who did not choose one."
    )
    secret_key: SecretStr | None = Field(
        None,
        description="Key that signs sessions. Unset: made once and kept in the data folder, readable by its owner.",
    )
    metrics_token: SecretStr | None = Field(
        None, description="Bearer token for `/metrics` from elsewhere than loopback. Unset: loopback only."
    )
    tile_url: str | None = Field(
        None, description="Outside raster tiles behind the map, `https://host/{z}/{x}/{y}.png`. Unset: none are asked."
    )
    tile_attribution: str = Field("", description="Attribution that the outside tiles want shown.")
    email_url: SecretStr | None = Field(
        None,
        description="Mail server, `smtp://user:password@host:port` (`smtps://` for TLS). "
        "Unset: mails are written to `outgoing-mail/` in the data folder.",
    )
    email_from: str = Field("qala@localhost", description="Sender of mails.")
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="Form of log lines; `auto` is console on a terminal and JSON elsewhere."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    web_threads: int = Field(4, ge=1, le=256, description="Threads that serve pages in the web process.")
    stop_seconds: float = Field(8.0, gt=0, le=60, description="Time that parts get to stop before they are killed.")

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("database_url", "lake_catalogue_url")
    @classmethod
    def _plain_url(cls, value: SecretStr | None) -> SecretStr | None:
        url = urlsplit(value.get_secret_value()) if value is not None else None
        if url is not None and url.scheme not in ("postgresql", "postgres"):
            raise ValueError("it begins with postgresql://")
        if url is not None and (url.query or url.fragment):
            raise ValueError("it takes no parameters after the name; set libpq's own variables, e.g. PGSSLMODE")
        return value

    @field_validator("city_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        from zoneinfo import ZoneInfo

        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"{value!r} is no IANA time zone; one looks like Asia/Almaty") from None
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        toml = TomlConfigSettingsSource(settings_cls, toml_file())
        return init_settings, env_settings, file_secret_settings, toml

    # Folders of the data folder, named in one place.
    @property
    def records_path(self) -> Path:
        return self.data_dir / "records.sqlite"

    @property
    def lake_dir(self) -> Path:
        return Path(self.lake_data_path) if self.lake_data_path else self.data_dir / "lake"

    @property
    def catalogue_path(self) -> Path:
        return self.data_dir / "catalogue.sqlite"

    @property
    def run_dir(self) -> Path:
        """Sockets, locks, state of running processes: nothing that outlives them."""
        return self.data_dir / "run"

    @property
    def temp_dir(self) -> Path:
        return self.data_dir / "tmp"

    @property
    def loads_dir(self) -> Path:
        return self.data_dir / "loads"

    @property
    def media_dir(self) -> Path:
        return self.data_dir / "media"


def toml_file() -> Path:
    """The TOML file: ``QALA_CONFIG``, else ``qala.toml`` in the data folder."""
    named = os.environ.get("QALA_CONFIG")
    return Path(named) if named else Path(os.environ.get("QALA_DATA_DIR", "qala-data")) / "qala.toml"


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process.

    Raises:
        BadInput: a variable or a line of the TOML file is wrong; every wrong one is named.
    """
    os.environ.setdefault("QALA_DATA_DIR", "qala-data")
    secrets = os.environ.get("QALA_SECRETS_DIR")
    if os.environ.get("QALA_CONFIG") and not toml_file().is_file():
        raise BadInput(f"QALA_CONFIG names {toml_file()}, which is not a file.", fix="Correct the path or unset it.")
    _refuse_data_dir()
    try:
        settings = Settings(_secrets_dir=secrets) if secrets else Settings()
    except ValidationError as error:
        rows = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False)]
        raise BadInput(
            "Settings are wrong: " + "; ".join(rows),
            fix=f"Correct the QALA_* variables or {toml_file()}; docs/reference/settings.md lists all settings.",
        ) from None
    except ValueError as error:  # the TOML itself does not parse
        raise BadInput(f"{toml_file()} is not TOML: {error}", fix="Correct that line.") from None
    return settings.model_copy(update={"data_dir": settings.data_dir.absolute()})


def _refuse_data_dir() -> None:
    """The data folder is named outside the file, which lies in that folder unless ``QALA_CONFIG`` says otherwise."""
    try:
        found = tomllib.loads(toml_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return  # not there, or told as no TOML by the reading itself
    if "data_dir" in found:
        raise BadInput(
            f"{toml_file()} names data_dir, which can't be a line of it.",
            fix="Give --data-dir or QALA_DATA_DIR instead.",
        )
