"""Small drawings that the server makes: bars without axes, for a card or a cell."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

WIDTH, HEIGHT, SPACE = 240, 44, 0.25


def bars(values: Sequence[float | int | None], label: str) -> SafeString:
    """An SVG of bars from zero; ``None`` is a gap (a short grey tick), never a zero. ``label`` says what it shows."""
    known = [value for value in values if value is not None]
    top = max([*known, 0]) or 1
    low = min([*known, 0])
    scale = (HEIGHT - 2) / (top - low)
    step = WIDTH / max(len(values), 1)
    ground = round(1 + top * scale, 2)
    shapes = []
    for index, value in enumerate(values):
        if value is None:
            y, height, kind = ground - 3, 3.0, "gap"
        else:
            height = max(abs(value) * scale, 1.0 if value else 0.5)
            y, kind = (ground - height if value >= 0 else ground), "bar"
        shapes.append(
            (
                kind,
                round(index * step + step * SPACE / 2, 2),
                round(y, 2),
                round(step * (1 - SPACE), 2),
                round(height, 2),
            )
        )
    return format_html(
        '<svg class="bars" viewBox="0 0 {} {}" role="img" aria-label="{}" preserveAspectRatio="none">'
        '{}<line class="ground" x1="0" x2="{}" y1="{}" y2="{}"/></svg>',
        WIDTH, HEIGHT, label,
        format_html_join("", '<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>', shapes),
        WIDTH, ground, ground,
    )  # fmt: skip
