"""The words that people see: gathered from the source, compiled for use, checked against the glossary.

    python tools/messages.py extract   # gather the English words into qala/**/locale/{kk,ru}/LC_MESSAGES/django.po
    python tools/messages.py compile   # make the .mo files (qala up and the tests do so by themselves)
    python tools/messages.py check     # fail where a word is missing, doubtful or not the glossary's

Each of site, kernel and the matters keeps its own words. A translation is kept for as long as its English is in the
source. ``check`` also fails where the .po files hold other words than the source.
"""

from __future__ import annotations

import argparse
import csv
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # this checkout's qala, wherever the command stands

from babel.messages.catalog import Catalog, Message  # noqa: E402
from babel.messages.extract import extract as babel_extract  # noqa: E402
from babel.messages.pofile import read_po, write_po  # noqa: E402
from django.conf import settings  # noqa: E402
from django.utils.translation.template import templatize  # noqa: E402

from qala.site.messages import compile_changed  # noqa: E402

LANGUAGES = {"kk": "Kazakh", "ru": "Russian"}
PLURALS = {
    "kk": "nplurals=2; plural=(n != 1);",
    "ru": "nplurals=3; plural=(n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<12 || n%100>14) ? 1 : 2);",
}
GLOSSARY = ROOT / "qala" / "site" / "glossary.csv"
KEYWORDS = {
    "_": None, "gettext": None, "gettext_lazy": None, "gettext_noop": None,
    "ngettext": (1, 2), "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2), "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3), "npgettext_lazy": ((1, "c"), 2, 3),
}  # fmt: skip
PLACEHOLDER = re.compile(r"%\((\w+)\)s|\{(\w*)(?:![rsa])?(?::[^{}]*)?\}")
Key = tuple[str, str | None]  # English (its singular), context


def packages() -> list[Path]:
    """The folders that keep words of their own."""
    return [
        ROOT / "qala" / "kernel",
        ROOT / "qala" / "site",
        *sorted(path.parent for path in ROOT.glob("qala/city/*/apps.py")),
    ]


def sources(package: Path) -> Iterator[tuple[Path, io.BytesIO]]:
    """Python files and templates of a package, templates as the Python that Django makes of them for this purpose."""
    for path in sorted(package.rglob("*")):
        inside = path.relative_to(package).parts
        if "tests" in inside or "migrations" in inside or "static" in inside:
            continue
        if path.suffix == ".py":
            yield path, io.BytesIO(path.read_bytes())
        elif "templates" in inside and path.suffix in (".html", ".txt"):
            lines = templatize(path.read_text(), origin=str(path)).splitlines()
            # what is not to be translated became letters and blanks; their indentation means nothing
            yield path, io.BytesIO("\n".join(line.strip() for line in lines).encode())


def gathered(package: Path) -> Catalog:
    """The words in the source of a package."""
    catalog = Catalog(charset="utf-8")
    for path, file in sources(package):
        found = babel_extract(
            "python", file, keywords=KEYWORDS, comment_tags=["Translators:"], options={"encoding": "utf-8"}
        )
        for _line, message, comments, context in found:
            if message and message != ("", ""):
                where = [(path.relative_to(ROOT).as_posix(), None)]
                catalog.add(message, locations=where, auto_comments=comments, context=context)  # type: ignore[arg-type]
    return catalog


def po_path(package: Path, language: str) -> Path:
    return package / "locale" / language / "LC_MESSAGES" / "django.po"


def read(path: Path, language: str) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale=language)


def empty(language: str) -> Catalog:
    return Catalog(locale=language, charset="utf-8", project="Qala", fuzzy=False)


def extract() -> int:
    """Bring the .po files up to the source; translations are kept, what is new stands empty."""
    for package in packages():
        template = gathered(package)
        for language in LANGUAGES:
            path = po_path(package, language)
            if not len(template) and not path.exists():
                continue
            catalog = read(path, language) if path.exists() else empty(language)
            known = {key(message): message for message in catalog if message.id}
            # no guessing: a word that is new is translated anew
            catalog.update(template, no_fuzzy_matching=True)
            for message in catalog:
                before = known.get(key(message)) if message.id else None
                if before is not None and isinstance(before.id, tuple) == isinstance(message.id, tuple):
                    message.string = before.string
            catalog.obsolete.clear()
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(as_po(catalog, language))
            missing = sum(not translated(message) for message in catalog if message.id)
            print(f"{path.relative_to(ROOT)}: {len(catalog)} words, {missing} to translate")
    return 0


def as_po(catalog: Catalog, language: str) -> bytes:
    """The text of a .po file: no dates and no line numbers, which would change with every run."""
    out = io.BytesIO()
    write_po(out, catalog, width=0, sort_output=True, omit_header=True, include_lineno=False)
    header = (
        f"# {LANGUAGES[language]} words of Qala.\n"
        'msgid ""\nmsgstr ""\n"MIME-Version: 1.0\\n"\n"Content-Type: text/plain; charset=utf-8\\n"\n'
        f'"Content-Transfer-Encoding: 8bit\\n"\n"Language: {language}\\n"\n"Plural-Forms: {PLURALS[language]}\\n"\n\n'
    )
    return header.encode() + out.getvalue().strip() + b"\n"


def key(message: Message) -> Key:
    return (message.id[0] if isinstance(message.id, tuple | list) else message.id, message.context)


def strings(message: Message) -> list[str]:
    return list(message.string) if isinstance(message.string, tuple | list) else [message.string or ""]


def translated(message: Message) -> bool:
    return all(text.strip() for text in strings(message))


def placeholders(text: str) -> set[str]:
    return {found[0] for found in PLACEHOLDER.finditer(text)}


def glossary() -> dict[str, dict[str, str]]:
    """The reviewed words: English in lower case → {kk, ru}."""
    with GLOSSARY.open(newline="", encoding="utf-8") as file:
        return {row["en"].strip().lower(): row for row in csv.DictReader(file)}


def faults_of(message: Message, language: str, words: dict[str, dict[str, str]]) -> Iterator[str]:
    """What is wrong with one translation."""
    english = key(message)[0]
    if not translated(message):
        yield f"{english!r} is not translated"
        return
    if message.fuzzy:
        yield f"{english!r} is marked fuzzy"
    wanted = [placeholders(text) for text in (message.id if isinstance(message.id, tuple | list) else [message.id])]
    for text in strings(message):
        # a plural form for one may leave the number out, as English does
        if placeholders(text) not in wanted:
            yield f"{english!r} has other placeholders than its translation {text!r}"
        if (english[:1] == "\n", english[-1:] == "\n") != (text[:1] == "\n", text[-1:] == "\n"):
            yield f"{english!r} and its translation {text!r} differ in the line ends around them"
    word = words.get(english.strip().lower())
    if word is not None and not isinstance(message.id, tuple | list):
        accepted = [one.strip().lower() for one in word[language].split(";")]
        if strings(message)[0].strip().lower() not in accepted:
            yield f"{english!r} is {word[language]!r} in the glossary, not {strings(message)[0]!r}"


def check() -> int:
    """Say everything that is wrong; returns the exit code."""
    found, words = [], glossary()
    for package in packages():
        wanted = {key(message): message for message in gathered(package) if message.id}
        for language in LANGUAGES:
            path = po_path(package, language)
            name = path.relative_to(ROOT)
            if not path.exists():
                found += [f"{name} is missing: run `make messages`"] if wanted else []
                continue
            catalog = read(path, language)
            held = {key(message): message for message in catalog if message.id}
            for one in sorted(map(str, wanted.keys() ^ held.keys())):
                found.append(f"{name}: {one} is not in both source and file: run `make messages`")
            for message in held.values():
                found += [f"{name}: {fault}" for fault in faults_of(message, language, words)]
    for line in found:
        print(line, file=sys.stderr)
    print(f"{len(found)} faults in translations" if found else "all words are translated")
    return 1 if found else 0


def main() -> int:
    asked = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    asked.add_argument("what", choices=["extract", "compile", "check"])
    what = asked.parse_args().what
    settings.configure()
    if what == "compile":
        for path in compile_changed():
            print(path.relative_to(ROOT))
        return 0
    return extract() if what == "extract" else check()


if __name__ == "__main__":
    sys.exit(main())
