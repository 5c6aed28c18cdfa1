"""Texts that people enter in three languages: which one to show."""

from __future__ import annotations

from collections.abc import Mapping

FALL_BACK = {"kk": ("kk", "ru", "en"), "ru": ("ru", "kk", "en"), "en": ("en", "ru", "kk")}


def pick_text(language: str | None, texts: Mapping[str, str]) -> tuple[str, str]:
    """The text to show in a language, and the language it is really in (the two differ where it is not translated).

    Args:
        language: asked language, e.g. ``kk`` or ``ru-kz``; one that is not known falls back as English does.
        texts: texts by language; an empty one counts as missing.

    Returns:
        (text, its language); ``("", "")`` where there is no text at all.
    """
    order = FALL_BACK.get((language or "").lower().split("-")[0], FALL_BACK["en"])
    return next(((texts[key], key) for key in order if texts.get(key)), ("", ""))
