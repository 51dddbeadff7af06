"""The products of the catalogue: what each pattern takes, and what it does not."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autocard.adapters.formats.catalogue import CODES, GENERIC, PREPAID, ROWS, SELF_ISSUED
from autocard.adapters.formats.products import PairedProduct, Product

PREPAID_LENGTHS = {
    "cmcc": ((17,), (18,)),
    "cucc": ((15,), (19,)),
    "ctcc": ((19,), (18,)),
    "junnet": ((16,), (16,)),
    "snda": ((15, 16), (8, 9)),
    "zhengtu": ((16,), (8,)),
    "qq": ((9,), (12,)),
    "netease": ((13,), (9,)),
    "wanmei": ((10,), (15,)),
    "sohu": ((20,), (12,)),
    "jiuyou": ((13,), (10,)),
    "zongyou": ((15,), (15,)),
    "tianxia": ((15,), (8,)),
}
LETTERS = {"snda": (True, True), "zhengtu": (True, True), "netease": (True, False)}
LETTERS["zongyou"] = (True, True)
UNCHECKED = ["cmcc-provincial", "tianhong", "guangyu", "kingsoft", "wow", "5173"]
UNCHECKED += ["lianhua-ok", "yeepay"]

GOOD = {
    "steam": ["A1B2C-D3E4F-G5H6J", "a1b2c-d3e4f-g5h6j", "-".join("ABCDE" * 1 for _ in range(4))],
    "steam-modern": ["A2B3C-D4E5F-G6H7J", "00000-NPRTV-ZZZZZ"],
    "steam-loose": ["AB-CD12-EF34", "ABCDEFG-" * 5 + "ABCDEFG"],
    "steam-prey": ["A1B2C3D4E5F6G7H 42", "A1B2C3D4E5F6G7H8 42"],
    "steam-wallet": ["W1X2Y-Z3A4B-C5D6E", "W1X2YZ3A4BC5D6E"],
    "windows": ["BCDFG-HJKMN-PQRTV-WXY23-46789"],
    "microsoft": ["BCDFG-HJKMN-PQRTV-WXY23-4678Z", "BCDFG-HJKMN-PQRTV-WXY23-46789"],
    "psn": ["P1S2-N3C4-D5E6", "P1S2N3C4D5E6"],
    "nintendo": ["N1T2-D3O4-C5D6-E7F8", "N1T2D3O4C5D6E7F8"],
    "apple": ["XDEM0C0DE1234567", "xdem0c0de1234567"],
    "apple-serial": ["GCA1000000000000016"],
    "google-play": ["A" * 16, "1" * 20],
    "amazon": ["A1M2-Z3N4D5-E6M7", "A1M2-Z3N4D5-E6M78", "A1M2Z3N4D5E6M7"],
    "gog": ["G1O2G-D3E4M-O5C6D-E7F8G"],
    "epic": ["E1P2C-D3E4M-O5C6D-E7F8G"],
    "origin": ["E1A2-O3R4-D5E6-M7O8-C9D0"],
    "uplay": ["U1B2-D3E4-M5O6-C7D8", "U1B-D2E3-M4O5-C6D7-E8F9", "U1B2-D2E3-M4O5-C6D7-E8F9"],
    "battlenet": ["B1N2-D3E4-M5O6-C7D8", "B1N2-D3E4-M5O6P-C7D8-E9F0"],
    "adobe": ["1000-0000-0000-0000-0000-0024"],
    "roblox": ["100 000 0010", "1000000010", "A1B2C3D4E5F6G7H8", "anything else"],
    "netflix": ["NAA" + "1" * 10, "NAA" + "A" * 20],
    "paysafe": ["1000000000000016"],
    "uuid": ["0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d", "0A1B2C3D-4E5F-4A6B-8C7D-9E0F1A2B3C4D"],
    "hex32": ["0a1B" * 8],
    "jwt": ["eyJh.eyJi.c_-", "eyJh.eyJi."],
    "url": ["http://a.example", "https://card.example.com/u/AbC?x=1&y=2#卡"],
    "totp": ["A" * 16, "JBSWY3DPEHPK3PXP", "7" * 64],
    "cn-mobile": ["13800000000", "19900000000"],
    "base64": ["QUJD" * 5, "QUJD" * 4 + "QUI=", "QUJD" * 4 + "QQ=="],
}
BAD = {
    "steam": ["A1B2C-D3E4F", "A1B2C-D3E4F-G5H6", "A1B2C D3E4F G5H6J", "A1B2CD3E4FG5H6J"],
    "steam-modern": ["A1B3C-D4E5F-G6H7J", "A2B3C-D4E5F-G6H7S", "A2B3C-D4E5F-G6H7J-A2B3C"],
    "steam-loose": ["A-BCDE-FGHJ", "ABCDEFGH-ABCD-ABCD", "AB-CD12"],
    "steam-prey": ["A1B2C3D4E5F6G7H42", "A1B2C3D4E5F6G7 42", "A1B2C3D4E5F6G7H A2"],
    "steam-wallet": ["W1X2Y-Z3A4B-C5D6", "W1X2Y_Z3A4B_C5D6E"],
    "windows": ["BCDFG-HJKMN-PQRTV-WXY23-4678A", "BCDFG-HJKMN-PQRTV-WXY23-4678Z"],
    "microsoft": ["BCDFG-HJKMN-PQRTV-WXY23-4678E", "BCDFG-HJKMN-PQRTV-WXY23"],
    "psn": ["P1S2-N3C4-D5E", "P1S2-N3C4-D5E6-"],
    "nintendo": ["N1T2-D3O4-C5D6", "N1T2-D3O4-C5D6-E7F89"],
    "apple": ["ADEM0C0DE1234567", "XDEM0C0DE123456"],
    "apple-serial": ["GCA100000000000001", "GCB1000000000000016"],
    "google-play": ["A" * 17, "A" * 15, "AAAA-AAAA-AAAA-AAAA"],
    "amazon": ["A1M2-Z3N4D5-E6M", "A1M2-Z3N4D-5E6M7"],
    "gog": ["G1O2G-D3E4M-O5C6D", "G1O2GD3E4MO5C6DE7F8G"],
    "epic": ["E1P2C-D3E4M-O5C6D-E7F8"],
    "origin": ["E1A2-O3R4-D5E6-M7O8"],
    "uplay": ["U1-D2E3-M4O5-C6D7-E8F9", "U1B-D2E3-M4O5-C6D7"],
    "battlenet": ["B1N2-D3E4-M5O6P-C7D8", "B1N2-D3E4-M5O6"],
    "adobe": ["1000-0000-0000-0000-0000", "1000-0000-0000-0000-0000-002A"],
    "netflix": ["NAA123456789", "NAB1234567890"],
    "paysafe": ["100000000000001", "1000-0000-0000-0016"],
    "uuid": ["0a1b2c3d4e5f4a6b8c7d9e0f1a2b3c4d", "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4g"],
    "hex32": ["0a1B" * 7, "0a1G" * 8],
    "jwt": ["eyJh.eyJi", "EYJh.eyJi.c", "eyJh.eyJi.c+"],
    "url": ["ftp://a.example", "http:/a.example", "https://a.example/a b", "https://a.example|x"],
    "totp": ["A" * 15, "jbswy3dpehpk3pxp", "A" * 65, "A" * 15 + "1"],
    "cn-mobile": ["12800000000", "1380000000", "138000000000"],
    "base64": ["QUJD" * 4, "QUJD" * 4 + "QUI", "QUJD" * 4 + "Q===", "QUJD" * 4 + "QU-_"],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name in GOOD for text in GOOD[name]])
def test_codes_of_the_right_shape_pass(name, text, check, read):
    """The whole code must fit, and is the secret as it was written."""
    assert check(name, text) == ""
    assert read(name, text).secret == text


@pytest.mark.parametrize(("name", "text"), [(name, text) for name in BAD for text in BAD[name]])
def test_codes_of_another_shape_do_not_pass(name, text, check):
    """The reason is a shape in words, without the code."""
    problem = check(name, text)
    assert problem.startswith("the secret must be ")
    assert text not in problem


def test_every_code_has_samples():
    """A row cannot be added without showing what it takes and what it does not."""
    names = {row.name for row in (*CODES, *GENERIC)}
    assert names == set(GOOD) == {*BAD, "roblox"}
    assert {row.name for row in PREPAID} == {*PREPAID_LENGTHS, *UNCHECKED}
    assert {row.name for row in SELF_ISSUED} == {"luhn", "luhn36", "ean13", "mod97", "crc32"}


@pytest.mark.parametrize("name", PREPAID_LENGTHS)
def test_prepaid_cards_have_their_lengths(name, formats):
    """Number and password have exactly the lengths and characters of the issuer."""
    card_format = formats[name]
    for part, lengths in enumerate(PREPAID_LENGTHS[name]):
        letters = LETTERS.get(name, (False, False))[part]
        pieces = ["1" * PREPAID_LENGTHS[name][0][0], "1" * PREPAID_LENGTHS[name][1][0]]
        for length in range(1, 24):
            pieces[part] = "1" * (length - 1) + ("a" if letters else "0")
            problem = card_format.check(card_format.parse("", tuple(pieces)))
            assert (problem == "") == (length in lengths)
            pieces[part] = "1" * (length - 1) + "_"
            assert card_format.check(card_format.parse("", tuple(pieces)))
        if not letters:
            pieces[part] = "1" * (lengths[0] - 1) + "A"
            assert card_format.check(card_format.parse("", tuple(pieces)))


@pytest.mark.parametrize(
    "between",
    [
        "----",
        " ---- ",
        "\t",
        "║",
        "_____",
        "|",
        ",",
        ":",
        "  ",
        " ",
        "，",
        "｜",
        "：",
        "————",
        "\x1f",
    ],
)
def test_prepaid_cards_take_any_separator(between, read, check):
    """Number and password are found whatever stands between them, full-width or not."""
    text = "10000000000000017" + between + "200000000000000018"
    parts = read("cmcc", text)
    assert (parts.number, parts.secret) == ("10000000000000017", "200000000000000018")
    assert check("cmcc", text) == ""


def test_prepaid_cards_are_not_cut_at_three_hyphens(check):
    """Three hyphens are a slip of whoever wrote the file; the line is reported."""
    text = "10000000000000017---200000000000000018"
    assert check("cmcc", text) == "the number is missing; it must be 17 digits"


@pytest.mark.parametrize("name", UNCHECKED)
def test_cards_without_a_known_length_are_not_checked(name, check):
    """Any number and password passes."""
    assert check(name, "12----ab") == ""


def test_labels_in_front_of_a_product_are_read(read, check):
    """Suppliers show `卡号：… 卡密：…`; the product is checked behind the labels."""
    parts = read("qq", "卡号：１００００００09 卡密：200000000012 有效期：2026-12-31")
    assert (parts.number, parts.secret) == ("100000009", "200000000012")
    assert parts.expires_at is not None
    assert read("steam", "激活码：A1B2C-D3E4F-G5H6J").secret == "A1B2C-D3E4F-G5H6J"
    assert check("qq", "卡密：200000000012") == "the number is missing; it must be 9 digits"


@pytest.mark.parametrize(
    "text",
    [
        "ＡＢ１２－ＣＤ３４－ＥＦ５６",
        "AB12—CD34—EF56",
        "AB12\u2011CD34\u2212EF56",
        "\u200bAB\u200d12-CD34-EF56\u3000",
    ],
)
def test_wide_characters_and_dashes_are_folded(text, read, check):
    """NFKC, every dash a hyphen, nothing of zero width; the original text is kept."""
    parts = read("psn", text)
    assert parts.secret == "AB12-CD34-EF56"
    assert parts.text == text
    assert check("psn", text) == ""


def test_links_and_opaque_cards_are_not_folded(read):
    """What has no ASCII pattern is left as it is."""
    assert read("url", "https://x.example/（卡）").secret == "https://x.example/（卡）"
    assert read("opaque", "ＡＢ—１２").secret == "ＡＢ—１２"


@pytest.mark.parametrize(
    ("name", "text", "swap"),
    [
        ("qq", "10000000O----200000000012", "O were 0"),
        ("qq", "10000000o----200000000012", "O were 0"),
        ("qq", "100000009----20000000001l", "L were 1"),
        ("qq", "100000009----2000000000I2", "I were 1"),
        ("qq", "100000009----20000000005S", "S were 5"),
        ("qq", "100000009----2000000000B2", "B were 8"),
        ("steam-modern", "A1B3C-D4E5F-G6H7J", "1 were I"),
        ("windows", "BCDFG-HJKMN-PQRTV-WXY23-4678B", ""),
        ("totp", "JBSWY3DPEHPK3PX8", "8 were B"),
        ("totp", "JBSWY3DPEHPK3PX0", "0 were O"),
        ("totp", "JBSWY3DPEHPK3PX9", ""),
        ("totp", "jbswy3dpehpk3px0", ""),
        ("cn-mobile", "not a number", ""),
    ],
)
def test_look_alikes_are_named_but_never_repaired(name, text, swap, check, read):
    """A card that fails says which look-alike would make it pass; it is kept as it is."""
    problem = check(name, text)
    assert (f"it would pass if {swap}" in problem) == bool(swap)
    assert ("it would pass" in problem) == bool(swap)
    parts = read(name, text)
    assert f"{parts.number}{parts.secret}" == text.replace("----", "")


def test_one_code_in_two_spellings_is_one_card(formats, read):
    """Case and separators do not make another card, unless the pattern tells them apart."""

    def form(name, text):
        return formats[name].normalise(read(name, text))

    assert form("psn", "P1S2-N3C4-D5E6") == form("psn", "p1s2n3c4d5e6") == "\x1fP1S2N3C4D5E6"
    assert form("adobe", "1000-0000-0000-0000-0000-0024") == "\x1f1" + "0" * 21 + "24"
    assert form("jwt", "eyJh.eyJi.c-d") == "\x1feyJh.eyJi.c-d"
    assert form("url", "https://a.example/A-b") == "\x1fhttps://a.example/A-b"
    assert form("snda", "A" * 15 + "|abcdefgh") != form("snda", "A" * 15 + "|ABCDEFGH")


@pytest.mark.parametrize("row", [row for row in ROWS if row.secret], ids=lambda row: row.name)
def test_patterns_are_quick_on_any_text(row):
    """No pattern takes long on a long text that nearly fits."""
    for text in ("A" * 16_000 + "!", "1" * 16_000 + "!", "A-" * 8_000 + "!", "eyJ" * 5_000 + "!"):
        for flags in (re.ASCII, re.ASCII | re.IGNORECASE):
            assert re.fullmatch(row.secret.pattern, text, flags) is None


def drawn(shape):
    """Return texts that fit a shape; only the empty one where there is none."""
    if shape is None:
        return st.just("")
    return st.from_regex(re.compile(shape.pattern, re.ASCII), fullmatch=True)


@given(data=st.data(), row=st.sampled_from([row for row in ROWS if row.secret and row.ascii_only]))
def test_whatever_fits_the_pattern_passes(data, row):
    """Any text made from a pattern is a card of its product, and has one normal form."""
    card_format = PairedProduct(row) if row.paired else Product(row)
    number, secret = data.draw(drawn(row.number)), data.draw(drawn(row.secret))
    text = f"{number}----{secret}" if number else secret
    parts = card_format.parse(text, card_format.split(text))
    # Digits may by chance read as an identity number, and seldom have the right check digit.
    assert card_format.check(parts) == "" or row.verify or "identity" in card_format.check(parts)
    form = card_format.normalise(parts)
    assert card_format.normalise(card_format.parse(form, card_format.split(form))) == form
