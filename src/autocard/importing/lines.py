"""Text to lines: CRLF, LF and CR end one, nothing else does; a line that never ends costs nothing."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Final

# ASCII whitespace and the blanks that word processors and chat programs leave behind.
BLANKS: Final = " \t\n\r\x0b\x0c\u00a0\u3000\ufeff\u200b\u200c\u200d\u2060"


def line_blocks(chunks: Iterator[str], limit: int) -> Iterator[tuple[int, list[str | None]]]:
    """
    Give (number of the first line, lines) block by block, without line breaks.

    A line of more than *limit* characters is None. Blocks, because a generator step for each of ten
    million lines is what reading would mostly consist of.
    """
    translate = io.IncrementalNewlineDecoder(None, translate=True)
    number, carry, too_long = 1, "", False
    for chunk in chunks:
        lines: list[str | None] = []
        lines += (carry + translate.decode(chunk)).split("\n")
        carry = lines.pop() or ""
        if lines:
            if too_long:
                lines[0], too_long = None, False
            _blank_out(lines, limit)
            yield number, lines
            number += len(lines)
        if len(carry) > limit:
            carry, too_long = "", True
    carry += translate.decode("", final=True).removesuffix("\n")
    if carry or too_long:
        yield number, [None if too_long or len(carry) > limit else carry]


def _blank_out(lines: list[str | None], limit: int) -> None:
    if max(map(len, filter(None, lines)), default=0) > limit:
        lines[:] = [None if line and len(line) > limit else line for line in lines]
