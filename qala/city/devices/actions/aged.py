"""Readings that come too late: of before the horizon of their kind, where the lake keeps none any more."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from qala.kernel import retention
from qala.kernel.lake.connection import Cursor, quoted

from ..models import RefusalReason, Series
from ..rules import SERIES_KINDS, retention_key
from .plain import Plain

AT_ONCE = 5000  # series looked up in one question
NEVER = np.iinfo(np.int64).min


class Aged:
    """The horizons of all kinds of readings, as they are now."""

    def __init__(self) -> None:
        found = {kind: retention.horizon(retention_key(kind)) for kind in SERIES_KINDS}
        self._horizons = {kind: _micros(at) for kind, at in found.items() if at is not None}
        self._of: dict[int, int] = {}

    def is_aged(self, kind: str, at: datetime) -> bool:
        """Whether a reading of that kind and instant comes too late."""
        return kind in self._horizons and _micros(at) < self._horizons[kind]

    def left_out(self, plain: Plain) -> Plain:
        """Plain rows without those that come too late: the careful way refuses them."""
        if not self._horizons or plain.readings.num_rows == 0:
            return plain
        series = plain.readings["series"].to_numpy()
        numbers, inverse = np.unique(series, return_inverse=True)
        late = pc.cast(plain.readings["t"], pa.int64()).to_numpy() < self._horizons_of(numbers)[inverse]
        if not late.any():
            return plain
        taken = plain.taken.copy()
        taken[np.flatnonzero(taken)[late]] = False
        return Plain(plain.readings.filter(pa.array(~late)), taken)

    def refuse(self, cursor: Cursor) -> None:
        """Give the rows of ``numbered`` that come too late their reason."""
        if not self._horizons:
            return
        rows = cursor.execute("SELECT DISTINCT series FROM numbered WHERE reason IS NULL").fetchall()
        numbers = np.array(sorted(row[0] for row in rows), dtype=np.int64)
        horizons = self._horizons_of(numbers)
        some = horizons != NEVER
        cursor.register("aged", pa.table({"series": numbers[some], "horizon": horizons[some]}))
        cursor.execute(
            f"""UPDATE numbered SET reason = {quoted(RefusalReason.NOT_KEPT.value)} FROM aged
                WHERE numbered.series = aged.series AND numbered.reason IS NULL AND epoch_us(numbered.t) < aged.horizon"""
        )
        cursor.unregister("aged")

    def _horizons_of(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """The horizon of each series in microseconds since 1970, ``NEVER`` where there is none."""
        unknown = [one for one in numbers.tolist() if one not in self._of]
        for begin in range(0, len(unknown), AT_ONCE):
            some = unknown[begin : begin + AT_ONCE]
            self._of |= dict.fromkeys(some, NEVER)  # also of devices that a dry run would make
            for number, kind in Series.objects.filter(pk__in=some).values_list("pk", "kind"):
                self._of[number] = self._horizons.get(kind, NEVER)
        return np.array([self._of[one] for one in numbers.tolist()], dtype=np.int64)


def _micros(at: datetime) -> int:
    delta = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
