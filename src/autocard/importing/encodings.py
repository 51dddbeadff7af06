"""How the bytes of a card file become text: BOM, then strict UTF-8, then strict GB18030, or asked."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import Final

from autocard.errors import UnreadableSource
from autocard.importing.sources import ByteFeed, TextFeed

_BOMS: Final = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
# UTF-8 first: short Chinese text in UTF-8 is often valid GBK as well, but hardly the reverse.
_TRIED: Final = ("utf-8", "gb18030")
_LATER: Final = ""
_UNDETECTED: Final = (
    "the encoding cannot be detected; say which it is, such as encoding='big5' or 'utf-16-le'"
)
_NUL: Final = "this is not text, or it is UTF-16 without a mark; if it is, say encoding='utf-16-le'"
GB18030_DOUBT: Final = "encoding guessed: say encoding='big5' if the text looks wrong"


def choose_codec(feed: ByteFeed, wanted: str) -> str:
    """
    Return the codec of *feed*: *wanted*, or what detection says when it is `auto`.

    A source that can be read twice is tried as a whole. Of a stream only the beginning is known;
    while it is plain ASCII the answer is "" and `chunks` decides when it must.

    Raises:
        UnreadableSource: Neither UTF-8 nor GB18030 fits, or there are NUL bytes.
    """
    if wanted != "auto":
        # The byte order mark is not part of the first card.
        return "utf-8-sig" if codecs.lookup(wanted).name == "utf-8" else wanted
    for bom, codec in _BOMS:
        if feed.head.startswith(bom):
            return codec
    if not feed.can_rewind:
        return _LATER if feed.head.isascii() else _codec_of(feed.head)
    for codec in _TRIED:
        if _decodes(feed, codec):
            return codec
    raise UnreadableSource(_UNDETECTED)


def chunks(feed: ByteFeed | TextFeed, codec: str) -> Iterator[str]:
    """
    Give the text of *feed* from its beginning, piece by piece.

    Raises:
        UnreadableSource: The bytes are not what *codec* says; the message tells how far it got.
    """
    if isinstance(feed, TextFeed):
        yield from iter(feed.read, "")
        return
    feed.rewind()
    first = b""
    if codec == _LATER:
        while (first := feed.read()).isascii() and first:
            _refuse_nul(first)
            yield first.decode("ascii")
        codec = _codec_of(first)
    yield from _decoded(feed, codec, first)


def _decoded(feed: ByteFeed, codec: str, first: bytes) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(codec)("strict")
    more = True
    while more:
        chunk, first = first or feed.read(), b""
        more = bool(chunk)
        text = _decode(decoder, chunk, final=not more)
        if text is None:
            raise UnreadableSource(
                f"not {codec} within the bytes up to {feed.bytes_read:,}; say which encoding it is"
            )
        if text:
            yield text


def _decode(decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool) -> str | None:
    # The error of a decoder carries the bytes: it must not become the context of another one.
    try:
        return decoder.decode(chunk, final)
    except UnicodeError:
        return None


def _decodes(feed: ByteFeed, codec: str) -> bool:
    feed.rewind()
    decoder = codecs.getincrementaldecoder(codec)("strict")
    while chunk := feed.read():
        _refuse_nul(chunk)
        if _decode(decoder, chunk, final=False) is None:
            return False
    return _decode(decoder, b"", final=True) is not None


def _codec_of(beginning: bytes) -> str:
    _refuse_nul(beginning)
    for codec in _TRIED:
        decoder = codecs.getincrementaldecoder(codec)("strict")
        if _decode(decoder, beginning, final=False) is not None:
            return codec
    raise UnreadableSource(_UNDETECTED)


def _refuse_nul(chunk: bytes) -> None:
    if b"\0" in chunk:
        raise UnreadableSource(_NUL)


def head_text(feed: ByteFeed | TextFeed, codec: str) -> str:
    """Return the beginning of *feed* as text, as far as it decodes."""
    if isinstance(feed, TextFeed):
        return feed.head.removeprefix("\ufeff")
    try:
        return feed.head.decode(codec or "ascii", "ignore").removeprefix("\ufeff")
    except UnicodeError:
        return ""
