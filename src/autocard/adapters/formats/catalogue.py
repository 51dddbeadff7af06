"""
The table of known products: one row is one format.

Source for lengths and alphabets: the checks of three payment portals and the card-length table of
a card shop for Chinese prepaid cards; the public validators of gift cards and the recognisers in
pastepwn, discord-key-bot and ArchiSteamFarm for international codes. Issuers publish none of them,
so a failed check is a hint to a person and no proof that a card is bad.
"""

from __future__ import annotations

from typing import Final

from autocard.adapters.formats import checkdigits
from autocard.adapters.formats.products import Row, Shape


def _digits(count: int) -> Shape:
    return Shape(rf"\d{{{count}}}", f"{count} digits")


def _letters(count: str) -> Shape:
    """Return letters and digits, *count* of them: "16" or "15,16"."""
    words = count.replace(",", " or ")
    return Shape(rf"[0-9A-Za-z]{{{count}}}", f"{words} letters or digits")


def _prepaid(name: str, title: str, number: Shape, secret: Shape, example: str) -> Row:
    # The patterns tell a from A, so two spellings may be two cards.
    return Row(
        name=name,
        title=title,
        example=example,
        number=number,
        secret=secret,
        paired=True,
        has_case=True,
    )


def _unchecked(name: str, title: str, example: str) -> Row:
    return Row(name=name, title=title, example=example, paired=True, has_case=True)


PREPAID: Final = (
    _prepaid(
        "cmcc",
        "China Mobile 神州行",
        _digits(17),
        _digits(18),
        "10000000000000017----200000000000000018",
    ),
    _prepaid(
        "cucc",
        "China Unicom 联通",
        _digits(15),
        _digits(19),
        "100000000000015----2000000000000000019",
    ),
    _prepaid(
        "ctcc",
        "China Telecom 电信",
        _digits(19),
        _digits(18),
        "1000000000000000019----200000000000000018",
    ),
    _prepaid(
        "junnet",
        "JUNNET 骏网一卡通",
        _digits(16),
        _digits(16),
        "1000000000000016----2000000000000016",
    ),
    _prepaid(
        "snda", "Shanda 盛大", _letters("15,16"), _letters("8,9"), "CS0000000000015----DEMO0008"
    ),
    _prepaid(
        "zhengtu", "Zhengtu 征途", _letters("16"), _letters("8"), "ZT00000000000016----DEMO0008"
    ),
    _prepaid("qq", "QQ card Q币卡", _digits(9), _digits(12), "100000009----200000000012"),
    _prepaid(
        "netease", "NetEase 网易一卡通", _letters("13"), _digits(9), "NE00000000013----200000009"
    ),
    _prepaid(
        "wanmei", "Wanmei 完美一卡通", _digits(10), _digits(15), "1000000010----200000000000015"
    ),
    _prepaid(
        "sohu", "Sohu 搜狐一卡通", _digits(20), _digits(12), "10000000000000000020----200000000012"
    ),
    _prepaid(
        "jiuyou", "Jiuyou 久游一卡通", _digits(13), _digits(10), "1000000000013----2000000010"
    ),
    _prepaid(
        "zongyou",
        "Zongyou 纵游一卡通",
        _letters("15"),
        _letters("15"),
        "ZY0000000000015----DEMO00000000015",
    ),
    _prepaid(
        "tianxia", "Tianxia 天下一卡通", _digits(15), _digits(8), "100000000000015----20000008"
    ),
    # Lengths vary by province, or no source agrees on any.
    _unchecked("cmcc-provincial", "China Mobile, provincial 移动地方卡", "1000000010----20000008"),
    _unchecked("tianhong", "Tianhong 天宏一卡通", "1000000012----2000000010"),
    _unchecked("guangyu", "Guangyu 光宇一卡通", "1000000013----2000000010"),
    _unchecked("kingsoft", "Kingsoft 金山一卡通", "1000000013----200000009"),
    _unchecked("wow", "World of Warcraft 魔兽点卡", "WOW0000013----DEMO0008"),
    _unchecked("5173", "5173 card", "1000000013----2000000010"),
    _unchecked("lianhua-ok", "Lianhua OK 联华OK卡", "1000000016----200006"),
    _unchecked("yeepay", "YeePay 易宝卡", "1000000013----2000000010"),
)

_GROUP5: Final = "in groups of 5"
_MS: Final = "2346789BCDFGHJKMNPQRTVWXY"
_MODERN: Final = "A-NP-RTV-Z02-9"

CODES: Final = (
    Row(
        name="steam",
        title="Steam product code",
        example="A1B2C-D3E4F-G5H6J",
        secret=Shape(
            "[0-9A-Z]{5}(?:-[0-9A-Z]{5}){2}(?:-[0-9A-Z]{5}){0,2}",
            f"15, 20 or 25 characters of 0-9 A-Z {_GROUP5}",
        ),
    ),
    Row(
        name="steam-modern",
        title="Steam product code, current alphabet",
        example="A2B3C-D4E5F-G6H7J",
        secret=Shape(
            f"[{_MODERN}]{{5}}(?:-[{_MODERN}]{{5}}){{2}}",
            f"15 characters of 0-9 A-Z without 1 O S U {_GROUP5}",
        ),
    ),
    Row(
        name="steam-loose",
        title="Steam retail code, old layouts",
        example="AB1-CD23-EF45-GH67",
        secret=Shape(
            "[0-9A-Z]{2,7}(?:-[0-9A-Z]{4,7}){2,5}",
            "3 to 6 groups of 0-9 A-Z, the first of 2 to 7, the others of 4 to 7 characters",
        ),
    ),
    Row(
        name="steam-prey",
        title="Steam retail code with two digits after a space",
        example="A1B2C3D4E5F6G7H 42",
        secret=Shape(
            "[0-9A-Z]{15,16} [0-9]{2}", "15 or 16 characters of 0-9 A-Z, a space and two digits"
        ),
    ),
    Row(
        name="steam-wallet",
        title="Steam wallet code",
        example="W1X2Y-Z3A4B-C5D6E",
        secret=Shape(
            "[0-9A-Z]{5}-?[0-9A-Z]{5}-?[0-9A-Z]{5}", f"15 characters of 0-9 A-Z {_GROUP5}"
        ),
    ),
    Row(
        name="windows",
        title="Windows or Office product code",
        example="BCDFG-HJKMN-PQRTV-WXY23-46789",
        secret=Shape(
            f"[{_MS}]{{5}}(?:-[{_MS}]{{5}}){{4}}",
            f"25 characters of 2346789 and B-Y without A E I L O S U {_GROUP5}",
        ),
    ),
    Row(
        name="microsoft",
        title="Xbox or Microsoft gift code",
        example="BCDFG-HJKMN-PQRTV-WXY23-4678Z",
        secret=Shape(
            f"[{_MS}Z]{{5}}(?:-[{_MS}Z]{{5}}){{4}}",
            f"25 characters of 2346789 and B-Z without A E I L O S U {_GROUP5}",
        ),
    ),
    Row(
        name="psn",
        title="PlayStation Network code",
        example="P1S2-N3C4-D5E6",
        secret=Shape(
            "[0-9A-Z]{4}-?[0-9A-Z]{4}-?[0-9A-Z]{4}", "12 characters of 0-9 A-Z in groups of 4"
        ),
    ),
    Row(
        name="nintendo",
        title="Nintendo eShop code",
        example="N1T2-D3O4-C5D6-E7F8",
        secret=Shape(
            "[0-9A-Z]{4}-?[0-9A-Z]{4}-?[0-9A-Z]{4}-?[0-9A-Z]{4}",
            "16 characters of 0-9 A-Z in groups of 4",
        ),
    ),
    Row(
        name="apple",
        title="Apple gift card code",
        example="XDEM0C0DE1234567",
        secret=Shape("X[0-9A-Z]{15}", "X and 15 characters of 0-9 A-Z"),
    ),
    Row(
        name="apple-serial",
        title="Apple gift card serial number, not redeemable",
        example="GCA1000000000000016",
        secret=Shape(r"GCA\d{16}", "GCA and 16 digits"),
    ),
    Row(
        name="google-play",
        title="Google Play gift code",
        example="G1P2D3E4M5O6C7D8",
        secret=Shape("(?:[0-9A-Z]{16}|[0-9A-Z]{20})", "16 or 20 characters of 0-9 A-Z"),
    ),
    Row(
        name="amazon",
        title="Amazon gift code",
        example="A1M2-Z3N4D5-E6M7",
        secret=Shape(
            "[0-9A-Z]{4}-?[0-9A-Z]{6}-?[0-9A-Z]{4,5}",
            "14 or 15 characters of 0-9 A-Z in groups of 4, 6 and 4 or 5",
        ),
    ),
    *(
        Row(
            name=name,
            title=f"{maker} product code",
            example=example,
            secret=Shape("[0-9A-Z]{5}(?:-[0-9A-Z]{5}){3}", f"20 characters of 0-9 A-Z {_GROUP5}"),
        )
        for name, maker, example in (
            ("gog", "GOG", "G1O2G-D3E4M-O5C6D-E7F8G"),
            ("epic", "Epic Games", "E1P2C-D3E4M-O5C6D-E7F8G"),
        )
    ),
    Row(
        name="origin",
        title="EA (Origin) product code",
        example="E1A2-O3R4-D5E6-M7O8-C9D0",
        secret=Shape("[0-9A-Z]{4}(?:-[0-9A-Z]{4}){4}", "20 characters of 0-9 A-Z in groups of 4"),
    ),
    Row(
        name="uplay",
        title="Ubisoft (Uplay) product code",
        example="U1B-D2E3-M4O5-C6D7-E8F9",
        secret=Shape(
            "(?:[0-9A-Z]{3,4}-)?[0-9A-Z]{4}(?:-[0-9A-Z]{4}){3}",
            "4 groups of 4 characters of 0-9 A-Z, with or without a group of 3 or 4 in front",
        ),
    ),
    Row(
        name="battlenet",
        title="Battle.net code",
        example="B1N2-D3E4-M5O6-C7D8",
        secret=Shape(
            "[0-9A-Z]{4}-[0-9A-Z]{4}-"
            "(?:[0-9A-Z]{4}-[0-9A-Z]{4}|[0-9A-Z]{5}-[0-9A-Z]{4}-[0-9A-Z]{4})",
            "groups of 4-4-4-4 or 4-4-5-4-4 characters of 0-9 A-Z",
        ),
    ),
    Row(
        name="adobe",
        title="Adobe serial number",
        example="1000-0000-0000-0000-0000-0024",
        secret=Shape(r"\d{4}(?:-\d{4}){5}", "24 digits in groups of 4"),
    ),
    # Old sources say ten digits, newer ones sixteen letters and digits: unchecked.
    Row(name="roblox", title="Roblox gift code", example="100 000 0010"),
    Row(
        name="netflix",
        title="Netflix gift code",
        example="NAADEM0C0DE12",
        secret=Shape("NAA[0-9A-Z]{10,20}", "NAA and 10 to 20 characters of 0-9 A-Z"),
    ),
    Row(
        name="paysafe",
        title="paysafecard PIN",
        example="1000000000000016",
        secret=_digits(16),
    ),
)

_HEX: Final = "[0-9A-Fa-f]"

GENERIC: Final = (
    Row(
        name="uuid",
        title="UUID",
        example="0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d",
        secret=Shape(
            f"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}",
            "32 hexadecimal digits in groups of 8-4-4-4-12",
        ),
    ),
    Row(
        name="hex32",
        title="32 hexadecimal digits",
        example="0a1b2c3d4e5f4a6b8c7d9e0f1a2b3c4d",
        secret=Shape(f"{_HEX}{{32}}", "32 hexadecimal digits"),
    ),
    Row(
        name="jwt",
        title="JSON Web Token",
        example="eyJkZW1vIjoxfQ.eyJjYXJkIjoiZGVtbyJ9.ZGVtbw",
        secret=Shape(
            r"eyJ[0-9A-Za-z_-]+\.[0-9A-Za-z_-]+\.[0-9A-Za-z_-]*",
            "three parts of base64url with dots between them",
        ),
        has_case=True,
        separators="",
    ),
    Row(
        name="url",
        title="Link",
        example="https://card.example.com/u/AbC?x=1&y=2",
        secret=Shape(r"https?://[^\s|,\"'<>]+", "a link that begins with https:// or http://"),
        ascii_only=False,
        has_case=True,
        separators="",
    ),
    Row(
        name="totp",
        title="TOTP secret (2FA)",
        example="JBSWY3DPEHPK3PXP",
        secret=Shape("[A-Z2-7]{16,64}", "16 to 64 characters of A-Z 2-7"),
        has_case=True,
    ),
    Row(
        name="cn-mobile",
        title="Chinese mobile number",
        example="13800000000",
        secret=Shape(r"1[3-9]\d{9}", "the 11 digits of a Chinese mobile number"),
    ),
    Row(
        name="base64",
        title="Base64 text",
        example="ZGVtby1jYXJkLTAwMDEtYWJj",
        secret=Shape(
            "(?:[0-9A-Za-z+/]{4}){4,}(?:[0-9A-Za-z+/]{4}|[0-9A-Za-z+/]{3}=|[0-9A-Za-z+/]{2}==)",
            "20 or more characters of base64, a multiple of 4",
        ),
        has_case=True,
        separators="",
    ),
)

SELF_ISSUED: Final = (
    Row(
        name="luhn",
        title="Own digits with a Luhn digit",
        example="79927398713",
        secret=Shape(r"\d{2,}", "2 or more digits"),
        verify=checkdigits.is_luhn,
    ),
    Row(
        name="luhn36",
        title="Own code with a Luhn mod 36 character",
        example="DEMO-2025-I",
        secret=Shape("[0-9A-Z](?:-?[0-9A-Z])+", "2 or more characters of 0-9 A-Z"),
        verify=checkdigits.is_luhn36,
    ),
    Row(
        name="ean13",
        title="EAN-13 number",
        example="6901234567892",
        secret=_digits(13),
        verify=checkdigits.is_ean13,
    ),
    Row(
        name="mod97",
        title="Own digits with two mod 97-10 digits",
        example="12345678901244",
        secret=Shape(r"\d{3,}", "3 or more digits"),
        verify=checkdigits.is_mod97,
    ),
    Row(
        name="crc32",
        title="Own code with the CRC-32 of what stands before it",
        example="ABCDE-FGHIJ-198C526A",
        secret=Shape(
            "[0-9A-Z]+(?:-[0-9A-Z]+)*-[0-9A-F]{8}",
            "groups of 0-9 A-Z and a last group of 8 hexadecimal digits",
        ),
        verify=checkdigits.is_crc32,
    ),
)

ROWS: Final = (*PREPAID, *CODES, *GENERIC, *SELF_ISSUED)
