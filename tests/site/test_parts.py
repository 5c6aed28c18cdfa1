"""The words of the design system: what templates may rely on."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.paginator import Paginator
from django.template import engines
from django.test import RequestFactory
from django.utils import translation

import qala
from qala.kernel.plug import declared
from qala.site.staticstore import Store

NOW = datetime(2026, 3, 5, 9, 7, tzinfo=UTC)
HOUSE = Path(qala.__file__).parent
SPRITE = (HOUSE / "site/static/icons.svg").read_text()
SPRITED = set(re.findall(r'<symbol id="([^"]+)"', SPRITE))


def shown(source: str, query: str = "", **context: Any) -> str:
    """A template's text, on one line."""
    request = RequestFactory().get(f"/list/{query}")
    with translation.override("en"):
        html = engines["django"].from_string(source).render({"now": NOW, **context}, request)
    return re.sub("[ \\n]+", " ", html).strip()


def test_a_stat_says_what_it_rests_on() -> None:
    html = shown('{% stat 1234.5 "Use" unit="m3" period="yesterday" n=19871 of="meters" href="/source/" %}')
    assert '<a href="/source/">1,234.5</a>' in html
    assert '<span class="unit">m³</span>' in html
    assert "yesterday · from 19,871 meters" in html


def test_a_stat_of_a_register_is_exact_and_a_missing_one_is_a_dash() -> None:
    assert "9,007,199,254,740.993" in shown('{% stat value "Register" exponent=-3 %}', value=9_007_199_254_740_993)
    assert "<span>–</span>" in shown('{% stat value "Register" %}', value=None)


def test_values_are_escaped() -> None:
    bad = '<b>"&'
    html = shown(
        '{% stat bad bad unit=bad %}{% badge "ok" bad %}{% card title=bad %}{{ bad }}{% endcard %}{% crumbs bad "/" bad %}'
        '{% bars values bad %}{% notice "bad" title=bad %}{{ bad }}{% endnotice %}{% icon "map" bad %}',
        bad=bad, values=[1],
    )  # fmt: skip
    assert "<b>" not in html


def test_bars_leave_a_gap_where_nothing_is_known() -> None:
    html = shown('{% bars values "Use" %}', values=[0, 3, None, -2])
    assert html.count('class="gap"') == 1
    assert html.count('class="bar"') == 3
    assert "style=" not in html


def test_parameters_are_replaced_and_pages_fall() -> None:
    assert shown("{% param_replace sort='-seen' %}", "?q=a%20b&page=3&sort=seen") == "?q=a+b&amp;sort=-seen"
    assert shown("{% param_replace page=4 q=None %}", "?q=a&page=3") == "?page=4"
    assert shown("{% param_replace q='' %}", "?q=a") == "?"


def test_a_sorted_column_says_so_and_turns() -> None:
    head = shown('{% sort_header "seen" "Last seen" %}', "?sort=seen&page=2")
    assert 'aria-sort="ascending"' in head
    assert 'href="?sort=-seen"' in head
    assert "aria-sort" not in shown('{% sort_header "name" "Name" %}', "?sort=seen")
    assert 'aria-sort="ascending"' in shown('{% sort_header "name" "Name" default="name" %}')


def test_the_pager_of_a_page() -> None:
    html = shown("{% pager page %}", "?q=x&page=2", page=Paginator(range(130), 50).get_page(2))
    assert "51–100 of 130" in html
    assert 'rel="prev" href="?q=x&amp;page=1"' in html
    assert 'rel="next" href="?q=x&amp;page=3"' in html


def test_progress_takes_no_grouped_number() -> None:
    html = shown('{% progress 431000 674019 "readings.csv" "rows" %}')
    assert 'max="674019" value="431000"' in html
    assert "64\u00a0%" in shown('{% progress 431000 674019 "readings.csv" %}')
    assert "max=" not in shown('{% progress 0 None "waiting" %}')


def test_every_icon_that_is_named_is_in_the_sprite() -> None:
    """Literal names of templates, scripts and plugs; a new one is added to ``ICONS`` in ``tools/vendor.py``."""
    named = set()
    for path in [*HOUSE.rglob("*.html"), *(HOUSE / "site/static/js").glob("*.js"), *HOUSE.rglob("templatetags/*.py")]:
        source = path.read_text()
        named |= set(re.findall(r'\{% icon "([a-z0-9-]+)"', source))
        named |= set(re.findall(r'icon_name="([a-z0-9-]+)"', source))
        named |= set(re.findall(r'\bicon\("([a-z0-9-]+)"\)', source))
        named |= set(re.findall(r'\{% empty [^%]*" "([a-z0-9-]+)" %\}', source))
        named |= set(re.findall(r'\{% badge "\w+" [^%]*\s"([a-z0-9-]+)" %\}', source))
    named |= {entry.icon for entry in declared("menu")}
    named -= {"…"}
    assert named - SPRITED == set()


def test_templates_hold_nothing_that_the_policy_stops() -> None:
    """No style attribute, no inline script or style, no handler attribute; anywhere in the house."""
    stopped = re.compile(
        r"<style\b|\sstyle=|\son[a-z]+=\"|<script(?![^>]*\b(?:src|type=\"application/json\")\b)|javascript:", re.I
    )
    found = [
        f"{path.relative_to(HOUSE)}: {match.group()}"
        for path in HOUSE.rglob("templates/**/*.html")
        for match in stopped.finditer(path.read_text())
    ]
    assert found == []


@pytest.mark.parametrize("state", ["ok", "warn", "bad", "info", "mute"])
def test_a_state_is_an_icon_and_a_word(state: str) -> None:
    html = shown('{% badge state "word" %}', state=state)
    name = re.search(r"#([a-z-]+)\"", html)
    assert name is not None
    assert name[1] in SPRITED
    assert "word" in html


def test_static_names_before_anything_was_collected(tmp_path: Path) -> None:
    store = Store(location=str(tmp_path), base_url="/static/")
    assert store.url("css/base.css") == "/static/css/base.css"


def test_a_collected_manifest_is_strict(tmp_path: Path) -> None:
    (tmp_path / "staticfiles.json").write_text('{"version": "1.1", "paths": {"a.css": "a.123.css"}, "hash": ""}')
    store = Store(location=str(tmp_path), base_url="/static/")
    assert store.url("a.css") == "/static/a.123.css"
    with pytest.raises(ValueError, match=r"b\.css"):
        store.url("b.css")
