"""The hot statements of every dialect are named, described, used and guarded."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

from autocard import store
from autocard.records import ArchiveState, IntentKind
from autocard.states import CardState, IntentState, Outcome, PurchaseState, Reason
from autocard.store import beginning, locking, mysql, postgresql, statements
from autocard.store.locking import LockingStatements
from autocard.store.mysql import MysqlHostStatements, MysqlStatements
from autocard.store.postgresql import PostgresStatements
from autocard.store.statements import Statements

DIALECTS = (Statements, LockingStatements, PostgresStatements, MysqlStatements, MysqlHostStatements)
ROOM = Path(store.__file__).parent
CODE = "".join(path.read_text() for path in ROOM.glob("*.py"))


def said_by(dialect):
    """Return the names that a class says itself, with the line each begins in."""
    (body,) = ast.parse(inspect.getsource(dialect)).body
    return {
        node.targets[0].id: node.lineno
        for node in body.body
        if isinstance(node, ast.Assign) and node.targets[0].id.isupper()
    }


SAID = [(dialect, name) for dialect in DIALECTS for name in said_by(dialect)]
IDS = [f"{dialect.__name__}.{name}" for dialect, name in SAID]
UPDATES = [(d, n) for d, n in SAID if "UPDATE autocard" in getattr(d, n)]
# What an update may expect of a row besides its id.
_EXPECTED = re.compile(
    r"WHERE .*\b(state (\|\| '' )?= |outcome = .*reason = |NOT undone|paid_at IS NULL|uses = |folded = FALSE"
    r"|archive IS NULL|archive = )",
    re.DOTALL,
)
# What is locked by the look that came before cannot have moved on.
_LOCKED = {"WRITE_SUPPLIER"}
# Where a position is said, it is another number of values in another dialect.
_BY_POSITION = {"PICK_CARDS", "WAIT_FOR_CARDS"}


def comment_above(source, at):
    lines = source.splitlines()
    told = []
    while lines[at - 1].strip().startswith("# "):
        at -= 1
        told.insert(0, lines[at].strip()[2:])
    return " ".join(told)


def test_there_are_statements_to_look_at():
    """The tests below look at all of them."""
    assert len(said_by(Statements)) > 40
    assert all(said_by(dialect) for dialect in DIALECTS)
    assert len(UPDATES) > 10


@pytest.mark.parametrize(("dialect", "name"), SAID, ids=IDS)
def test_every_statement_is_described(dialect, name):
    """A sentence above each says what it does, or how it differs."""
    source = inspect.getsource(dialect)
    told = comment_above(source, said_by(dialect)[name] - 1)
    assert re.fullmatch(r"[A-Z].{10,}\.", told), told


def test_the_statement_that_is_prepared_is_described():
    """It stands apart, because only one dialect has it."""
    source = inspect.getsource(beginning)
    at = next(i for i, x in enumerate(source.splitlines()) if x.startswith("PLACE: Final"))
    assert re.fullmatch(r"[A-Z].{10,}\.", comment_above(source, at))


@pytest.mark.parametrize(("dialect", "name"), SAID, ids=IDS)
def test_every_statement_is_used(dialect, name):
    """Nothing is left over from earlier versions."""
    assert re.search(rf"\bsql\.{name}\b", CODE)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda x: x.__name__)
def test_every_dialect_says_everything(dialect):
    """The names are the same everywhere, and what is marked is marked as its driver marks it."""
    names = {name for name in dir(dialect) if name.isupper()}
    assert names >= set(said_by(Statements))
    for name in names:
        assert (dialect is Statements) == ("?" in getattr(dialect, name)) or not re.search(
            r"\?|%s", getattr(dialect, name)
        ), name


@pytest.mark.parametrize("dialect", DIALECTS[1:], ids=lambda x: x.__name__)
def test_a_statement_has_the_same_values_in_every_dialect(dialect):
    """What is said differently is asked with the same values."""
    for name in said_by(Statements).keys() - _BY_POSITION:
        plain, other = getattr(Statements, name), getattr(dialect, name)
        assert plain.count("?") == other.count(dialect.mark), name
        assert plain.count("(:list)") == other.count("(:list)"), name


@pytest.mark.parametrize("dialect", [PostgresStatements, MysqlStatements])
def test_what_only_one_dialect_says_is_used_there(dialect):
    """No other dialect is asked for a statement that it does not have."""
    own = said_by(dialect).keys() - said_by(Statements).keys() - said_by(LockingStatements).keys()
    module = {PostgresStatements: postgresql, MysqlStatements: mysql}[dialect]
    for name in own:
        assert f"sql.{name}" in inspect.getsource(module), name
    shared = inspect.getsource(statements) + inspect.getsource(locking)
    assert not [name for name in own if f"self.sql.{name}" in shared]


@pytest.mark.parametrize(
    ("dialect", "name"), UPDATES, ids=[f"{d.__name__}.{n}" for d, n in UPDATES]
)
def test_every_update_says_what_it_expects(dialect, name):
    """The database is the referee between two workers: a row that moved on is not changed."""
    assert name in _LOCKED or _EXPECTED.search(getattr(dialect, name))


def test_the_common_order_takes_available_cards_only():
    """Also where a card was picked by the same statement a moment before."""
    (update,) = re.findall(r"UPDATE autocard_cards.*?\n\)", beginning.PLACE, re.DOTALL)
    assert "autocard_cards.state || '' = 'available'" in update


@pytest.mark.parametrize(
    "statement", [*(getattr(d, n) for d, n in SAID), beginning.PLACE], ids=[*IDS, "PLACE"]
)
def test_values_are_never_written_into_a_statement(statement):
    """Parameters are marks; the words of states are the only texts."""
    texts = set(re.findall(r"'([^']*)'", statement))
    enums = (CardState, IntentState, PurchaseState, Outcome, Reason, IntentKind, ArchiveState)
    assert texts <= {str(word) for words in enums for word in words} | {"order", ""}
