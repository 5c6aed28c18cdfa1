"""The words of the design system for templates; built in, so that no template loads it. Shown on /console/style/.

Filters: ``number`` ``decimals`` ``register`` ``unit`` ``size`` ``moment`` ``day`` ``clock``.
Tags: ``icon`` ``badge`` ``stat`` ``when`` ``period`` ``bars`` ``progress`` ``crumbs`` ``tabs`` ``pager`` ``sort_header``
``field`` ``param_replace`` ``chart_head`` ``chart_words`` ``live_head``; with a body up to ``end…``: ``card`` ``notice`` ``empty`` ``table`` ``filters`` ``list_view``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django import template
from django.core.paginator import Page
from django.forms import BoundField, CheckboxInput, CheckboxSelectMultiple, HiddenInput, RadioSelect
from django.template.loader import get_template, render_to_string
from django.templatetags.static import static
from django.utils.html import format_html, json_script
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.list_pages import Cell, ShownList
from qala.site.formats import drawing, text, words

register = template.Library()

STATE_ICONS = {
    "ok": "circle-check", "warn": "triangle-alert", "bad": "octagon-x", "info": "info", "mute": "circle",
}  # fmt: skip


# Filters -------------------------------------------------------------------------------------------------------------


@register.filter
def number(value: float | Decimal | None, unit: object = "") -> str:
    """``{{ 1234.5|number:"m3" }}``: localised, with its unit; a missing value is an en dash."""
    return "–" if value is None or value == "" else text.number_text(value, unit)


@register.filter
def decimals(value: float | Decimal | None, places: int) -> Decimal | None:
    """``{{ value|decimals:1|number:"m3" }}``: rounded half to even, zeros kept."""
    return None if value is None or value == "" else round(Decimal(value), int(places))


@register.filter(name="register")
def register_(value: int | str | None, exponent: int = 0) -> str:
    """``{{ reading.value|register:series.exponent }}``: exact decimal text of a register or of a sum of intervals."""
    return "–" if value is None or value == "" else text.register_text(int(value), exponent)


@register.filter
def unit(code: object) -> str:
    """``{{ "m3"|unit }}``: a unit as it is written."""
    return text.unit_text(code)


@register.filter
def size(value: float | None) -> str:
    """``{{ part.bytes|size }}``: ``1.5 KiB``."""
    return "–" if value is None or isinstance(value, str) else text.bytes_text(value)


@register.filter
def moment(value: datetime | None) -> str:
    """An instant in words, in the city's zone: ``5 March 2026, 14:07``."""
    return "–" if not value else text.moment_text(value)


@register.filter
def day(value: date | datetime | None) -> str:
    """A day in words: ``5 March 2026``."""
    return "–" if not value else text.day_text(value)


@register.filter
def clock(value: datetime | None) -> str:
    """A time of day: ``14:07``, in the city's zone."""
    return "–" if not value else text.clock_text(value)


# Tags ----------------------------------------------------------------------------------------------------------------


@register.simple_tag
def icon(name: str, label: str = "", size: str = "") -> SafeString:
    """``{% icon "map" %}``; with a ``label`` it speaks for itself, without one it is silent beside a word."""
    return format_html(
        '<svg class="icon{}" {}><use href="{}#{}"></use></svg>',
        f" {size}" if size else "",
        format_html('role="img" aria-label="{}"', label) if label else SafeString('aria-hidden="true"'),
        static("icons.svg"),
        name,
    )


@register.simple_tag
def badge(state: str, word: object, icon_name: str = "") -> SafeString:
    """``{% badge "warn" "estimated" %}``: a state (``ok warn bad info mute``) by icon and word."""
    return format_html(
        '<span class="badge {}">{}{}</span>', state, icon(icon_name or STATE_ICONS.get(state, "circle")), word
    )


@register.simple_tag(takes_context=True)
def stat(
    context: template.Context,
    value: Any,
    label: object,
    unit: object = "",
    period: object = "",
    n: int | None = None,
    of: object = "",
    href: str = "",
    state: str = "",
    exponent: int | None = None,
) -> SafeString:
    """A number with its unit, its period, the ``n`` values it rests on (``of`` what) and a link to its source.

    ``value`` is a number, ``None`` where there is none, or ready text; with ``exponent`` it is an exact register.
    """
    if value is None or value == "":
        shown = "–"
    elif exponent is not None:
        shown = text.register_text(value, exponent)
    else:
        shown = text.number_text(value) if isinstance(value, int | float | Decimal) else str(value)
    foot = [str(period)] if period else []
    if n is not None:
        foot.append(_("from {n} {of}").format(n=text.number_text(n), of=of or _("values")))
    return render(
        "stat",
        shown=shown, label=label, unit=text.unit_text(unit) if unit else "", foot=" · ".join(foot), href=href, state=state,
        state_icon=STATE_ICONS.get(state, ""),
    )  # fmt: skip


@register.simple_tag(takes_context=True)
def when(context: template.Context, value: datetime | None) -> SafeString | str:
    """An instant as ``<time>``: how long ago within a day, else the moment; the moment on hovering."""
    if not value:
        return "–"
    return _time(value, context.get("now") or SYSTEM_CLOCK.now())


def _time(value: datetime, now: datetime) -> SafeString:
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        value.isoformat(),
        text.moment_text(value),
        text.when_text(value, now),
    )


@register.simple_tag(takes_context=True)
def period(context: template.Context, start: datetime, end: datetime) -> str:
    """A half-open period in words: ``today``, ``yesterday``, ``12–18 May 2026``."""
    return text.period_text(start, end, context.get("now") or SYSTEM_CLOCK.now())


@register.simple_tag
def bars(values: Sequence[float | int | None], label: str) -> SafeString:
    """Bars without axes; ``None`` is a gap. ``label`` says in words what they show."""
    return drawing.bars(list(values), label)


@register.simple_tag
def progress(value: float | None, maximum: float | None, label: object, name: str = "") -> SafeString:
    """A bar of done work; ``maximum=None`` where the end is unknown. ``name`` lets a live stream move it."""
    share = f"{round(100 * (value or 0) / maximum)}{text.NBSP}%" if maximum else ""
    done, full = str(value or 0), str(maximum) if maximum else ""  # texts: an attribute takes no grouped number
    return render("progress", value=done, maximum=full, label=label, name=name, share=share)


@register.simple_tag
def crumbs(*pairs: object) -> SafeString:
    """``{% crumbs _("Devices") devices_url serial %}``: titles each followed by its address, the present page last."""
    steps = [(pairs[i], pairs[i + 1] if i + 1 < len(pairs) else "") for i in range(0, len(pairs), 2)]
    return render("crumbs", steps=steps)


@register.simple_tag(takes_context=True)
def tabs(context: template.Context, entries: Sequence[Mapping[str, Any]], label: object) -> SafeString:
    """Views of one thing as links; an entry is ``{"title", "url", "count"?, "active"?}``."""
    path = context["request"].get_full_path() if "request" in context else ""
    shown = [{**entry, "active": entry.get("active", entry["url"] == path)} for entry in entries]
    return render("tabs", entries=shown, label=label)


@register.simple_tag(takes_context=True)
def param_replace(context: template.Context, **changes: Any) -> str:
    """The page's own address with some parameters changed; ``None`` or ``""`` takes one away. ``page`` falls unless set."""
    query = context["request"].GET.copy()
    for name in ("page", "after"):
        if name not in changes:
            query.pop(name, None)
    for name, value in changes.items():
        if value is None or value == "":
            query.pop(name, None)
        else:
            query[name] = str(value)
    return f"?{query.urlencode()}" if query else "?"


@register.simple_tag(takes_context=True)
def pager(
    context: template.Context,
    page: Page[Any] | None = None,
    previous: str = "",
    next: str = "",
    shown: object = "",
) -> SafeString:
    """Earlier and later of a list: of a ``Page``, or by the addresses of the neighbours (keyset); ``shown`` says where we are."""
    later = next
    if page is not None:
        total = page.paginator.count
        previous = param_replace(context, page=page.previous_page_number()) if page.has_previous() else ""
        later = param_replace(context, page=page.next_page_number()) if page.has_next() else ""
        if total:
            shown = shown or _("{first}–{last} of {total}").format(
                first=text.number_text(page.start_index()),
                last=text.number_text(page.end_index()),
                total=text.number_text(total),
            )
    return render("pager", previous=previous, next=later, shown=shown)


@register.simple_tag(takes_context=True)
def sort_header(
    context: template.Context,
    key: str,
    title: object,
    numeric: bool = False,
    default: str = "",
    parameter: str = "sort",
) -> SafeString:
    """A column's head that sorts by a link: ``?sort=key``, pressed again ``?sort=-key``. ``default`` is the list's own order."""
    now = context["request"].GET.get(parameter, default)
    direction = {key: "ascending", f"-{key}": "descending"}.get(now, "")
    href = param_replace(context, **{parameter: f"-{key}" if now == key else key})
    return render("sort_header", title=title, href=href, direction=direction, numeric=numeric)


@register.simple_tag
def field(bound: BoundField, grow: bool = False) -> SafeString:
    """A form's field with its label, help and errors, joined for screen readers."""
    widget = bound.field.widget
    if isinstance(widget, HiddenInput):
        return SafeString(bound)
    kind = "group" if isinstance(widget, RadioSelect | CheckboxSelectMultiple) else "line"
    return render("field", field=bound, grow=grow, kind="tick" if isinstance(widget, CheckboxInput) else kind)


@register.simple_tag
def chart_words() -> SafeString:
    """The words and formats that charts and live parts speak in; once on a page that holds one."""
    return json_script(words.of_page(), "words")


@register.simple_tag
def chart_head() -> SafeString:
    """What a page with charts needs in its head: styles, words and the script, once."""
    return format_html(
        '<link rel="stylesheet" href="{}"><link rel="stylesheet" href="{}">{}<script type="module" src="{}"></script>',
        static("vendor/uplot/uplot.min.css"), static("css/chart.css"), chart_words(), static("js/chart.js"),
    )  # fmt: skip


@register.simple_tag
def live_head() -> SafeString:
    """What a page with ``data-live`` parts needs in its head; with charts too, ``chart_head`` brings the words."""
    return format_html('<script type="module" src="{}"></script>', static("js/live.js"))


# Tags with a body ----------------------------------------------------------------------------------------------------


@register.simple_block_tag
def card(
    content: SafeString,
    title: object = "",
    icon_name: str = "",
    href: str = "",
    more: object = "",
    kind: str = "",
    level: int = 2,
) -> SafeString:
    """``{% card title=… icon_name="gauge" href=… %}…{% endcard %}``: one answer on raised ground."""
    return render(
        "card",
        content=content,
        title=title,
        icon_name=icon_name,
        href=href,
        more=more or _("Open"),
        kind=kind,
        level=level,
    )


@register.simple_block_tag
def notice(content: SafeString, state: str = "info", title: object = "", role: str = "") -> SafeString:
    """``{% notice "warn" title=… %}…{% endnotice %}``; ``role="status"`` or ``"alert"`` where it appears later."""
    return render(
        "notice", content=content, state=state, title=title, role=role, state_icon=STATE_ICONS.get(state, "info")
    )


@register.simple_block_tag
def empty(content: SafeString, title: object, icon_name: str = "inbox") -> SafeString:
    """``{% empty _("No devices yet") "cpu" %}What will be here and how to begin.{% endempty %}``."""
    return render("empty", content=content, title=title, icon_name=icon_name)


@register.simple_block_tag
def table(content: SafeString, label: object, stacked: bool = False) -> SafeString:
    """``{% table _("Devices") %}<thead>…<tbody>…{% endtable %}``: scrolls in itself, its first column stays.

    With ``stacked=True`` a phone shows each row as a block of its own; ``data-label`` says there what a cell holds.
    """
    return render("table", content=content, label=label, stacked=stacked)


@register.simple_block_tag(takes_context=True)
def filters(context: template.Context, content: SafeString, label: object = "") -> SafeString:
    """A list's filter bar: fields and a button in a form that asks by GET."""
    path = context["request"].path if "request" in context else ""
    return render("filters", content=content, label=label or _("Filter"), path=path)


@register.simple_block_tag(takes_context=True)
def list_view(context: template.Context, content: SafeString, list: ShownList) -> SafeString:
    """``{% list_view list %}What will be here and how to begin.{% endlist_view %}``: a list of ``kernel.list_pages``
    with its search, filters, choice of columns, files, table and pages; the body is said where it holds nothing."""
    count = text.number_text(list.total)
    if list.found.cut:
        counted = _("{n} of many that the words find; add a word to find fewer").format(n=count)
    elif list.found.more:
        counted = _("more than {n} rows").format(n=count)
    else:
        counted = ngettext("{n} row", "{n} rows", list.total).format(n=count)
    return SafeString(
        render_to_string(
            "site/parts/list.html",
            {
                "list": list, "content": content, "lines": _lines(context, list), "path": context["request"].path, "counted": counted,
                "csv": param_replace(context, form="csv"), "xlsx": param_replace(context, form="xlsx"),
                "begin": "" if list.first_page else param_replace(context, after=None),
                "later": param_replace(context, after=list.next) if list.next else "", "now": context.get("now"),
            },
            request=context["request"],
        )
    )  # fmt: skip


def _lines(context: template.Context, list: ShownList) -> SafeString:
    """The lines of a list's table; drawn here, as a template for each cell takes most of a page's time."""
    now = context.get("now") or SYSTEM_CLOCK.now()
    drawn: dict[str, Any] = {one.cell: get_template(one.cell) for one in list.columns if one.cell}
    lines = []
    for row, cells in list.lines:
        parts = []
        for number, cell in enumerate(cells):
            column = cell.column
            if column.cell:
                body = drawn[column.cell].render({"row": row, "value": cell.value, "now": now})
            else:
                body = _cell(cell, now)
            if number == 0:
                parts.append(format_html('<th scope="row">{}</th>', body))
                continue
            kind = "number" if column.numeric else "nowrap" if column.kind in ("instant", "day") else ""
            parts.append(format_html('<td class="{}" data-label="{}">{}</td>', kind, column.title, body))
        lines.append(f"<tr>{''.join(parts)}</tr>")
    return SafeString("\n".join(lines))


def _cell(cell: Cell, now: datetime) -> SafeString | str:
    value, column = cell.value, cell.column
    if value is None or value == "":
        return SafeString('<span class="soft">–</span>')
    mono = " mono" if column.mono else ""
    if cell.link:
        shown = text.number_text(value) if column.kind == "number" else value
        return format_html('<a class="break{}" href="{}">{}</a>', mono, cell.link, shown)
    if column.kind == "number":
        return text.number_text(value, column.unit)
    if column.kind == "instant":
        return _time(value, now)
    if column.kind == "day":
        return text.day_text(value)
    if column.kind == "flag":
        return _("yes") if value else _("no")
    return format_html('<span class="break{}">{}</span>', mono, value)


def render(part: str, **values: Any) -> SafeString:
    return render_to_string(f"site/parts/{part}.html", values)
