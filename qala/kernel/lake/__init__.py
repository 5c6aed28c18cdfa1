"""The lake: measurements and measures in DuckLake tables (Parquet files behind an SQL catalogue).

One attached connection a process (``get_lake``), one cursor a question (``Lake.question``, capped), and one way to write
(``Lake.commit``): it takes the one lock of all processes and syncs the data folder before the catalogue
commits, so that no power cut leaves the catalogue pointing at a torn file.
"""

from .connection import Lake, LakeBusyError, clear_errors, get_lake, ping, prepare, set_lake
from .maintenance import Maintained, maintain, maintain_in_turn
from .tables import LakeTable

__all__ = [
    "Lake",
    "LakeBusyError",
    "LakeTable",
    "Maintained",
    "clear_errors",
    "get_lake",
    "maintain",
    "maintain_in_turn",
    "ping",
    "prepare",
    "set_lake",
]
