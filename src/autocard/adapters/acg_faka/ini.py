"""The INI text in which an acg-faka shop keeps the races and sku groups of a good."""

from __future__ import annotations

from typing import Any


def sections_from_ini(text: str) -> dict[str, dict[str, Any]]:
    """
    Return the sections of *text*; a name with a dot is a map in a map.

    `[sku]` followed by `color.red=1` is `{"sku": {"color": {"red": "1"}}}`. Lines that are no
    assignment are left out. Never raises.

    Source: acg-faka, `app/Util/Ini.php`, `toArray`.
    """
    sections: dict[str, dict[str, Any]] = {}
    section: dict[str, Any] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith("[") and line.endswith("]"):
            section = sections.setdefault(line[1:-1], {})
            continue
        name, equals, value = line.partition("=")
        if equals:
            _put(section, name.split("."), value)
    return sections


def _put(section: dict[str, Any], path: list[str], value: str) -> None:
    for name in path[:-1]:
        inner = section.setdefault(name, {})
        if not isinstance(inner, dict):
            return
        section = inner
    section[path[-1]] = value
