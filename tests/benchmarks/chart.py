"""Charts, drawn by hand: how many times each budget is kept, and what more processes bring."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

from tests.benchmarks.figures import Row, Section

_WIDTH: Final = 900
_LEFT: Final = 430
_BAR: Final = 18
_STEP: Final = 28
_TOP: Final = 56
_MOST: Final = 4.0
_KEPT, _BROKEN, _INK, _LINE = "#2f7d5b", "#b3452f", "#24292f", "#8c959f"
_ENGINE, _FLOOR = "#2f7d5b", "#c9ced4"


def budgets_chart(section: Section) -> str:
    """Return the SVG: a bar for every row with a budget, and a line where the budget is."""
    bars = [(row, row.margin) for row in section.rows if row.margin is not None]
    height = _TOP + _STEP * len(bars) + 20
    parts = [
        *_opened(height, "How many times each budget is kept", f"Budgets: {section.title}"),
        f'<text x="{_x(1):.0f}" y="42" text-anchor="middle">the budget</text>',
    ]
    for index, (row, margin) in enumerate(bars):
        parts += _bar(row, margin or 0.0, _TOP + _STEP * index)
    x = _x(1)
    parts.append(
        f'<line x1="{x:.1f}" y1="48" x2="{x:.1f}" y2="{height - 14}" stroke="{_LINE}" '
        'stroke-dasharray="4 3"/>'
    )
    return "\n".join([*parts, "</svg>", ""])


def processes_chart(sections: Sequence[Section]) -> str:
    """Return the SVG: orders per second by how many processes serve them, engine and floor."""
    rows = [(section.title, row) for section in sections for row in section.rows if row.processes]
    most = max([1.0, *(max(row.value, row.floor or 0) for _, row in rows)])
    height = _TOP + (_STEP + 6) * len(rows) + 20
    title = "Orders per second by number of processes"
    parts = [
        *_opened(height, title, title),
        f'<text x="{_LEFT}" y="42">autocard, and the floor below it</text>',
    ]
    for index, (store, row) in enumerate(rows):
        parts += _two_bars(f"{store}, {row.processes}", row, most, _TOP + (_STEP + 6) * index)
    return "\n".join([*parts, "</svg>", ""])


def _opened(height: int, title: str, heading: str) -> list[str]:
    size = f'viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="13"'
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} fill="{_INK}" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="12" y="22" font-size="15" font-weight="bold">{escape(heading)}</text>',
    ]


def _x(margin: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - 150) * min(margin, _MOST) / _MOST


def _bar(row: Row, margin: float, top: int) -> list[str]:
    end, base = _x(margin), top + _BAR - 5
    colour = _KEPT if row.met else _BROKEN
    found = f"{row.ratio:.2f} ×" if row.budget and row.budget.of_ratio else _value(row)
    return [
        f'<text x="{_LEFT - 8}" y="{base}" text-anchor="end">{escape(row.name)}</text>',
        f'<rect x="{_LEFT}" y="{top}" width="{end - _LEFT:.1f}" height="{_BAR}" fill="{colour}"/>',
        f'<text x="{end + 6:.1f}" y="{base}">{escape(found)} ({escape(str(row.budget))})</text>',
    ]


def _two_bars(name: str, row: Row, most: float, top: int) -> list[str]:
    base, half = top + _BAR - 5, _BAR // 2 + 2
    parts = [f'<text x="{_LEFT - 8}" y="{base}" text-anchor="end">{escape(name)}</text>']
    for value, colour, y in ((row.value, _ENGINE, top), (row.floor or 0, _FLOOR, top + half)):
        width = (_WIDTH - _LEFT - 150) * value / most
        parts.append(
            f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="{half}" fill="{colour}"/>'
        )
        parts.append(
            f'<text x="{_LEFT + width + 6:.1f}" y="{y + half - 1}" font-size="11">'
            f"{value:,.0f}</text>"
        )
    return parts


def _value(row: Row) -> str:
    return f"{row.value:.3g} {row.unit}".rstrip()
