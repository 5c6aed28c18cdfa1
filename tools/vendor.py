"""Makes ``qala/site/static/vendor`` and the icon sprite again from the packages named here.

    python tools/vendor.py          # fetches with ``npm pack`` and writes the files
    python tools/vendor.py --check  # only says whether the files in the tree are what the packages hold

Every package is pinned by version and by the SHA-256 of its archive. Files are copied as they are, but for two things:
lines that name a source map are cut, as the maps are not shipped and a name of a missing file breaks the manifest; and
uPlot's script gets a line that exports it, as its own module is not minified (36 kB on the wire instead of 20). Our own marks (``MARKS``) join the sprite.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENDOR = Path("qala/site/static/vendor")
SPRITE = Path("qala/site/static/icons.svg")


@dataclass(frozen=True)
class Package:
    """An npm package: ``files`` maps a path inside it to a path in the project."""

    name: str
    version: str
    sha256: str
    licence: str
    use: str
    files: dict[str, Path]


PACKAGES = (
    Package(
        "htmx.org", "4.0.1", "5fba65616ca148a86d377e9771bcada7f35faee3558651feb929eea425e13b3c", "0BSD", "parts of pages that come from the server",
        {"dist/htmx.min.js": VENDOR / "htmx/htmx.min.js", "LICENSE": VENDOR / "htmx/LICENSE"},
    ),
    Package(
        "maplibre-gl", "6.17.0", "587807d8d6c99349022e027fa310c16cfaa55392131f6263df080306db6809b0", "BSD-3-Clause", "the map",
        {
            "dist/maplibre-gl.mjs": VENDOR / "maplibre/maplibre-gl.mjs",
            "dist/maplibre-gl-worker.mjs": VENDOR / "maplibre/maplibre-gl-worker.mjs",
            "dist/maplibre-gl.css": VENDOR / "maplibre/maplibre-gl.css",
            "LICENSE.txt": VENDOR / "maplibre/LICENSE.txt",
        },
    ),
    Package(
        "uplot", "1.6.32", "4b8a8191e425658e3ea8c8c1314b0fc679c861ee3a1af2b20c7b16ba50b5133d", "MIT", "charts over time",
        {
            "dist/uPlot.iife.min.js": VENDOR / "uplot/uplot.min.js",
            "dist/uPlot.min.css": VENDOR / "uplot/uplot.min.css",
            "LICENSE": VENDOR / "uplot/LICENSE",
        },
    ),
    Package(
        "lucide-static", "1.62.0", "386f9080c440d6f5049cefe3456ae8357f7a0c7f76e59670cd1cb83bc7050a44", "ISC", "icons, those of `ICONS` in `tools/vendor.py`",
        {"LICENSE": VENDOR / "lucide/LICENSE"},
    ),
    Package(
        "axe-core", "4.14.1", "e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745", "MPL-2.0", "accessibility checks of the tests; not shipped to browsers",
        {
            "axe.min.js": Path("tests/vendor/axe.min.js"),
            "LICENSE": Path("tests/vendor/LICENSE-axe"),
            "LICENSE-3RD-PARTY.txt": Path("tests/vendor/LICENSE-axe-3RD-PARTY.txt"),
        },
    ),
)  # fmt: skip

# What templates, plugs and scripts name, and a few that the next pages will; a test compares.
ICONS = """
activity arrow-down arrow-up bell building-2 calendar chart-column chevron-down chevron-left chevron-right
chevrons-up-down circle circle-check clock cloud-off cpu download droplet ellipsis eye file-text flame flask-conical
gauge git-branch history house inbox info key layout-grid list-filter loader lock log-in log-out mail map map-pin
monitor moon octagon-x palette pencil plus refresh-cw search settings sun table trash-2 triangle-alert upload user
users wrench x zap
"""

# Drawn by us: the mountains over the city's ground line.
MARKS = {
    "qala": '<svg viewBox="0 0 24 24"><path d="M2 16.5 8.6 5.5l4.3 7.2 2.5-3.4 6.6 7.2"/><path d="M2 20.5h20"/></svg>'
}

TAILS = {"dist/uPlot.iife.min.js": b"export default uPlot;\n"}
SHAPE = re.compile(r"<(?:path|circle|rect|line|polyline|polygon|ellipse)\b[^>]*/>")
SOURCE_MAP = re.compile(r"\n?^(?://#|/\*#) ?sourceMappingURL=.*$", re.MULTILINE)


def fetch(package: Package, folder: Path) -> tarfile.TarFile:
    """The package's archive, opened.

    Raises:
        SystemExit: the archive is not the pinned one.
    """
    told = subprocess.run(
        ["npm", "pack", "--json", f"{package.name}@{package.version}"],
        cwd=folder, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    packed = json.loads(told)
    path = folder / (packed[0] if isinstance(packed, list) else next(iter(packed.values())))["filename"]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != package.sha256:
        raise SystemExit(f"{package.name}@{package.version}: SHA-256 is {digest}, pinned is {package.sha256}")
    return tarfile.open(path)


def read(archive: tarfile.TarFile, path: str) -> bytes:
    file = archive.extractfile(f"package/{path}")
    if file is None:
        raise SystemExit(f"the archive holds no file {path}")
    content = file.read()
    if path.endswith((".js", ".mjs", ".css")):
        content = SOURCE_MAP.sub("", content.decode()).rstrip().encode() + b"\n"
    return content + TAILS.get(path, b"")


def sprite(icons: dict[str, str]) -> bytes:
    """One SVG of symbols; strokes follow the text's colour."""
    symbols = []
    for name, svg in sorted(icons.items()):
        box = re.search(r'viewBox="([^"]+)"', svg)
        shapes = "".join(re.sub(r"\s+", " ", shape).replace(" />", "/>") for shape in SHAPE.findall(svg))
        symbols.append(f'<symbol id="{name}" viewBox="{box[1] if box else "0 0 24 24"}">{shapes}</symbol>')
    return ('<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n").encode()


def readme() -> bytes:
    lines = [
        "Vendored by tools/vendor.py; change nothing here by hand.",
        "",
        "| package | version | licence | for | SHA-256 of the archive |",
        "|---|---|---|---|---|",
        *(f"| {p.name} | {p.version} | {p.licence} | {p.use} | {p.sha256} |" for p in PACKAGES),
        "",
        "Each licence's text lies beside the files (axe-core: tests/vendor).",
    ]
    return ("\n".join(lines) + "\n").encode()


def wanted() -> dict[Path, bytes]:
    """All files by their path in the project."""
    files = {VENDOR / "README.md": readme()}
    icons = dict(MARKS)
    with tempfile.TemporaryDirectory() as folder:
        for package in PACKAGES:
            with fetch(package, Path(folder)) as archive:
                for inside, path in package.files.items():
                    files[path] = read(archive, inside)
                if package.name == "lucide-static":
                    icons |= {name: read(archive, f"icons/{name}.svg").decode() for name in ICONS.split()}
    files[SPRITE] = sprite(icons)
    return files


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a file differs")
    check = parser.parse_args().check
    different = []
    for path, content in wanted().items():
        target = ROOT / path
        if not target.is_file() or target.read_bytes() != content:
            different.append(str(path))
            if not check:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
    print("\n".join(different) or "all as the packages hold it")
    return 1 if check and different else 0


if __name__ == "__main__":
    sys.exit(main())
