"""Bars as SVG: groups of them, each with its value written beside it.

Owns the drawing. It must not know what is measured.
**Invariant: the same figures give the same bytes; lengths are in proportion to the values; what was not measured has no
bar.**
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, MARGIN, LABEL, VALUE = 760, 16, 150, 64
BAR, GAP, GROUP_GAP, TITLE, GROUP = 16, 4, 14, 30, 20
COLOURS = ("#1a73e8", "#9aa0a6", "#f29900", "#d93025", "#9334e6")
FONT = "font-family='system-ui,sans-serif' font-size='13'"


def bars(title: str, unit: str, groups: Mapping[str, Mapping[str, float | None]], series: Sequence[str]) -> str:
    """Horizontal bars; `groups` has the values of each group by the name of the series."""
    shown = {group: [(name, values.get(name)) for name in series] for group, values in groups.items()}
    measured = [value for row in shown.values() for _, value in row if value is not None]
    scale = (WIDTH - 2 * MARGIN - LABEL - VALUE) / max(measured, default=1.0)
    lines, top = [_text(MARGIN, MARGIN + 10, title, "font-weight='600'")], TITLE + MARGIN
    for group, row in shown.items():
        lines.append(_text(MARGIN, top + 12, group, "font-weight='600'"))
        top += GROUP
        for name, value in row:
            if value is None:
                continue
            colour = COLOURS[series.index(name) % len(COLOURS)]
            length = max(1.0, value * scale)
            lines.append(_text(MARGIN + LABEL - 8, top + 12, name, "text-anchor='end'"))
            lines.append(f"<rect x='{MARGIN + LABEL}' y='{top}' width='{length:.1f}' height='{BAR}' fill='{colour}'/>")
            lines.append(_text(MARGIN + LABEL + length + 6, top + 12, f"{_short(value)}{unit}", ""))
            top += BAR + GAP
        top += GROUP_GAP
    head = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {top}' role='img' {FONT}>"
    background = f"<rect width='{WIDTH}' height='{top}' fill='#fff'/>"
    return "\n".join([head, f"<title>{escape(title)}</title>", background, *lines, "</svg>"]) + "\n"


def _text(x: float, y: float, text: str, more: str) -> str:
    return f"<text x='{x:.0f}' y='{y:.0f}' fill='#202124' {more}>{escape(text)}</text>".replace(" >", ">")


def _short(value: float) -> str:
    """Three digits, and all those before the point."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
