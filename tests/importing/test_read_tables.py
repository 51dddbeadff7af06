"""CSV, TSV, lists and JSON: columns, headers, wrappers, expiry."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autocard.errors import UnreadableSource
from autocard.importing import lists
from autocard.importing.expiry import expiry_from_text
from autocard.importing.lines import BLANKS
from autocard.importing.names import is_title, part_of
from autocard.importing.reading import ReadOptions, read_cards


class Named(io.BytesIO):
    """A file with a name."""

    name = "cards.csv"


def reading(data, card_format, name="cards.csv", **options):
    file = Named(data if isinstance(data, bytes) else data.encode())
    file.name = name
    return read_cards(file, card_format, ReadOptions(**options))


def rows(data, card_format, name="cards.csv", **options):
    return list(reading(data, card_format, name, **options))


def pairs(found):
    return [(row.parts.number, row.parts.secret) if row.parts else row.problem for row in found]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('"1,111",2222', ("1,111", "2222")),
        ('="0012",PW', ("0012", "PW")),
        ('"=""0012""",PW', ("0012", "PW")),
        ('"=""a""""b""",PW', ('a"b', "PW")),
        ("\t0012,PW\t", ("0012", "PW")),
        ("'0012,'PW", ("0012", "PW")),
        ("=0012,PW", ("=0012", "PW")),
        ("0,0", ("0", "0")),
        ('"a ""b""",PW', ('a "b"', "PW")),
        ('a"b,PW', ('a"b', "PW")),
        (",PW", ("", "PW")),
        ('"a\r\nb",PW', ("a\nb", "PW")),
    ],
)
def test_cells_of_the_corpus(line, expected, pair):
    """Quotes and the wrappers made for Excel go, and nothing else."""
    assert pairs(rows(f"{line}\r\n1,2\r\n", pair, kind="csv", delimiter=",")) == [
        expected,
        ("1", "2"),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_found(delimiter, pair):
    """The delimiter that most lines share is taken; a line of `sep=` overrides the count."""
    data = f"1{delimiter}2\n3{delimiter}4\n"
    found = reading(data, pair)
    assert found.detected.delimiter == delimiter
    assert pairs(found) == [("1", "2"), ("3", "4")]
    said = reading("sep=|\n1|2,3\n", pair)
    assert said.detected.delimiter == "|"
    assert pairs(said) == [("1", "2,3")]
    assert list(said) == []
    assert pairs(rows("sep=;\n1;2\n", pair, "cards.txt")) == [("1", "2")]


def test_a_header_tells_the_delimiter(opaque):
    """Where the rows differ too much, the titles decide."""
    found = reading("卡密;备注\nA;\nB,1,2,3\nC,1\nD,1,2\n", opaque)
    assert found.detected.delimiter == ";"
    assert found.detected.header
    assert pairs(found)[0] == ("", "A")


def test_one_column_is_text(code, opaque):
    """A table of one column is read like text, with or without a title."""
    data = "AB12-CD34\nEF12-CD34,x\nAB12-CD35"
    found = reading("激活码\n" + data.replace(",x", ""), code)
    assert found.detected.header
    assert pairs(found) == [("", "AB12-CD34"), ("", "EF12-CD34"), ("", "AB12-CD35")]
    single = reading("A\nB\nC,D\nE\n\n", opaque)
    assert single.detected.delimiter == ""
    assert pairs(single) == [("", "A"), ("", "B"), ("", "C,D"), ("", "E")]
    assert pairs(reading("", opaque)) == []
    assert pairs(reading("any title\nA\n", opaque, header=True)) == [("", "A")]
    assert pairs(reading("序列号\nA\n", opaque)) == [("", "A")]
    assert pairs(reading("text,备注\nA,x\n", opaque)) == [("", "A")]


def test_headers_are_told_from_cards(code, make_code, opaque):
    """A first row with a title is a header unless one of its cells would pass as a card."""
    assert reading("secret\nAB12-CD34", code).detected.header
    assert not reading("AB12-CD34,备注\nAB12-CD35,x", code).detected.header
    assert not reading("A,B\nC,D", opaque).detected.header
    assert reading("secret,note\nC,D", opaque).detected.header
    assert not reading("secret\nC", opaque, header=False).detected.header
    assert reading("银行,卡\nC,D", opaque, columns={"secret": "卡"}).detected.header
    tricky = make_code("words", r"[a-z]{4}", "word")
    assert not reading("code\nword", tricky).detected.header
    assert is_title("CARD_NO")
    assert not is_title("p")
    assert part_of("Card-Pwd") == "secret"


def test_columns_are_found_by_any_name(opaque):
    """Names of suppliers are known in any case; other columns become extras."""
    data = "CardNo,CardPwd,expireTime,remark,\n1,2,2027-01-02,hello,x\n3,4,-,,\n"
    found = reading(data, opaque)
    assert found.detected.columns == (
        ("number", "CardNo"),
        ("secret", "CardPwd"),
        ("expires_at", "expireTime"),
        ("remark", "remark"),
        ("column 5", "column 5"),
    )
    first, second = found
    assert first.parts.expires_at == datetime(2027, 1, 2, 15, 59, 59, tzinfo=UTC)
    assert first.parts.extra == (("remark", "hello"), ("column 5", "x"))
    assert first.parts.text == "1----2"
    assert (second.parts.expires_at, second.parts.extra) == (None, ())
    assert (first.line, second.line) == (2, 3)


def test_two_columns_for_one_part(opaque):
    """The exact name wins, else the first; nothing is lost."""
    (row,) = rows("password,secret,secret,pwd\na,b,c,d\n", opaque)
    assert row.parts.secret == "b"
    assert row.parts.extra == (("password", "a"), ("secret", "c"), ("pwd", "d"))
    (row,) = rows("卡密,x,x\na,b,c\n", opaque)
    assert row.parts.extra == (("x 2", "b"), ("x 3", "c"))


def test_columns_can_be_named(opaque):
    """The options say which column is which, by name or by index."""
    data = "Serial,Geheim,mail\n1,2,a@b.example\n"
    (row,) = rows(data, opaque, columns={"secret": "geheim", "mailbox": 2})
    assert (row.parts.number, row.parts.secret) == ("1", "2")
    assert row.parts.extra == (("mailbox", "a@b.example"),)
    found = reading("1,2,3\n", opaque, columns={"secret": 2, "hint": 0})
    assert found.detected.columns == (("secret", "column 3"), ("hint", "column 1"))
    (row,) = found
    assert (row.parts.secret, row.parts.extra) == ("3", (("hint", "1"),))


@pytest.mark.parametrize(
    ("data", "options", "said"),
    [
        ("a,b,c\nd,e,f\n", {}, "3 columns and no header"),
        ("备注,面值\nd,e\n", {}, "no column is the card"),
        ("a,b\nd,e\n", {"columns": {"secret": "Code"}}, "first row has no 'Code'"),
        ("a,b\nd,e\n", {"columns": {"secret": "Code"}, "header": True}, "is called 'Code'"),
        ("a,b\nd,e\n", {"columns": {"secret": 5}}, "secret is column 5"),
        ("a,b\nd,e\n", {"columns": {"secret": 5}, "header": True}, "secret is column 5"),
        ("a,b\nd,e\n", {"columns": {"hint": 1}}, "no column is the card"),
        ("a\nd\n", {"columns": {"hint": 0}}, "no column is the card"),
    ],
)
def test_columns_that_cannot_be_told(data, options, said, opaque):
    """A table whose card cannot be told is refused with the words to add."""
    with pytest.raises(UnreadableSource, match=said):
        reading(data, opaque, **options)


def test_more_columns_are_left_to_the_format(account, failing):
    """Without a header a format of many pieces gets all cells, in their order."""
    found = reading("a@b.example,pw,2fa\nc@d.example,pw2,2fb\n", account)
    assert [row.parts.extra for row in found] == [(("part-3", "2fa"),), (("part-3", "2fb"),)]
    with pytest.raises(UnreadableSource, match="3 columns"):
        reading("a,b,c\n", failing)


def test_extras_are_sold_by_account_formats_only(account, pair):
    """An account format has the extra pieces in its text; remarks are never part of it."""
    data = "账号,密码,client_id,备注\na,b,c,cheap\n"
    (row,) = rows(data, account)
    assert row.parts.text == "a----b----c"
    assert row.parts.extra == (("client_id", "c"), ("备注", "cheap"))
    (row,) = rows(data, pair)
    assert row.parts.text == "a----b"
    assert row.parts.extra == (("client_id", "c"), ("备注", "cheap"))


def test_a_code_with_a_number_column(code):
    """A format of one piece reads the secret; the number comes from its column."""
    (row,) = rows("卡号,卡密\n7,ＡＢ12-CD34\n", code)
    assert (row.parts.number, row.parts.secret) == ("7", "AB12-CD34")
    assert row.parts.text == "7----ＡＢ12-CD34"
    assert "full-width" in row.note
    (row,) = rows("卡号,卡密\n,AB12-CD34\n", code)
    assert (row.parts.number, row.parts.text) == ("", "AB12-CD34")


def test_a_pair_without_a_number(pair, lenient):
    """An empty number is legal; the text is then the secret alone."""
    (row,) = rows("卡号,卡密\n,PW\n", pair)
    assert (row.parts.number, row.parts.secret, row.parts.text) == ("", "PW", "PW")
    (row,) = rows("卡号,卡密\n1,\n", lenient)
    assert (row.parts.number, row.parts.secret, row.note) == ("1", "", "the secret is empty")


def test_a_card_column_may_hold_a_whole_line(pair):
    """A single card column is split by the format; a text column is kept as the original."""
    (row,) = rows("卡密,有效期\n1----2,2027-01-02\n", pair)
    assert (row.parts.number, row.parts.secret) == ("1", "2")
    (row,) = rows("text,面值\n1----2,50\n", pair)
    assert (row.parts.number, row.parts.secret, row.parts.text) == ("1", "2", "1----2")
    (row,) = rows("text,卡号,卡密\nORIGINAL,1,2\n", pair)
    assert (row.parts.number, row.parts.text) == ("1", "ORIGINAL")


def test_links(opaque):
    """A link is the card where there is no other, and an extra where there is."""
    first, second = rows("url,卡密\nhttps://x.example/1,\nhttps://x.example/2,PW\n", opaque)
    assert first.parts.secret == "https://x.example/1"
    assert second.parts.extra == (("link", "https://x.example/2"),)


def test_bad_rows_of_a_table(opaque, failing, code):
    """Rows that deviate are malformed, each with its line; the others are cards."""
    data = '卡号,卡密,有效期\n1,2,3,4\n1,1.23457E+15\n1,2,tomorrow\n"a"b,2\n,,2027-01-02\n1,2\n'
    found = rows(data, opaque)
    problems = [(row.line, row.problem) for row in found]
    assert [line for line, _ in problems] == [2, 3, 4, 5, 6, 7]
    for (_, problem), said in zip(
        problems,
        ("more than 3 cells", "rounded", "not a date", "RFC 4180", "no card"),
        strict=False,
    ):
        assert said in problem
    assert problems[-1] == (7, "")
    assert rows("secret\nCANARY-1\n", failing)[0].problem == "the card format refused it"
    assert "such a code" in rows("secret\nX\n", code)[0].problem


def test_surrogates_in_a_table(opaque):
    """A cell that cannot be stored is malformed."""
    (row,) = read_cards([{"secret": "\ud800"}], opaque)
    assert row.problem == "not valid Unicode"


def test_a_quote_that_never_closes_costs_one_row(opaque):
    """An unclosed quote is one malformed row; the lines it would have swallowed are cards."""
    data = "卡号,卡密\n" + '"1,2\n' + "".join(f"{at},PW\n" for at in range(200))
    found = rows(data, opaque)
    assert "not closed" in found[0].problem
    assert [row.line for row in found] == list(range(2, 203))
    assert all(row.parts for row in found[1:])
    last = rows('卡号,卡密\n1,2\n3,"4\n', opaque)
    assert [bool(row.parts) for row in last] == [True, False]
    twice = rows('卡号,卡密\n"1,2\n3,4\n"5,6\n7,8\n', opaque)
    assert [bool(row.parts) for row in twice] == [False, True, False, True]
    cut = rows('卡号,卡密\n"1\n' + "x" * 80 + '\n2"\n7,8\n', opaque, max_line_chars=50)
    assert [bool(row.parts) for row in cut] == [False, False, False, True]


def test_quoted_cells_over_lines(opaque):
    """A quoted cell may hold line breaks; the row has the number of its first line."""
    found = rows("卡号,卡密\n\"1\n\n'x\",'2\n3,4\n", opaque)
    assert [(row.line, row.parts.number) for row in found] == [(2, "1\n\n'x"), (5, "3")]


def test_long_lines_of_a_table(opaque):
    """A line beyond the limit is malformed, in a table too."""
    found = rows("1,2\n" * 10 + "x" * 200 + "\n3,4\n", opaque, max_line_chars=100)
    assert [row.line for row in found if not row.parts] == [11]


def test_tsv_and_detection_by_titles(opaque):
    """TSV is told by its name or its titles."""
    assert pairs(rows("1\t2,3\n", opaque, "cards.tsv")) == [("1", "2,3")]
    found = reading("卡号\t卡密\n1\t2\n", opaque, "cards.txt")
    assert (found.detected.kind, found.detected.header) == ("tsv", True)
    assert "separator TAB" in found.detected.describe()
    assert pairs(reading("1\t2\n", opaque, kind="tsv")) == [("1", "2")]


CELLS = st.text(
    st.characters(exclude_characters="\r\0'=\x1f", exclude_categories=["Cs"]), max_size=8
)


@given(table=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5))
def test_what_csv_writes_is_read(table, lenient):
    """Any cells that a CSV writer quotes come back, without outer blanks."""
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows([("卡号", "卡密"), *table])
    out.seek(0)
    with read_cards(out, lenient, ReadOptions(kind="csv", delimiter=",")) as found:
        seen = [(row.parts.number, row.parts.secret) for row in found if row.parts]
    expected = [(a.strip(BLANKS), b.strip(BLANKS)) for a, b in table]
    assert seen == [(a, b) for a, b in expected if b or a]


# --- expiry ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-12-31", datetime(2026, 12, 31, 15, 59, 59, tzinfo=UTC)),
        ("2026/1/2 08:00", datetime(2026, 1, 2, tzinfo=UTC)),
        ("2026.1.2", datetime(2026, 1, 2, 15, 59, 59, tzinfo=UTC)),
        ("2026年1月2日", datetime(2026, 1, 2, 15, 59, 59, tzinfo=UTC)),
        ("２０２６-01-02", datetime(2026, 1, 2, 15, 59, 59, tzinfo=UTC)),
        ("20260102", datetime(2026, 1, 2, 15, 59, 59, tzinfo=UTC)),
        ("20260102080000", datetime(2026, 1, 2, tzinfo=UTC)),
        ("2026-01-02T08:00:01.5+08:00", datetime(2026, 1, 2, 0, 0, 1, tzinfo=UTC)),
        ("2026-01-02T08:00:00Z", datetime(2026, 1, 2, 8, tzinfo=UTC)),
        ("2026-01-02 08:00:00 -0330", datetime(2026, 1, 2, 11, 30, tzinfo=UTC)),
        ("1767312000", datetime(2026, 1, 2, tzinfo=UTC)),
        ("1767312000000", datetime(2026, 1, 2, tzinfo=UTC)),
    ],
)
def test_expiry_in_many_forms(text, expected):
    """Dates, times and epochs are read; without a zone they are Beijing time."""
    assert expiry_from_text(text) == expected


@pytest.mark.parametrize(
    "text", ["", "0", "-", "1970-01-01 08:00:00", "0000-00-00 00:00:00", " NULL ", "永久"]
)
def test_empty_expiry(text):
    """The empty values of suppliers mean that a card does not expire."""
    assert expiry_from_text(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "CANARY",
        "2026-13-01",
        "2026-02-30",
        "2026-01-01 24:00",
        "20261301",
        "2026-01-01T00:00+99:99",
        "9999-12-31T23:59-01:00",
        "77",
    ],
)
def test_unknown_expiry(text):
    """Anything else is an error that does not quote it."""
    with pytest.raises(ValueError, match="not a date") as caught:
        expiry_from_text(text)
    assert text not in str(caught.value)


@given(st.text())
def test_expiry_is_total(text):
    """Any text is a time in UTC, no expiry, or a ValueError."""
    try:
        found = expiry_from_text(text)
    except ValueError:
        return
    assert found is None or found.tzinfo is UTC


# --- lists and JSON -------------------------------------------------------------------------


def test_a_list_of_strings(opaque):
    """Every string is one card; blank ones are skipped, others count by their place."""
    found = read_cards(
        ["A\n", " ", "B", 7, None, "C" * 200], opaque, ReadOptions(max_line_chars=99)
    )
    assert found.detected.describe() == "list"
    seen = [(row.line, row.parts.text if row.parts else row.problem) for row in found]
    assert seen[:2] == [(1, "A"), (3, "B")]
    assert seen[2] == (4, "a int is no card; give text or a mapping")
    assert seen[4][1] == "the line is too long for a card"
    assert (found.total_bytes, found.bytes_read) == (None, 0)
    assert list(read_cards([], opaque)) == []


def test_a_list_of_mappings(opaque):
    """Fields are known by the names of suppliers; others are extras, in their order."""
    source = [
        {
            "card_no": 1234567890123456789,
            "card_password": "PW",
            "expired_at": 0,
            "face": Decimal("9.50"),
        },
        {"Card": "0", "Pwd": "0", "d": datetime(2026, 1, 2, tzinfo=UTC)},
        {"secret": "A", "expires_at": date(2026, 1, 2), "ok": True, "no": False, "tags": ["x"]},
        {"remark": "CANARY"},
        {"secret": b"CANARY"},
        {"secret": 1e15},
        {"secret": float("nan")},
        {"secret": Decimal("1e999")},
        {"secret": "A", "x": [object()]},
        {"secret": 42.0, "price": 1.5},
        {},
    ]
    found = list(read_cards(iter(source), opaque))
    assert found[0].parts.number == "1234567890123456789"
    assert found[0].parts.extra == (("face", "9.50"),)
    assert (found[1].parts.number, found[1].parts.secret) == ("0", "0")
    assert found[1].parts.expires_at == datetime(2026, 1, 2, tzinfo=UTC)
    assert found[2].parts.expires_at == datetime(2026, 1, 2, 15, 59, 59, tzinfo=UTC)
    assert dict(found[2].parts.extra) == {"ok": "true", "tags": '["x"]'}
    assert found[2].parts.number == "false"
    assert "columns={'secret'" in found[3].problem
    assert "bytes" in found[4].problem
    assert "rounded" in found[5].problem
    assert "rounded" in found[6].problem
    assert "cannot be a card" in found[7].problem
    assert "nested" in found[8].problem
    assert (found[9].parts.secret, found[9].parts.extra) == ("42", (("price", "1.5"),))
    assert found[10].problem
    assert not any("CANARY" in repr(row) for row in found)


def test_fields_of_a_list_can_be_named(opaque):
    """Options name the fields; a row without the field is malformed."""
    options = ReadOptions(columns={"secret": "pw2"})
    found = read_cards([{"pw2": "A"}, {"pw": "B"}], opaque, options)
    assert found.detected.columns == (("secret", "pw2"),)
    assert [row.problem for row in found][1].startswith("columns: no column is called 'pw2'")
    missing = read_cards([{"pw": "B"}], opaque, options)
    assert missing.detected.columns == ()


def test_mappings_of_many_shapes(opaque):
    """What is remembered about shapes is bounded, and forgetting it changes nothing."""
    source = ({"secret": "A", f"x{at}": "1"} for at in range(200))
    assert sum(row.parts is not None for row in read_cards(source, opaque)) == 200


def test_lists_of_lines(opaque):
    """With a kind, the strings of a list are the lines of such a file."""
    found = read_cards(["卡号,卡密\n", "1,2", "3,4"], opaque, ReadOptions(kind="csv"))
    assert pairs(found) == [("1", "2"), ("3", "4")]
    with pytest.raises(UnreadableSource, match="no line of text"):
        list(read_cards(["a", 1], opaque, ReadOptions(kind="csv")))
    with pytest.raises(UnreadableSource, match="a list is no xlsx"):
        read_cards(["a"], opaque, ReadOptions(kind="xlsx"))


@pytest.mark.parametrize(
    "document",
    [
        ["A", "B"],
        [{"secret": "A"}, {"secret": "B"}],
        {"code": 0, "data": ["A", "B"]},
        {"Cards": ["A", "B"], "errors": []},
        {"whatever": ["A", "B"]},
    ],
)
def test_json_arrays(document, opaque):
    """An array, or an object with one, is read; small files need no name."""
    for name in ("cards.json", "cards"):
        found = reading(json.dumps(document, indent=1), opaque, name)
        assert found.detected.kind == "json"
        assert [row.parts.secret for row in found] == ["A", "B"]
    assert list(reading("[]", opaque, "cards.json")) == []
    (row,) = read_cards(io.StringIO('\ufeff["A"]'), opaque)
    assert row.parts.secret == "A"


def test_json_numbers_keep_their_digits(opaque):
    """A long number in JSON is no float and loses nothing."""
    (row,) = rows('[{"card_no": 1234567890123456789012, "card_pwd": 0.10}]', opaque, "a.json")
    assert (row.parts.number, row.parts.secret) == ("1234567890123456789012", "0.10")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('["CANARY"', "not valid JSON"),
        ('{"a": 1}', "no array"),
        ('{"a": [], "b": []}', "no array"),
        ("7", "no array"),
        ("[" * 100_000, "not valid JSON"),
    ],
)
def test_bad_json(text, said, opaque):
    """What is no JSON, or holds no array, is refused without quoting it."""
    with pytest.raises(UnreadableSource, match=said) as caught:
        reading(text, opaque, kind="json")
    assert caught.value.__context__ is None


def test_large_json_is_refused(opaque, monkeypatch):
    """JSON is held in memory, so it has a limit; the error points to JSON Lines."""
    monkeypatch.setattr(lists, "MOST_JSON_BYTES", 10)
    with pytest.raises(UnreadableSource, match="JSON Lines"):
        reading('["AAAAAAAAAAA"]', opaque, "a.json")


def test_json_lines(opaque):
    """One JSON value a line; a line that is none is malformed, and only that line."""
    data = '{"secret": "A"}\n\n"B"\nCANARY\nnull\n""\n' + '"' + "C" * 300 + '"\n'
    found = reading(data, opaque, "cards.jsonl", max_line_chars=200)
    assert found.detected.kind == "jsonl"
    seen = [(row.line, row.parts.secret if row.parts else row.problem) for row in found]
    assert seen == [
        (1, "A"),
        (3, "B"),
        (4, "not valid JSON"),
        (5, "a NoneType is no card; give text or a mapping"),
        (7, "the line is too long for a card"),
    ]
    assert reading('{"secret": "A"}\n', opaque, "x").detected.kind == "jsonl"


def test_cards_that_are_json_are_text(opaque):
    """An account sold as a JSON object has no card field: its line is the card."""
    line = '{"email": "a@b.example", "access_token": "x"}'
    found = reading(f"{line}\n{line}2\n", opaque, "cards.txt")
    assert found.detected.kind == "text"
    assert next(iter(found)).parts.secret == line
    assert reading("[A] B\n", opaque, "x").detected.kind == "text"
    assert reading("{x\n", opaque, "x").detected.kind == "text"


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"%PDF-1.4", "PDF"),
        (b"\x89PNG\r\n", "picture"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"Rar!\x1a", "RAR"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "old or a password-protected Excel"),
        (b"  <!DOCTYPE html><p>", "HTML"),
        (b"<table><tr>", "HTML"),
    ],
)
def test_foreign_files_are_named(head, said, opaque):
    """Files of other kinds are refused with what to do about them."""
    with pytest.raises(UnreadableSource, match=said):
        read_cards(io.BytesIO(head + b" " * 100), opaque)


def test_rows_of_nothing_before_the_header(opaque):
    """A sheet that begins far down is read from where it begins, whatever stands before."""
    text = ",,\n" * 150 + "remark,number,secret\n,N1,S1\n,,\n,'N2,S2\n"
    found = rows(text, opaque, kind="csv")
    assert [row.line for row in found] == [152, 154]
    assert pairs(found) == [("N1", "S1"), ("N2", "S2")]


ANSWER = '{"code":0,"msg":"ok","data":{"list":[{"cardNo":"1","cardPwd":"2"},{"cardNo":"3"}]}}'


@pytest.mark.parametrize("name", ["", "a.json", "a.txt"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ANSWER, [("1", "2"), ("", "3")]),
        ('{"cards":["A1","A2"]}', [("", "A1"), ("", "A2")]),
        ('{"result": {"cards": ["A1"]}, "errors": []}', [("", "A1")]),
    ],
)
def test_an_answer_on_one_line_is_the_list_in_it(text, expected, name, opaque, lenient):
    """Never one card with the others beside it."""
    found = reading(text, opaque, name)
    assert found.detected.kind == "json"
    assert pairs(found) == expected


@pytest.mark.parametrize(
    "element",
    [
        json.loads(ANSWER),
        {"code": 1001, "msg": "no stock"},
        {"code": 0, "msg": "ok", "data": {"cardNo": "1", "cardPwd": "2"}},
        {"code": 0, "data": [{"cardNo": "1", "cardPwd": "2"}]},
        {"secret": "A", "cards": ["B", "C"]},
    ],
)
def test_an_answer_is_no_card(element, opaque):
    """Unless the operator says which of its fields is one."""
    (row,) = read_cards([element], opaque)
    assert row.parts is None
    assert "this is the answer of an interface" in row.problem
    (row,) = rows(json.dumps(element), opaque, "a.jsonl")
    assert "this is the answer of an interface" in row.problem
    said = ReadOptions(columns={"secret": next(iter(element))})
    assert next(iter(read_cards([element], opaque, said))).parts is not None


@pytest.mark.parametrize(
    "text",
    [
        '{"code":"A1B2-C3D4","message":"thank you"}',
        '{"secret":"A1B2-C3D4","meta":{"region":"EU"}}',
        '{"code":"123456","region":"EU"}',
    ],
)
def test_a_card_with_more_in_it_is_one(text, opaque):
    """A message or a nested field makes no answer of it."""
    (row,) = rows(text, opaque, "")
    assert row.parts.secret in ("A1B2-C3D4", "123456")


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("secret,note", "csv"),
        ("code;Region;face value", "csv"),
        ("卡密\t说明", "tsv"),
        ("AA11,secret", "text"),
        ("secret,AA11", "text"),
        ("hello,world", "text"),
        ("number,note", "text"),
    ],
)
def test_a_header_without_a_file_name(header, kind, opaque):
    """One title of the card and plain words beside it are a header; cards are not."""
    assert reading(f"{header}\n", opaque, "").detected.kind == kind


@pytest.mark.parametrize("cell", ["1E+15", "9e+11", "1.23E+5", "1,23E+15"])
def test_a_number_that_a_spreadsheet_has_rounded(cell, opaque, account):
    """It is no card in any column of one; as a line of text it may be."""
    for text in (
        f"secret\n{cell}\n",
        f'number,secret\n"{cell}",B\n',
        f'number,secret\nB,"{cell}"\n',
    ):
        assert "rounded" in rows(text, opaque)[0].problem
    assert "rounded" in rows(f'"{cell}",B,C\nX,Y,Z\n', account)[0].problem
    assert rows(cell, opaque, "a.txt")[0].parts.secret == cell


def test_what_only_looks_rounded(opaque):
    """Excel writes two digits after E+ at least."""
    assert pairs(rows("secret\n1E+5\n12E+15\n1E15\n", opaque))[0] == ("", "1E+5")
