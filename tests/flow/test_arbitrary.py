"""Whatever comes in, a value or a documented error comes out; whatever goes wrong, nothing is half done."""

from __future__ import annotations

import io
import json
import os
import sqlite3
from contextlib import suppress
from typing import ClassVar

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autocard import (
    AutocardError,
    ConfigurationError,
    Engine,
    Inbound,
    InvalidOrder,
    Outcome,
    SchemaMismatch,
    StoreUnavailable,
    UnknownSealKey,
    UnreadableSource,
)
from autocard.spi import order_from_body, order_from_json
from autocard.store.schema import REVISION

many = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
WORDS = st.sampled_from(
    ["order_no", "lines", "item", "quantity", "unit_price", "amount", "currency", "payment",
     "paid", "paid_at", "reference", "buyer", "id", "contact", "ip", "level", "placed_at",
     "options", "target", "store", "keyring", "skus", "kind", "platforms", "adapter", "rules",
     "sku", "review", "delivery", "tries", "format", "sources", "cap", "hours", "deny"]
)  # fmt: skip
LIKELY = st.sampled_from(
    ["CNY", "10.00", "steam", "shared", "card", "epay", "A1", "2026-01-02T03:04:05Z", "manual",
     "warehouse:main", "22:00-06:00", "sqlite:///x.db", "file:x", "1e999", "", "\x00", "\ud800"]
)  # fmt: skip
plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | LIKELY
tree = st.recursive(
    plain,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(WORDS | st.text(max_size=8), inner, max_size=6)
    ),
    max_leaves=25,
)

SKU = st.fixed_dictionaries(
    {},
    optional={
        "kind": LIKELY, "format": LIKELY, "sources": st.lists(LIKELY, max_size=2),
        "cap": plain, "per_buyer": plain, "low": plain, "ceiling": LIKELY, "overtake": plain,
    },
)  # fmt: skip
PLATFORM = st.fixed_dictionaries(
    {"adapter": st.sampled_from(["epay", "webhook_json", "order_file", "mail", "none"])},
    optional={
        "base_url": LIKELY | st.just("https://a.example"), "pid": plain, "credential": plain,
        "confirm": plain, "deliver": st.lists(LIKELY | st.just("direct"), max_size=2),
        "timeout_s": plain, "allow_http": plain,
    },
)  # fmt: skip
NEARLY = st.fixed_dictionaries(
    {},
    optional={
        "skus": st.dictionaries(LIKELY, SKU, max_size=2),
        "platforms": st.dictionaries(LIKELY, PLATFORM, max_size=2),
        "channels": st.dictionaries(LIKELY, PLATFORM, max_size=2),
        "rules": st.lists(st.dictionaries(WORDS, plain, max_size=4), max_size=2),
        "review": st.dictionaries(WORDS, plain, max_size=3),
        "delivery": st.dictionaries(WORDS, plain, max_size=3),
        "currency": LIKELY,
        "default_format": LIKELY,
    },
)


@pytest.fixture(name="engine")
def _engine(shop):
    engine = shop.pushing(skus={"steam": {}, "pair": {"format": "pair-hyphens"}})
    shop.stock(engine, 3)
    return engine


def _counted(engine):
    return sum(level.available for level in engine.cards.stock())


class TestCardFiles:
    @many
    @given(st.binary(max_size=400), st.sampled_from([None, "auto", "pair-hyphens", "opaque"]))
    def test_any_bytes_are_a_report_or_an_error(self, engine, content, card_format):
        """Any file gives a report whose count is what stock grew by, or leaves stock alone."""
        before = _counted(engine)
        try:
            report = engine.cards.add("pair", io.BytesIO(content), format=card_format)
        except (UnreadableSource, ConfigurationError):
            assert _counted(engine) == before
        else:
            assert _counted(engine) == before + report.added
            assert report.total == len(list(report.rows()))
            assert str(report)
            report.close()

    @many
    @given(
        st.sampled_from(
            [b"PK\x03\x04", b"\xff\xfe", b"\xef\xbb\xbf", b"[", b'{"secret":', b"a,b\n"]
        ),
        st.binary(max_size=300),
    )
    def test_what_looks_like_a_known_kind_is_handled_too(self, engine, head, rest):
        """A torn archive, an odd encoding, half a JSON: a report or `UnreadableSource`."""
        before = _counted(engine)
        try:
            with engine.cards.add("pair", io.BytesIO(head + rest)) as report:
                assert _counted(engine) == before + report.added
        except UnreadableSource:
            assert _counted(engine) == before

    @many
    @given(st.lists(st.text(max_size=30) | tree, max_size=8))
    def test_any_iterable_is_a_report_or_an_error(self, engine, rows):
        """Rows of any type from a program are imported, reported as malformed, or refused."""
        before = _counted(engine)
        try:
            with engine.cards.add("pair", iter(rows)) as report:
                assert _counted(engine) == before + report.added
        except AutocardError:
            assert _counted(engine) == before

    def test_a_source_that_breaks_midway_keeps_whole_chunks(self, shop, engine):
        """After an unreadable rest the chunks before are in stock, and a second run adds the rest."""

        def broken():
            for number in range(4_500):
                yield f"ROW-{number:06d}"
            raise OSError("the network drive is gone")

        before = _counted(engine)
        with pytest.raises((UnreadableSource, OSError)):
            engine.cards.add("steam", broken())
        added = _counted(engine) - before
        assert added % 2_000 == 0
        with engine.cards.add("steam", [f"ROW-{i:06d}" for i in range(4_500)]) as report:
            assert report.added == 4_500 - added


class TestOrders:
    @many
    @given(st.binary(max_size=300) | tree.map(lambda x: json.dumps(x).encode()))
    def test_any_body_is_an_order_or_invalid(self, engine, body):
        """Any bytes are an order, or `InvalidOrder` that names a field."""
        try:
            order = order_from_body(body, "shop")
        except InvalidOrder as error:
            assert error.field  # noqa: PT017 - an order that is valid is fine too
        else:
            self._served(engine, order)

    @many
    @given(
        st.fixed_dictionaries(
            {"order_no": st.text(max_size=5)},
            optional={
                "lines": st.lists(
                    st.fixed_dictionaries(
                        {"item": LIKELY},
                        optional={"quantity": st.integers(0, 5), "target": plain, "options": tree},
                    ),
                    max_size=3,
                ),
                "payment": st.fixed_dictionaries(
                    {"paid": st.fixed_dictionaries({"amount": LIKELY, "currency": LIKELY})}
                ),
                "buyer": tree,
                "placed_at": LIKELY,
            },
        )
    )
    def test_nearly_an_order_is_served_or_refused(self, engine, data):
        """What is nearly an order is served, held or refused by name; the books agree."""
        try:
            order = order_from_json(data, "host")
        except InvalidOrder as error:
            assert error.field  # noqa: PT017 - an order that is valid is fine too
        else:
            self._served(engine, order)
            assert engine.ledger.verify().ok

    @staticmethod
    def _served(engine, order):
        for serve in (
            engine.dispatch,
            engine.expect,
            lambda o: engine.reserve(o, ttl_s=5),
            lambda o: engine.dispatch_many([o]),
        ):
            with suppress(AutocardError):
                serve(order)

    @pytest.mark.parametrize("ttl_s", [0, -1, float("nan"), float("inf"), 1e300])
    def test_an_odd_time_limit_is_refused(self, shop, engine, ttl_s):
        """A reservation lasts some time, and not for ever."""
        with pytest.raises(InvalidOrder, match="ttl_s"):
            engine.reserve(shop.order(paid=None), ttl_s=ttl_s)


class TestNotifications:
    ADAPTERS: ClassVar = {
        "pay": {
            "adapter": "epay", "base_url": "https://pay.example.com", "pid": "1001",
            "credential": "0123456789abcdef0123456789abcdef",
        },
        "host": {"adapter": "webhook_json", "credential": "whsec_" + "QUJD" * 11},
    }  # fmt: skip

    @pytest.fixture(name="receiving")
    def _receiving(self, shop):
        return shop.open(platforms=self.ADAPTERS)

    @many
    @given(
        name=st.sampled_from(["pay", "host"]),
        method=st.sampled_from(["GET", "POST", ""]) | st.text(max_size=5),
        query=st.text(max_size=80) | st.just("pid=1001&trade_no=1&out_trade_no=A1&sign=0&money=1"),
        headers=st.dictionaries(
            st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"])
            | st.text(max_size=8),
            st.text(max_size=20),
        ),
        body=st.binary(max_size=200) | tree.map(lambda x: json.dumps(x).encode()),
    )
    def test_anything_unproved_is_refused_and_stores_nothing(
        self, receiving, name, method, query, headers, body
    ):
        """Any request without a proof is refused in words that explain nothing."""
        reply = receiving.receive(
            name, Inbound(method=method, path="/", query=query, headers=headers, body=body)
        )
        assert receiving.orders() == []
        assert receiving.ledger.events() == []
        refusal = receiving.receive(name, Inbound(method="POST", path="/"))
        assert (reply.status, reply.body) == (refusal.status, refusal.body)

    def test_a_platform_that_is_not_configured_is_named(self, receiving):
        """The host is told which table is missing."""
        with pytest.raises(ConfigurationError, match=r"\[platforms.nobody\]"):
            receiving.receive("nobody", Inbound(method="GET", path="/"))


class TestConfigurations:
    @pytest.fixture(name="store_kind")
    def _store_kind(self):
        """A configuration is the same for every kind of store."""
        return "sqlite"

    @many
    @given(st.dictionaries(WORDS | st.text(max_size=8), tree, max_size=6) | NEARLY)
    def test_any_mapping_opens_or_is_refused(self, shop, table):
        """Any mapping is a configuration, or an error that says what is wrong with it."""
        own = {
            "store": f"sqlite:///{shop.folder}/shop.db",
            "keyring": f"file:{shop.folder}/shop.keyring",
        }
        if not shop.engines:
            shop.open().close()
        with suppress(ConfigurationError):
            Engine.open({**table, **own}).close()

    @many
    @given(
        st.binary(max_size=200) | st.text(max_size=200).map(lambda x: x.encode("utf-8", "replace"))
    )
    def test_any_file_opens_or_is_refused(self, tmp_path, content):
        """Any file is a configuration or a `ConfigurationError`; no store is made."""
        path = tmp_path / "any.toml"
        path.write_bytes(content)
        with pytest.raises(ConfigurationError):
            Engine.open(path)
        assert sorted(x.name for x in tmp_path.iterdir()) == ["any.toml"]

    @pytest.mark.parametrize("source", [None, 5, b"x", [], object()])
    def test_something_else_is_refused(self, source):
        """What is neither path nor mapping is a `ConfigurationError`."""
        with pytest.raises(ConfigurationError):
            Engine.open(source)


class TestKeyring:
    def _close(self, shop):
        engine = shop.open()
        shop.stock(engine, 2)
        engine.close()

    def test_a_missing_keyring_is_never_replaced(self, shop):
        """A store that was sealed does not open without its keyring, and none is made for it."""
        self._close(shop)
        keyring = shop.folder / "shop.keyring"
        keyring.unlink()
        with pytest.raises(ConfigurationError, match="keyring"):
            shop.open()
        assert not keyring.exists()

    def test_a_wrong_keyring_refuses_to_open(self, shop, tmp_path_factory):
        """Another shop's keyring is found out while opening, not at the first card."""
        self._close(shop)
        other = tmp_path_factory.mktemp("other")
        shop.open(store=f"sqlite:///{other}/o.db", keyring=f"file:{other}/o.keyring").close()
        with pytest.raises(UnknownSealKey):
            shop.open(keyring=f"file:{other}/o.keyring")

    @pytest.mark.parametrize("content", [b"", b"nonsense", b"\x00\xff", b"{}"])
    def test_a_damaged_keyring_is_an_error_about_the_setup(self, shop, content):
        """A keyring that cannot be read says so, without what is in it."""
        self._close(shop)
        keyring = shop.folder / "shop.keyring"
        keyring.write_bytes(content)
        keyring.chmod(0o600)
        with pytest.raises((ConfigurationError, UnknownSealKey)):
            shop.open()

    @pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
    def test_a_keyring_others_can_touch_is_refused(self, shop, mode):
        """A keyring that the group or the world may read or write does not open."""
        self._close(shop)
        (shop.folder / "shop.keyring").chmod(mode)
        with pytest.raises(ConfigurationError, match=r"chmod|0600|mode"):
            shop.open()


class TestBadStores:
    """Each time: a clear error, nothing half-written, and the order is not accepted."""

    @pytest.fixture(name="store_kind")
    def _store_kind(self):
        """What is damaged here are files."""
        return "sqlite"

    def _refused(self, engine, shop, match):
        before = _state(shop)
        with pytest.raises(StoreUnavailable, match=match):
            engine.dispatch(shop.order("NEW"))
        with pytest.raises(StoreUnavailable, match=match):
            engine.cards.add("steam", ["NEW-1", "NEW-2"])
        assert _state(shop) == before

    def test_without_create_nothing_is_made(self, shop):
        """A missing store is an error that says how to make one, and no file appears."""
        table = {
            "store": f"sqlite:///{shop.folder}/no.db", "keyring": f"file:{shop.folder}/no.keyring",
        }  # fmt: skip
        with pytest.raises(ConfigurationError, match="create=True"):
            Engine.open(table)
        with pytest.raises(ConfigurationError, match="folder"):
            Engine.open({**table, "store": f"sqlite:///{shop.folder}/a/b/no.db"}, create=True)
        assert list(shop.folder.iterdir()) == []

    def test_an_empty_database_is_no_store(self, shop):
        """A database of somebody else is not taken for ours."""
        with sqlite3.connect(shop.folder / "shop.db") as other:
            other.execute("CREATE TABLE mine (x)")
        other.close()
        with pytest.raises(SchemaMismatch, match="create=True"):
            Engine.open({"store": f"sqlite:///{shop.folder}/shop.db"})

    def test_a_read_only_database_takes_no_order(self, shop):
        """
        A database that refuses writes is named as such.

        The superuser, who may run these tests, writes to read-only files; so the connections
        themselves are made read-only, which gives the driver's very same error.
        """
        engine = shop.open()
        shop.stock(engine, 2)
        pool = engine._flow.pool
        sa.event.listen(
            pool._engine, "checkout", lambda raw, *_: raw.execute("PRAGMA query_only = 1")
        )
        pool.cursor().execute("PRAGMA query_only = 1")
        self._refused(engine, shop, "read-only")
        pool.cursor().execute("PRAGMA query_only = 0")

    @pytest.mark.skipif(os.geteuid() == 0, reason="the superuser writes to read-only folders")
    def test_a_read_only_folder_takes_no_order(self, shop):
        """A folder without write permission is named as such."""
        engine = shop.open()
        shop.stock(engine, 2)
        engine.close()
        for file in shop.folder.iterdir():
            file.chmod(0o400)
        shop.folder.chmod(0o500)
        try:
            with pytest.raises((StoreUnavailable, ConfigurationError)):
                shop.open().dispatch(shop.order())
        finally:
            shop.folder.chmod(0o700)
            for file in shop.folder.iterdir():
                file.chmod(0o600)

    def test_a_full_disk_takes_no_order(self, shop):
        """Where no page can be added the order is not accepted, and works once there is space."""
        engine = shop.open()
        shop.stock(engine, 200)
        cursor = engine._flow.pool.cursor()
        (pages,) = cursor.execute("PRAGMA page_count").fetchone()
        cursor.execute(f"PRAGMA max_page_count = {pages}")
        served = []
        with pytest.raises(StoreUnavailable, match="disk is full"):
            served.extend(engine.dispatch(shop.order(f"B{number}")) for number in range(200))
        refused = f"B{len(served)}"
        assert engine.receipt("shop", refused) is None
        with pytest.raises(StoreUnavailable, match="disk is full"):
            engine.cards.add("steam", [f"MORE-{i}" * 9 for i in range(1_000)])
        report = engine.ledger.verify()
        assert report.ok, report.faults
        assert report.cards == 200
        cursor.execute("PRAGMA max_page_count = 1000000")
        assert engine.dispatch(shop.order(refused)).outcome is Outcome.DELIVERED
        assert all(engine.dispatch(shop.order(x.order_no)).replayed for x in served)

    def test_a_locked_database_waits_and_then_says_so(self, shop):
        """Another writer is waited for as long as configured, then it is an error."""
        engine = shop.open(store=f"sqlite:///{shop.folder}/shop.db?wait_s=0.2")
        shop.stock(engine, 2)
        other = sqlite3.connect(shop.folder / "shop.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        self._refused(engine, shop, "locked")
        other.execute("ROLLBACK")
        other.close()
        assert engine.dispatch(shop.order("NEW")).outcome is Outcome.DELIVERED

    def test_a_newer_schema_is_left_alone(self, shop):
        """A store of a newer autocard does not open, and nothing in it is touched."""
        shop.open().close()
        database = shop.folder / "shop.db"
        with sqlite3.connect(database) as other:
            other.execute("UPDATE autocard_version SET version_num = '9999'")
        other.close()
        before = database.read_bytes()
        for create in (False, True):
            with pytest.raises(SchemaMismatch, match="newer"):
                Engine.open({"store": f"sqlite:///{database}"}, create=create)
        assert database.read_bytes() == before

    @pytest.mark.parametrize(
        "content", [b"not a database at all " * 300, b"SQLite format 3\0" * 99]
    )
    def test_a_damaged_file_is_named_as_such(self, shop, content):
        """A file that is no database, or no longer, is an error that says what to do."""
        shop.open().close()
        (shop.folder / "shop.db").write_bytes(content)
        with pytest.raises(StoreUnavailable, match=r"damaged|not an autocard database"):
            shop.open()

    def test_damage_met_while_serving_is_an_error(self, shop):
        """Damage that shows later is `StoreUnavailable` too, and no order is taken."""
        engine = shop.open()
        shop.stock(engine, 400)
        engine.close()
        database = shop.folder / "shop.db"
        content = bytearray(database.read_bytes())
        for page in range(4096, len(content), 4096):
            content[page : page + 200] = os.urandom(200)
        database.write_bytes(content)
        with pytest.raises((StoreUnavailable, SchemaMismatch)):
            Engine.open({"store": f"sqlite:///{database}", "skus": {"steam": {}},
                         "keyring": f"file:{shop.folder}/shop.keyring"}).dispatch(shop.order())  # fmt: skip


class TestBadTables:
    """The same on every kind of store."""

    def test_a_newer_schema_is_left_alone(self, shop):
        """A store of a newer autocard does not open, and is not made older."""
        shop.open().close()
        shop.run("UPDATE autocard_version SET version_num = '9999'")
        for create in (False, True):
            with pytest.raises(SchemaMismatch, match="newer"):
                Engine.open({"store": shop.url}, create=create)
        assert shop.run("SELECT version_num FROM autocard_version") == [("9999",)]
        shop.run("UPDATE autocard_version SET version_num = :now", now=REVISION)

    def test_a_table_that_is_gone_is_an_error_without_a_half_order(self, shop):
        """The whole change fails; the order is not there afterwards."""
        engine = shop.open()
        shop.stock(engine, 2)
        shop.run("ALTER TABLE autocard_events RENAME TO autocard_elsewhere")
        with pytest.raises(StoreUnavailable):
            engine.dispatch(shop.order("NEW"))
        shop.run("ALTER TABLE autocard_elsewhere RENAME TO autocard_events")
        assert engine.receipt("shop", "NEW") is None
        assert engine.cards.stock()[0].available == 2


def _state(shop):
    """Return what an order or an import would have changed."""
    store = sqlite3.connect(f"file:{shop.folder}/shop.db?mode=ro", uri=True)
    try:
        return [
            store.execute(f"SELECT * FROM autocard_{table} ORDER BY 1").fetchall()
            for table in ("orders", "lines", "cards", "batches", "events", "movements")
        ]
    finally:
        store.close()
