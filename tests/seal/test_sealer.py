"""The sealer: what it seals opens only where it belongs, and shows nothing on the way."""

from __future__ import annotations

import copy
import hmac
import json
import os
import pickle
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autocard.errors import SealError, UnknownSealKey
from autocard.seal import sealer as sealer_module
from autocard.seal.keyring import LocalKeyring, create_keyring, open_keyring, rotate_keyring
from autocard.seal.sealer import (
    Sealer,
    WrappedKey,
    data_key_number,
    new_data_keys,
    next_seal_key,
    rewrap,
)

_NOW = datetime(2026, 11, 22, tzinfo=UTC)
_VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text("utf-8"))
_PAGE = Path(__file__).parents[2] / "docs" / "security" / "envelope.md"
_KEYRING = LocalKeyring([("k-test", bytes(range(32)))])
_ROWS = new_data_keys(_KEYRING, _NOW)
_SEALER = Sealer.open(_KEYRING, _ROWS)


@pytest.fixture(name="vector_sealer")
def _vector_sealer(tmp_path):
    path = tmp_path / "k"
    path.write_text(json.dumps(_VECTORS["keyring"]))
    path.chmod(0o600)
    rows = [
        WrappedKey(row["number"], row["purpose"], "k-vector", bytes.fromhex(row["wrapped"]), _NOW)
        for row in _VECTORS["wrap"]
    ]
    return Sealer.open(open_keyring("file:k", base=tmp_path), rows)


@pytest.mark.parametrize("vector", _VECTORS["seal"])
def test_sealed_vectors_open_and_are_made_again(vector_sealer, vector, monkeypatch):
    """Known envelopes open, and the same nonce gives the same bytes."""
    where = (vector["kind"], vector["sku"], bytes.fromhex(vector["fingerprint"]))
    plaintext, sealed = bytes.fromhex(vector["plaintext"]), bytes.fromhex(vector["sealed"])
    assert vector_sealer.unseal(*where, sealed) == plaintext
    monkeypatch.setattr(sealer_module.os, "urandom", lambda _size: bytes.fromhex(vector["nonce"]))
    assert vector_sealer.seal(*where, plaintext) == sealed
    header = bytes.fromhex("0100000001")
    bound = sealer_module._associated_data(header, *where)
    assert bound.hex() == vector["associated_data"]


@pytest.mark.parametrize("vector", _VECTORS["keyed"])
def test_keyed_vectors_are_made_again(vector_sealer, vector):
    """Fingerprints, indexes and digests have their known values."""
    made = {
        "fingerprint": lambda: vector_sealer.fingerprint(vector["text"]),
        "index": lambda: vector_sealer.index(vector["kind"], vector["text"]),
        "digest": lambda: vector_sealer.digest(vector["text"].encode()),
    }[vector["use"]]()
    assert made.hex() == vector["value"]


@pytest.mark.parametrize("vector", _VECTORS["wrap"])
def test_wrap_vectors_are_made_again(vector, monkeypatch):
    """A data key wrapped with a known nonce has its known bytes."""
    keyring = LocalKeyring([("k-vector", bytes(range(32)))])
    monkeypatch.setattr(sealer_module.os, "urandom", lambda _size: bytes.fromhex(vector["nonce"]))
    context = sealer_module._wrap_context(vector["number"], vector["purpose"])
    assert context.hex() == vector["context"]
    assert keyring.wrap(bytes.fromhex(vector["data_key"]), context).hex() == vector["wrapped"]


def test_page_shows_the_same_vectors():
    """Every value of the vector file stands on the page, and the page has no other hexadecimal."""
    page = _PAGE.read_text("utf-8")
    shown = set(re.findall(r"\b[0-9a-f]{24,}\b", page))
    known = {
        text
        for group in ("wrap", "seal", "keyed")
        for vector in _VECTORS[group]
        for text in vector.values()
        if isinstance(text, str) and re.fullmatch(r"[0-9a-f]{24,}", text)
    }
    assert shown == known
    assert _VECTORS["keyring"]["keys"][0]["secret"] in page


@given(kind=st.text(), sku=st.text(), fingerprint=st.binary(), plaintext=st.binary())
def test_what_is_sealed_opens_again(kind, sku, fingerprint, plaintext):
    """Any text and bytes come back unchanged, 33 bytes longer while sealed."""
    sealed = _SEALER.seal(kind, sku, fingerprint, plaintext)
    assert len(sealed) == len(plaintext) + 33
    assert _SEALER.unseal(kind, sku, fingerprint, sealed) == plaintext


def test_every_flipped_byte_is_refused():
    """No byte of an envelope can be changed unnoticed."""
    sealed = _SEALER.seal("card", "steam-50", b"f" * 16, b"a card")
    for position in range(len(sealed)):
        for bit in (0x01, 0x80):
            flipped = bytearray(sealed)
            flipped[position] ^= bit
            with pytest.raises(SealError) as caught:
                _SEALER.unseal("card", "steam-50", b"f" * 16, bytes(flipped))
            assert isinstance(caught.value, UnknownSealKey) == (1 <= position <= 4)


def test_every_cut_or_longer_envelope_is_refused():
    """A shortened or lengthened envelope does not open."""
    sealed = _SEALER.seal("card", "steam-50", b"", b"a card")
    for other in (*(sealed[:size] for size in range(len(sealed))), sealed + b"\x00"):
        with pytest.raises(SealError):
            _SEALER.unseal("card", "steam-50", b"", other)


@given(sealed=st.binary(max_size=80) | st.binary(max_size=60).map(b"\x01\x00\x00\x00\x01".__add__))
def test_arbitrary_bytes_do_not_open(sealed):
    """Whatever stands in the column, unsealing gives the plaintext or a SealError."""
    with pytest.raises(SealError):
        _SEALER.unseal("card", "sku", b"", sealed)


@pytest.mark.parametrize(
    "where",
    [
        ("cart", "ab", b"cd"),
        ("card", "abc", b"d"),
        ("card", "a", b"bcd"),
        ("carda", "b", b"cd"),
        ("card", "", b"abcd"),
        ("card", "ab", b"ce"),
        ("", "", b"cardabcd"),
    ],
)
def test_value_of_another_row_is_refused(where):
    """A sealed value opens only with its own kind, sku and fingerprint, however they join up."""
    sealed = _SEALER.seal("card", "ab", b"cd", b"plain")
    with pytest.raises(SealError, match="belongs to another row"):
        _SEALER.unseal(*where, sealed)


@pytest.mark.parametrize(
    "where",
    [("x" * 65_536, "", b""), ("", "汉" * 22_000, b""), ("", "", b"f" * 65_536)],
)
def test_overlong_names_are_refused(where):
    """A kind, sku or fingerprint beyond its length field is refused, never cut."""
    with pytest.raises(SealError, match="65,535"):
        _SEALER.seal(*where, b"plain")


def test_same_plaintext_never_seals_twice_alike():
    """Each value has a nonce of its own."""
    sealed = {_SEALER.seal("card", "a", b"", b"plain") for _ in range(500)}
    assert len({value[5:17] for value in sealed}) == 500


def test_threads_share_a_sealer():
    """Many threads seal and unseal with one sealer."""

    def work(number: int) -> bool:
        plain = str(number).encode()
        return _SEALER.unseal("card", "a", b"", _SEALER.seal("card", "a", b"", plain)) == plain

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(2000)))


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_forked_processes_do_not_repeat_a_nonce():
    """A child process goes on with the sealer and draws other nonces than its parent."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - runs in the child, which coverage does not see end
        os.write(writing, b"".join(_SEALER.seal("c", "s", b"", b"p") for _ in range(20)))
        os._exit(0)
    os.close(writing)
    mine = [_SEALER.seal("c", "s", b"", b"p") for _ in range(20)]
    with os.fdopen(reading, "rb") as pipe:
        received = pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    theirs = [received[start : start + 34] for start in range(0, len(received), 34)]
    assert all(_SEALER.unseal("c", "s", b"", sealed) == b"p" for sealed in theirs)
    assert len({sealed[5:17] for sealed in mine + theirs}) == 40


def test_uses_and_kinds_do_not_collide():
    """The same text has unrelated values for each use, each kind and each store."""
    other = Sealer.open(_KEYRING, new_data_keys(_KEYRING, _NOW))
    values = [
        _SEALER.fingerprint("ab"),
        _SEALER.index("", "ab"),
        _SEALER.index("a", "b"),
        _SEALER.index("ab", ""),
        _SEALER.digest(b"ab")[:16],
        other.fingerprint("ab"),
    ]
    assert len(set(values)) == len(values)
    assert {len(value) for value in values} == {16}
    assert len(_SEALER.digest(b"")) == 32


@given(text=st.text(st.characters()))
def test_any_text_has_a_fingerprint(text):
    """Lone surrogates too: an encoding error would carry the card."""
    assert len(_SEALER.fingerprint(text + "\ud800")) == 16
    assert len(_SEALER.index("ip", text + "\udfff")) == 16


def test_wrong_keyring_is_refused_with_help(tmp_path):
    """A store does not open with another keyring, and the message says what to do."""
    other = create_keyring("file:k", base=tmp_path)
    with pytest.raises(UnknownSealKey, match=r"does not hold the key 'k-test'.*own keyring"):
        Sealer.open(other, _ROWS)
    with pytest.raises(UnknownSealKey, match="another key has the same id"):
        Sealer.open(LocalKeyring([("k-test", bytes(32))]), _ROWS)


@pytest.mark.parametrize("change", [{"number": 7}, {"wrapped": b""}])
def test_changed_row_is_refused(change):
    """A data-key row whose number or bytes were changed does not unwrap."""
    with pytest.raises(UnknownSealKey):
        Sealer.open(_KEYRING, [attrs.evolve(_ROWS[0], **change), _ROWS[1]])


@pytest.mark.parametrize("change", [{"number": 0}, {"number": 2**32}, {"purpose": "other"}])
def test_impossible_row_is_refused(change):
    """A number or purpose that no store has is a SealError, not a struct error."""
    with pytest.raises(SealError, match="no known number or purpose"):
        Sealer.open(_KEYRING, [attrs.evolve(_ROWS[0], **change), _ROWS[1]])


def test_row_of_another_purpose_is_refused():
    """A seal key passed off as the index key, and the other way round, does not unwrap."""
    swapped = [
        attrs.evolve(row, purpose={"seal": "index", "index": "seal"}[row.purpose]) for row in _ROWS
    ]
    with pytest.raises(UnknownSealKey):
        Sealer.open(_KEYRING, swapped)


@pytest.mark.parametrize("rows", [(), _ROWS[:1], _ROWS[1:], (*_ROWS, _ROWS[1])])
def test_incomplete_table_is_refused(rows):
    """A store without a seal key, or without exactly one index key, does not open."""
    with pytest.raises(SealError, match="exactly one index key"):
        Sealer.open(_KEYRING, rows)


def test_plugin_keyring_with_a_wrong_length_is_refused():
    """A data key that comes back with another length is not used."""

    class Broken:
        current = "k"

        def wrap(self, data_key, context):
            return b"w"

        def unwrap(self, key_id, wrapped, context):
            return b"short"

    with pytest.raises(UnknownSealKey, match="wrong length"):
        Sealer.open(Broken(), new_data_keys(Broken(), _NOW))


def test_rewrap_moves_everything_to_the_current_key(tmp_path):
    """After rotation rewrap returns the rows to write; what was sealed before still opens."""
    before = create_keyring("file:k", base=tmp_path)
    rows = new_data_keys(before, _NOW)
    sealed = Sealer.open(before, rows).seal("card", "a", b"", b"plain")
    after = rotate_keyring("file:k", base=tmp_path)
    moved = rewrap(after, rows)
    assert [row.number for row in moved] == [1, 2]
    assert {row.keyring_id for row in moved} == {after.current}
    assert rewrap(after, moved) == ()
    assert rewrap(after, (moved[0], rows[1]))[0].number == 2
    assert Sealer.open(after, (moved[0], rows[1])).unseal("card", "a", b"", sealed) == b"plain"
    with pytest.raises(UnknownSealKey):
        Sealer.open(before, moved)


def test_next_seal_key_seals_and_the_older_one_opens():
    """A further seal key is used at once; older values open through their own number."""
    rows = (*_ROWS, next_seal_key(_KEYRING, _ROWS, _NOW))
    sealer = Sealer.open(_KEYRING, rows)
    old, new = (one.seal("card", "a", b"", b"plain") for one in (_SEALER, sealer))
    assert (sealer.current, data_key_number(old), data_key_number(new)) == (3, 1, 3)
    assert sealer.unseal("card", "a", b"", old) == sealer.unseal("card", "a", b"", new) == b"plain"
    assert sealer.fingerprint("x") == _SEALER.fingerprint("x")
    with pytest.raises(UnknownSealKey, match="data key 3"):
        _SEALER.unseal("card", "a", b"", new)


def test_number_of_what_is_no_envelope_is_refused():
    """Only something that starts like an envelope has a data-key number."""
    for damaged in (b"", b"\x01", b"\x02" * 40):
        with pytest.raises(SealError, match="damaged"):
            data_key_number(damaged)


def test_created_at_is_aware_utc():
    """A naive time is refused."""
    with pytest.raises(ValueError, match="time zone"):
        new_data_keys(_KEYRING, datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point
    assert _ROWS[0].created_at == _NOW


def test_sealer_and_rows_show_no_key_material():
    """repr shows numbers only; copies and pickles are refused; there is no attribute dictionary."""
    assert repr(_SEALER) == "Sealer(current=1, seal_keys=[1])"
    assert "wrapped" not in repr(_ROWS[0])
    assert not hasattr(_SEALER, "__dict__")
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="not copied or pickled"):
            attempt(_SEALER)


def test_many_are_sealed_like_one_each():
    """Every row opens with its own fingerprint, whatever its length, and has its own nonce."""
    rows = [(b"f" * size, b"plain %d" % size) for size in (16, 16, 0, 3, 16)]
    sealed = _SEALER.seal_many("card", "steam-50", rows)
    assert [
        _SEALER.unseal("card", "steam-50", fingerprint, envelope)
        for (fingerprint, _), envelope in zip(rows, sealed, strict=True)
    ] == [plaintext for _, plaintext in rows]
    assert len({envelope[5:17] for envelope in sealed}) == len(rows)
    with pytest.raises(SealError, match="belongs to another row"):
        _SEALER.unseal("card", "steam-50", rows[1][0], sealed[4][:-1] + b"\0")
    assert _SEALER.seal_many("card", "steam-50", []) == []


def test_a_borrowed_sealer_is_of_the_current_key():
    """It seals and indexes as its lender does; what an older key sealed it does not open."""
    old = _SEALER.seal("card", "s", b"", b"old")
    lender = Sealer.open(_KEYRING, [*_ROWS, next_seal_key(_KEYRING, _ROWS, _NOW)])
    borrowed = Sealer.borrow(lender.lend())
    assert borrowed.current == lender.current == 3
    assert lender.unseal("card", "s", b"", borrowed.seal("card", "s", b"", b"x")) == b"x"
    assert borrowed.fingerprint("汉\ud800") == lender.fingerprint("汉\ud800")
    assert borrowed.index("ip", "x") == lender.index("ip", "x")
    with pytest.raises(UnknownSealKey):
        borrowed.unseal("card", "s", b"", old)


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 1000])
def test_keyed_hashes_are_hmac(size):
    """The prepared hashes give what the standard library's HMAC gives."""
    secret, message = bytes(range(32)), b"m" * size
    assert sealer_module._Keyed(secret).digest(message) == hmac.digest(secret, message, "sha256")
