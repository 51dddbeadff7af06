"""The import report: counts, rows, CSV, summary."""

from __future__ import annotations

import csv
import gc
import io
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autocard.importing.report import ImportReport, ReportRow, ReportWriter, RowVerdict


def report_of(rows, **said):
    with ReportWriter() as writer:
        for row in rows:
            writer.add(row.line, row.verdict, row.why, row.shown, row.file)
        return writer.finish(**{"sku": "steam-50", "warehouse": "main", "format": "steam", **said})


ROWS = [
    ReportRow(1, RowVerdict.ADDED),
    ReportRow(2, RowVerdict.ADDED),
    ReportRow(4, RowVerdict.DUPLICATE_IN_FILE, "same as line 1", "=1***Z"),
    ReportRow(5, RowVerdict.ADDED, "full-width characters were normalised"),
    ReportRow(6, RowVerdict.SOLD, "sold on 2026-01-02", "***9", "b.txt"),
    ReportRow(7, RowVerdict.MALFORMED, "not a code"),
]


def test_a_report_has_counts_and_rows():
    """Counts add up, and the rows come back as they were added, as often as wanted."""
    with report_of(ROWS, batch=3, detected="text, utf-8") as report:
        assert (report.added, report.duplicate_in_file, report.sold, report.malformed) == (
            3,
            1,
            1,
            1,
        )
        assert (report.in_stock, report.voided) == (0, 0)
        assert (report.total, report.rejected) == (6, 3)
        for _ in range(2):
            assert list(report.rows()) == ROWS
            assert list(report.rows(problems_only=True)) == [ROWS[2], ROWS[4], ROWS[5]]
        assert (report.batch, report.detected, report.dry_run) == (3, "text, utf-8", False)


def test_two_iterations_at_once():
    """Iterations do not disturb each other."""
    rows = [ReportRow(at, RowVerdict.MALFORMED, "x" * 200) for at in range(1, 3000)]
    with report_of(rows) as report:
        assert list(zip(report.rows(), report.rows(), strict=True)) == [(row, row) for row in rows]


VERDICTS = st.sampled_from(RowVerdict)
TEXT = st.text(max_size=5)


@given(st.lists(st.builds(ReportRow, st.integers(1, 9), VERDICTS, TEXT, TEXT, TEXT)))
def test_any_rows_come_back(rows):
    """Whatever lines and texts were added, they come back in order."""
    with report_of(rows) as report:
        assert list(report.rows()) == rows
        assert report.total == len(rows)


@given(
    st.lists(
        st.tuples(st.lists(st.integers(1, 3), max_size=6), st.sampled_from(["", "a.txt"])),
        max_size=6,
    )
)
def test_plain_rows_come_back_however_they_are_told(blocks):
    """Told of together, with gaps or without, they are the same rows as told of one by one."""
    line, expected = 0, []
    with ReportWriter() as writer:
        for steps, file in blocks:
            lines = []
            for step in steps:
                line += step
                lines.append(line)
            writer.add_plain(lines, file)
            expected += [ReportRow(each, RowVerdict.ADDED, "", "", file) for each in lines]
        report = writer.finish(sku="s", warehouse="main", format="f")
    assert list(report.rows()) == expected
    assert report.added == len(expected)


@pytest.mark.parametrize("step", [1, 2])
def test_plain_rows_take_no_room(step):
    """A million rows that were added are one record."""
    tracemalloc.start()
    with ReportWriter() as writer:
        for line in range(1, 200_000 * step, step):
            writer.add(line, RowVerdict.ADDED)
        report = writer.finish(sku="a", warehouse="main", format="opaque")
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()
    with report:
        assert sum(row.line for row in report.rows()) == sum(range(1, 200_000 * step, step))


def test_many_problems_go_to_disk():
    """A report of many problems does not stay in memory, and nobody has to close it."""
    tracemalloc.start()
    with ReportWriter() as writer:
        for line in range(60_000):
            writer.add(line, RowVerdict.IN_STOCK, "in stock since yesterday", "***1234")
        report = writer.finish(sku="a", warehouse="main", format="opaque")
    assert tracemalloc.get_traced_memory()[1] < 4_000_000
    tracemalloc.stop()
    assert sum(1 for _ in report.rows()) == 60_000
    del report, writer
    gc.collect()


def test_an_abandoned_report_closes_itself():
    """A writer that never finishes leaves no open file."""
    writer = ReportWriter()
    for line in range(60_000):
        writer.add(line, RowVerdict.IN_STOCK, "x" * 50)
    writer.close()
    del writer
    gc.collect()


def test_a_closed_report_keeps_its_counts():
    """After closing, counts and the summary remain and rows are refused."""
    report = report_of(ROWS)
    report.close()
    report.close()
    assert report.total == 6
    assert "line 4" in str(report)
    with pytest.raises(ValueError, match="closed"):
        report.rows()


def test_the_summary():
    """The summary counts, then shows the first twenty problems by line."""
    assert str(report_of(ROWS)).splitlines() == [
        "steam-50 in main: 3 of 6 rows added; 1 duplicate in file, 1 sold, 1 malformed",
        "  line 4: duplicate in file, same as line 1, =1***Z",
        "  b.txt, line 6: sold, sold on 2026-01-02, ***9",
        "  line 7: malformed, not a code",
    ]
    good = [ReportRow(at, RowVerdict.ADDED) for at in range(1, 1201)]
    said = str(report_of(good, dry_run=True))
    assert said == "steam-50 in main: 1,200 of 1,200 rows would be added"
    bad = [ReportRow(at, RowVerdict.MALFORMED) for at in range(1, 31)]
    lines = str(report_of(bad)).splitlines()
    assert len(lines) == 22
    assert lines[-1] == "  and 10 more"


def test_csv_for_a_spreadsheet(tmp_path):
    """The CSV has a BOM, no formulas, and reads back."""
    path = tmp_path / "report.csv"
    report = report_of([*ROWS, *(ReportRow(9, RowVerdict.MALFORMED, why) for why in "+-@\t\r")])
    report.to_csv(path)
    assert path.read_bytes().startswith(b"\xef\xbb\xbffile,line,verdict,why,shown\r\n")
    with path.open(encoding="utf-8-sig", newline="") as file:
        cells = list(csv.reader(file))
    assert cells[3] == ["", "4", "duplicate_in_file", "same as line 1", "'=1***Z"]
    assert [row[3] for row in cells[-5:]] == ["'+", "'-", "'@", "'\t", "'\r"]
    binary = io.BytesIO()
    report.to_csv(binary)
    assert binary.getvalue() == path.read_bytes()
    text = io.StringIO(newline="")
    report.to_csv(text, problems_only=True)
    assert text.getvalue().startswith("file,line")
    assert len(text.getvalue().splitlines()) < len(cells)
    report.close()
    with pytest.raises(ValueError, match="closed"):
        report.to_csv(tmp_path / "never.csv")


def test_a_report_can_be_made_by_hand():
    """A report without rows is a value like any other."""
    one, other = (ImportReport(sku="a", warehouse="main", format="opaque") for _ in range(2))
    assert one == other
    assert list(one.rows()) == []
    assert "spool" not in repr(one)
