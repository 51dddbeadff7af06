"""What becomes of the figures: a plain table, JSON, charts, and a page with tables between marks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import cattrs
from tests.benchmarks.chart import budgets_chart, processes_chart
from tests.benchmarks.figures import Row, Section

BEGIN: Final = "<!-- figures: begin -->"
END: Final = "<!-- figures: end -->"
_TITLES: Final = ("what", "measured", "floor", "ratio", "budget", "met")
_BUDGETS: Final = "How many times each budget is kept"
_PROCESSES: Final = "Orders per second by number of processes"
_ORDER: Final = ("starting", "sqlite", "postgresql", "mariadb")


def table(sections: Sequence[Section]) -> str:
    """Return all rows as one table for a terminal."""
    cells = [
        (section.title, *_cells(row), str(row.tail or ""))
        for section in sections
        for row in section.rows
    ]
    lines = [("", *_TITLES, "orders"), *cells]
    widths = [max(len(line[at]) for line in lines) for at in range(len(lines[0]))]
    return "\n".join(_aligned(line, widths) for line in lines)


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    store, first, *others, last = cells
    numbers = (cell.rjust(width) for cell, width in zip(others, widths[2:-1], strict=True))
    line = [store.ljust(widths[0]), first.ljust(widths[1]), *numbers, last]
    return "  ".join(line).rstrip()


def _cells(row: Row) -> tuple[str, ...]:
    met = {None: "", True: "yes", False: "NO"}[row.met]
    return (
        row.name,
        f"{_number(row.value)} {row.unit}".rstrip(),
        "" if row.floor is None else _number(row.floor),
        "" if row.ratio is None else f"{row.ratio:.2f} ×",
        "" if row.budget is None else str(row.budget),
        met,
    )


def _number(value: float) -> str:
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def write(folder: Path, sections: Sequence[Section]) -> None:
    """
    Write JSON and chart of every section, and the tables in `index.md`, into *folder*.

    Sections of an earlier run that this one did not measure stay on the page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for section in sections:
        (folder / f"{section.name}.json").write_text(_json(section), encoding="utf-8")
    known = list(_known(folder))
    for section in known:
        _write_chart(folder, section.name, budgets_chart(section))
    _write_chart(folder, "processes", processes_chart(known))
    page = folder / "index.md"
    text = page.read_text("utf-8") if page.exists() else f"# Benchmarks\n\n{BEGIN}\n{END}\n"
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    tables = "\n".join([f"\n![{_PROCESSES}](processes.svg)\n", *map(_page, known)])
    page.write_text(f"{before}{BEGIN}\n{tables}\n{END}{after}", encoding="utf-8")


def _write_chart(folder: Path, name: str, chart: str) -> None:
    (folder / f"{name}.svg").write_text(chart, encoding="utf-8")


def _known(folder: Path) -> Iterator[Section]:
    for name in _ORDER:
        path = folder / f"{name}.json"
        if path.exists():
            yield cattrs.structure(json.loads(path.read_text("utf-8")), Section)


def _json(section: Section) -> str:
    data = {**attrs.asdict(section), "rows": [_row_data(row) for row in section.rows]}
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _row_data(row: Row) -> dict[str, Any]:
    return {**attrs.asdict(row), "met": row.met}


def _page(section: Section) -> str:
    head = [f"| {' | '.join(_TITLES)} | |", "| --- | ---: | ---: | ---: | ---: | --- | --- |"]
    body = [f"| {' | '.join(_cells(row))} | {_remark(row)} |" for row in section.rows]
    told = f"Measured with {section.facts}."
    picture = f"![{_BUDGETS}]({section.name}.svg)"
    return "\n".join([f"## {section.title}", "", picture, "", *head, *body, "", told, ""])


def _remark(row: Row) -> str:
    against = "" if row.against == "floor" or row.ratio is None else f"against {row.against}"
    return "; ".join(text for text in (against, str(row.tail or ""), row.note) if text)
