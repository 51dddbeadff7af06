"""Plain text: encodings, lines, blanks, and what the card formats see."""

from __future__ import annotations

import codecs
import io
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autocard.errors import ConfigurationError, UnreadableSource
from autocard.importing.lines import BLANKS, line_blocks
from autocard.importing.reading import ReadOptions, read_cards

GB18030 = "bfa8bac52cbfa8c3dc0d0a4142303030312cc3dcc2eba2d90d0a"
UTF8_BOM = "efbbbfe58da1e58fb72ce58da1e5af860d0a4142303030312ce5af86e7a081e291a00d0a"
UTF16_LE = "fffe6153f7532c006153c65b0d000a004100420030003000300031002c00c65b017860240d000a00"
TEXT = ReadOptions(kind="text")
# What a line may hold: anything but line breaks and surrogates.
LINES = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=20)


class Stream(io.RawIOBase):
    """Bytes that cannot be read twice."""

    def __init__(self, data, size=5):
        self.data, self.size = io.BytesIO(data), size

    def readable(self):
        return True

    def read(self, wanted=-1):
        return self.data.read(min(wanted, self.size) if wanted >= 0 else -1)


def texts(reading):
    return [row.parts.text for row in reading if row.parts]


def read(data, card_format, **options):
    with read_cards(io.BytesIO(data), card_format, ReadOptions(**options)) as reading:
        return list(reading)


def outer_strip(line):
    return line.strip(BLANKS)


@pytest.mark.parametrize(
    ("vector", "encoding"),
    [(GB18030, "gb18030"), (UTF8_BOM, "utf-8-sig"), (UTF16_LE, "utf-16")],
)
def test_byte_vectors_are_detected(vector, encoding, opaque):
    """The byte vectors of the three usual encodings give the same two lines."""
    with read_cards(io.BytesIO(bytes.fromhex(vector)), opaque, TEXT) as reading:
        assert reading.detected.encoding == encoding
        assert texts(reading) == ["卡号,卡密", "AB0001,密码①"]


@pytest.mark.parametrize("vector", [GB18030, UTF8_BOM, UTF16_LE])
def test_byte_vectors_are_tables_with_a_header(vector, opaque):
    """The same vectors, left to detection, are a CSV with number and secret."""
    with read_cards(io.BytesIO(bytes.fromhex(vector)), opaque) as reading:
        assert reading.detected.kind == "csv"
        assert reading.detected.header
        (row,) = reading
    assert (row.line, row.parts.number, row.parts.secret) == (2, "AB0001", "密码①")
    assert row.parts.text == "AB0001----密码①"


def test_gb18030_is_never_called_certain(opaque):
    """A guessed encoding is said to be one, in words a person can act on."""
    with read_cards(io.BytesIO("卡密".encode("gb18030")), opaque, TEXT) as reading:
        assert "encoding='big5'" in reading.detected.describe()
    given_one = ReadOptions(kind="text", encoding="gb18030")
    with read_cards(io.BytesIO("卡密".encode("gb18030")), opaque, given_one) as reading:
        assert reading.detected.guess == ""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "gb18030"])
@given(lines=st.lists(LINES, max_size=8))
def test_any_text_comes_back(encoding, lines, opaque):
    """Whatever the encoding, the stripped lines that are not blank come back in order."""
    data = "\r\n".join(lines).encode(encoding)
    rows = read(data, opaque, kind="text", encoding=encoding)
    cards = [row.parts.text for row in rows]
    assert cards == [outer_strip(line) for line in lines if outer_strip(line)]


@given(
    lines=st.lists(LINES, max_size=5), encoding=st.sampled_from(["utf-8-sig", "utf-16", "utf-8"])
)
def test_unicode_encodings_are_detected(lines, encoding, opaque):
    """Text in UTF-8, or in UTF-16 with its mark, is read without being told."""
    rows = read("\n".join(lines).encode(encoding), opaque, kind="text")
    cards = [row.parts.text for row in rows]
    assert cards == [outer_strip(line) for line in lines if outer_strip(line)]


@given(data=st.data(), lines=st.lists(LINES.filter(outer_strip), min_size=1, max_size=6))
def test_every_kind_of_line_break_ends_a_line(data, lines, opaque):
    """CRLF, LF, CR and mixtures end a line; each row knows its line number."""
    breaks = st.sampled_from(["\r\n", "\n", "\r"])
    text = "".join(line + data.draw(breaks) for line in lines)
    size = data.draw(st.integers(1, 7))
    chunks = (text[at : at + size] for at in range(0, len(text), size))
    found = [
        (number + at, line)
        for number, block in line_blocks(chunks, 1000)
        for at, line in enumerate(block)
    ]
    assert found == list(enumerate(lines, 1))


def test_other_breaks_do_not_end_a_line(opaque):
    """U+2028, U+0085, VT and FF are part of a card."""
    card = "A\u2028B\u0085C\x0bD\x0cE"
    assert [row.parts.secret for row in read(card.encode(), opaque, kind="text")] == [card]


def test_blanks_around_a_line_go(opaque):
    """ASCII whitespace, NBSP, ideographic space, BOM and zero-width characters are stripped."""
    line = "\u3000\u00a0\ufeff\u200b\u200c\u200d\u2060 \tA B\t\v\f \u3000\r"
    (row,) = read(line.encode(), opaque, kind="text")
    assert row.parts.text == "A B"
    assert read(b" \r\n\t\r\n\xe3\x80\x80", opaque) == []


def test_comments_only_if_asked(opaque):
    """A card may begin with # or //; only an operator who says so skips such lines."""
    data = b"#1\n //2\n3"
    assert len(read(data, opaque, kind="text")) == 3
    (row,) = read(data, opaque, kind="text", comments=True)
    assert (row.line, row.parts.text) == (3, "3")


def test_an_endless_line_is_one_bad_row(opaque):
    """A line beyond the limit is malformed and costs no memory; the lines around it count."""
    data = b"A\n" + b"B" * 1_000_000 + b"\nC\n" + b"D" * 300
    rows = read(data, opaque, kind="text", max_line_chars=100)
    assert [(row.line, bool(row.parts)) for row in rows] == [
        (1, True),
        (2, False),
        (3, True),
        (4, False),
    ]
    assert "too long" in rows[1].problem
    only = read(b"B" * 600_000, opaque, kind="text", max_line_chars=100)
    assert [row.parts for row in only] == [None]


CORPUS = [
    ("ABCDEF-GHIJK-LMNOP", "", "ABCDEF-GHIJK-LMNOP"),
    ("1111----2222", "1111", "2222"),
    ("----PW-ONLY", "", "PW-ONLY"),
    ("1111----", "1111", ""),
    ("a----b----c----d", "a", "b----c----d"),
    ("1111----22--33", "1111", "22--33"),
    ("0----0", "0", "0"),
    ("1111，2222", "", "1111，2222"),
    ("https://card.example.com/u/AbC?x=1&y=2", "", "https://card.example.com/u/AbC?x=1&y=2"),
    ("卡号：0001\r", "", "卡号：0001"),
]


@pytest.mark.parametrize(("line", "number", "secret"), CORPUS)
def test_the_corpus_is_split_by_the_format(line, number, secret, lenient):
    """Lines of the corpus reach the card format stripped and otherwise unchanged."""
    (row,) = read(line.encode(), lenient, kind="text")
    assert (row.parts.number, row.parts.secret) == (number, secret)
    assert row.parts.text == line.strip()


def test_an_empty_secret_is_noted(lenient):
    """A number without a secret is told apart, where the format lets it pass."""
    (row,) = read(b"1111----", lenient, kind="text")
    assert row.note == "the secret is empty"


def test_full_width_characters_are_noted(code, make_code, opaque):
    """A note says that full-width characters were normalised; unchanged cards have none."""
    (row,) = read("ＡＢ１２－ＣＤ３４".encode(), code, kind="text")
    assert row.parts.secret == "AB12-CD34"
    assert row.parts.text == "ＡＢ１２－ＣＤ３４"
    assert "full-width" in row.note
    assert read("密码".encode(), opaque)[0].note == ""

    class Upper(type(opaque)):
        def parse(self, text, pieces):
            return super().parse(text, (pieces[0].upper(),))

    assert "changed how" in read(b"abc", Upper(), kind="text")[0].note


def test_a_given_delimiter_divides_lines(opaque, lenient):
    """Text with a delimiter has columns; the last one may contain the delimiter."""
    (row,) = read(b"1111 | 22|33", lenient, kind="text", delimiter="|")
    assert (row.parts.number, row.parts.secret) == ("1111", "22|33")
    columns = {"number": 0, "secret": 1, "mail": 2}
    rows = read(b"1::2::3::4\n5", opaque, kind="text", delimiter="::", columns=columns)
    assert rows[0].parts.extra == (("mail", "3::4"),)
    assert rows[1].problem == "the secret is empty"


def test_text_without_a_delimiter_has_no_columns(opaque):
    """Columns without a delimiter are refused for text and make a table of anything else."""
    with pytest.raises(UnreadableSource, match="delimiter="):
        read(b"1,2", opaque, kind="text", columns={"secret": 1})
    (row,) = read(b"1,2", opaque, columns={"secret": 1})
    assert row.parts.secret == "2"
    long = read(b"1|" + b"2" * 500, opaque, kind="text", delimiter="|", max_line_chars=99)
    assert [row.problem for row in long] == ["the line is too long for a card"]


def test_a_failing_format_stops_one_row_only(failing):
    """A mistake in a format is a bad row that names the kind of error and no card."""
    rows = read(b"CANARY-7Q2M\nOTHER-7Q2M", failing, kind="text")
    assert rows[0].problem == "the card format refused it"
    assert rows[1].problem == "the card format failed (KeyError)"


def test_what_the_format_says_is_passed_on(pair, code):
    """The problem of a malformed row is what the format says about it."""
    assert read(b"1111", pair, kind="text")[0].problem == "there is no separator"
    assert read(b"1111", code, kind="text")[0].problem == "not written like such a code"


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_streams_are_read_once(size, opaque):
    """A stream decides about its encoding when the first byte beyond ASCII comes."""
    data = b"A\n" * 200_000 + "密码\n".encode("gb18030")
    with read_cards(Stream(data, size * 1000), opaque, TEXT) as reading:
        assert reading.total_bytes is None
        assert reading.detected.encoding == "ascii"
        assert texts(reading)[-1] == "密码"
        assert reading.bytes_read == len(data)


def test_a_stream_beyond_ascii_is_decided_by_its_head(opaque):
    """A stream that begins with Chinese text tells its encoding before the first row."""
    for encoding in ("utf-8", "gb18030"):
        with read_cards(Stream("密码".encode(encoding)), opaque, TEXT) as reading:
            assert reading.detected.encoding == encoding
            assert texts(reading) == ["密码"]


def test_a_stream_that_changes_encoding_breaks_off(opaque):
    """Bytes that do not fit end the reading with an error that holds no card."""
    data = "密码\n".encode() + b"A\n" * 300_000 + b"CANARY\xff\xff\n"
    reading = read_cards(Stream(data, 100_000), opaque, TEXT)
    with pytest.raises(UnreadableSource, match="not utf-8") as caught:
        list(reading)
    assert caught.value.__context__ is None
    assert "CANARY" not in repr(caught.value)


@pytest.mark.parametrize("data", [b"\xff\xff\xff", b"A\0B\0", b"\x81", "卡".encode("gb18030")[:1]])
@pytest.mark.parametrize("wrap", [io.BytesIO, Stream])
def test_unknown_encodings_are_asked_for(data, wrap, opaque):
    """What is neither UTF-8 nor GB18030 is refused with a word about `encoding=`."""
    with pytest.raises(UnreadableSource, match=r"encoding=|which encoding") as caught:
        list(read_cards(wrap(data), opaque, TEXT))
    assert caught.value.__context__ is None


def test_streams_with_nul_bytes_are_no_text(opaque):
    """NUL bytes in a stream are noticed as long as its encoding is open."""
    with pytest.raises(UnreadableSource, match="utf-16-le"):
        list(read_cards(Stream(b"A\n" * 200_000 + b"\0", 10_000), opaque, TEXT))


def test_a_given_encoding_is_taken(opaque):
    """Big5 and UTF-16 without a mark are read when the operator names them."""
    for encoding in ("big5", "utf-16-le"):
        rows = read("密碼".encode(encoding), opaque, kind="text", encoding=encoding)
        assert [row.parts.text for row in rows] == ["密碼"]
    rows = read(codecs.BOM_UTF8 + b"A", opaque, kind="text", encoding="UTF8")
    assert rows[0].parts.text == "A"
    with pytest.raises(UnreadableSource, match="not ascii"):
        read("密".encode(), opaque, kind="text", encoding="ascii")
    with pytest.raises(UnreadableSource):
        read(b"A", opaque, encoding="undefined")


def test_paths_and_files(tmp_path, opaque):
    """A path is opened and closed; a file object is read from where it stands and stays open."""
    path = tmp_path / "cards.txt"
    path.write_bytes(b"A\nB\n")
    for source in (path, str(path)):
        with read_cards(source, opaque) as reading:
            assert reading.total_bytes == 4
            assert texts(reading) == ["A", "B"]
            assert reading.bytes_read == 4
        with pytest.raises(UnreadableSource, match="closed"):
            iter(reading)
    with path.open("rb") as file:
        file.read(2)
        with read_cards(file, opaque) as reading:
            assert reading.total_bytes == 2
            assert texts(reading) == ["B"]
        assert not file.closed
    with path.open(encoding="utf-8") as file, read_cards(file, opaque) as reading:
        assert reading.total_bytes is None
        assert texts(reading) == ["A", "B"]
        assert reading.bytes_read == 4
        assert reading.detected.describe() == "text"


def test_a_reading_closed_early_says_so(tmp_path, opaque):
    """Rows beyond what was read do not vanish silently when the file is closed."""
    path = tmp_path / "cards.txt"
    path.write_bytes(b"A\n" * 400_000)
    reading = read_cards(path, opaque)
    rows = iter(reading)
    next(rows)
    reading.close()
    with pytest.raises(UnreadableSource, match="cannot be read"):
        list(rows)


def test_text_files_that_do_not_decode(tmp_path, opaque):
    """A text file opened with the wrong encoding is unreadable, and no byte of it is shown."""
    path = tmp_path / "cards.txt"
    path.write_bytes(b"A\n" * 200_000 + b"CANARY\xff")
    with path.open(encoding="utf-8") as file, pytest.raises(UnreadableSource) as caught:
        list(read_cards(file, opaque))
    assert caught.value.__context__ is None


def test_surrogates_are_no_cards(opaque):
    """Text that cannot be stored is malformed."""
    (row,) = list(read_cards(io.StringIO("A\udc80"), opaque))
    assert row.problem == "not valid Unicode"


class Odd:
    """A file object that gives what it is told to."""

    def __init__(self, *pieces):
        self.pieces = list(pieces)

    def read(self, size):
        return self.pieces.pop(0) if self.pieces else b""


SECRET_PATH = "CANARY-7Q2M-no-such-file"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (SECRET_PATH, "a str is a path"),
        ("CANARY\0A", "a str is a path"),
        ("CANARY\nB", "a str is a path"),
        (b"CANARY", "BytesIO"),
        (bytearray(b"CANARY"), "BytesIO"),
        ({"secret": "CANARY"}, "list of mappings"),
        (7, "a int is not a source"),
        (None, "NoneType"),
        (Odd(None), "neither bytes nor text"),
        (Odd(b"", None), "binary mode"),
        (Odd(b"", b"x", "CANARY"), "binary mode"),
    ],
)
def test_what_is_no_source(source, said, opaque):
    """Whatever cannot be a source is refused with a hint, and is not quoted."""
    with pytest.raises(UnreadableSource, match=said) as caught:
        read_cards(source, opaque)
    assert "CANARY" not in str(caught.value)
    assert caught.value.__context__ is None


def test_paths_that_cannot_be_opened(tmp_path, opaque):
    """A path that exists, or was given as a Path, is named in the error."""
    for source in (tmp_path, str(tmp_path), tmp_path / "missing.txt"):
        with pytest.raises(UnreadableSource, match=str(source)):
            read_cards(source, opaque)


def test_a_file_that_fails_is_unreadable(opaque):
    """An error of the operating system is reported in its words."""

    class Broken(io.BytesIO):
        def read(self, size=-1):
            raise OSError(5, "Input/output error")

    with pytest.raises(UnreadableSource, match="Input/output error"):
        read_cards(Broken(), opaque)


def test_an_opened_file_is_closed_when_it_turns_out_unreadable(tmp_path, opaque, monkeypatch):
    """Nothing stays open after an error."""
    path = tmp_path / "cards.txt"
    path.write_bytes(b"%PDF-1.7")
    with pytest.raises(UnreadableSource, match="PDF"):
        read_cards(path, opaque)

    def broken(*_args, **_kwargs):
        raise MemoryError

    monkeypatch.setattr("autocard.importing.sources._position", broken)
    with pytest.raises(MemoryError):
        read_cards(path, opaque)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"kind": "docx"}, "kind"),
        ({"encoding": "klingon"}, "encoding"),
        ({"encoding": "hex"}, "encoding"),
        ({"encoding": "a\0b"}, "encoding"),
        ({"columns": {"": 1}}, "columns"),
        ({"columns": {"secret": -1}}, "columns"),
        ({"columns": {"secret": True}}, "columns"),
        ({"max_line_chars": 0}, "max_line_chars"),
        ({"max_uncompressed_bytes": 0}, "max_uncompressed_bytes"),
        ({"kind": "csv", "delimiter": "----"}, "delimiter"),
        ({"delimiter": '"'}, "delimiter"),
    ],
)
def test_bad_options_name_themselves(options, name):
    """An option that cannot be is a configuration error that names it."""
    with pytest.raises(ConfigurationError, match=name):
        ReadOptions(**options)


def test_memory_stays_flat(opaque):
    """Two hundred thousand rows take no more memory than the pieces they are read in."""

    def source(count):
        return io.BytesIO(b"".join(b"CARD-%08d,PW-%08d\n" % (at, at) for at in range(count)))

    for kind, counts in (("text", (20_000, 200_000)), ("csv", (20_000, 60_000))):
        peaks = []
        for count in counts:
            file = source(count)
            tracemalloc.start()
            seen = sum(1 for _ in read_cards(file, opaque, ReadOptions(kind=kind)))
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
            assert seen == count
        assert peaks[1] < peaks[0] * 1.5 < 16_000_000
