"""What must hold for the whole house, whoever writes in it."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.apps import apps
from django.template.base import Lexer, TokenType
from django.template.loader import get_template
from django.urls import get_resolver, reverse

from qala.kernel.plug import MatterConfig, declared, load, plugs
from qala.site.commands import HOUSE
from qala.site.pytest_plugin import needed_program

ROOT = Path(__file__).resolve().parents[2]
MATTERS = sorted(path.parent for path in (ROOT / "qala" / "city").glob("*/apps.py"))
TEMPLATES = sorted((ROOT / "qala").glob("**/templates/**/*.*"))
MODULES = [path for path in sorted((ROOT / "qala").rglob("*.py")) if "tests" not in path.parts]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def words_of(identifier: str) -> set[str]:
    """``openMeter_row`` → open, meter, row"""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", identifier)}


# plugs


def dotted_paths() -> Iterator[str]:
    """Every function or object that a plug names."""
    for plug in plugs():
        yield from plug.api.values()
        yield from (path for path in (plug.prepare, plug.demo, plug.status) if path is not None)
    for kind, attribute in (
        ("cards", "context"), ("layers", "source"), ("jobs", "run"), ("heard", "handler"), ("streams", "snapshot"),
        ("checks", "run"), ("commands", "command"), ("tools", "count"), ("personal", "export"), ("personal", "erase"),
    ):  # fmt: skip
        yield from (getattr(one, attribute) for one in declared(kind))
    yield from HOUSE.values()


def test_what_plugs_name_is_there() -> None:
    paths = list(dotted_paths())
    assert len(paths) > 20
    for path in paths:
        assert load(path) is not None
    for card in declared("cards"):
        get_template(card.template)
    for entry in [*declared("menu"), *declared("tools")]:
        assert reverse(entry.url).startswith("/")
    assert get_resolver().url_patterns


def test_permissions_and_events_that_plugs_name_are_declared() -> None:
    permissions = {one.key for one in declared("permissions")}
    for kind in ("cards", "layers", "menu"):
        assert {one.permission for one in declared(kind) if one.permission or kind != "cards"} <= permissions
    for plug in plugs():
        for role, granted in plug.grants.items():
            assert set(granted) <= permissions, role
    told = [one.event for one in declared("told")]
    assert len(told) == len(set(told)), "two matters tell the same event"
    assert {one.event for one in declared("heard")} <= set(told)


def test_names_in_plugs_begin_with_their_matter() -> None:
    for config in apps.get_app_configs():
        if not isinstance(config, MatterConfig) or config.label == "kernel":
            continue
        plug = config.plug
        named = [one.key for kind in (plug.cards, plug.layers, plug.permissions) for one in kind]
        named += [one.name for kind in (plug.jobs, plug.measures) for one in kind] + [one.event for one in plug.told]
        assert [name for name in named if not name.startswith(f"{config.label}.")] == []


# rooms


def test_foreign_keys_run_the_way_of_imports() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["id"] == "house")
    rank = {
        module.strip().rpartition(".")[2]: len(layers) - row
        for row, layer in enumerate(layers)
        for module in layer.split("|")
    }
    seen = 0
    for model in apps.get_models():
        own = model._meta.app_label
        if own not in rank:
            continue
        for relation in model._meta.get_fields():
            if relation.auto_created or not relation.is_relation or relation.related_model is None:
                continue
            seen += 1
            target = relation.related_model._meta.app_label
            assert target == own or rank.get(target, 0) < rank[own], (
                f"{model.__name__}.{relation.name} points at {target}"
            )
    assert seen > 3


@pytest.mark.parametrize("matter", MATTERS, ids=lambda path: path.name)
def test_public_defines_nothing_itself(matter: Path) -> None:
    if not (matter / "public.py").exists():
        return
    tree = ast.parse((matter / "public.py").read_text())
    imported, told = set(), set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            imported |= {one.asname or one.name for one in node.names}
        elif isinstance(node, ast.Assign):
            assert [ast.unparse(target) for target in node.targets] == ["__all__"]
            told = set(ast.literal_eval(node.value))
        else:
            assert isinstance(node, ast.Expr), f"line {node.lineno}: {ast.unparse(node)}"
            assert isinstance(node.value, ast.Constant)
    assert imported - {"annotations"} == told


CLOCKS = {"now", "today", "utcnow", "time", "time_ns", "monotonic"}


@pytest.mark.parametrize("room", ["rules", "actions", "store"])
def test_no_clock_is_read_inside(room: str) -> None:
    """Rules, actions and store are handed the time; rules open no file either."""
    for matter in MATTERS:
        for path in [*matter.glob(f"{room}.py"), *matter.glob(f"{room}/*.py")]:
            for node in ast.walk(ast.parse(path.read_text())):
                if not isinstance(node, ast.Call):
                    continue
                called = ast.unparse(node.func)
                owner, _dot, name = called.rpartition(".")
                reads = name in CLOCKS and owner.rpartition(".")[2] in {
                    "datetime",
                    "date",
                    "time",
                    "timezone",
                    "SYSTEM_CLOCK",
                }
                opens = room == "rules" and (called == "open" or name in {"read_text", "read_bytes", "write_text"})
                assert not reads and not opens, f"{name_of(path)}:{node.lineno}: {called}"


# Nouns of matters; the kernel's lake, bus, places of cards and so on are its own.
NOUNS = {
    "meter", "meters", "district", "districts", "address", "street", "device", "devices",
    "serial", "resident", "residents", "citizen", "household", "utility", "water", "heat", "electricity", "pipe", "road",
    "roads", "pothole", "drone", "drones", "pilot", "pilots", "vote", "survey", "proposal", "indicator", "decision",
    "notice", "tariff", "almaty",
}  # fmt: skip


def test_the_kernel_has_no_word_of_any_matter() -> None:
    for path in sorted((ROOT / "qala" / "kernel").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                found = words_of(node.name) & NOUNS
                assert not found, f"{name_of(path)}:{node.lineno}: {node.name}"


# templates

INLINE = re.compile(
    r"""<style\b|\sstyle\s*=|\son[a-z]+\s*=|javascript:|<script(?![^>]*\b(?:src|type="application/json")\b)""", re.I
)
# What needs no translation: names, and signs that are the same in all three languages.
SAME_EVERYWHERE = {
    "XLSX",
    "Qala",
    "API",
    "OpenAPI",
    "CSV",
    "Parquet",
    "ID",
    "UTC",
    "URL",
    "JSON",
    "SHA",
    "PDF",
    "kk",
    "ru",
    "en",
}
# Blocks whose content stands inside an HTML tag.
IN_A_TAG = ("_class", "_attributes")
# The page that shows the parts of the design, on made-up things that have names.
SAMPLES = "qala/site/templates/site/style.html"
SHOWN_ATTRIBUTES = {"title", "alt", "placeholder", "aria-label", "aria-description"}


def html_templates() -> list[Path]:
    return [path for path in TEMPLATES if path.suffix == ".html"]


@pytest.mark.parametrize("path", html_templates(), ids=name_of)
def test_templates_keep_the_content_security_policy(path: Path) -> None:
    found = [number for number, line in enumerate(path.read_text().splitlines(), 1) if INLINE.search(line)]
    assert found == [], f"inline script or style in {name_of(path)}, lines {found}"


class _Shown(HTMLParser):
    """Gathers the literal text that a page shows, its shown attributes included."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[str] = []
        self.silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.silent += tag in ("script", "style", "code")
        self.shown += [value for name, value in attrs if name in SHOWN_ATTRIBUTES and value]

    def handle_endtag(self, tag: str) -> None:
        self.silent -= tag in ("script", "style", "code")

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.shown.append(data)


def literal_text(source: str) -> str:
    """A template without its tags, and without what stands in blocks that are translated or comments."""
    kept, inside = [], ""
    for token in Lexer(source).tokenize():
        words = token.contents.split() if token.token_type is TokenType.BLOCK else [""]
        if inside:
            inside = "" if words[0] == inside else inside
        elif words[0] in ("blocktranslate", "blocktrans", "comment") or (
            words[0] == "block" and words[1].endswith(IN_A_TAG)
        ):
            inside = f"end{words[0]}"
        elif token.token_type is TokenType.TEXT:
            kept.append(token.contents)
    return "".join(kept)


@pytest.mark.parametrize("path", [path for path in TEMPLATES if name_of(path) != SAMPLES], ids=name_of)
def test_no_template_speaks_one_language_only(path: Path) -> None:
    text = literal_text(path.read_text())
    if path.suffix == ".html":
        parser = _Shown()
        parser.feed(text)
        text = " ".join(parser.shown)
    words = set(re.findall(r"[^\W\d_]{2,}", text)) - SAME_EVERYWHERE
    assert words == set(), f"{name_of(path)} shows words outside gettext"


# files

PLACES = [  # put together here, so that this file holds none of them itself
    "/" + "work/", "/" + "root/", "/" + "home/", "py" + "pi.org", "python" + "hosted", "npm" + "js.", "/" + "tmp/h-",
]  # fmt: skip


def test_no_file_names_this_machine_or_a_registry() -> None:
    git = needed_program("git")
    listed = subprocess.run(
        [git, "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert len(listed) > 100
    found = []
    for name in listed:
        path = ROOT / name
        if not path.is_file() or "vendor" in path.parts:
            continue
        try:
            lines = path.read_text().splitlines()
        except UnicodeDecodeError:
            continue  # a picture or an archive
        found += [f"{name}:{number}" for number, line in enumerate(lines, 1) if any(place in line for place in PLACES)]
    assert found == []
