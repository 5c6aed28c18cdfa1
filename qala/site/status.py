"""What runs on a data folder and what it holds, for ``qala status``."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from pathlib import Path
from typing import Any

import duckdb
from django.apps import apps
from django.db import connection

import qala
from qala.kernel.config import Settings
from qala.kernel.plug import MatterConfig, load

from . import supervisor
from .demo import is_demo
from .prepare import check_folder, migrations_applied, migrations_on_disk


def gather(settings: Settings) -> dict[str, Any]:
    """All of it; creates nothing.

    Returns:
        ``data_dir, prepared, demo, running, pid, address, started, parts, counts, bytes, disk_free_bytes, versions``;
        ``counts`` is by matter and empty where the folder is not prepared for this program.
    """
    prepared = check_folder(settings)
    holder = supervisor.holder(settings)
    state = supervisor.read_state(settings) if holder is not None else {}
    return {
        "data_dir": str(settings.data_dir),
        "prepared": prepared,
        "demo": is_demo(settings),
        "running": holder is not None,
        "pid": holder["pid"] if holder else None,
        "address": holder["address"] if holder else None,
        "started": holder["started"] if holder else None,
        "parts": state.get("parts", []),
        "counts": _counts() if prepared and records_ready(settings) else {},
        "bytes": sizes(settings) if prepared else {},
        "disk_free_bytes": disk_free(settings),
        "versions": versions(),
    }


def records_ready(settings: Settings) -> bool:
    """Whether the records exist and hold this program's tables."""
    if settings.database_url is None and not settings.records_path.exists():
        return False
    return migrations_on_disk() <= migrations_applied()


def versions() -> dict[str, str]:
    import django

    return {
        "qala": qala.__version__,
        "python": ".".join(map(str, sys.version_info[:3])),
        "django": django.get_version(),
        "duckdb": duckdb.__version__,
        "records": f"SQLite {sqlite3.sqlite_version}" if connection.vendor == "sqlite" else "PostgreSQL",
    }


def disk_free(settings: Settings) -> int:
    """Free bytes where the data folder is, or will be."""
    folder = settings.data_dir
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def bytes_below(folder: Path, seen: set[int] | None = None) -> int:
    """Bytes of all files below a folder; files that vanish meanwhile are left out.

    Args:
        seen: files that are shared by links and were counted already.
    """
    total, seen = 0, set() if seen is None else seen
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    if entry.is_dir(follow_symlinks=False):
                        total += bytes_below(Path(entry.path), seen)
                        continue
                    found = entry.stat(follow_symlinks=False)
                    if found.st_nlink > 1 and found.st_ino in seen:
                        continue
                    seen.add(found.st_ino)
                    total += found.st_size
                except OSError:
                    continue
    except OSError:
        return total
    return total


def sizes(settings: Settings) -> dict[str, int]:
    """Bytes of each part of the city."""

    def with_wal(path: Path) -> int:
        return sum(one.stat().st_size for one in path.parent.glob(f"{path.name}*") if one.is_file())

    return {
        "records": with_wal(settings.records_path) if connection.vendor == "sqlite" else _database_size(),
        "catalogue": with_wal(settings.catalogue_path),
        "lake": bytes_below(settings.lake_dir),
        "loads": bytes_below(settings.loads_dir),
        "media": bytes_below(settings.data_dir / "media"),
        **({"backups": bytes_below(settings.backup_dir)} if settings.backup_dir is not None else {}),
    }


def _database_size() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        return int(cursor.fetchone()[0])


def _counts() -> dict[str, dict[str, Any]]:
    return {
        config.label: load(config.plug.status)()
        for config in apps.get_app_configs()
        if isinstance(config, MatterConfig) and config.plug.status is not None
    }
