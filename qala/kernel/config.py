"""The settings of one installation: typed, from ``QALA_*`` variables and one TOML file.

``docs/reference/settings.md`` is generated from the descriptions below.
"""

from __future__ import annotations

import os
import tomllib
from functools import lru_cache
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from .errors import BadInput

# Ways to a mail server, and the port of each where none is named.
MAIL_PORTS = {"smtp+starttls": 587, "smtps": 465, "smtp": 25}


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
    tls_certificate: Path | None = Field(
        None,
        description="Certificate (PEM, with the chain below it) with which `qala up` speaks HTTPS itself. "
        "Unset: HTTP, for loopback or behind a proxy.",
    )
    tls_key: Path | None = Field(None, description="Private key (PEM, no passphrase) of the certificate.")
    hsts_seconds: int = Field(
        31_536_000,
        ge=0,
        description="How long browsers that came by HTTPS shall come by nothing else (HSTS); 0 tells them nothing.",
    )
    trusted_proxies: Annotated[list[str], NoDecode] = Field(
        default_factory=list,
        description="Addresses or networks of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed, "
        "comma separated, e.g. `127.0.0.1,10.0.0.0/28`.",
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
        description="Mail server: `smtp+starttls://user:password@host` (port 587, TLS after the greeting), "
        "`smtps://…` (port 465, TLS from the start) or `smtp://…` (port 25, no TLS). "
        "Unset: mails are written to `outgoing-mail/` in the data folder.",
    )
    email_ca_file: Path | None = Field(
        None, description="Certificates (PEM) of who vouches for the mail server, where the system does not know it."
    )
    email_timeout_seconds: float = Field(
        20.0, gt=0, le=300, description="How long the mail server may take for each answer."
    )
    email_from: str = Field("qala@localhost", description="Sender of mails.")
    sms_url: str | None = Field(
        None,
        description='HTTP gateway that text messages are posted to as JSON `{"to": "+77…", "text": "…"}`, '
        "`https://…`. Unset: they are written to `outgoing-sms/` in the data folder.",
    )
    sms_token: SecretStr | None = Field(None, description="Bearer token that the gateway wants.")
    sms_country: str = Field(
        "KZ",
        pattern="^[A-Z]{2}$",
        description="Country that text messages go to, and no other (ISO 3166, two letters).",
    )
    oidc_name: str = Field(
        "OpenID Connect",
        max_length=60,
        description="What the sign-in page calls the service of `QALA_OIDC_SERVER_URL`.",
    )
    oidc_server_url: str | None = Field(
        None,
        description="Issuer of the city's own sign-in service (OpenID Connect), `https://…`; its settings are read from "
        "`/.well-known/openid-configuration` below it. Unset: there is no such way to sign in.",
    )
    oidc_client_id: str = Field("", description="Id that the sign-in service knows this city by.")
    oidc_client_secret: SecretStr | None = Field(None, description="Secret that goes with it.")
    oidc_register: bool = Field(
        False,
        description="Whether who comes from the sign-in service with a verified e-mail address and has no account gets "
        "one, without any role. Unset: only who was invited comes in.",
    )
    backup_dir: Path | None = Field(
        None, description="Folder outside the data folder where the city is backed up each day. Unset: not by itself."
    )
    backup_hour: int = Field(2, ge=0, le=23, description="Hour of the city's day from which that back-up is taken.")
    backup_keep: int = Field(14, ge=1, le=10_000, description="How many back-ups the daily one leaves; older ones go.")
    mail_retry_hours: int = Field(
        48, ge=1, le=720, description="How long a mail is tried again, with growing waits, before it is given up."
    )
    notices_keep_days: int = Field(
        180, ge=1, description="How long notices and what became of their deliveries are kept."
    )
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="Form of log lines; `auto` is console on a terminal and JSON elsewhere."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    web_threads: int = Field(4, ge=1, le=256, description="Threads that serve pages in the web process.")
    idle_end_hours: int = Field(
        12, ge=1, le=336,
        description="After how long without use a session ends, unless its person asked to stay signed in (two weeks).",
    )  # fmt: skip
    erasure_days: int = Field(
        14, ge=0, le=30, description="Days between a person's request to be erased and the erasure; they may cancel it."
    )
    stop_seconds: float = Field(8.0, gt=0, le=60, description="Time that parts get to stop before they are killed.")

    @field_validator("allowed_hosts", "trusted_proxies", mode="before")
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

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: list[str]) -> list[str]:
        for one in value:
            try:
                ip_network(one)
            except ValueError as error:
                raise ValueError(f"{error}; an address or a network looks like 127.0.0.1 or 10.0.0.0/28") from None
        return value

    @model_validator(mode="after")
    def _both_files(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together: set both or neither")
        return self

    @field_validator("email_url")
    @classmethod
    def _mail_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        url = urlsplit(value.get_secret_value())
        if url.scheme not in MAIL_PORTS:
            raise ValueError(f"it begins with {', '.join(f'{scheme}://' for scheme in MAIL_PORTS)}")
        try:
            named = url.hostname and url.port != 0
        except ValueError:
            named = False
        if not named or url.path.strip("/") or url.query or url.fragment:
            raise ValueError("it is scheme://user:password@host:port and no more; %40 stands for @ in a name")
        return value

    @field_validator("oidc_server_url", "sms_url")
    @classmethod
    def _safe_url(cls, value: str | None) -> str | None:
        url = urlsplit(value or "")
        near = url.scheme == "http" and url.hostname in ("localhost", "127.0.0.1", "::1")
        if value and (not url.hostname or (url.scheme != "https" and not near)):
            raise ValueError("it begins with https:// (http:// for this very machine alone)")
        return value.rstrip("/") if value else None

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
    def erased_path(self) -> Path:
        """Ids of persons who were erased, so that a restore erases them again."""
        return self.data_dir / "erased.json"

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
    def drivers_path(self) -> Path:
        """Device models of this city's own."""
        return self.data_dir / "drivers"

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
    named = {name: getattr(settings, name) for name in ("data_dir", "backup_dir")}
    return settings.model_copy(update={name: path.absolute() for name, path in named.items() if path is not None})


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
