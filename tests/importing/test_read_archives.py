"""ZIP archives and XLSX workbooks: types, limits, damage."""

from __future__ import annotations

import functools
import io
import subprocess
import sys
import zipfile
from datetime import UTC, date, datetime, time

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.utils.datetime import CALENDAR_MAC_1904, CALENDAR_WINDOWS_1900

from autocard.errors import ConfigurationError, UnreadableSource
from autocard.importing import archives, workbooks
from autocard.importing.faults import faults_of
from autocard.importing.reading import ReadOptions, read_cards


def local(*fields):
    return datetime(*fields)  # noqa: DTZ001 - a cell of Excel knows no zone


@functools.cache
def plain_workbook():
    return workbook([["卡号", "卡密"], ["0001", "PW"], [1, 2.5]])


def workbook(rows, epoch=CALENDAR_WINDOWS_1900, start=1, **sheets):
    book = openpyxl.Workbook()
    book.epoch = epoch
    for name, table in {"Sheet": rows, **sheets}.items():
        sheet = book["Sheet"] if name == "Sheet" else book.create_sheet(name)
        for at, row in enumerate(table, start):
            for column, value in enumerate(row, start):
                if value is not None:
                    sheet.cell(at, column, value)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def archive(members, **options):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, **options) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return out.getvalue()


def reading(data, card_format, **options):
    return read_cards(io.BytesIO(data), card_format, ReadOptions(**options))


def rows(data, card_format, **options):
    return list(reading(data, card_format, **options))


def refused(data, card_format, said, **options):
    with pytest.raises(UnreadableSource, match=said) as caught:
        rows(data, card_format, **options)
    assert caught.value.__context__ is None


def attempt(data, card_format, **options):
    """Return the rows, or none and the error; the error has no context that could hold a card."""
    file = io.StringIO(data) if isinstance(data, str) else io.BytesIO(data)
    error = None
    try:
        return list(read_cards(file, card_format, ReadOptions(**options))), ""
    except UnreadableSource as caught:
        error = caught
    assert error.__context__ is None
    return [], repr(error)


def test_a_workbook_is_a_table(opaque):
    """Rows of a sheet are cards; the numbers of rows are those of Excel."""
    data = workbook(
        [["卡号", "卡密", "面值"], ["0001", "PW", 50], [None, None, None], ["'2", "'03", ""]]
    )
    found = reading(data, opaque)
    assert found.detected.describe() == "XLSX, header, number = 卡号, secret = 卡密, 面值 = 面值"
    assert found.total_bytes == len(data)
    first, second = found
    assert (first.line, first.parts.number, first.parts.secret) == (2, "0001", "PW")
    assert first.parts.extra == (("面值", "50"),)
    assert (second.line, second.parts.number, second.parts.secret) == (4, "2", "03")
    assert found.bytes_read == len(data)


def test_a_table_that_does_not_begin_in_the_corner(opaque):
    """An index counts from column A, and rows keep their numbers, wherever the table begins."""
    data = workbook([["A", "B"], ["C", "D"]], start=3)
    found = rows(data, opaque, columns={"secret": 3})
    assert [(row.line, row.parts.secret) for row in found] == [(3, "B"), (4, "D")]


def test_empty_workbooks_have_no_rows(opaque):
    """A workbook without cells is a table without rows."""
    assert rows(workbook([]), opaque) == []


def test_rounded_numbers_are_rejected(opaque):
    """A numeric cell of more than 15 digits has lost digits already."""
    data = workbook(
        [["卡密"], [1234567890123456789], [1234567890123456], [123456789012345], ["1.23457E+15"]]
    )
    found = rows(data, opaque)
    assert ["rounded" in row.problem for row in found] == [True, True, False, True]
    assert found[2].parts.secret == "123456789012345"


def test_lost_zeros_are_named(digits, pair):
    """A number too short for its format is rejected with the reason; nothing is filled in."""
    found = rows(
        workbook([["卡密"], [12345], [12345678], ["00012345"], ["1234"], [123456789]]), digits
    )
    assert "leading zeros are lost" in found[0].problem
    assert [row.parts.secret for row in found[1:3]] == ["12345678", "00012345"]
    assert "such a code" in found[3].problem
    assert "such a code" in found[4].problem
    numbered = rows(workbook([["卡号", "卡密"], [1, 12345]]), digits)
    assert "leading zeros are lost" in numbered[0].problem


@pytest.mark.parametrize("epoch", [CALENDAR_WINDOWS_1900, CALENDAR_MAC_1904])
def test_dates_follow_the_workbook(epoch, opaque):
    """Date cells mean the same in workbooks of both date systems, in Beijing time."""
    table = [
        ["卡密", "有效期", "入库", "时"],
        ["A", date(2026, 1, 2), local(2026, 1, 2, 3, 4, 5), time(3, 4)],
        ["B", local(2026, 1, 2, 8, 0, 0), None, None],
        ["C", "2026-01-02", None, None],
    ]
    found = rows(workbook(table, epoch), opaque)
    end = datetime(2026, 1, 2, 15, 59, 59, tzinfo=UTC)
    assert [row.parts.expires_at for row in found] == [end, datetime(2026, 1, 2, tzinfo=UTC), end]
    assert found[0].parts.extra == (("入库", "2026-01-02T03:04:05"), ("时", "03:04:00"))


def test_dates_and_truth_values_are_no_cards(opaque):
    """What Excel turned into a date or a truth value is rejected."""
    found = rows(workbook([["卡密", "a"], [date(2026, 1, 2), 1], [True, 1], ["A", False]]), opaque)
    assert ["date or a truth" in row.problem for row in found] == [True, True, False]
    assert found[2].parts.extra == (("a", "false"),)


def test_the_sheet_can_be_chosen(opaque):
    """The first sheet is read unless the operator names another, or its index."""
    data = workbook([["卡密"], ["A"]], Second=[["卡密"], ["B"]])
    assert rows(data, opaque)[0].parts.secret == "A"
    for sheet in ("Second", 1):
        assert rows(data, opaque, sheet=sheet)[0].parts.secret == "B"
    for sheet in ("Third", 2, -1):
        refused(data, opaque, "no sheet", sheet=sheet)


def test_workbooks_of_any_source(tmp_path, opaque):
    """A workbook is known by its content, from a path, a file or a stream."""
    path = tmp_path / "cards.txt"
    path.write_bytes(workbook([["卡密"], ["A"]]))
    with read_cards(path, opaque) as found:
        assert [row.parts.secret for row in found] == ["A"]

    class Stream(io.RawIOBase):
        data = io.BytesIO(path.read_bytes())

        def read(self, size=-1):
            return self.data.read(size)

    assert [row.parts.secret for row in read_cards(Stream(), opaque)] == ["A"]
    with path.open(encoding="latin-1") as file, pytest.raises(UnreadableSource, match="binary"):
        read_cards(file, opaque)


def test_without_calamine(opaque, monkeypatch):
    """A missing python-calamine is a configuration error with the command to run."""
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(ConfigurationError, match=r"pip install autocard\[xlsx\]") as caught:
        rows(workbook([["A"]]), opaque)
    assert caught.value.__context__ is None
    with pytest.raises(ConfigurationError, match=r"autocard\[xlsx\]"):
        rows(archive({"a.xlsx": workbook([["A"]])}), opaque)


def test_calamine_is_loaded_when_needed():
    """Importing the reader loads no XLSX reader."""
    code = "import sys, autocard.importing.reading; sys.exit('python_calamine' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_sheet_with_a_far_corner_is_refused(opaque):
    """One cell in the last corner of a sheet must not take all memory."""
    book = openpyxl.Workbook()
    book.active["A1"] = "卡密"
    book.active["XFD1048576"] = "x"
    out = io.BytesIO()
    book.save(out)
    refused(out.getvalue(), opaque, "most of them empty")


@pytest.mark.parametrize(
    "rows_xml",
    [
        b'<row r="1048576"><c><v>1</v></c></row><row r="1">' + b"<c/>" * 100 + b"</row>",
        b"<x:row r = '1048576' /><x:c  r='xfd1'/>",
        b"""<row r="1048576"/><row r='1'><c x=' r="A1" ' r="XFD1"/></row>""",
        b"<row/>" * 50_000 + b"<row>" + b"<c/>" * 1000 + b"</row>",
    ],
)
def test_every_way_to_address_a_far_cell_counts(rows_xml, opaque):
    """Rows and cells with and without references, of any prefix, are followed."""
    data = workbook([["A"]])
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        members = {name: file.read(name) for name in file.namelist()}
    members["xl/worksheets/sheet1.xml"] = rows_xml
    refused(archive(members), opaque, "most of them empty")


def test_a_bomb_is_refused_whatever_it_declares(opaque):
    """What a member unpacks to is measured, not read from its header."""
    data = workbook([["卡密"], ["A"]])
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        members = {name: file.read(name) for name in file.namelist()}
    members["xl/media/big.bin"] = b"\0" * 30_000_000
    bomb = bytearray(archive(members))
    limit = {"max_uncompressed_bytes": 20_000_000}
    refused(bytes(bomb), opaque, "unpacks to more", **limit)
    at = bomb.rindex(b"PK\x01\x02")
    bomb[at + 24 : at + 28] = (10).to_bytes(4, "little")
    refused(bytes(bomb), opaque, "unpacks to more", **limit)
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    refused(stored.getvalue(), opaque, "more than", **limit)


def test_damaged_workbooks(opaque, monkeypatch):
    """Damage, odd compression and a panic inside the reader are all one error."""
    data = workbook([["卡密"], ["A"]])
    refused(data[:200], opaque, "damaged", kind="xlsx")
    refused(b"no workbook", opaque, "damaged", kind="xlsx")
    broken = bytearray(data)
    at = data.index(b"PK\x01\x02")
    broken[at + 10] = 99
    refused(bytes(broken), opaque, "damaged", kind="xlsx")
    broken[at + 8] |= 1
    refused(bytes(broken), opaque, "damaged", kind="xlsx")

    class PanicException(BaseException):
        pass

    def panics(_):
        raise PanicException

    monkeypatch.setattr(workbooks, "measure", lambda *_: panics(0))
    refused(data, opaque, "damaged")

    def interrupts(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(workbooks, "measure", interrupts)
    with pytest.raises(KeyboardInterrupt):
        rows(data, opaque)


@settings(max_examples=60)
@given(data=st.data())
def test_a_workbook_with_a_flipped_byte(data, opaque):
    """Any changed byte gives rows or `UnreadableSource`."""
    book = bytearray(plain_workbook())
    at = data.draw(st.integers(0, len(book) - 1))
    book[at] = data.draw(st.integers(0, 255))
    attempt(bytes(book), opaque, kind=data.draw(st.sampled_from(["auto", "xlsx", "zip"])))


# --- ZIP ------------------------------------------------------------------------------------


def test_members_are_read_by_their_kind(opaque):
    """Every member has its own kind and encoding; rows name their member."""
    members = {
        "a.txt": "A1\nA2\n",
        "folder/b.csv": "卡号,卡密\n1,B1\n".encode("gb18030"),
        "c.json": '["C1"]',
        "d.jsonl": '{"secret": "D1"}\n',
        "e.xlsx": workbook([["卡密"], ["E1"]]),
        "__MACOSX/._a.txt": b"\0\0",
        "folder/.DS_Store": b"\0",
        "folder/": b"",
    }
    found = reading(archive(members), opaque)
    kinds = [detected.kind for _, detected in found.detected.files]
    assert kinds == ["text", "csv", "json", "jsonl", "xlsx"]
    seen = [(row.file, row.line, row.parts.secret) for row in found]
    assert seen == [
        ("a.txt", 1, "A1"),
        ("a.txt", 2, "A2"),
        ("folder/b.csv", 2, "B1"),
        ("c.json", 1, "C1"),
        ("d.jsonl", 1, "D1"),
        ("e.xlsx", 2, "E1"),
    ]
    assert found.bytes_read == found.total_bytes
    said = found.detected.describe()
    assert said.startswith("ZIP, a.txt (text, utf-8), folder/b.csv (CSV, gb18030")


def test_progress_goes_through_members(opaque):
    """Bytes of the member being read count with those of the ones before."""
    found = reading(archive({"a.txt": "A\n" * 10, "b.txt": "B\n" * 150_000}), opaque)
    counts = [found.bytes_read for row in found if row.file == "b.txt"]
    assert 20 < counts[0] < counts[-1] == found.total_bytes == 300_020


def test_many_members_are_summed_up(opaque):
    """The description of an archive names a few members and counts the rest."""
    found = reading(archive({f"{at}.txt": "A" for at in range(8)}), opaque)
    assert found.detected.describe().endswith("3 more files")


def test_names_of_members(opaque):
    """GBK names are read; control characters in names are not passed on."""
    data = archive({"AB.txt": "A", "x\u202e\n.txt": "B"})
    data = data.replace(b"AB.txt", "卡".encode("gbk") + b".txt")
    assert [row.file for row in rows(data, opaque)] == ["卡.txt", "x??.txt"]
    undecodable = archive({"AB.txt": "A"}).replace(b"AB.txt", b"\xff\xff.txt")
    assert [row.parts.text for row in rows(undecodable, opaque)] == ["A"]


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({}, "is empty"),
        ({"a.zip": archive({"b.txt": "B"})}, "a.zip: an archive inside an archive"),
        ({"a.txt": "A", "b.pdf": b"%PDF-1.4"}, "b.pdf: this is a PDF"),
        ({"a.txt": "A", "b.bin": b"\xff\xff"}, "b.bin: the encoding cannot be detected"),
    ],
)
def test_archives_that_are_refused(members, said, opaque):
    """A member that cannot be read stops the import before its first row."""
    with pytest.raises(UnreadableSource, match=said) as caught:
        reading(archive(members), opaque)
    assert caught.value.__context__ is None


def test_encrypted_archives(opaque):
    """An encrypted member is named."""
    data = bytearray(archive({"a.txt": "A"}))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    refused(bytes(data), opaque, "a.txt: is encrypted")


def test_archives_that_are_too_large(opaque, monkeypatch):
    """The sum of all members has a limit, and so has their number."""
    data = archive({"a.txt": "A" * 600, "b.txt": "B" * 600})
    refused(data, opaque, "unpacks to more than 1,000", max_uncompressed_bytes=1000)
    monkeypatch.setattr(archives, "MOST_MEMBERS", 1)
    refused(data, opaque, "more than 1 files")


def test_large_streams_are_refused(opaque):
    """An archive from a stream is held in memory, within the limit."""

    class Stream(io.RawIOBase):
        data = io.BytesIO(archive({"a.txt": "A"}))

        def read(self, size=-1):
            return self.data.read(size)

    with pytest.raises(UnreadableSource, match="more than 50 bytes"):
        read_cards(Stream(), opaque, ReadOptions(max_uncompressed_bytes=50))


def test_damaged_archives(opaque):
    """A damaged archive is refused, or breaks off with the name of the member."""
    data = archive({"a.txt": "A" * 5000, "b.txt": "B\n" * 5000})
    refused(data[:100], opaque, "damaged")
    broken = bytearray(data)
    at = data.rindex(b"PK\x03\x04") + 36
    broken[at : at + 10] = b"\xff" * 10
    refused(bytes(broken), opaque, "b.txt: ")


@given(
    data=st.binary(max_size=300),
    kind=st.sampled_from(["auto", "text", "csv", "tsv", "json", "jsonl", "xlsx", "zip"]),
    wrap=st.booleans(),
)
def test_arbitrary_bytes(data, kind, wrap, opaque, pair, code):
    """Any bytes, read as any kind, give rows or `UnreadableSource`."""
    if wrap:
        data = archive({"a": data})
        kind = "auto"
    for card_format in (opaque, pair, code):
        found, _ = attempt(data, card_format, kind=kind)
        assert all((row.parts is None) == bool(row.problem) for row in found)


@given(
    text=st.text(max_size=100),
    kind=st.sampled_from(["auto", "text", "csv", "tsv", "json", "jsonl"]),
)
def test_arbitrary_text(text, kind, opaque, lenient):
    """Any text, read as any kind of text, gives rows or `UnreadableSource`."""
    for card_format in (opaque, lenient):
        attempt(text, card_format, kind=kind)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.datetimes(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["secret", "number", "d", "url", "x", ""]), VALUES) | VALUES
    )
)
def test_arbitrary_elements(opaque, source):
    """Any list gives rows."""
    for row in read_cards(source, opaque):
        assert (row.parts is None) == bool(row.problem)


CANARY = "CANARY7Q2M"


@given(
    shape=st.sampled_from(
        ["{}", "{},{}", '"{}",2,3', '"{}', '[{{"secret": "{}"', '{{"a": "{}"}}', "卡号\n{},,,"]
    ),
    kind=st.sampled_from(["auto", "text", "csv", "json", "jsonl", "zip", "xlsx"]),
)
def test_no_card_in_any_message(shape, kind, code, pair, failing):
    """Problems, notes, errors and reprs never hold a card."""
    data = shape.format(CANARY, CANARY).encode()
    for card_format in (code, pair, failing):
        found, error = attempt(data, card_format, kind=kind)
        assert CANARY not in error
        assert CANARY not in repr(found)


def test_cells_without_a_value_are_told_of(opaque):
    """Errors and formulas that nobody calculated are malformed rows, wherever they stand."""
    table = [
        ["卡号", "卡密", "x"],
        ["N1", "S1", "#N/A"],
        ["N2", "#N/A"],
        ["#REF!"],
        [None, "=1+1"],
        ["N3", "S3", "=1+1"],
        ["=A1"],
    ]
    found = rows(workbook(table), opaque)
    assert [row.line for row in found] == [2, 3, 4, 5, 6, 7]
    assert ["is an error" in row.problem for row in found] == [False, True, True, True, False, True]
    assert [row.line for row in rows(workbook([["=A2"], ["#N/A"]]), opaque)] == [1, 2]


def test_a_formula_that_comes_to_nothing_is_an_empty_cell(opaque):
    """Excel has calculated it."""
    data = workbook([["卡密"], ["A"], ["=1"]])
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        members = {name: file.read(name) for name in file.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    empty = members[sheet].replace(b'<c r="A3"><f>1</f><v />', b'<c r="A3" t="str"><f>1</f><v></v>')
    assert empty != members[sheet]
    assert len(rows(archive({**members, sheet: empty}), opaque)) == 1


@pytest.mark.parametrize("size", [1, 7, 64])
def test_faults_are_found_in_any_pieces(size):
    """Wherever the XML is cut."""
    xml = b'<row r="2"><c r="A2" t="e"><v>#N/A</v></c><x:c r="AB3"><x:f>1</x:f><x:v/></x:c></row>'
    pieces = [xml[at : at + size] for at in range(0, len(xml), size)]
    assert faults_of(pieces) == {2: {0}, 3: {27}}


def test_what_was_not_read_is_told_of(opaque):
    """More sheets, and an empty one in front."""
    one = [["卡密"], ["A"]]
    said = {
        "": workbook(one, B=[]),
        "1 more sheet was not read": workbook(one, B=one, C=[]),
        "2 more sheets were not read": workbook(one, B=one, C=one),
        "sheet 2 was read: those before it are empty": workbook([], B=one),
        "sheet 3 was read: those before it are empty, 1 more sheet was not read": workbook(
            [], B=[], C=one, D=one
        ),
    }
    for guess, data in said.items():
        with reading(data, opaque) as found:
            assert found.detected.guess == guess
            assert [row.parts.secret for row in found] == ["A"]
    with reading(said["2 more sheets were not read"], opaque, sheet="B") as found:
        assert found.detected.guess == ""


def test_cards_from_numeric_cells_are_told_of(opaque):
    """What a number format showed is not in the cell."""
    with reading(workbook([["卡密", "面值"], [123, 5]]), opaque) as found:
        assert "leading zeros may be lost" in found.detected.describe()
    with reading(workbook([["卡密", "面值"], ["00123", 5]]), opaque) as found:
        assert found.detected.guess == ""
