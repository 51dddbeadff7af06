"""Cards in stock: `import`, `stock`, `batches`, `undo`, `void`, `move`, `find`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
import click

from autocard.cli.exits import Exit
from autocard.cli.options import (
    ID,
    by_option,
    column_option,
    money_option,
    time_option,
    why_option,
)
from autocard.cli.program import Command, Invocation, option, pass_invocation
from autocard.cli.shapes import batch_json, moment, record_json, report_json, stock_json
from autocard.cli.sources import (
    STDIN,
    insist_on_files,
    insist_on_folder,
    insist_on_own_file,
    opened,
)
from autocard.errors import ConfigurationError
from autocard.importing.report import ImportReport, RowVerdict
from autocard.importing.values import KINDS, ReadOptions
from autocard.model import BatchId, CardId
from autocard.spelling import close_names

if TYPE_CHECKING:
    from autocard.desks.intake import Progress
    from autocard.engine import Engine


# --- import ---------------------------------------------------------------------------------


@click.command("import", cls=Command)
@click.argument("sku")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@option("--warehouse", default="main", show_default=True, metavar="NAME")
@option("--format", "card_format", default=None, metavar="NAME", text="option.format")
@option("--supplier", default="", metavar="NAME")
@money_option("--cost")
@time_option("--expires-at")
@option("--provenance", default="", metavar="TEXT")
@by_option()
@option("--kind", type=click.Choice(KINDS), default="auto", show_default=True)
@option("--encoding", default="auto", show_default=True, metavar="NAME")
@option("--delimiter", default="", metavar="TEXT")
@option("--header/--no-header", default=None)
@column_option()
@option("--comments", is_flag=True)
@option("--sheet", default="0", show_default=True, metavar="NAME|INDEX")
@option("--dry-run", is_flag=True)
@option("--report", type=click.Path(dir_okay=False, path_type=Path), metavar="CSV", default=None)
@pass_invocation
def import_cards(
    invocation: Invocation, /, *, sku: str, files: tuple[str, ...], report: Path | None, **said: Any
) -> Exit:
    """Bring cards in from files, or from the standard input."""
    if report is not None and len(files) > 1:
        raise click.UsageError(invocation.screen.phrase("report_one_file"))
    insist_on_files(files, invocation)
    if report is not None:
        insist_on_folder(report, invocation)
    settings = _add_settings(said)
    with invocation.engine() as engine:
        if report is not None:
            insist_on_own_file(report, files, engine.settings, invocation)
        is_bad = [_import(engine, invocation, sku, file, settings, report) for file in files]
    if invocation.as_json:
        invocation.screen.document(invocation.so_far)
    return Exit.ATTENTION if any(is_bad) else Exit.DONE


def _add_settings(said: dict[str, Any]) -> dict[str, Any]:
    """Return the keyword arguments of `cards.add` for what the options *said*."""
    sheet = said.pop("sheet")
    reading = ReadOptions(
        columns=said.pop("columns"),
        sheet=int(sheet) if sheet.isdecimal() else sheet,
        **{
            name: said.pop(name) for name in ("kind", "encoding", "delimiter", "header", "comments")
        },
    )
    return {
        "format": said.pop("card_format"),
        "imported_by": said.pop("by"),
        "reading": reading,
        **said,
    }


def _import(
    engine: Engine,
    invocation: Invocation,
    sku: str,
    file: str,
    settings: dict[str, Any],
    report_file: Path | None,
) -> bool:
    """Import *file* and tell of it; say whether it has rows that need a look."""
    try:
        with opened(file) as source, _progress(invocation, file) as progress:
            report = engine.cards.add(sku, source, **settings, progress=progress)
    except Exception as error:
        stopped: ImportReport | None = getattr(error, "report", None)
        if stopped is not None:  # half way
            with stopped:
                _tell_stopped(invocation, stopped, file, report_file)
        raise
    with report:
        _tell(invocation, report, file, report_file)
        # A row that is in stock already is how a repeated import looks, and no trouble.
        return report.rejected > report.in_stock


def _tell_stopped(
    invocation: Invocation, report: ImportReport, file: str, report_file: Path | None
) -> None:
    try:
        _tell(invocation, report, file, report_file)
    except click.FileError as error:  # what stopped the import matters more, and is told next
        invocation.screen.problem(error.format_message())


def _tell(
    invocation: Invocation, report: ImportReport, file: str, report_file: Path | None
) -> None:
    if invocation.as_json:
        invocation.so_far.setdefault("reports", []).append(report_json(report, file))
    else:
        _show_report(invocation, report, file)
    if report_file is not None:
        _write_report(report, report_file)


def _write_report(report: ImportReport, path: Path) -> None:
    try:
        report.to_csv(path)
    except OSError as error:
        problem = error.strerror
    else:
        return
    raise click.FileError(str(path), hint=problem)


def _show_report(invocation: Invocation, report: ImportReport, file: str) -> None:
    screen = invocation.screen
    if report.detected:
        screen.say("detected", file=file, detected=report.detected)
    name = "would_add" if report.dry_run else "added"
    screen.say(
        name, added=report.added, rows=report.total, sku=report.sku, warehouse=report.warehouse
    )
    if report.batch is not None:
        screen.say("batch", batch=report.batch)
    for verdict in RowVerdict:
        count = getattr(report, verdict)
        if verdict is not RowVerdict.ADDED and count:
            screen.say(f"verdict.{verdict}", count=count, style="yellow")
    if report.problems:
        screen.table(
            ("line", "verdict", "why", "shown", "file"),
            [(x.line, x.verdict, x.why, x.shown, x.file) for x in report.problems],
        )
    left = report.rejected - len(report.problems)
    if left:
        screen.say("more_rows", count=left)


@contextmanager
def _progress(invocation: Invocation, file: str) -> Iterator[Callable[[Progress], None] | None]:
    """Give a callback that moves a bar on the error stream, where somebody watches it."""
    if invocation.as_json or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Bars

    with Bars(console=Console(file=sys.stderr), transient=True) as bars:
        bar = bars.add_task(file, total=None)

        def move(progress: Progress) -> None:
            total = progress.total_bytes
            bars.update(
                bar,
                completed=progress.bytes_read if total else progress.rows,
                total=total,
                description=invocation.screen.phrase("rows_read", file=file, rows=progress.rows),
            )

        yield move


# --- looking --------------------------------------------------------------------------------


def _insist_on_sku(engine: Engine, sku: str | None, found: Sequence[object]) -> None:
    # One that was withdrawn from sale may have cards; one that nobody knows is misspelt.
    skus = engine.settings.skus
    if sku is not None and not found and sku not in skus:
        raise ConfigurationError(f"there is no sku {sku!r}{close_names(sku, skus)}")


@click.command("stock", cls=Command)
@click.argument("sku", required=False)
@pass_invocation
def stock(invocation: Invocation, *, sku: str | None) -> Exit:
    """Show how many cards lie where, by state."""
    with invocation.engine() as engine:
        levels = engine.cards.stock(sku)
        _insist_on_sku(engine, sku, levels)
    if invocation.as_json:
        invocation.screen.document([stock_json(level) for level in levels])
        return Exit.DONE
    columns = ("sku", "warehouse", "available", "reserved", "issued", "delivered", "void")
    if levels:
        invocation.screen.table(columns, [attrs.astuple(level) for level in levels])
    else:
        invocation.screen.say("no_stock")
    return Exit.DONE


_BATCH_COLUMNS: Final = (
    "batch", "sku", "warehouse", "imported_at", "supplier", "cost", "provenance", "added",
    "available", "undone",
)  # fmt: skip


@click.command("batches", cls=Command)
@click.argument("sku", required=False)
@pass_invocation
def batches(invocation: Invocation, *, sku: str | None) -> Exit:
    """Show the imports with their provenance."""
    with invocation.engine() as engine:
        found = engine.cards.batches(sku)
        _insist_on_sku(engine, sku, found)
    if invocation.as_json:
        invocation.screen.document([batch_json(batch) for batch in found])
        return Exit.DONE
    if not found:
        invocation.screen.say("no_batches")
        return Exit.DONE
    invocation.screen.table(
        _BATCH_COLUMNS,
        [
            (
                x.id, x.sku, x.warehouse, moment(x.imported_at), x.supplier, x.cost or "",
                x.provenance, x.added, x.available, "✓" if x.undone else "",
            )
            for x in found
        ],
    )  # fmt: skip
    return Exit.DONE


@click.command("undo", cls=Command)
@click.argument("batch", type=ID)
@by_option()
@why_option(required=True)
@pass_invocation
def undo(invocation: Invocation, *, batch: int, by: str, why: str) -> Exit:
    """Take the unsold cards of an import out of stock."""
    with invocation.engine() as engine:
        count = engine.cards.undo(BatchId(batch), by=by, why=why)
    if invocation.as_json:
        invocation.screen.document({"batch": batch, "cards": count})
    else:
        invocation.screen.say("undone", batch=batch, count=count)
    return Exit.DONE


@click.command("void", cls=Command)
@click.argument("card", type=ID)
@by_option()
@why_option(required=True)
@pass_invocation
def void(invocation: Invocation, *, card: int, by: str, why: str) -> Exit:
    """Take one card out of use for good."""
    with invocation.engine() as engine:
        engine.cards.void(CardId(card), by=by, why=why)
    if invocation.as_json:
        invocation.screen.document({"card": card})
    else:
        invocation.screen.say("voided", card=card)
    return Exit.DONE


@click.command("move", cls=Command)
@click.argument("sku")
@click.argument("quantity", type=ID)
@option("--from", "origin", required=True, metavar="NAME", text="option.from")
@option("--to", "destination", required=True, metavar="NAME", text="option.to")
@by_option()
@pass_invocation
def move(
    invocation: Invocation, *, sku: str, quantity: int, origin: str, destination: str, by: str
) -> Exit:
    """Move available cards to another warehouse; ATTENTION when there were fewer."""
    with invocation.engine() as engine:
        count = engine.cards.move(
            sku, origin=origin, destination=destination, quantity=quantity, by=by
        )
    if invocation.as_json:
        invocation.screen.document({"sku": sku, "moved": count})
    else:
        invocation.screen.say("moved", count=count, sku=sku, origin=origin, destination=destination)
    return Exit.DONE if count == quantity else Exit.ATTENTION


@click.command("find", cls=Command)
@click.argument("source", required=False, metavar="[-]")
@pass_invocation
def find(invocation: Invocation, *, source: str | None) -> Exit:
    """Find a card by its text, which is asked for or read from the standard input."""
    screen = invocation.screen
    if source not in {None, STDIN}:
        # In an argument it would stand in the shell's history and in the list of processes.
        raise click.UsageError(screen.phrase("find_argument"))
    text = _card_text(invocation, is_piped=source == STDIN)
    with invocation.engine() as engine:
        record = engine.cards.find(text)
    if screen.as_json:
        screen.document(None if record is None else record_json(record))
    elif record is None:
        screen.say("not_found")
    else:
        for name, value in record_json(record).items():
            if value not in {None, "", 0}:
                screen.line(f"{screen.phrase(f'column.{name}')}: {value}")
    return Exit.DONE if record is not None else Exit.ATTENTION


def _card_text(invocation: Invocation, *, is_piped: bool) -> str:
    if is_piped or not _is_terminal():
        text = sys.stdin.readline().strip("\r\n")
    else:
        text = click.prompt(invocation.screen.phrase("ask_card"), hide_input=True, err=True)
    if not text.strip():
        raise click.UsageError(invocation.screen.phrase("find_empty"))
    return str(text)


def _is_terminal() -> bool:
    return sys.stdin.isatty()


COMMANDS: Final = (import_cards, stock, batches, undo, void, move, find)
