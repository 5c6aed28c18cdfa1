"""Sphinx: Markdown by MyST, the furo theme, no fonts and nothing else from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

_package = (Path(__file__).resolve().parent.parent / "qala" / "__init__.py").read_text(encoding="utf-8")
_version = re.search(r'__version__ = "([^"]+)"', _package)

project = "Qala"
author = "the Qala project"
copyright = "the Qala project, Apache-2.0"  # noqa: A001  (Sphinx's own name for it)
release = version = _version[1] if _version else ""
extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
nitpicky = True
language = "en"
html_theme = "furo"
html_title = f"Qala {release}"
html_favicon = "../qala/site/static/favicon.svg"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0B6E6E", "color-brand-content": "#0B6E6E"},
    "dark_css_variables": {"color-brand-primary": "#5CC8C2", "color-brand-content": "#5CC8C2"},
}
