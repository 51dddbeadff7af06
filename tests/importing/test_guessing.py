"""Guessing formats and separators, and looking ahead without losing anything."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autocard.importing.guessing import Guess, guess_format, sample, suggest_separator
from autocard.importing.reading import ReadOptions, read_cards


@pytest.fixture(scope="session", name="formats")
def _formats(opaque, pair, account, make_code, lenient):
    def products(*wanted):
        table = {
            "five": make_code("five", r"[0-9A-Z]{5}(?:-[0-9A-Z]{5}){2,4}", "AB1DE-FG1IJ-KL1NO"),
            "windows": make_code(
                "windows", r"[B-Y2-9]{5}(?:-[B-Y2-9]{5}){4}", "-".join(["BCD2F"] * 5)
            ),
            "four": make_code("four", r"[0-9A-Z]{4}(?:-[0-9A-Z]{4}){3}", "AAA1-BBB1-CCC1-DDD1"),
            "also": make_code("also", r"[0-9A-Z]{4}(?:-[0-9A-Z]{4}){3}", "AAA2-BBB1-CCC1-DDD1"),
        }
        return [opaque, pair, account, lenient, *(table[name] for name in wanted)]

    return products


@pytest.mark.parametrize(
    ("line", "text", "parts"),
    [
        ("1111----2222", "----", 2),
        ("a----b----c", "----", 3),
        ("a\tb", "\t", 2),
        ("a║b║c", "║", 3),
        ("1111_____2222", "_____", 2),
        ("1111|2222", "|", 2),
        ("1111,2222", ",", 2),
        ("a@b.example:pw", ":", 2),
        ("a b  c d", "  ", 2),
        ("a b", " ", 2),
    ],
)
def test_separators_in_their_order(line, text, parts):
    """The rarest separator by which nearly all lines agree is suggested."""
    found = suggest_separator([line] * 98 + ["", "x"] + [f"{line}"])
    assert (found.text, found.parts) == (text, parts)
    assert found.share == 99 / 100


@pytest.mark.parametrize(
    "lines", [[], ["", " "], ["https://x.example/a"], ["a---b"], ["a,b", "a,b,c", "c"], ["ABC"]]
)
def test_no_separator(lines):
    """Addresses, three hyphens and lines that disagree have no separator."""
    assert suggest_separator(lines) is None


def test_a_product_is_told(formats):
    """One product that nearly all lines pass is the guess."""
    guess = guess_format(["AB1DE-FG1IJ-KL1NO"] * 99 + ["bad"], formats("five", "four"))
    assert (guess.name, guess.share, guess.candidates) == ("five", 0.99, ("five",))
    assert guess.describe() == "format five fits 99.0% of the sample"


def test_the_narrower_product_is_chosen(formats):
    """Of two products that fit, the one whose codes are a part of the other's is chosen."""
    guess = guess_format(["-".join(["BCD2F"] * 5)], formats("five", "windows"))
    assert (guess.name, guess.candidates) == ("windows", ("windows", "five"))
    assert "so do five" in guess.describe()


def test_equal_products_are_not_told_apart(formats):
    """Products with the same shape are all named, and none is chosen."""
    guess = guess_format(["AAAA-BBBB-CCCC-DDDD"], formats("four", "also"))
    assert (guess.name, sorted(guess.candidates)) == ("opaque", ["also", "four"])
    assert guess.share == 1.0


def test_lines_with_a_separator(formats):
    """Without a product, the format that cuts lines into as many parts as they have is chosen."""
    two = guess_format(["1----2", "3----4"], formats())
    assert two.name == "pair"
    assert "2 parts around '----'" in two.describe()
    assert guess_format(["1----2----3"], formats()).name == "account"
    assert guess_format(["1|2"], formats()).name == "opaque"


def test_nothing_to_guess(formats):
    """No lines, or lines of no format, are opaque."""
    assert guess_format(["", " "], formats()) == Guess("opaque", 0.0)
    assert guess_format(["x", "y z"], formats("five")).name == "opaque"
    assert guess_format(["1----2", "3"], formats()).name == "opaque"


@given(st.lists(st.text()))
def test_guessing_is_total(formats, lines):
    """Any lines give a guess."""
    assert guess_format(lines, formats("five", "windows")).name


def texts(source, card_format, **options):
    with read_cards(source, card_format, ReadOptions(**options)) as reading:
        return [row.parts.text for row in reading]


class Stream:
    """Bytes that cannot be read twice, in small pieces."""

    def __init__(self, data):
        self.data = io.BytesIO(data)

    def read(self, size):
        return self.data.read(min(size, 3))


def test_a_sample_loses_nothing(tmp_path, opaque):
    """After a sample the returned source still has every card."""
    cards = [f"CARD{at}" for at in range(30)]
    data = "\n".join(cards).encode()
    path = tmp_path / "cards.txt"
    path.write_bytes(data)
    moved = io.BytesIO(b"skipped\n" + data)
    moved.readline()
    for source in (
        path,
        str(path),
        moved,
        io.StringIO(data.decode()),
        Stream(data),
        iter(cards),
        cards,
        (card for card in cards),
    ):
        head, again = sample(source, limit=7)
        assert head == cards[:7]
        assert texts(again, opaque) == cards


def test_a_closed_file_cannot_be_sampled():
    """A file that cannot tell its position is read as a stream, and its error is ours."""
    file = io.BytesIO(b"A")
    file.close()
    with pytest.raises(ValueError, match="cannot be read"):
        sample(file)


def test_a_sample_of_a_table():
    """The sample of a table is the text of its cards; bad rows are left out."""
    data = "卡号,卡密\n1,2\n3,4,5\n6,7\n".encode()
    head, _ = sample(io.BytesIO(data))
    assert head == ["1----2", "6----7"]
    head, _ = sample(io.BytesIO(b"a,b,c\n"), ReadOptions(kind="csv"))
    assert head == ["a----b----c"]
