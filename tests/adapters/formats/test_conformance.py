"""The public suite, run on one format of every kind."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from autocard.adapters.formats import card_formats
from autocard.spi import CardFormat
from autocard.testing.formats import CardFormatSuite

FORMATS = {card_format.name: card_format for card_format in card_formats()}


class _Builtin(CardFormatSuite):
    """Takes a format and its samples from the parameter of the class below."""

    @pytest.fixture(name="card_format")
    def _card_format(self, request: pytest.FixtureRequest) -> CardFormat:
        return FORMATS[request.param[0]]

    @pytest.fixture(name="samples")
    def _samples(self, card_format: CardFormat, request: pytest.FixtureRequest) -> Sequence[str]:
        return [card_format.example, *request.node.callspec.params["card_format"][1:]]


def each(*rows: tuple[str, ...]) -> pytest.MarkDecorator:
    """Run a suite on every row: the name of a format, and samples beside its example."""
    ids = [name for name, *_ in rows]
    return pytest.mark.parametrize("card_format", rows, indirect=True, ids=ids)


@each(
    ("opaque", "ABCDEF-GHIJK-LMNOP", "# not a comment", "卡密 一 二"),
    ("indexed", "1|secret-of-one", "【12】卡号：1000"),
    ("pair", "1111----2222", "----PW-ONLY", "1111|22|33", "ABCDEF-GHIJK-LMNOP"),
    ("pair-hyphens", "1111----22--33", "0----0"),
    ("pair-tab", "1111\t2222"),
    ("pair-colon", "a@b.example:pw", "me:https://x.example"),
    ("pair-space", "1111 2222"),
    ("account", "a----b----c----d", "a----c"),
    ("acg", "ACC║预告║5.5", "ACC-2"),
    ("labelled", "账号:name--密码:pw", "卡号：0001 卡密：PW01 有效期：2026-12-31"),
    ("labelled-indexed", "【3】卡号：1000"),
    ("json", '{"email":"a@b.example","access_token":"eyJ"}'),
)
class TestLayouts(_Builtin):
    """Layouts that leave what is inside a card alone."""


@each(
    ("steam", "A1B2C-D3E4F-G5H6K", "AAAAA-BBBBB-CCCCC-DDDDD-EEEEE"),
    ("steam-prey", "A1B2C3D4E5F6G7H8 42"),
    ("amazon", "A1M2Z3N4D5E6M8", "A1M2-Z3N4D5-E6M78"),
    ("roblox", "A1B2C3D4E5F6G7H8"),
    ("uuid",),
    ("luhn36", "ABC123XYZH"),
    ("crc32",),
)
class TestCodes(_Builtin):
    """Codes in which neither case nor width is part of the card."""

    ignores_case = True
    ignores_width = True


@each(
    ("cmcc", "12345678901234567 123456789012345678"),
    ("snda", "ABCDEFGHIJKLMNO,abcdefgh", "ABCDEFGHIJKLMNO,ABCDEFGH"),
    ("tianhong", "12----34"),
    ("totp",),
    ("jwt",),
    ("base64",),
)
class TestWidthOnly(_Builtin):
    """Cards in which case is part of the card, but width is not."""

    ignores_width = True


@each(("url", "http://card.example.com/%E5%8D%A1"))
class TestLinks(_Builtin):
    """Links are left as they are."""
