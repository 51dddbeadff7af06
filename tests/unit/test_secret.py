"""A secret has one door, and everything else gets a mask."""

from __future__ import annotations

import copy
import json
import pickle

import attrs
import pytest

from autocard import Secret
from autocard.testing import LeakDetector

PLAIN = "CANARY-0123456789"


@attrs.frozen
class Box:
    """What holds a secret."""

    inside: Secret


def test_there_is_one_door():
    """Only `reveal` gives the text."""
    assert Secret(PLAIN).reveal() == PLAIN


@pytest.mark.parametrize(
    "show",
    [
        repr, str, format, copy.copy, copy.deepcopy, pickle.dumps, lambda x: f"{x!r:>40} {x:<9}",
        lambda x: f"{x} {x!r}", lambda x: x.__getstate__(), lambda x: x.__reduce_ex__(4), dir,
        lambda x: json.dumps(x, default=str), lambda x: attrs.asdict(Box(x)), lambda x: [x, {x: x}],
    ],
)  # fmt: skip
def test_everything_else_gets_the_mask(show):
    """Printing, formatting, copying, pickling and walking attributes show no text."""
    eyes = LeakDetector()
    eyes.watch("the secret", PLAIN)
    shown = show(Secret(PLAIN))
    eyes.check_bytes("what was shown", shown if isinstance(shown, bytes) else repr(shown).encode())
    eyes.assert_clean()


@pytest.mark.parametrize("use", [len, iter, vars, json.dumps, lambda x: x + "", lambda x: x[0]])
def test_it_is_no_text(use):
    """What would need the text is refused, and the refusal does not quote it."""
    with pytest.raises((TypeError, AttributeError)) as caught:
        use(Secret(PLAIN))
    assert PLAIN not in str(caught.value)


def test_equal_texts_are_equal_secrets():
    """Equality, hash and truth look at the text; another type is never equal."""
    assert Secret(PLAIN) == Secret(PLAIN)
    assert hash(Secret(PLAIN)) == hash(Secret(PLAIN))
    assert Secret(PLAIN) != Secret(PLAIN + " ")
    assert Secret(PLAIN) != PLAIN
    assert Secret(PLAIN)
    assert not Secret("")


def test_a_text_that_is_no_unicode_is_compared_all_the_same():
    """A lone surrogate does not end in an encoding error, which would carry the text."""
    assert Secret("\ud800") == Secret("\ud800")
    assert Secret("\ud800") != Secret("\udfff")


def test_only_texts_are_secrets():
    """Bytes and numbers are refused by type, unquoted."""
    with pytest.raises(TypeError, match="not from bytes"):
        Secret(b"x")
