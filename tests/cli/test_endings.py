"""How commands end: exit codes, errors for people and programs, nothing secret in either."""

from __future__ import annotations

import click
import pytest

from autocard import errors
from autocard.cli.exits import Exit, code_of
from autocard.cli.screen import printable
from autocard.engine import Engine


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ConfigurationError("x"), 2),
        (errors.AdapterNotFound("x"), 2),
        (errors.UnreadableSource("x"), 2),
        (errors.OrderNotFound("x"), 2),
        (errors.CardNotFound("x"), 2),
        (errors.PurchaseNotFound("x"), 2),
        (errors.InvalidOrder("lines", "x"), 3),
        (errors.OrderConflict("x"), 3),
        (errors.VerificationError("x"), 3),
        (errors.IllegalTransition("x"), 3),
        (errors.RejectedError("x"), 3),
        (errors.UnknownOutcome("x"), 1),
        (errors.StoreUnavailable("x"), 4),
        (errors.SchemaMismatch("x"), 4),
        (errors.TransientError("x"), 4),
        (errors.SealError("x"), 5),
        (errors.UnknownSealKey("x"), 5),
        (errors.AutocardError("x"), 70),
    ],
)
def test_each_error_has_its_exit_code(error, code):
    """The exit code says what to do next."""
    assert code_of(error) == code


def test_every_error_class_has_a_considered_code():
    """No error of autocard but its bare base ends as unforeseen."""
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type)
        and issubclass(kind, errors.AutocardError)
        and kind is not errors.AutocardError
    ]
    parts = {errors.InvalidOrder: "xy", errors.OrderArchived: "xyz"}
    made = [kind(*parts.get(kind, "x")) for kind in kinds]
    assert [error for error in made if code_of(error) is Exit.UNEXPECTED] == []


def _failing(monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(Engine, "orders", lambda *_, **__: fail())


def test_an_error_is_one_line(shop, monkeypatch):
    """For people an error is one line on the error stream and no traceback."""
    _failing(monkeypatch, errors.StoreUnavailable("the database is locked"))
    done = shop.run("orders")
    assert (done.code, done.out, done.err) == (4, "", "error: the database is locked\n")


def test_an_error_is_a_document_for_programs(shop, monkeypatch):
    """With `--json` the error is the document on the standard output."""
    _failing(monkeypatch, errors.StoreUnavailable("the database is locked"))
    done = shop.run("orders", "--json")
    assert done.err == ""
    assert done.json == {
        "error": {"kind": "StoreUnavailable", "message": "the database is locked", "exit": 4}
    }


def test_the_unforeseen_hides_its_text(shop, monkeypatch, cards):
    """An error nobody foresaw may hold a card, so only its kind is told."""
    _failing(monkeypatch, RuntimeError(cards[0]))
    done = shop.run("orders")
    assert (done.code, done.out) == (70, "")
    assert "RuntimeError" in done.err
    assert "--debug" in done.err
    assert "Traceback" not in done.err
    assert shop.run("orders", "--json").json["error"]["exit"] == 70


def test_debug_shows_where_but_no_values(shop, monkeypatch):
    """`--debug` prints the traceback without local variables."""
    secret = "a-local-value-nobody-should-see"
    _failing(monkeypatch, RuntimeError("somewhere"))
    done = shop.run("orders", "--debug")
    assert "Traceback" in done.err
    assert "RuntimeError: somewhere" in done.err
    assert secret not in done.err


def test_an_interruption_ends_with_130(shop, monkeypatch):
    """Ctrl-C ends a command without a traceback."""
    _failing(monkeypatch, KeyboardInterrupt())
    done = shop.run("orders")
    assert (done.code, done.err) == (130, "")


def test_a_reader_who_has_had_enough_is_no_error(shop, monkeypatch):
    """A closed pipe is left to click, which ends quietly."""
    import errno

    _failing(monkeypatch, OSError(errno.EPIPE, "broken pipe"))
    assert shop.run("orders").code == 1


def test_a_wrong_command_line_is_two(shop):
    """Unknown commands and options are usage errors, and a document for programs."""
    assert shop.run("nonsense").code == 2
    assert shop.run("orders", "--nonsense").code == 2
    document = shop.run("--json", "orders", "--nonsense").json
    assert (document["error"]["kind"], document["error"]["exit"]) == ("NoSuchOption", 2)


def test_a_missing_configuration_says_what_to_do(empty):
    """Without a configuration the remedy is named."""
    done = empty.run("stock")
    assert done.code == 2
    assert "autocard init" in done.err


def test_a_missing_keyring_is_a_setting_to_mend(shop):
    """A keyring that is gone is 2."""
    (shop.folder / "autocard.keyring").unlink()
    assert shop.run("stock").code == 2


def test_a_foreign_keyring_is_five(shop, empty):
    """A keyring of another store does not open this one, and says so."""
    assert empty.run("init", "--yes").code == 0
    keyring = shop.folder / "autocard.keyring"
    keyring.write_bytes((empty.folder / "autocard.keyring").read_bytes())
    assert shop.run("stock").code == 5


def test_a_store_that_is_none_is_four(shop):
    """A file that is no database cannot be a store."""
    (shop.folder / "autocard.db").write_bytes(b"this is not a database" * 100)
    assert shop.run("stock").code == 4


def test_control_characters_are_made_visible():
    """Commands for the terminal that hide in data are replaced; line ends and tabs stay."""
    assert printable("a\x1b[31m\u202eb\tc\n") == "a\ufffd[31m\ufffdb\tc\n"


def test_a_file_error_is_told(shop, monkeypatch):
    """What click itself raises keeps its own words and exit code, also in JSON."""

    def fail(*_, **__):
        raise click.FileError("rows.csv", hint="no space")

    monkeypatch.setattr(Engine, "orders", fail)
    done = shop.run("orders")
    assert (done.code, "no space" in done.err) == (1, True)
    assert shop.run("orders", "--json").json["error"]["exit"] == done.code
