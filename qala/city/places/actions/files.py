"""A file of places, whichever form it has: GeoJSON, and for address points CSV or XLSX."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from qala.kernel.errors import BadInput
from qala.kernel.tables import is_xlsx

from .. import store
from ..rules import Collection, Kind
from .reading import MOST_BYTES, read_features
from .tables import read_addresses


def read_file(
    path: Path, *, name: str, kind: Kind, advance: Callable[[int], None] | None = None
) -> Collection:  # fmt: skip
    """The places of a file.

    Args:
        name: how the file is called to people; tables end in ``.csv`` or ``.xlsx``.
        advance: told the number of features read so far, now and then.

    Raises:
        BadInput, TooMuch: as ``read_features`` and ``read_addresses``; also a table of anything but address points.
    """
    near = store.reference_point(settings.TIME_ZONE)
    if name.lower().endswith((".csv", ".xlsx")) or is_xlsx(path):
        if kind != "address":
            raise BadInput(
                _("{file} is a table, which holds no borders.").format(file=name), fix=_("Give borders as GeoJSON.")
            )
        return read_addresses(path, name=name, near=near)
    with path.open("rb") as opened:
        data = opened.read(MOST_BYTES + 1)
    return read_features(data, kind=kind, near=near, advance=advance)
