"""Lists: declared once as data, read narrowed, sorted and page by page, written whole into files.

A matter declares its lists in ``store`` and names them in its plug; ``qala.kernel.list_pages`` shows one on a page and
``qala.kernel.list_commands`` writes one to a file on the command line.
"""

from .asked import Asked, Look, clean
from .columns import Column, Kind
from .files import CSV, XLSX, Form, csv_lines, write_csv, write_xlsx
from .filters import Choice, Filter, choice, day, flag, kept, text, where
from .reading import MOST_COUNTED, Found, List, Sort

__all__ = [
    "CSV",
    "MOST_COUNTED",
    "XLSX",
    "Asked",
    "Choice",
    "Column",
    "Filter",
    "Form",
    "Found",
    "Kind",
    "List",
    "Look",
    "Sort",
    "choice",
    "clean",
    "csv_lines",
    "day",
    "flag",
    "kept",
    "text",
    "where",
    "write_csv",
    "write_xlsx",
]
