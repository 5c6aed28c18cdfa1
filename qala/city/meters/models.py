"""Consumption that meters' registers stand for, in the lake."""

from __future__ import annotations

from qala.kernel.lake import LakeTable

# One row a version of an interval; the current one was computed last. A version of method `withdrawn` says that no
# interval begins there any more. `value` counts in 10**exponent of the series' unit, multiplier included.
INTERVALS = LakeTable(
    "intervals",
    columns=(
        ("series", "INTEGER"),
        ("start_at", "TIMESTAMP"),
        ("end_at", "TIMESTAMP"),
        ("value", "BIGINT"),
        ("exponent", "TINYINT"),
        ("quality", "VARCHAR"),
        ("method", "VARCHAR"),
        ("flags", "UTINYINT"),
        ("computed_at", "TIMESTAMP"),
    ),
    partitioned_by=("year(start_at)", "month(start_at)"),
    sorted_by=("series", "start_at", "computed_at"),
)
