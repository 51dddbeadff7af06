"""
The tables in the docs that repeat the code, made from the code.

`python docs/tables.py` rewrites them between their marks; `--check` only says which are stale.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from importlib.metadata import distribution
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, get_type_hints

DOCS: Final = Path(__file__).parent
_TOLD: Final[Mapping[str, str]] = MappingProxyType(
    {
        "EPOCH": "The aware UTC datetime 1970-01-01 00:00:00, for times that are counted from it.",
        "hookimpl": "Marks a function as the implementation of the hook whose name it has.",
    }
)
"""What is no class and no function has no docstring of its own."""
_KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {"platform": "Platforms", "supplier": "Suppliers", "channel": "Channels"}
)
_TABLE: Final = re.compile(
    r"(?P<start><!-- table: (?P<name>[a-z-]+) -->\n).*?(?P<end><!-- end of table -->)", re.DOTALL
)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    head = list(head)
    lines = [head, ["---"] * len(head), *(list(row) for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def first_paragraph(thing: object) -> str:
    """Return the first paragraph of the docstring of *thing*, on one line, fit for a table."""
    paragraph = (inspect.getdoc(thing) or "").split("\n\n")[0]
    return " ".join(paragraph.split()).replace("|", "\\|")


def first_sentence(thing: object) -> str:
    """Return what the docstring of *thing* says first."""
    return re.split(r"(?<=\.)\s(?=[A-Z])", first_paragraph(thing), maxsplit=1)[0]


def member_docs(enum: type[StrEnum]) -> dict[str, str]:
    """Return the text written under each member of *enum*, by member name."""
    tree = ast.parse(inspect.getsource(enum)).body[0]
    assert isinstance(tree, ast.ClassDef)
    docs = {}
    for statement, following in zip(tree.body, tree.body[1:], strict=False):
        if (
            isinstance(statement, ast.Assign)
            and isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
        ):
            name = ast.unparse(statement.targets[0])
            docs[name] = " ".join(str(following.value.value).split())
    return docs


def code(names: Iterable[object], *, none: str = "nothing: it is final") -> str:
    """Return *names* as code, in order, or *none*."""
    return ", ".join(f"`{name}`" for name in names) or none


def _moves(enum: type[StrEnum], moves: Mapping[Any, Iterable[Any]]) -> str:
    rows = []
    for state in enum:
        following = [target for target in enum if target in moves[state] and target is not state]
        rows.append([f"`{state}`", code(following)])
    return table(["state", "may become"], rows)


def card_states() -> str:
    from autocard.states import CARD_MOVES, CardState

    return _moves(CardState, CARD_MOVES)


def line_outcomes() -> str:
    from autocard.states import LINE_MOVES, Outcome

    return _moves(Outcome, LINE_MOVES)


def intent_states() -> str:
    from autocard.states import INTENT_MOVES, IntentState

    return _moves(IntentState, INTENT_MOVES)


def purchase_states() -> str:
    from autocard.states import PURCHASE_MOVES, PurchaseState

    docs = member_docs(PurchaseState)
    rows = []
    for state in PurchaseState:
        following = [x for x in PurchaseState if x in PURCHASE_MOVES[state] and x is not state]
        rows.append([f"`{state}`", docs[state.name], code(following)])
    return table(["state", "meaning", "may become"], rows)


def reasons() -> str:
    from autocard.states import Reason

    docs = member_docs(Reason)
    return table(
        ["reason", "outcome and meaning"],
        ([f"`{reason}`", docs.get(reason.name, "")] for reason in Reason if reason),
    )


def errors() -> str:
    from autocard import errors as module

    classes = [
        item
        for item in vars(module).values()
        if inspect.isclass(item) and item.__module__ == module.__name__
    ]
    rows = (
        [f"`{item.__name__}`", f"`{item.__base__.__name__}`", first_paragraph(item)]  # type: ignore[union-attr]  # every class here has a base
        for item in classes
    )
    return table(["error", "is a", "what it tells the caller"], rows)


def _names(module_name: str) -> str:
    module = importlib.import_module(module_name)
    rows = []
    for name in sorted(module.__all__, key=str.lower):
        item = getattr(module, name)
        rows.append([f"`{name}`", _TOLD.get(name) or first_sentence(item)])
    return table(["name", "what it is"], rows)


def host_names() -> str:
    return _names("autocard")


def spi_names() -> str:
    return _names("autocard.spi")


def testing_names() -> str:
    return _names("autocard.testing")


def _methods(owner: type[Any]) -> str:
    """Return each public method of *owner* as it is called, with what is true afterwards."""
    rows = []
    for name, item in vars(owner).items():
        if name.startswith("_"):
            continue
        plain = inspect.unwrap(getattr(item, "__func__", getattr(item, "fget", item)))
        call = f"{name}{_call(plain)}" if not isinstance(item, property) else name
        rows.append([f"`{call}`", first_sentence(plain)])
    return table(["call", "what is true afterwards"], rows)


def _call(function: Any) -> str:
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty, default=_shown(parameter.default))
        for name, parameter in inspect.signature(function).parameters.items()
        if name not in {"self", "cls"}
    ]
    return str(inspect.Signature(parameters))


class _Shown:
    """A default value, or an ellipsis where its text would fill the page."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __repr__(self) -> str:
        text = repr(self._value)
        return text if len(text) < 20 else "…"


def _shown(default: object) -> object:
    return default if default is inspect.Parameter.empty else _Shown(default)


def engine() -> str:
    from autocard import Engine

    return _methods(Engine)


def _desk(name: str) -> str:
    from autocard import Engine

    hints = get_type_hints(getattr(Engine, name).fget)
    return _methods(hints["return"])


def cards_desk() -> str:
    return _desk("cards")


def review_desk() -> str:
    return _desk("review")


def supply_desk() -> str:
    return _desk("supply")


def ledger_desk() -> str:
    return _desk("ledger")


class _Collector:
    """A registry that only remembers what it was offered."""

    def __init__(self) -> None:
        self.adapters: list[tuple[str, Any]] = []

    def platform(self, adapter: Any) -> None:
        self.adapters.append(("platform", adapter))

    def supplier(self, adapter: Any) -> None:
        self.adapters.append(("supplier", adapter))

    def channel(self, adapter: Any) -> None:
        self.adapters.append(("channel", adapter))

    def card_format(self, card_format: object) -> None:
        """Formats have no capabilities."""


def built_in_adapters() -> list[tuple[str, Any]]:
    """Return the kind and class of every adapter that autocard itself publishes."""
    collector = _Collector()
    for entry in distribution("autocard").entry_points.select(group="autocard"):
        entry.load().autocard_register(collector)
    return sorted(collector.adapters, key=lambda adapter: (adapter[0], adapter[1].name))


def capabilities() -> str:
    """Return a matrix for each kind of adapter: what each of that kind can do."""
    adapters = built_in_adapters()
    matrices = []
    for kind, title in _KINDS.items():
        found = [adapter for its_kind, adapter in adapters if its_kind == kind]
        matrices.append(f"## {title}\n\n{_matrix(kind, found)}" if found else "")
    return "\n\n".join(filter(None, matrices))


def _matrix(kind: str, adapters: Iterable[Any]) -> str:
    """Return a row for each of *adapters* and a column for each capability that one of them has."""
    from autocard.spi import Capability

    adapters = list(adapters)
    columns = [x for x in Capability if any(x in adapter.capabilities for adapter in adapters)]
    rows = [
        [f"`{adapter.name}`", *("✓" if x in adapter.capabilities else "" for x in columns)]
        for adapter in adapters
    ]
    return table([kind, *(f"`{x}`" for x in columns)], rows)


TABLES: Final[Mapping[str, Callable[[], str]]] = MappingProxyType(
    {
        "card-states": card_states,
        "line-outcomes": line_outcomes,
        "reasons": reasons,
        "intent-states": intent_states,
        "purchase-states": purchase_states,
        "errors": errors,
        "host-names": host_names,
        "engine": engine,
        "cards-desk": cards_desk,
        "review-desk": review_desk,
        "supply-desk": supply_desk,
        "ledger-desk": ledger_desk,
        "spi-names": spi_names,
        "testing-names": testing_names,
        "capabilities": capabilities,
    }
)


def refreshed(text: str) -> str:
    """Return *text* with every marked table made anew."""

    def one(match: re.Match[str]) -> str:
        return f"{match['start']}\n{TABLES[match['name']]()}\n\n{match['end']}"

    return _TABLE.sub(one, text)


def main(arguments: list[str]) -> int:
    """Rewrite the stale pages, or with `--check` only name them."""
    stale = 0
    for page in sorted(DOCS.rglob("*.md")):
        text = page.read_text("utf-8")
        fresh = refreshed(text)
        if fresh != text:
            stale += 1
            sys.stdout.write(f"{page.relative_to(DOCS.parent)}: tables are stale\n")
            if "--check" not in arguments:
                page.write_text(fresh, "utf-8")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
