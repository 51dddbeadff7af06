"""The leak detector finds a canary wherever it hides, and does not repeat it."""

from __future__ import annotations

import base64
import json
import logging
from types import SimpleNamespace
from urllib.parse import quote_plus

import pytest

from autocard.spi import Secret
from autocard.testing.leaks import LeakDetector

CARD = "STEAM-卡密-7Q2X/9Z+4"
SHAPES = {
    "plain": CARD.encode(),
    "utf-16-le": CARD.encode("utf-16-le"),
    "gb18030": CARD.encode("gb18030"),
    "hex": CARD.encode().hex().encode(),
    "upper-case hex": CARD.encode().hex().upper().encode(),
    "json": json.dumps(CARD).encode(),
    "address": quote_plus(CARD).encode(),
    "base64": base64.b64encode(CARD.encode()),
    "base64 within more": base64.b64encode(b"a" + CARD.encode() + b"bc"),
    "base64 within still more": base64.b64encode(b"ab" + CARD.encode() + b"c"),
    "url-safe base64": base64.urlsafe_b64encode(b"?>" + CARD.encode()),
}


@pytest.fixture(name="detector")
def _detector() -> LeakDetector:
    detector = LeakDetector()
    detector.watch("the card", CARD)
    return detector


def _raised_elsewhere(source: str) -> Exception:
    """Return the error that *source* raises in a file that is not the test's own."""
    try:
        exec(compile(source, "elsewhere.py", "exec"), {"CARD": CARD, "Secret": Secret})
    except Exception as error:  # noqa: BLE001 - whichever the source asks for
        return error
    raise AssertionError("nothing was raised")


def test_clean_things_pass(detector, tmp_path) -> None:
    """Where no canary is, nothing is reported."""
    (tmp_path / "log.txt").write_text("order A1001 delivered", "utf-8")
    with detector:
        logging.getLogger("shop").warning("order %s delivered", "A1001")
    detector.check_text("a page", "delivered")
    detector.check_exception(ValueError("order A1001"))
    detector.check_tree(tmp_path)
    detector.assert_clean()
    assert detector.leaks == ()


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_found(shape, detector) -> None:
    """A canary is found in every encoding it may be stored in."""
    detector.check_bytes("a dump", b"\x00before" + SHAPES[shape] + b"after\xff")
    with pytest.raises(AssertionError, match=r"the card as .* in a dump"):
        detector.assert_clean()


def test_planted_canaries_are_watched() -> None:
    """A planted text is new every time, and is found."""
    detector = LeakDetector()
    first, second = detector.plant("a card"), detector.plant("a mail address")
    assert first != second
    detector.check_text("a page", f"mail to {second}")
    assert [leak.label for leak in detector.leaks] == ["a mail address"]


def test_secrets_may_be_watched() -> None:
    """A `Secret` is watched by its plaintext."""
    detector = LeakDetector()
    detector.watch("credential", Secret("0123456789abcdef"))
    detector.check_value("options", {"credential": "0123456789abcdef"})
    assert len(detector.leaks) >= 2  # str and repr


def test_short_canaries_are_refused(detector) -> None:
    """A text that would be found by chance is refused without being quoted."""
    with pytest.raises(ValueError, match="number: a canary needs at least 8") as caught:
        detector.watch("number", "12345")
    assert "12345" not in str(caught.value)


def test_text_without_encoding_is_watched(detector) -> None:
    """A canary that is not valid Unicode is watched all the same."""
    detector.watch("odd", "\ud800" * 8)
    detector.check_text("a page", "\ud800" * 8)
    assert [leak.label for leak in detector.leaks] == ["odd"]


def test_report_does_not_quote_the_canary(detector, tmp_path) -> None:
    """The report says what and where, once a place, and hides the canary in names too."""
    (tmp_path / "a").mkdir()
    file = tmp_path / "a" / "STEAM.txt"
    file.write_text(CARD, "utf-8")
    detector.check_tree(tmp_path)
    detector.check_tree(tmp_path)
    detector.check_text(f"the page of {CARD}", CARD)
    with pytest.raises(AssertionError) as caught:
        detector.assert_clean()
    report = str(caught.value)
    assert "in 2 places" in report
    assert str(file) in report
    assert "the page of <the card>" in report
    assert CARD not in report


def test_file_names_and_boundaries_are_read(detector, tmp_path, monkeypatch) -> None:
    """A canary is found across the pieces a file is read in, and in a file's name."""
    monkeypatch.setattr("autocard.testing.leaks._CHUNK", 7)
    (tmp_path / "store.db").write_bytes(b"\x00" * 5 + CARD.encode() + b"\x00" * 9)
    detector.check_file(tmp_path / "store.db")
    named = tmp_path / f"{CARD.replace('/', '')}.csv"
    named.touch()
    detector.watch("the name", named.stem)
    detector.check_file(named)
    assert {leak.place for leak in detector.leaks} == {
        f"file {tmp_path / 'store.db'}",
        "the name of a file",
    }


def test_empty_detector_reads_files(tmp_path) -> None:
    """Without canaries there is nothing to find, and nothing fails."""
    (tmp_path / "store.db").write_bytes(b"text")
    detector = LeakDetector()
    detector.check_file(tmp_path / "store.db")
    detector.assert_clean()


HIDING_PLACES = {
    "message": "raise ValueError(f'bad card {CARD}')",
    "argument": "raise ValueError(3, {'card': CARD})",
    "cause": "raise ValueError('x') from KeyError(CARD)",
    "context": "try:\n raise KeyError(CARD)\nexcept KeyError:\n raise ValueError('x')",
    "hidden context": "try:\n raise KeyError(CARD)\nexcept KeyError:\n raise ValueError('x') from None",
    "note": "e = ValueError('x')\ne.add_note(CARD)\nraise e",
    "attribute": "e = ValueError('x')\ne.order = CARD\nraise e",
    "attribute of an attribute": "import types\ne = ValueError('x')\n"
    "e.request = types.SimpleNamespace(url=CARD)\nraise e",
    "group": "raise ExceptionGroup('several', [ValueError('x'), KeyError(CARD)])",
    "encoding error": "(CARD + chr(0xd800)).encode()",
    "local variable": "def load(card):\n copy = [card]\n raise ValueError('x')\nload(CARD)",
}


@pytest.mark.parametrize("place", HIDING_PLACES)
def test_exceptions_are_searched(place, detector) -> None:
    """A canary is found in every corner of an exception that a crash report could show."""
    detector.check_exception(_raised_elsewhere(HIDING_PLACES[place]))
    with pytest.raises(AssertionError, match="the card"):
        detector.assert_clean()


def test_secrets_in_local_variables_are_clean(detector) -> None:
    """A local variable that holds a `Secret` shows its mask, which is no leak."""
    source = "def load(card):\n raise ValueError('x')\nload(Secret('0123456789'))"
    detector.watch("secret", "0123456789")
    error = _raised_elsewhere(f"CARD = None\n{source}")
    detector.check_exception(error)
    detector.assert_clean()


def test_own_frames_may_hold_canaries(detector) -> None:
    """Frames of the test's file, and of files named as its own, are left out."""
    card = CARD
    try:
        raise ValueError(len(card))
    except ValueError as error:
        detector.check_exception(error)
    detector.assert_clean()
    helper = LeakDetector(own_files=["elsewhere.py"])
    helper.watch("the card", CARD)
    helper.check_exception(_raised_elsewhere("copy = CARD\nraise ValueError('x')"))
    helper.assert_clean()


def test_cycles_and_unshowable_values_end(detector) -> None:
    """An exception that is its own cause, or holds a value whose repr fails, is survived."""

    class Unshowable:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    error = ValueError(Unshowable())
    error.__cause__ = KeyError()
    error.__cause__.__cause__ = error
    detector.check_exception(error)
    detector.assert_clean()


LOGS = {
    "template": lambda log: log.info(CARD),
    "argument": lambda log: log.debug("card %s", CARD),
    "mapping": lambda log: log.debug("card %(card)s", {"card": CARD}),
    "extra": lambda log: log.info("sold", extra={"card": CARD}),
    "exception": lambda log: log.error(
        "failed", exc_info=_raised_elsewhere(HIDING_PLACES["hidden context"])
    ),
    "detached logger": lambda _: logging.getLogger("detached").debug(CARD),
    "disabled logger": lambda _: logging.getLogger("disabled").debug(CARD),
    "muted logger": lambda _: logging.getLogger("muted").debug(CARD),
    "new logger": lambda _: logging.getLogger("new.of.this.test").debug(CARD),
}


@pytest.mark.parametrize("way", LOGS)
def test_logs_are_searched(way, detector, monkeypatch) -> None:
    """A canary is found in every record of every logger, whatever its level and settings."""
    monkeypatch.setattr(logging.getLogger("detached"), "propagate", False)
    monkeypatch.setattr(logging.getLogger("disabled"), "disabled", True)
    monkeypatch.setattr(logging.getLogger("muted"), "level", logging.CRITICAL)
    logging.disable(logging.WARNING)
    try:
        with detector:
            LOGS[way](logging.getLogger("shop"))
    finally:
        logging.disable(logging.NOTSET)
    with pytest.raises(AssertionError, match="the card"):
        detector.assert_clean()


def test_records_that_cannot_be_formatted_are_searched(detector, monkeypatch) -> None:
    """A canary among arguments that do not fit their template is found."""
    log = logging.getLogger("detached")
    monkeypatch.setattr(log, "propagate", False)  # pytest would fail to format it as well
    with detector:
        log.handle(logging.LogRecord("x", logging.DEBUG, "", 0, "card %s %s", (CARD,), None))
    assert detector.leaks[0].place.startswith("str() of the arguments")


def test_logging_is_put_back(detector) -> None:
    """After the detector closes, levels, switches and handlers are as they were."""
    root, muted = logging.getLogger(), logging.getLogger("muted")
    muted.setLevel(logging.ERROR)
    before = (root.level, list(root.handlers), muted.level, root.manager.disable)
    with detector:
        assert muted.isEnabledFor(logging.DEBUG)
    assert (root.level, list(root.handlers), muted.level, root.manager.disable) == before
    muted.setLevel(logging.NOTSET)
    root.debug(CARD)
    detector.assert_clean()


def test_detector_opens_once_at_a_time(detector) -> None:
    """Opening an open detector is refused; it may be opened again later."""
    with detector, pytest.raises(RuntimeError, match="open already"), detector:
        raise AssertionError("it opened twice")
    with detector:
        logging.getLogger("shop").info(CARD)
    assert detector.leaks
    detector.__exit__(None, None, None)


def test_values_are_shown_every_way(detector) -> None:
    """`str`, `repr` and `format` of a value are all looked at."""

    class Order(SimpleNamespace):
        def __format__(self, spec: str) -> str:
            return CARD

    detector.check_value("an order", Order(number=1))
    assert [leak.place for leak in detector.leaks] == ["format() of an order"]
