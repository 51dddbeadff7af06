"""How lines are taken apart: the corpus of real files, and what systems before got wrong."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from autocard.spi import CardParts

CORPUS = [
    ("opaque", "ABCDEF-GHIJK-LMNOP", "", "ABCDEF-GHIJK-LMNOP"),
    ("pair", "ABCDEF-GHIJK-LMNOP", "", "ABCDEF-GHIJK-LMNOP"),
    ("pair-hyphens", "1111----2222", "1111", "2222"),
    ("pair-hyphens", "卡号1111----卡密2222", "卡号1111", "卡密2222"),
    ("pair", "1111----2222", "1111", "2222"),
    ("pair-hyphens", "----PW-ONLY", "", "PW-ONLY"),
    ("pair", "----PW-ONLY", "", "PW-ONLY"),
    ("pair-hyphens", "1111----", "1111", ""),
    ("pair-hyphens", "a----b----c----d", "a", "b----c----d"),
    ("account", "a----b----c----d", "a", "b"),
    ("pair-hyphens", "1111----22--33", "1111", "22--33"),
    ("pair-hyphens", "1111 ---- 2222", "1111", "2222"),
    ("pair-pipe", "1111|22|33", "1111", "22|33"),
    ("pair", "1111|22|33", "1111", "22|33"),
    ("opaque", "1111，2222", "", "1111，2222"),
    ("pair", "1111，2222", "", "1111，2222"),
    ("pair-comma", "1111,2222", "1111", "2222"),
    ("pair-underscores", "1111_____2222", "1111", "2222"),
    ("pair-tab", "1111\t2222", "1111", "2222"),
    ("pair-bar", "1111║2222", "1111", "2222"),
    ("pair-colon", "a@b.example:pw", "a@b.example", "pw"),
    ("pair-colon", "me:https://x.example/?a=1", "me", "https://x.example/?a=1"),
    ("pair-spaces", "1 1   2 2", "1 1", "2 2"),
    ("pair-space", "1111 2222", "1111", "2222"),
    ("pair", "1111 2222", "1111", "2222"),
    ("labelled", "卡号：0001 卡密：PW01", "0001", "PW01"),
    ("labelled", "账号:name--密码:pw", "name", "pw"),
    ("labelled", "卡号：0001\r", "0001", ""),
    ("labelled", "卡密：PW01，卡号：0001", "0001", "PW01"),
    ("labelled", "卡号：0001\n卡密：PW01", "0001", "PW01"),
    ("labelled", "card no: 0001 password: PW?code:1", "0001", "PW?code:1"),
    ("opaque", "卡号：0001\r", "", "卡号：0001"),
    ("url", "https://card.example.com/u/AbC?x=1&y=2", "", "https://card.example.com/u/AbC?x=1&y=2"),
    (
        "pair",
        "https://card.example.com/u/AbC?x=1&y=2",
        "",
        "https://card.example.com/u/AbC?x=1&y=2",
    ),
    ("pair-hyphens", "0----0", "0", "0"),
    ("nintendo", "ＡＢ１２－ＣＤ３４", "", "AB12-CD34"),
    ("labelled-indexed", "【3】卡号：1000", "1000", ""),
    ("labelled-indexed", "卡号：1000", "1000", ""),
    ("indexed", "【3】卡号：1000", "", "卡号：1000"),
    ("indexed", "1|secret", "", "secret"),
    ("acg", "ACC║预告║5.5", "", "ACC"),
    ("json", '{"email":"a@b.example","access_token":"eyJ"}', "a@b.example", "eyJ"),
    ("json", '{"card_no": 12345678901234567890, "pwd": 0}', "12345678901234567890", "0"),
    ("json", '{"URL": "https://x.example"}', "", "https://x.example"),
    ("opaque", " \ufeff\u3000&amp;#<b> x\u200b\u00a0\r\n", "", "&amp;#<b> x"),
]


@pytest.mark.parametrize(("name", "text", "number", "secret"), CORPUS)
def test_the_corpus(name, text, number, secret, read):
    """Every line of the corpus gives its number and secret, and keeps its text."""
    parts = read(name, text)
    assert (parts.number, parts.secret, parts.text) == (number, secret, text)


def test_further_parts_are_kept_in_their_order(read):
    """Accounts name them by place, acg cards by meaning, labelled lines by label."""
    assert read("account", "a----b----c--------e").extra == (("part-3", "c"), ("part-5", "e"))
    assert read("acg", "ACC║预告║5.5").extra == (("preview", "预告"), ("surcharge", "5.5"))
    assert read("acg", "ACC║预告").extra == (("preview", "预告"), ("surcharge", "0"))
    assert read("acg", "ACC").extra == ()
    assert read("labelled", "卡密：x 备注：y").extra == (("备注", "y"),)
    assert read("labelled", "卡密：x 卡密：y").extra == (("卡密", "y"),)
    assert read("json", '{"pwd":"x","a":[1,null],"b":null}').extra == (
        ("a", '["1", null]'),
        ("b", ""),
    )


@pytest.mark.parametrize(
    ("name", "pieces", "number", "secret"),
    [
        ("pair-comma", ("1,111", "2222"), "1,111", "2222"),
        ("pair-pipe", ("0012", "PW"), "0012", "PW"),
        ("opaque", ("0012",), "", "0012"),
        ("opaque", ("a", "b"), "", "the text"),
        ("opaque", (), "", "the text"),
        ("pair", (), "", "the text"),
        ("steam", ("SN1", "A1B2C-D3E4F-G5H6J"), "SN1", "A1B2C-D3E4F-G5H6J"),
        ("cmcc", ("1" * 17, "2" * 18), "1" * 17, "2" * 18),
        ("labelled", ("0001", "PW"), "0001", "PW"),
    ],
)
def test_cells_of_a_row_are_taken_as_they_are(name, pieces, number, secret, formats):
    """A row that is cut already is not cut again."""
    parts = formats[name].parse("the text", pieces)
    assert (parts.number, parts.secret) == (number, secret)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("pair-hyphens", "1111---2222", "there is no '----' between number and secret"),
        ("pair-tab", "\t2222", "there is no '\\t' between number and secret"),
        ("pair-colon", "https://x.example", "there is no ':' between number and secret"),
        ("account", "1111---2222", "there is no '----' between account and password"),
        ("indexed", "secret", "there is no running number such as 【3】 or 3| before the card"),
        ("labelled", "secret", "there is no label such as 卡号： or 卡密： in front"),
        ("labelled", "【3】卡号：1000", "there is no label such as 卡号： or 卡密： in front"),
        ("labelled", "备注：x", "there is no label such as 卡号： or 卡密： in front"),
        ("json", "[1]", "there is no JSON object with a card in it, such as a password"),
        ("json", "[" * 20_000, "there is no JSON object with a card in it, such as a password"),
        ("json", '{"a": 1}', "there is no JSON object with a card in it, such as a password"),
        ("labelled", "卡密：x 有效期：soon", "the expiry must be a date such as 2026-12-31"),
        ("labelled", "卡密：x 有效期：2026-02-30", "the expiry must be a date such as 2026-12-31"),
        ("labelled", "卡密：x 有效期：1969-12-31", "the expiry must be a date such as 2026-12-31"),
        ("opaque", " \u3000\r\n", "there is no card in this line"),
        ("pair-pipe", " | ", "there is no card in this line"),
        ("acg", "║x", "there is no card in this line"),
        ("steam", "\u200b", "there is no card in this line"),
    ],
)
def test_a_line_without_a_card_says_what_is_missing(name, text, message, read):
    """Lines that deviate from the chosen layout are reported, not guessed."""
    with pytest.raises(ValueError, match=r"there is no|must be a date") as caught:
        read(name, text)
    assert str(caught.value).startswith(message)


def test_a_number_alone_may_be_the_card(check):
    """An empty secret is for the importer to mention; an empty card cannot be."""
    assert check("pair-hyphens", "1111----") == ""
    assert check("labelled", "卡号：0001") == ""


def test_control_characters_are_refused_wherever_they_are(check):
    """A tab is text in a card that is left alone; nothing else below a space is."""
    assert check("opaque", "a\tb") == ""
    assert check("opaque", "a\x1bb") == "the secret contains a control character"
    assert check("pair-pipe", "a\tb|c") == "the number contains a control character"
    assert check("account", "a----b----c\x00d") == "a further part contains a control character"
    assert check("opaque", "a\u0085b") == "the secret contains a control character"
    assert check("opaque", "a\ud800b") == "the secret contains a control character"
    assert check("opaque", "卡\u3000密 \u2028x") == ""


def test_a_card_has_an_end(check):
    """A whole file on one line is no card."""
    assert check("opaque", "x" * 16_384) == ""
    assert check("opaque", "x" * 16_385) == "a card has at most 16,384 characters"


def test_a_surcharge_is_an_amount(check):
    """The surcharge of an acg card is checked, because a buyer pays it."""
    assert check("acg", "ACC║x║0.5") == ""
    assert check("acg", "ACC║x║-1") == "the surcharge must be an amount such as 5.5"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-12-31", datetime(2026, 12, 31, 15, 59, 59, tzinfo=UTC)),
        ("2026/1/2 03:04", datetime(2026, 1, 1, 19, 4, tzinfo=UTC)),
        ("2026年1月2日", datetime(2026, 1, 2, 15, 59, 59, tzinfo=UTC)),
        ("2026-12-31T08:00:01", datetime(2026, 12, 31, 0, 0, 1, tzinfo=UTC)),
        ("1798732799", datetime(2026, 12, 31, 15, 59, 59, tzinfo=UTC)),
        ("9999-12-31", datetime(9999, 12, 31, 15, 59, 59, tzinfo=UTC)),
        *((text, None) for text in ("", "0", "-", "1970-01-01", "0000-00-00 00:00:00", "永久有效")),
    ],
)
def test_expiry_is_beijing_time(text, expected, read):
    """A date lasts to its end in Beijing; the many ways to say "never" give none."""
    assert read("labelled", f"卡密：x 有效期：{text}").expires_at == expected


def test_equal_cards_have_one_normal_form(formats, read):
    """However the line is written, the card is the same; number and secret never run together."""
    pair = formats["pair"]
    same = ["1111----2222", "1111|2222", " 1111\t2222\r", "1111 2222"]
    assert len({pair.normalise(read("pair", text)) for text in same}) == 1
    different = [CardParts("", "23", "1"), CardParts("", "3", "12"), CardParts("", "123")]
    for name in ("pair", "account", "labelled", "snda", "steam"):
        assert len({formats[name].normalise(parts) for parts in different}) == 3
    assert pair.normalise(read("pair", "a----1")) != pair.normalise(read("pair", "A----1"))
    assert pair.normalise(read("pair", "\u2003----\u2003")) == "\u2003\x1f\u2003"


@pytest.mark.parametrize(
    ("name", "text", "mask"),
    [
        ("opaque", "ABCDEF-GHIJK-LMNOP", "****MNOP"),
        ("opaque", "12345678", "****78"),
        ("opaque", "1234567", "****"),
        ("opaque", "ABCDEF-GHIJK-LM\x1b\u202eP", "****M**P"),
        ("pair", "123456789012----secret", "****9012"),
        ("pair", "1----secret-of-one", "****"),
    ],
)
def test_masks(name, text, mask, formats, read):
    """At most four characters are shown, none of a short card, of the number where there is one."""
    assert formats[name].mask(read(name, text)) == mask


def test_a_buyer_reads_labels_where_there_is_more_than_a_secret(formats, read):
    """A lone secret is shown as it is; number, further parts and expiry have labels."""
    assert formats["opaque"].render(read("opaque", " x y ")) == "x y"
    assert formats["acg"].render(read("acg", "ACC║预告║5.5")) == "ACC"
    assert formats["pair"].render(read("pair", "x-1")) == "x-1"
    assert (
        formats["account"].render(read("account", "a----b----c")) == "账号：a\n密码：b\npart-3：c"
    )
    text = "卡号：0001\n卡密：PW01\n备注：y\n有效期：2026-12-31 08:00:00"
    assert formats["labelled"].render(read("labelled", text)) == text


@pytest.mark.parametrize("name", ["opaque", "acg"])
def test_the_number_tells_cards_apart_where_a_line_is_not_cut(name, formats):
    """Two numbers with one PIN are two cards."""
    card_format = formats[name]
    first, second = (CardParts(f"{n}----1234", "1234", n) for n in ("0001", "0002"))
    assert card_format.normalise(first) != card_format.normalise(second)
    assert card_format.normalise(first) != card_format.normalise(CardParts("1234", "1234"))


@pytest.mark.parametrize(
    "line", ["0001----1234", "0001,1234", "0001\t1234", "0001 ; 1234", "0001|1234"]
)
@pytest.mark.parametrize("name", ["opaque", "acg"])
def test_a_row_is_the_same_card_whether_it_was_cut_or_not(name, line, formats, read):
    """Number and secret that have a column each, and the line that nobody cut."""
    card_format = formats[name]
    cut = card_format.normalise(CardParts("0001----1234", "1234", "0001"))
    assert card_format.normalise(read(name, line)) == cut


@pytest.mark.parametrize("line", [",1234", "1234,", "----", "https://card.example.com/u?x=1"])
def test_a_line_with_one_part_stays_what_it_is(line, formats, read):
    """There is nothing to cut."""
    assert formats["opaque"].normalise(read("opaque", line)) == line
