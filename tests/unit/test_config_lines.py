"""Finding the line of a setting in a TOML file."""

from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from autocard.config.origin import Origin, lines_of, spot_text

TEXT = """\
# [not.a.table]
store = "x"  # = y
text = \"\"\"
[nor.this]
low = 1 ""\"\"\"
raw = '''
a = 1'''

[ platforms . "my shop" ]
adapter = "a=b # ["
'q"uote' = [ # ]
  1, {z = 1},
]
a.b.c = 1
[[rules]]
sku = "a"
[[rules]]
sku = "b"
[rules.more]
x = 1
[[rules.deep]]
y = 1
[skus]
s = {kind = "card",
  low = 1}
"""


def test_each_way_of_writing_is_found():
    """Tables, lists of tables, dotted and quoted names, comments and long texts are understood."""
    text = TEXT.replace('kind = "card",\n  low', 'kind = "card", low')
    tomllib.loads(text)
    lines = lines_of(text)
    assert lines == {
        ("store",): 2,
        ("text",): 3,
        ("raw",): 6,
        ("platforms",): 9,
        ("platforms", "my shop"): 9,
        ("platforms", "my shop", "adapter"): 10,
        ("platforms", "my shop", 'q"uote'): 11,
        ("platforms", "my shop", "a"): 14,
        ("platforms", "my shop", "a", "b"): 14,
        ("platforms", "my shop", "a", "b", "c"): 14,
        ("rules",): 15,
        ("rules", 0): 15,
        ("rules", 0, "sku"): 16,
        ("rules", 1): 17,
        ("rules", 1, "sku"): 18,
        ("rules", 1, "more"): 19,
        ("rules", 1, "more", "x"): 20,
        ("rules", 1, "deep"): 21,
        ("rules", 1, "deep", 0): 21,
        ("rules", 1, "deep", 0, "y"): 22,
        ("skus",): 23,
        ("skus", "s"): 24,
    }


def test_what_is_not_written_has_the_line_of_what_surrounds_it():
    """A missing field points at its table, a missing table nowhere."""
    origin = Origin("a.toml", lines=lines_of("\n[skus.a]\nlow = 1\r\nx = 2"))
    assert origin.describe(("skus", "a", "kind")) == "a.toml, line 2: [skus.a] kind"
    assert origin.describe(("skus", "a", "x")) == "a.toml, line 4: [skus.a] x"
    assert origin.describe(("rules", 0, "sku")) == "a.toml: [[rules]] 1, sku"
    assert origin.describe(()) == "a.toml"


def test_places_are_written_as_people_know_them():
    """Tables have brackets, list entries are counted from one."""
    assert spot_text(("store",)) == "store"
    assert spot_text(("review", "deny")) == "[review] deny"
    assert spot_text(("skus", "a", "sources", 1)) == "[skus.a] sources.2"
    assert spot_text(("skus", "a")) == "[skus.a]"
    assert spot_text(("rules", 1)) == "[[rules]] 2"
    assert spot_text(("rules", 1, "days", 0)) == "[[rules]] 2, days.1"


def test_a_text_that_is_no_toml_gives_no_error():
    """Only valid files come here, but nothing depends on it."""
    assert lines_of("[a.\x01b]\n= 1\n]]]\nx = 1") == {("x",): 4}


@given(st.text(alphabet="[]{}=\"'#\\.\nab 1,", max_size=60))
def test_arbitrary_text_is_survived(text):
    """The scanner returns for any text, and knows every top name that TOML finds."""
    lines = lines_of(text)
    try:
        table = tomllib.loads(text)
    except ValueError:
        return
    assert {(name,) for name in table} == {spot for spot in lines if len(spot) == 1}
