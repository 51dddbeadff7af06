"""From the rows of one file to orders, or to what is wrong with them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs

from autocard.adapters.order_file.cells import (
    currency_from_text,
    heading_from_text,
    money_from_text,
    name_from_text,
    quantity_from_text,
    time_from_text,
)
from autocard.adapters.order_file.options import HEADINGS, REQUIRED, OrderFileOptions
from autocard.adapters.order_file.tables import Row, UnreadableFile, heading_row, rows_from_bytes
from autocard.spi import Buyer, Money, Order, OrderLine, Payment

PLATFORM: Final = "order_file"
"""The name orders carry until the engine gives them the configured one."""
_SHARED: Final = ("paid_at", "buyer_id", "contact")
_MOST_PROBLEMS: Final = 1_000
_IS_BLANK: Final = "the cell is blank"
_DIFFERS: Final = (
    "another table of the inbox has this order with other lines, and that one counts; take the "
    "rows of the order out of one of the two"
)

Known = Mapping[str, tuple[OrderLine, ...]]
_NOTHING: Final[Known] = MappingProxyType({})


@attrs.frozen
class Problem:
    """One thing wrong in a file. `row` is what a spreadsheet shows, 0 for the whole file."""

    row: int
    column: str
    text: str


@attrs.frozen
class _Record:
    """One row, read: values by our names of the columns; blank cells are left out."""

    row: int
    values: Mapping[str, Any] = attrs.field(repr=False)


def orders_from_bytes(
    raw: bytes, suffix: str, options: OrderFileOptions, before: Known = _NOTHING
) -> tuple[list[Order], list[Problem]]:
    """
    Return the orders of a file, or, when anything in it is wrong, no order and every problem.

    Rows with the same order number are the lines of one order, in the order they come. Never
    raises for any bytes.

    Args:
        raw: The whole file.
        suffix: Of its name, in lower case.
        options: How it is to be read.
        before: The lines of orders in other files, by number. An order that has other lines here
            is left out alone, and told as a problem.
    """
    try:
        rows = rows_from_bytes(raw, suffix, options.max_rows)
        columns = _columns(heading_row(rows), options)
    except UnreadableFile as error:
        return [], [Problem(0, "", str(error))]
    problems: list[Problem] = []
    records = [record for row in rows[1:] if (record := _record(row, columns, options, problems))]
    groups: dict[str, list[_Record]] = {}
    for record in records:
        groups.setdefault(record.values["order_no"], []).append(record)
    orders = [order for group in groups.values() if (order := _order(group, options, problems))]
    if problems:
        problems.sort(key=lambda problem: problem.row)
        return [], problems[:_MOST_PROBLEMS]
    differing = {
        order.order_no: Problem(group[0].row, "order_no", _DIFFERS)
        for order, group in zip(orders, groups.values(), strict=True)
        if before.get(order.order_no, order.lines) != order.lines
    }
    return [x for x in orders if x.order_no not in differing], list(differing.values())


# --- headings ---------------------------------------------------------------------------------


def _columns(heading: Row, options: OrderFileOptions) -> dict[str, int]:
    found: dict[str, list[int]] = {field: [] for field in HEADINGS}
    names = {
        field: {heading_from_text(name) for name in _names(field, options)} for field in HEADINGS
    }
    for position, text in enumerate(heading[1]):
        plain = heading_from_text(text)
        for field in HEADINGS:
            if plain in names[field]:
                found[field].append(position)
    for field, positions in found.items():
        if len(positions) > 1:
            raise UnreadableFile(
                f"several columns could be {field}; name the right one in the setting columns"
            )
        if not positions and (field in REQUIRED or field in options.columns):
            raise UnreadableFile(
                f"no column is {field}; expected a heading such as {_names(field, options)[0]}"
            )
    return {field: positions[0] for field, positions in found.items() if positions}


def _names(field: str, options: OrderFileOptions) -> tuple[str, ...]:
    own = options.columns.get(field)
    return HEADINGS[field] if own is None else (own,)


# --- rows -------------------------------------------------------------------------------------


def _record(
    row: Row, columns: Mapping[str, int], options: OrderFileOptions, problems: list[Problem]
) -> _Record | None:
    number, cells = row
    before = len(problems)
    texts = {
        field: cells[position]
        for field, position in columns.items()
        if position < len(cells) and cells[position]
    }
    problems.extend(Problem(number, field, _IS_BLANK) for field in _blank(texts, columns))
    values: dict[str, Any] = {"quantity": 1, "currency": options.currency}
    for field, reader in _readers(values, options).items():
        if field in texts:
            try:
                values[field] = reader(texts[field])
            except ValueError as error:
                problems.append(Problem(number, field, str(error)))
    return _Record(number, values) if len(problems) == before else None


def _blank(texts: Mapping[str, str], columns: Mapping[str, int]) -> list[str]:
    needed = ("order_no", "item", *(("quantity",) if "quantity" in columns else ()))
    return [field for field in needed if field not in texts]


def _readers(
    values: Mapping[str, Any], options: OrderFileOptions
) -> dict[str, Callable[[str], Any]]:
    """Return what reads each column; the currency first, for the amounts after it."""
    return {
        "currency": currency_from_text,
        "order_no": name_from_text,
        "item": name_from_text,
        "quantity": quantity_from_text,
        "unit_price": lambda text: money_from_text(text, values["currency"]),
        "paid": lambda text: money_from_text(text, values["currency"]),
        "paid_at": lambda text: time_from_text(text, options.zone),
        "buyer_id": name_from_text,
        "contact": name_from_text,
        "target": name_from_text,
    }


# --- orders -----------------------------------------------------------------------------------


def _order(
    group: list[_Record], options: OrderFileOptions, problems: list[Problem]
) -> Order | None:
    before = len(problems)
    lines = [line for record in group if (line := _line(record, problems))]
    shared = _shared(group, options, problems)
    if len(problems) > before:
        return None
    try:
        return Order(
            platform=PLATFORM,
            order_no=group[0].values["order_no"],
            lines=tuple(lines),
            payment=Payment(paid=shared["paid"], paid_at=shared.get("paid_at")),
            buyer=Buyer(id=shared.get("buyer_id", ""), contact=shared.get("contact", "")),
        )
    except ValueError as error:  # InvalidOrder names the field and does not quote it
        problems.append(Problem(group[0].row, "", str(error)))
        return None


def _line(record: _Record, problems: list[Problem]) -> OrderLine | None:
    values = record.values
    try:
        return OrderLine(
            item=values["item"],
            quantity=values["quantity"],
            unit_price=values.get("unit_price"),
            target=values.get("target", ""),
        )
    except ValueError as error:
        problems.append(Problem(record.row, "", str(error)))
        return None


def _shared(
    group: list[_Record], options: OrderFileOptions, problems: list[Problem]
) -> dict[str, Any]:
    """Return what belongs to the order as a whole; later rows may leave it blank."""
    shared: dict[str, Any] = {}
    fields = _SHARED if options.paid_is == "row" else ("paid", *_SHARED)
    for field in fields:
        for record in group:
            value = record.values.get(field)
            if value is not None and shared.setdefault(field, value) != value:
                problems.append(Problem(record.row, field, _difference(field)))
    if options.paid_is == "row":
        shared["paid"] = _sum(group, problems)
    elif "paid" not in shared:
        problems.append(Problem(group[0].row, "paid", _IS_BLANK))
    return shared


def _difference(field: str) -> str:
    hint = '; if each row has its own share, set paid_is = "row"' if field == "paid" else ""
    return f"differs from another row of the same order{hint}"


def _sum(group: Iterable[_Record], problems: list[Problem]) -> Money | None:
    total: Money | None = None
    for record in group:
        paid: Money | None = record.values.get("paid")
        if paid is None:
            problems.append(Problem(record.row, "paid", _IS_BLANK))
            continue
        try:
            total = paid if total is None else total + paid
        except ValueError as error:  # two currencies, or too much to store
            problems.append(Problem(record.row, "paid", str(error)))
    return total
