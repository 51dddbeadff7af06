"""Order files: which orders come out of which bytes, and what is said about the others."""

from __future__ import annotations

import csv
import io
import logging
import random
import re
import sys
import zipfile
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autocard.adapters import order_file as order_file_package
from autocard.adapters.order_file import OrderFileOptions, OrderFilePlatform, tables
from autocard.adapters.order_file.options import HEADINGS
from autocard.adapters.order_file.tables import cleaned
from autocard.adapters.order_file.translate import orders_from_bytes
from autocard.spi import Money, RejectedError, TransientError

_HEADING = "订单号,商品,数量,单价,实付,付款时间,买家,联系方式,充值账号"
_ROW = "A1001,Steam 50,2,50.00,100.00,2026-11-22 18:30:00,u1,u1@example.com,acc-1"
_PAGE = Path(__file__).parents[3] / "docs" / "adapters" / "order_file.md"


def _options(**more):
    return OrderFileOptions(**{"inbox": "inbox", "outbox": "outbox", **more})


def _read(text, suffix=".csv", **more):
    raw = text if isinstance(text, bytes) else text.encode()
    return orders_from_bytes(raw, suffix, _options(**more))


def _problems(text, suffix=".csv", **more):
    orders, problems = _read(text, suffix, **more)
    assert orders == []
    return [(problem.row, problem.column, problem.text) for problem in problems]


def _workbook(*rows):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


@pytest.fixture(name="platform")
def _platform(tmp_path):
    for name in ("inbox", "outbox"):
        (tmp_path / name).mkdir()
    return OrderFilePlatform(_options(inbox=tmp_path / "inbox", outbox=tmp_path / "outbox"), None)


# --- reading ------------------------------------------------------------------------------------


def test_package_registers_the_platform():
    """The hook offers the platform under its adapter name."""
    offered = []
    registry = type("R", (), {"platform": lambda _self, adapter: offered.append(adapter)})()
    order_file_package.autocard_register(registry)
    assert [adapter.name for adapter in offered] == ["order_file"]


def test_full_row_becomes_an_order():
    """Every known column finds its place."""
    (order,), problems = _read(f"{_HEADING}\n{_ROW}\n")
    assert problems == []
    assert (order.platform, order.order_no, order.buyer.id) == ("order_file", "A1001", "u1")
    assert order.buyer.contact == "u1@example.com"
    assert order.payment.paid == Money("100.00", "CNY")
    assert order.payment.paid_at == datetime(2026, 11, 22, 10, 30, tzinfo=UTC)
    (line,) = order.lines
    assert (line.item, line.quantity, line.target) == ("Steam 50", 2, "acc-1")
    assert line.unit_price == Money("50.00", "CNY")


def test_english_headings_and_currency():
    """English headings are known; a currency column decides what the amounts are."""
    text = (
        'Order No.,Item,Qty,Unit Price (USD),Amount Paid,Currency\nA1,x,3,"1,000.10",3000.30,usd\n'
    )
    (order,), _ = _read(text)
    assert order.payment.paid == Money("3000.30", "USD")
    assert order.lines[0].unit_price == Money("1000.10", "USD")


def test_own_headings_replace_the_known_ones():
    """A heading from the settings is used, and the known ones of that column are not."""
    text = "订单号,商品,商品编号,实付\nA1,Steam,1024,5\n"
    (order,), _ = _read(text, columns={"item": "商品编号"})
    assert order.lines[0].item == "1024"


def test_rows_of_one_order_become_its_lines():
    """Rows with the same order number are lines in their order, wherever they stand."""
    text = "订单号,商品,数量,实付,买家\nA1,x,1,30,u1\nA2,y,1,9,\nA1,z,2,,\n\n"
    (first, second), _ = _read(text)
    assert [line.item for line in first.lines] == ["x", "z"]
    assert (first.order_no, second.order_no, first.buyer.id) == ("A1", "A2", "u1")
    assert first.payment.paid == Money(30, "CNY")


def test_shares_of_rows_are_added_up():
    """With paid_is = "row" the payment is the sum of the rows."""
    (order,), _ = _read("订单号,商品,实付\nA1,x,0.10\nA1,y,0.20\n", paid_is="row")
    assert order.payment.paid.amount == Decimal("0.30")


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gb18030"]
)
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_encodings_and_delimiters_are_detected(encoding, delimiter):
    """Whatever spreadsheets save in China is read."""
    text = f"{_HEADING}\r\n{_ROW}\r\n".replace(",", delimiter)
    (order,), problems = _read(text.encode(encoding))
    assert problems == []
    assert order.lines[0].item == "Steam 50"


def test_big_endian_with_a_mark_is_read():
    """UTF-16 with a big-endian mark is read."""
    raw = b"\xfe\xff" + f"{_HEADING}\n{_ROW}\n".encode("utf-16-be")
    assert len(_read(raw)[0]) == 1


def test_tsv_is_always_read_with_tabs():
    """In a .tsv file commas are text."""
    (order,), _ = _read("订单号\t商品,,,,\t实付\n", ".tsv")[0] or ((None,), None)
    assert order is None
    (order,), _ = _read("订单号\t商品\t实付\nA1\ta,b\t5\n", ".tsv")
    assert order.lines[0].item == "a,b"


def test_workbook_is_read():
    """The first sheet of an XLSX workbook is read, with numbers and times as a person sees them."""
    raw = _workbook(
        ["订单号", "商品", "数量", "单价", "实付", "付款时间", "充值账号"],
        [123456789012345, "Steam 50", 3, 19.9, 19.9 * 3, datetime(2026, 1, 2, 3, 4), 13800138000],  # noqa: DTZ001 - sheets know no zone
        ["A2", "x", 1.0, 5, "5.00", date(2026, 1, 2), True],
    )
    (first, second), problems = _read(raw, ".xlsx")
    assert problems == []
    assert first.order_no == "123456789012345"
    assert first.payment.paid == Money("59.70", "CNY")
    assert first.payment.paid_at == datetime(2026, 1, 1, 19, 4, tzinfo=UTC)
    assert first.lines[0].target == "13800138000"
    assert second.lines[0].target == "TRUE"
    assert second.payment.paid_at == datetime(2026, 1, 1, 16, 0, tzinfo=UTC)


def test_rows_of_a_workbook_have_the_numbers_a_spreadsheet_shows():
    """Blank rows count, so that a report leads to the right row."""
    raw = _workbook(["", "x"], [], ["订单号", "商品", "实付"], [], ["A1", "x", "much"])
    assert _problems(raw, ".xlsx")[0][2].startswith("no column is order_no")
    raw = _workbook([], ["订单号", "商品", "实付"], [], ["A1", "x", "much"])
    assert [problem[:2] for problem in _problems(raw, ".xlsx")] == [(4, "paid")]


def test_numbers_that_lost_digits_are_refused():
    """A number of more than 15 digits has lost some in the sheet, and 1.23E+15 in the CSV."""
    raw = _workbook(["订单号", "商品", "实付"], [1234567890123456, "x", 5])
    assert "format the column as text" in _problems(raw, ".xlsx")[0][2]
    assert "format the column as text" in _problems("订单号,商品,实付\n1.23457E+15,x,5\n")[0][2]


@pytest.mark.parametrize(
    ("cell", "clean"),
    [
        ('="0012"', "0012"),
        ("'0012", "0012"),
        ("0012\t", "0012"),
        ("'90s", "90s"),
        ("'a", "'a"),
        ('="', '="'),
        ("", ""),
        (" x ", "x"),
        ("'=1", "=1"),
    ],
)
def test_disguises_of_digits_are_taken_off(cell, clean):
    """What exports wrap around digits is taken off; other text stays."""
    assert cleaned(cell) == clean


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("5", "5"),
        ("1,234.50", "1234.50"),
        ("¥9.90", "9.90"),
        ("￥9.9元", "9.9"),
        ("１２．５", "12.5"),
    ],
)
def test_amounts_are_exact(text, amount):
    """Amounts are read exactly, with the signs people use."""
    (order,), _ = _read(f'订单号,商品,实付\nA1,x,"{text}"\n')
    assert order.payment.paid.amount == Decimal(amount)


@pytest.mark.parametrize(
    "text", ["-5", "9,90", "1.005", "$5", "5 USD", "1e3", "五", "NaN", "1,23,456", "9" * 16, "."]
)
def test_other_amounts_are_refused(text):
    """What is not surely an amount is refused, never rounded, and not quoted."""
    ((row, column, message),) = _problems(f'订单号,商品,实付\nA1,x,"{text}"\n')
    assert (row, column) == (2, "paid")
    assert text not in message or len(text) == 1


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-22 18:30:05", "2026-11-22T10:30:05+00:00"),
        ("2026/1/2 9:05", "2026-01-02T01:05:00+00:00"),
        ("2026年1月2日 9:05", "2026-01-02T01:05:00+00:00"),
        ("2026年1月2日9:05", "2026-01-02T01:05:00+00:00"),
        ("2026.01.02", "2026-01-01T16:00:00+00:00"),
        ("2026-11-22T18:30:05.123Z", "2026-11-22T18:30:05+00:00"),
        ("2026-11-22 18:30:05 -0500", "2026-11-22T23:30:05+00:00"),
        ("2026-11-22 18:30:05+05:30", "2026-11-22T13:00:05+00:00"),
    ],
)
def test_times_are_read(text, moment):
    """Times are read in the ways platforms write them; without an offset the setting's counts."""
    (order,), _ = _read(f"订单号,商品,实付,付款时间\nA1,x,5,{text}\n")
    assert order.payment.paid_at.isoformat() == moment


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "2026-02-30",
        "2026-1-118:30",
        "0000-01-01",
        "0001-01-01",
        "2026-01-01 25:00",
        "2026-01-01 10:00 +99:00",
        "01/02/2026",
    ],
)
def test_other_times_are_refused(text):
    """What is no time, or not surely which, is refused."""
    ((row, _, message),) = _problems(f"订单号,商品,实付,付款时间\nA1,x,5,{text}\n")
    assert row == 2
    assert text not in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (0, "", "the file is empty")),
        ("\n \n", (0, "", "the file is empty")),
        ("a,b\n1,2\n", (0, "", "no column is order_no; expected a heading such as 订单号")),
        ("订单号,商品\nA1,x\n", (0, "", "no column is paid")),
        ("订单号,订单编号,商品,实付\n", (0, "", "several columns could be order_no")),
        ('订单号,商品,实付\nA1,"x,5\n', (0, "", "not sound CSV")),
        ("订单号,商品,实付\nA1,x,5\nA2,y", (0, "", "breaks off")),
        ("订单号,商品,实付\nA1,x\x00,5\n", (0, "", "zero bytes")),
        (b"\xff\xfe\x00", (0, "", "neither UTF-8")),
        (b"\x81\xff\x81", (0, "", "neither UTF-8")),
        ("订单号,商品,实付\n,x,5\n", (2, "order_no", "blank")),
        ("订单号,商品,实付\nA1,,5\n", (2, "item", "blank")),
        ("订单号,商品,实付\nA1,x,\n", (2, "paid", "blank")),
        ("订单号,商品,数量,实付\nA1,x,,5\n", (2, "quantity", "blank")),
        ("订单号,商品,数量,实付\nA1,x,1.5,5\n", (2, "quantity", "whole number")),
        ("订单号,商品,数量,实付\nA1,x,0,5\n", (2, "", "quantity: must be 1 to 10,000")),
        ("订单号,商品,实付,币种\nA1,x,5,dollars\n", (2, "currency", "ISO 4217")),
        ("订单号,商品,实付\nA1,x,5\nA1,y,6\n", (3, "paid", 'set paid_is = "row"')),
        ("订单号,商品,实付,买家\nA1,x,5,u1\nA1,y,5,u2\n", (3, "buyer_id", "differs")),
        ("订单号,商品,实付\n" + "A" * 129 + ",x,5\n", (2, "", "order_no: must have 1 to 128")),
        ("订单号,商品,实付\n" + "A1,x,5\n" * 101, (2, "", "lines: must be at most 100")),
    ],
)
def test_each_problem_has_its_row_and_words(text, expected):
    """A refused file says where and what, one problem at a time."""
    ((row, column, message),) = _problems(text)
    assert (row, column) == expected[:2]
    assert expected[2] in message


def test_currencies_name_renminbi():
    """The Chinese name and the old code of the renminbi are CNY."""
    (first, second), _ = _read("订单号,商品,实付,币种\nA1,x,5,人民币\nA2,x,5,rmb\n")
    assert first.payment.paid == second.payment.paid == Money(5, "CNY")


@pytest.mark.parametrize(
    ("rows", "message"),
    [("A1,x,5,CNY\nA1,y,,CNY\n", "blank"), ("A1,x,5,CNY\nA1,y,5,USD\n", "do not add up")],
)
def test_shares_that_do_not_add_up_are_refused(rows, message):
    """A blank share or another currency within one order is a problem of that row."""
    ((row, column, text),) = _problems(f"订单号,商品,实付,币种\n{rows}", paid_is="row")
    assert (row, column) == (3, "paid")
    assert message in text


def test_every_problem_is_listed_and_nothing_is_taken():
    """One bad row refuses the whole file; all problems are listed, up to a thousand."""
    text = "订单号,商品,实付\nA1,x,5\n" + ",x,much\n" * 900
    problems = _problems(text)
    assert len(problems) == 1000
    assert problems[0][0] == 3


def test_large_files_are_refused(monkeypatch):
    """Too many rows or bytes are refused before they cost memory."""
    assert "more than 2 rows" in _problems("订单号,商品,实付\n" + "A1,x,5\n" * 3, max_rows=2)[0][2]
    monkeypatch.setattr(tables, "MAX_BYTES", 10)
    assert "split it" in _problems("订单号,商品,实付\n")[0][2]


_SHEET = "xl/worksheets/sheet1.xml"


def _with_cell(cell, *, moved_to=_SHEET):
    """Return a workbook with the XML *cell* behind its last one, its sheet perhaps elsewhere."""
    buffer = io.BytesIO()
    sound = zipfile.ZipFile(io.BytesIO(_BOOK))
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sound.namelist():
            part = sound.read(name).replace(_SHEET.encode(), moved_to.encode())
            part = part.replace(b"</row></sheetData>", cell + b"</row></sheetData>")
            archive.writestr(moved_to if name == _SHEET else name, part)
    return buffer.getvalue()


@pytest.fixture(name="unopened")
def _unopened(monkeypatch):
    import python_calamine

    def opened(*_):
        pytest.fail("the workbook reached its reader, which would have ended the process")

    fake = type("Fake", (), {"from_filelike": staticmethod(opened)})
    monkeypatch.setattr(python_calamine, "CalamineWorkbook", fake)


@pytest.mark.usefixtures("unopened")
@pytest.mark.parametrize(
    "cell",
    [
        b'<c r="XFD1048576"><v>1</v></c>',
        b"<c r='XFD1048576'><v>1</v></c>",
        b'<c r="xfd1048576"><v>1</v></c>',
        b'<c t="n" r = "XFD1048576"><v>1</v></c>',
        b'</row><row r="1048576">' + b"<c/>" * 100,
    ],
)
@pytest.mark.parametrize("place", [_SHEET, "xl/sheets/one.xml"])
def test_cells_far_out_do_not_cost_memory(cell, place):
    """A cell at the far end, however it is written, is refused before the reader makes room."""
    told = _problems(_with_cell(cell, moved_to=place), ".xlsx")[0][2]
    assert "more than 20,000,000 cells" in told


@pytest.mark.usefixtures("unopened")
def test_what_a_workbook_unpacks_to_is_counted(monkeypatch):
    """The sizes that the archive declares are not believed."""
    raw = bytearray(_with_cell(b" " * 3_000_000))
    at = raw.rindex(_SHEET.encode()) - 46 + 24  # of the size in the central directory
    raw[at : at + 4] = (10).to_bytes(4, "little")
    monkeypatch.setattr(tables, "_MAX_UNPACKED", 1_000_000)
    told = _problems(bytes(raw), ".xlsx")[0][2]
    assert told == "the workbook unpacks to more than 1,000,000 bytes; split it"


def test_a_sheet_of_another_shape_is_no_table():
    """A sheet with far more columns or rows than a table is refused."""
    wide = _problems(_with_cell(b'<c r="XFD2"><v>1</v></c>'), ".xlsx")[0][2]
    assert "beyond 100000 rows or 100 columns" in wide
    long = _with_cell(b'</row><row r="200000"><c r="A200000"><v>1</v></c>')
    assert _problems(long, ".xlsx")[0][2] == wide


def test_missing_reader_of_workbooks_is_explained(monkeypatch):
    """Without the extra package a report says how to install it."""
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    assert r"autocard[xlsx]" in _problems(_workbook(["订单号"]), ".xlsx")[0][2]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_interrupts_pass(monkeypatch, error):
    """Only the reader's own failures are caught; an interrupt stays one."""

    class Interrupted:
        def from_filelike(self):
            raise error

    import python_calamine

    monkeypatch.setattr(python_calamine, "CalamineWorkbook", Interrupted)
    monkeypatch.setattr(Interrupted, "from_filelike", staticmethod(_raising(error)))
    with pytest.raises(error):
        _read(_workbook(["订单号"]), ".xlsx")


def _raising(error):
    def fail(*_args):
        raise error

    return fail


def test_readers_panic_is_a_report(monkeypatch):
    """A panic of the native reader, which is no Exception, becomes a report too."""
    import python_calamine

    class Panic(BaseException):
        pass

    fake = type("Fake", (), {"from_filelike": staticmethod(_raising(Panic))})
    monkeypatch.setattr(python_calamine, "CalamineWorkbook", fake)
    assert "cannot be read" in _problems(_workbook(["订单号"]), ".xlsx")[0][2]


_SUFFIX = st.sampled_from([".csv", ".tsv", ".txt", ".xlsx"])
_CELL = st.sampled_from(["", "A1", "x", "5", "1.23E+15", '"', "=1", "订单", "2026-1-1"]) | st.text()


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(raw=st.binary(max_size=400), suffix=_SUFFIX)
def test_arbitrary_bytes_give_a_report(raw, suffix):
    """Any bytes at all give orders or problems, never an exception."""
    orders, problems = _read(raw, suffix)
    assert bool(orders) != bool(problems) or not raw.strip()


@settings(max_examples=100)
@given(
    headings=st.lists(st.sampled_from([names[0] for names in HEADINGS.values()]), max_size=8),
    rows=st.lists(st.lists(_CELL, max_size=9), max_size=5),
    encoding=st.sampled_from(["utf-8", "utf-16", "gb18030"]),
    paid_is=st.sampled_from(["order", "row"]),
)
def test_arbitrary_tables_give_a_report(headings, rows, encoding, paid_is):
    """Any table below known headings gives orders or problems, and problems quote no long cell."""
    buffer = io.StringIO()
    csv.writer(buffer).writerows([["订单号", "商品", "实付", *headings], *rows])
    raw = buffer.getvalue().encode(encoding, "replace")
    orders, problems = _read(raw, paid_is=paid_is)
    assert not (orders and problems)
    messages = " ".join(problem.text for problem in problems)
    assert not any(cell in messages for row in rows for cell in row if len(cell) > 12)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), cuts=st.integers(0, 6))
def test_damaged_workbooks_give_a_report(seed, cuts):
    """A workbook with bytes changed in its parts gives orders or problems, never an exception."""
    chance = random.Random(seed)
    buffer = io.BytesIO()
    sound = zipfile.ZipFile(io.BytesIO(_BOOK))
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sound.namelist():
            part = bytearray(sound.read(name))
            for _ in range(cuts if part else 0):
                part[chance.randrange(len(part))] = chance.randrange(256)
            archive.writestr(name, bytes(part))
    raw = bytearray(buffer.getvalue())
    for _ in range(chance.randrange(3)):
        raw[chance.randrange(len(raw))] = chance.randrange(256)
    orders, problems = _read(bytes(raw), ".xlsx")
    assert bool(orders) != bool(problems)


_BOOK = _workbook(["订单号", "商品", "实付"], ["A1", "x", 5])


# --- the inbox ----------------------------------------------------------------------------------


def test_sound_files_are_taken_and_stay(platform):
    """Orders of all sound files come out in the order of the names, and the files stay."""
    inbox = platform.options.inbox
    (inbox / "b.csv").write_text("订单号,商品,实付\nB,x,5\n", "utf-8")
    (inbox / "a.XLSX").write_bytes(_BOOK)
    (inbox / "c.tsv").write_text("订单号\t商品\t实付\nC\tx\t5\n", "utf-8")
    for _ in range(2):
        assert [order.order_no for order in platform.fetch(None)] == ["A1", "B", "C"]
    assert sorted(path.name for path in inbox.iterdir()) == ["a.XLSX", "b.csv", "c.tsv"]


def test_late_file_with_old_orders_is_not_overlooked(platform):
    """The time that is asked from does not hide an order."""
    (platform.options.inbox / "a.csv").write_text(f"{_HEADING}\n{_ROW}\n", "utf-8")
    since = datetime.now(UTC) + timedelta(days=3650)
    assert len(list(platform.fetch(since))) == 1


def test_bad_file_is_reported_and_does_not_stop_the_others(platform, caplog):
    """A refused file gets a report that a spreadsheet opens; mended, it loses the report."""
    inbox = platform.options.inbox
    (inbox / "a.csv").write_text("订单号,商品,实付\nA1,x,canary\nA2,,5\n", "utf-8")
    (inbox / "b.csv").write_text("订单号,商品,实付\nB,x,5\n", "utf-8")
    with caplog.at_level(logging.WARNING):
        assert [order.order_no for order in platform.fetch(None)] == ["B"]
    report = inbox / "rejected" / "a.csv.errors.csv"
    text = report.read_bytes().decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows[0] == ["row", "column", "problem"]
    assert [row[:2] for row in rows[1:]] == [["2", "paid"], ["3", "item"]]
    assert "canary" not in text + caplog.text
    assert "a.csv" in caplog.text
    assert report.stat().st_mode & 0o777 == 0o600
    inode = report.stat().st_ino
    list(platform.fetch(None))
    assert report.stat().st_ino == inode
    (inbox / "a.csv").write_text("订单号,商品,实付\nA1,x,5\n", "utf-8")
    assert [order.order_no for order in platform.fetch(None)] == ["A1", "B"]
    assert not report.exists()


def test_an_order_with_other_lines_than_before_is_reported_alone(platform):
    """Of two tables that contradict each other the first counts; the rest of both is served."""
    inbox = platform.options.inbox
    heading = "订单号,商品,数量,实付,联系方式\n"
    (inbox / "a.csv").write_text(f"{heading}A1,x,2,5,\nA2,x,1,5,\n", "utf-8")
    (inbox / "b.csv").write_text(f"{heading}A2,x,1,5,u@example.com\nA1,x,3,5,\nB,x,1,5,\n", "utf-8")
    for _ in range(2):
        orders = [(order.order_no, order.lines[0].quantity) for order in platform.fetch(None)]
        assert orders == [("A1", 2), ("A2", 1), ("A2", 1), ("B", 1)]
    report = inbox / "rejected" / "b.csv.errors.csv"
    assert '3,order_no,"another table of the inbox has' in report.read_text("utf-8-sig")
    (inbox / "a.csv").unlink()
    assert [order.order_no for order in platform.fetch(None)] == ["A2", "A1", "B"]
    assert not report.exists()


def test_other_entries_are_left_alone(platform):
    """Directories, links, hidden, half-copied and lock files are not read."""
    inbox = platform.options.inbox
    (inbox / "d.csv").mkdir()
    (inbox / "target").write_text("订单号,商品,实付\nB,x,5\n", "utf-8")
    (inbox / "link.csv").symlink_to(inbox / "target")
    for name in (".hidden.csv", "~$a.xlsx", "a.csv.part", "notes.md", "csv"):
        (inbox / name).write_text("x")
    assert list(platform.fetch(None)) == []
    assert not (inbox / "rejected").exists()


def test_missing_inbox_is_refused_at_once(tmp_path):
    """A missing inbox is an error when fetch is called, not an empty list."""
    platform = OrderFilePlatform(_options(inbox=tmp_path / "none"), None)
    with pytest.raises(RejectedError, match="inbox"):
        platform.fetch(None)


def test_unwritable_report_is_told_after_the_orders(platform):
    """When a report cannot be written, the sound orders come first and the error last."""
    inbox = platform.options.inbox
    (inbox / "a.csv").write_text("x")
    (inbox / "b.csv").write_text("订单号,商品,实付\nB,x,5\n", "utf-8")
    (inbox / "rejected").write_text("in the way")
    orders = platform.fetch(None)
    assert next(orders).order_no == "B"
    with pytest.raises(TransientError, match=r"'a\.csv'"):
        next(orders)


def test_file_that_changes_while_it_is_read_waits(platform, monkeypatch):
    """A file somebody is still writing is left for the next time."""
    path = platform.options.inbox / "a.csv"
    path.write_text("订单号,商品,实付\nA1,x,5\n", "utf-8")
    opened = Path.open

    def grow(self, mode="r", *args, **more):
        file = opened(self, mode, *args, **more)
        if mode == "rb":
            with opened(path, "a", encoding="utf-8") as other:
                other.write("A2,x,5\n")
        return file

    monkeypatch.setattr(Path, "open", grow)
    assert list(platform.fetch(None)) == []
    monkeypatch.undo()
    assert len(list(platform.fetch(None))) == 2


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"columns": {"price": "x"}}, "columns: 'price'"),
        ({"columns": {"paid": " "}}, "columns: paid"),
        ({"currency": "yuan"}, "ISO 4217"),
        ({"paid_is": "both"}, "paid_is"),
        ({"utc_offset": "8"}, r"\+08:00"),
        ({"utc_offset": "+15:00"}, r"\+08:00"),
        ({"max_rows": 0}, "max_rows"),
    ],
)
def test_wrong_settings_are_refused(wrong, message):
    """Each wrong setting is named when the options are made."""
    with pytest.raises(ValueError, match=message):
        _options(**wrong)


def test_page_names_every_heading():
    """The table on the page holds exactly the headings that are known."""
    page = _PAGE.read_text("utf-8")
    for field, headings in HEADINGS.items():
        row = re.search(rf"^\| `{field}` \| (?:yes|no[^|]*) \| (.*) \|$", page, re.MULTILINE)
        assert row is not None
        assert tuple(row[1].split(", ")) == headings


def test_samples_on_the_page_run():
    """Every Python block of the page runs on its own."""
    blocks = re.findall(r"```python\n(.*?)```", _PAGE.read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(block, str(_PAGE), "exec"), {})
