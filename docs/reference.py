"""
The tables of settings in `configuration.md`, made from the classes that hold the settings.

`python docs/reference.py` rewrites them between their marks; `--check` only says that they are stale.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from inspect import get_annotations
from pathlib import Path
from typing import Any, Final

import attrs

from autocard.config import (
    AdapterSettings,
    DeliverySettings,
    PlatformSettings,
    RestockSettings,
    ReviewSettings,
    RuleSettings,
    Settings,
    SkuSettings,
    SupplierSettings,
    SupplySettings,
)
from autocard.config.fields import UNWRITTEN
from autocard.config.problems import RENAMED
from autocard.money import Money

PAGE: Final = Path(__file__).with_name("configuration.md")
CLASSES: Final = (
    Settings,
    AdapterSettings,
    PlatformSettings,
    SupplierSettings,
    SkuSettings,
    RestockSettings,
    RuleSettings,
    ReviewSettings,
    DeliverySettings,
    SupplySettings,
)
_MARKED: Final = re.compile(r"(<!-- settings: (\w+) -->\n).*?(<!-- end of settings -->)", re.DOTALL)
_KINDS: Final = (
    ("Mapping[str, str]", "table of texts"),
    ("Mapping", "tables"),
    ("tuple[RuleSettings", "list of tables"),
    ("tuple", "list of texts"),
    ("Settings", "table"),
    ("Money", "money"),
    ("datetime", "date and time"),
    ("bool", "true or false"),
    ("int", "whole number"),
    ("float", "number"),
)


def refreshed(page: str) -> str:
    """Return *page* with every marked table made anew."""
    classes = {cls.__name__: cls for cls in CLASSES}
    return _MARKED.sub(lambda mark: f"{mark[1]}{_table(classes[mark[2]])}{mark[3]}", page)


def _table(cls: type[Any]) -> str:
    rows = "".join(f"| {' | '.join(row)} |\n" for row in _rows(cls))
    return f"\n| name | what it takes | without it | what it does |\n| --- | --- | --- | --- |\n{rows}\n"


def _rows(cls: type[Any]) -> Iterator[tuple[str, str, str, str]]:
    # As written: the types of fields may have been resolved by whoever used the class before.
    written = {
        n: kind for base in reversed(cls.__mro__) for n, kind in get_annotations(base).items()
    }
    is_adapter = issubclass(cls, AdapterSettings) and cls is not AdapterSettings
    inherited = {field.name for field in attrs.fields(AdapterSettings)} if is_adapter else set()
    for field in attrs.fields(cls):
        if UNWRITTEN not in field.metadata and field.name not in inherited:
            name = RENAMED.get(field.name, field.name)
            yield (
                f"`{name}`",
                _kind(written[field.name]),
                _default(field, written[field.name]),
                field.metadata["help"],
            )


def _kind(annotation: str) -> str:
    choices = re.fullmatch(r"Literal\[(.*)\]", annotation)
    if choices:
        return " or ".join(f"`{choice}`" for choice in choices[1].replace("'", '"').split(", "))
    return next((kind for start, kind in _KINDS if start in annotation), "text")


def _default(field: attrs.Attribute[Any], annotation: str) -> str:
    default = field.default
    if default is attrs.NOTHING:
        return "must be given"
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]  # a class, though typed as a function
        return "its defaults" if "Settings" in annotation else "see right"
    if default is None or default in ((), {}):
        return "none"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, (str, Money)):
        return f'`"{default}"`'
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def main(arguments: list[str]) -> int:
    """Rewrite the page when it is stale, or with `--check` only say so."""
    text = PAGE.read_text("utf-8")
    fresh = refreshed(text)
    if fresh == text:
        return 0
    sys.stdout.write(f"{PAGE.name}: the tables are stale\n")
    if "--check" in arguments:
        return 1
    PAGE.write_text(fresh, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
