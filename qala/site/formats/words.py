"""The words that scripts speak in, in the language of the page; ``js/format.js`` reads them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.templatetags.static import static
from django.utils.formats import get_format
from django.utils.translation import get_language, ngettext, pgettext
from django.utils.translation import gettext as _

from .text import MONTHS, UNITS

# For each language: names of Intl's plural rules, and a number that stands for each.
PLURALS = {"ru": {"one": 1, "few": 2, "many": 5}}
TWO_FORMS = {"one": 1, "other": 2}


def of_page() -> dict[str, Any]:
    """``{key: sentence}``, counted sentences as lists of plural forms, and how numbers and days are written."""
    language = get_language() or "en"
    rules = PLURALS.get(language, TWO_FORMS)

    def forms(sentence: Callable[[int], str]) -> list[str]:
        return [sentence(n) for n in rules.values()]

    return {
        "language": language,
        "plural": list(rules),
        "decimal": get_format("DECIMAL_SEPARATOR"),
        "thousand": get_format("THOUSAND_SEPARATOR"),
        "months": [str(month) for month in MONTHS],
        "day": pgettext("day, month in words, year", "{day} {month} {year}"),
        "days_of_month": pgettext("days of one month", "{first}–{last} {month} {year}"),
        "days_of_year": pgettext("days of one year", "{first} {first_month} – {last} {last_month} {year}"),
        "units": {code: str(unit) for code, unit in UNITS.items()},
        "icons": static("icons.svg"),
        "names": {
            "fall": _("the register fell"),
            "jump": _("jump"),
            "version": _("corrected"),
            "A": _("actual"),
            "E": _("estimated"),
        },
        # charts
        "day_range": _("Day"),
        "week": _("Week"),
        "month": _("Month"),
        "all": _("All"),
        "range": _("Period shown"),
        "earlier": _("Earlier"),
        "later": _("Later"),
        "missing": _("no data"),
        "no_data": _("No data yet."),
        "no_hours": _("The registers lie too far apart for hours."),
        "not_loaded": _("This could not be loaded."),
        "try_again": _("Try again"),
        "table": _("Table"),
        "period": _("Period"),
        "time": _("Time"),
        "value_in": _("Value, {unit}"),
        "quality": _("Quality"),
        "signs": _("Marks"),
        "sum": _("{value} in all"),
        "per_hour": _("{unit} an hour"),
        "per_day": _("{unit} a day"),
        "per_interval": _("{unit} an interval"),
        "to_look_at": _("To look at"),
        "table_cut": _("{n} more rows: choose a shorter period, or download the data."),
        "gap_total": _("{value} over the whole gap"),
        "sum_without": _("{value} without falls and jumps"),
        "hours": forms(lambda n: ngettext("{n} hour", "{n} hours", n)),
        "intervals": forms(lambda n: ngettext("{n} interval", "{n} intervals", n)),
        "missing_intervals": forms(lambda n: ngettext("{n} without data", "{n} without data", n)),
        "rough_intervals": forms(lambda n: ngettext("{n} not measured directly", "{n} not measured directly", n)),
        "readings": forms(lambda n: ngettext("{n} reading", "{n} readings", n)),
        "marks": forms(lambda n: ngettext("{n} mark", "{n} marks", n)),
        "more_marks": forms(lambda n: ngettext("{n} more mark", "{n} more marks", n)),
        "versions": forms(lambda n: ngettext("{n} version", "{n} versions", n)),
        # live parts
        "live": _("Live"),
        "live_again": _("Connected again."),
        "offline": _("No connection. This page continues when it is back."),
        # the map
        "map": _("Map of the city"),
        "nothing_here": _("Nothing in this part of the map."),
        "no_match": _("Nothing matches."),
        "shown": forms(lambda n: ngettext("{n} shown", "{n} shown", n)),
        "cut": _("{shown} of {all}: zoom in or search to see the others."),
        "cluster": forms(lambda n: ngettext("{n} point; press to come closer", "{n} points; press to come closer", n)),
        "cluster_bad": _("one in ten or more: {word}"),
        "no_webgl": _("This browser cannot draw the map. The list holds the same."),
        "open": _("Open"),
        "close": _("Close"),
        "ground_only": _("Districts"),
        "zoom_in": _("Closer"),
        "zoom_out": _("Further away"),
        "sources": _("Sources"),
        "no_value": _("no data"),
        "count": forms(lambda n: ngettext("{n} in all", "{n} in all", n)),
    }
