"""Canary cards, credentials, contacts and targets go every way there is; none is seen on the way."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import subprocess
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer

import attrs
import pymysql
import pytest
import sqlalchemy as sa

from autocard import (
    AutocardError,
    Buyer,
    Engine,
    Inbound,
    InvalidOrder,
    Money,
    Order,
    OrderConflict,
    OrderLine,
    Outcome,
    Payment,
    RejectedError,
    StoreUnavailable,
    TransientError,
    UnknownOutcome,
)
from autocard.errors import AdapterError, SealError, UnsupportedFeature, VerificationError
from autocard.model import CardParts
from autocard.spi import hookimpl
from autocard.store.schema import metadata
from autocard.testing import FakeClock, LeakDetector, Script, ScriptedAdapters


class Planted:
    """An engine whose cards, buyers and targets are canaries, and the eyes that look for them."""

    def __init__(self, folder, url=""):
        self.folder = folder
        self.store = folder / "store"
        self.store.mkdir()
        self.url = url or f"sqlite:///{self.store}/shop.db"
        self.eyes = LeakDetector()
        self.clock = FakeClock()
        self.script, self.mail = Script(), Script()
        self.contact = self.plant("contact") + "@example.com"
        self.target = self.plant("target")
        self.ip_address = self.plant("ip")
        self.option = self.plant("option")
        self.pairs = [(self.plant(f"number {i}"), self.plant(f"secret {i}")) for i in range(6)]
        self.rows = [f"{number}----{secret}" for number, secret in self.pairs]
        self.engine = None
        self.engines = []
        self.afterwards = contextlib.ExitStack()
        """What is done when everything was looked at."""

    def plant(self, label):
        return self.eyes.plant(label)

    def open(self, *, plugins=(), **more):
        scripted = {"adapter": "scripted", "script": self.script}
        self.engine = Engine.open(
            {
                "store": f"{self.url}?wait_s=0.2",
                "keyring": f"file:{self.folder}/shop.keyring",
                "skus": {
                    "steam": {"format": "pair-hyphens"},
                    "hand": {"format": "pair-hyphens", "sources": ["manual"]},
                    "gift": {"format": "pair-hyphens", "kind": "shared"},
                    "phone": {"kind": "topup"},
                },
                "platforms": {
                    "shop": {**scripted, "confirm": True},
                    "post": {**scripted, "deliver": ["channel:mail"], "confirm": False},
                    **more.pop("platforms", {}),
                },
                "channels": {"mail": {"adapter": "scripted", "script": self.mail}},
                "review": {"deny": [f"contact:{self.contact}x"]},
                "delivery": {"first_retry_s": 1, "jitter": 0, "tries": 2},
                **more,
            },
            create=True,
            clock=self.clock,
            plugins=[ScriptedAdapters(), *plugins],
        )
        self.engines.append(self.engine)
        return self.engine

    def order(self, number="A1", platform="host", *, item="steam", quantity=1):
        return Order(
            platform=platform,
            order_no=number,
            lines=[
                OrderLine(
                    item=item, quantity=quantity, unit_price=Money("1", "CNY"),
                    target=self.target, options={"note": self.option},
                )
            ],
            payment=Payment(paid=Money(quantity, "CNY"), reference="p"),
            buyer=Buyer(id="u1", contact=self.contact, ip=self.ip_address),
        )  # fmt: skip

    def raises(self, kinds, call):
        """Call, and look at all that a crash reporter could tell of the error."""
        with pytest.raises(kinds) as caught:
            call()
        error = caught.value
        self.eyes.check_exception(error)
        return error

    def run(self, statement, **values):
        """Execute SQL behind the engine's back."""
        with sa.create_engine(self.url, poolclass=sa.pool.NullPool).begin() as connection:
            connection.execute(sa.text(statement), values)

    @contextlib.contextmanager
    def broken_store(self):
        """Keep others from writing, so that every change is `StoreUnavailable`."""
        engine = sa.create_engine(
            self.url, poolclass=sa.pool.NullPool, isolation_level="AUTOCOMMIT"
        )
        with engine.connect() as connection:
            for statement in self._locking():
                connection.exec_driver_sql(statement)
            yield
            connection.exec_driver_sql(
                "UNLOCK TABLES" if self.url.startswith("mysql") else "ROLLBACK"
            )

    def _locking(self):
        if self.url.startswith("sqlite"):
            return ["BEGIN IMMEDIATE"]
        if self.url.startswith("postgresql"):
            return ["BEGIN", f"LOCK TABLE {', '.join(metadata.tables)} IN EXCLUSIVE MODE"]
        return [f"LOCK TABLES {', '.join(f'{table} READ' for table in metadata.tables)}"]

    def look_into_store(self):
        """Look at every byte of the files, or at every column of every table."""
        if self.url.startswith("sqlite"):
            self.eyes.check_tree(self.store)
            return
        with sa.create_engine(self.url, poolclass=sa.pool.NullPool).connect() as connection:
            tables = [x for x in sa.inspect(connection).get_table_names() if "autocard" in x]
            assert len(tables) > len(metadata.tables)
            for table in tables:
                found = connection.exec_driver_sql(f"SELECT * FROM {table}")
                for row in found.mappings():
                    for column, value in row.items():
                        data = value if isinstance(value, bytes) else str(value).encode()
                        self.eyes.check_bytes(f"column {column} of {table}", data)

    def finish(self):
        """Look at what is left: the store's files while it is open and after, what is written."""
        engine = self.engine
        self.eyes.check_value("engine", engine)
        self.eyes.check_value("settings", engine.settings)
        for desk in (engine.cards, engine.review, engine.ledger):
            self.eyes.check_value("a desk", desk)
        self.eyes.check_value("events", engine.ledger.events(limit=100_000))
        self.eyes.check_value("orders", engine.orders(limit=1000))
        self.eyes.check_value("held orders", engine.review.pending())
        self.eyes.check_value("batches", engine.cards.batches())
        if self.url.startswith("sqlite"):
            names = {x.name for x in self.store.iterdir()}
            assert names >= {"shop.db", "shop.db-wal", "shop.db-lock"}
        self.look_into_store()
        engine.close()
        self.look_into_store()
        self.eyes.assert_clean()


@pytest.fixture(name="planted")
def _planted(tmp_path, capsys, store_kind, request):
    """Return a shop on each kind of store in turn, and look at everything when it is done."""
    url = "" if store_kind == "sqlite" else request.getfixturevalue("store_url")
    planted = Planted(tmp_path, url)
    with planted.eyes, planted.afterwards:
        yield planted
        planted.finish()
    for engine in planted.engines:  # also those that were opened before the last
        engine.close()
    written = capsys.readouterr()
    planted.eyes.check_text("standard output", written.out)
    planted.eyes.check_text("standard error", written.err)
    planted.eyes.assert_clean()


def test_the_detector_would_see_a_leak(tmp_path):
    """The test's own eyes work: a card in the store, an error or a log is found."""
    planted = Planted(tmp_path)
    (planted.store / "shop.db-wal").write_bytes(b"\0" * 5000 + planted.rows[0].encode())
    planted.eyes.check_tree(planted.store)
    with pytest.raises(AssertionError, match="secret 0 as text in file"):
        planted.eyes.assert_clean()


class TestCardsIn:
    def test_good_and_bad_rows(self, planted):
        """Reports of added, repeated, malformed, known and sold rows never hold a card."""
        engine = planted.open()
        strange = planted.plant("malformed")
        engine.cards.add("steam", planted.rows[:2])
        engine.dispatch(planted.order())
        rows = [
            *planted.rows,
            planted.rows[5],
            strange,
            f"\x00{strange}",
            f"a----{strange}----\ud800",
        ]
        for source in (rows, io.BytesIO("\n".join([*planted.rows, strange]).encode("gb18030"))):
            report = engine.cards.add("steam", source, progress=lambda _: None)
            self._look(planted, report)

    def test_every_kind_of_file(self, planted):
        """CSV, JSON, JSON Lines and ZIP, sound and torn, tell nothing in report or error."""
        engine = planted.open()
        number, secret = planted.pairs[0]
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("cards.txt", "\n".join(planted.rows))
        sources = [
            f"number,secret\n{number},{secret}\n{secret}\n".encode(),
            json.dumps(
                [{"number": number, "secret": secret}, {"what": secret}, secret, 5]
            ).encode(),
            f'{{"number": "{number}", "secret": "{secret}"}}\n{{"{secret}": \n'.encode(),
            f'[{{"secret": "{secret}"'.encode(),
            archive.getvalue(),
            archive.getvalue()[: len(archive.getvalue()) // 2],
            f"\xff\xfe{secret}".encode("latin-1"),
        ]
        for content in sources:
            for card_format in (None, "auto", "steam"):
                try:
                    report = engine.cards.add("steam", io.BytesIO(content), format=card_format)
                except AutocardError as error:
                    planted.eyes.check_exception(error)
                else:
                    self._look(planted, report)

    @pytest.mark.parametrize(
        "options",
        [{"format": "no-such"}, {"cost": "x"}, {"warehouse": ""}],
    )
    def test_refused_arguments(self, planted, options):
        """An import that is refused for its arguments shows none of its cards."""
        engine = planted.open()
        planted.raises(
            AutocardError,
            lambda: engine.cards.add("steam", planted.rows, **options),
        )

    def test_a_source_that_breaks(self, planted):
        """A source whose own error quotes a card ends in an error that does not."""
        engine = planted.open()

        def rows():
            yield planted.rows[0]
            raise ValueError(planted.rows[1])

        try:
            engine.cards.add("steam", rows())
        except AutocardError as error:
            planted.eyes.check_exception(error)
        except ValueError:
            pass  # the host's own error, unchanged: it may say what it likes

    def test_a_store_that_fails_midway(self, planted):
        """A locked store makes an import fail, and no frame of the error holds a card."""
        engine = planted.open()
        engine.cards.add("steam", planted.rows[:1])
        with planted.broken_store():
            planted.raises(AutocardError, lambda: engine.cards.add("steam", planted.rows))
            planted.raises(AutocardError, lambda: engine.cards.add("steam", io.BytesIO(b"\n".join(
                row.encode() for row in planted.rows))))  # fmt: skip

    def test_looking_for_a_card(self, planted):
        """Finding, revealing, moving and voiding leave no plaintext behind."""
        engine = planted.open()
        engine.cards.add("steam", planted.rows)
        found = engine.cards.find(planted.rows[0])
        planted.eyes.check_value("found", found)
        planted.eyes.check_value("card", engine.cards.reveal(found.id, by="eve", why="asked"))
        engine.cards.move("steam", origin="main", destination="b", quantity=1, by="eve")
        engine.cards.void(found.id, by="eve", why="shown")
        assert engine.cards.undo(1, by="eve", why="wrong") == 5
        if planted.url.startswith("sqlite"):  # what a last connection writes when it goes
            engine._flow.pool._engine.dispose()
        planted.look_into_store()

    @staticmethod
    def _look(planted, report):
        eyes = planted.eyes
        eyes.check_value("report", report)
        eyes.check_value("rows", list(report.rows()))
        eyes.check_value("problems", report.problems)
        out = io.BytesIO()
        report.to_csv(out)
        eyes.check_bytes("the report as CSV", out.getvalue())
        report.close()


class TestOrders:
    def test_every_value_hides_what_it_holds(self, planted):
        """Orders, receipts, cards and what lies between them show no secret in any text."""
        engine = planted.open()
        engine.cards.add("steam", planted.rows)
        order = planted.order("A1", "shop", quantity=2)
        receipt = engine.dispatch(order)
        (card, _), stored = receipt.cards, engine._flow.pool.order("shop", "A1")
        (delivery,) = next(iter(planted.script.delivered.values()))
        flow = engine._flow
        sealed = flow.pool.cards_of(stored.id)
        parts = CardParts(planted.rows[0], *planted.pairs[0][::-1])
        inbound = Inbound(
            method="POST", path="/", query=planted.rows[0], body=planted.rows[0].encode(),
            headers={"x": planted.rows[1]}, remote_addr=planted.ip_address,
        )  # fmt: skip
        for value in (
            order, order.lines, order.buyer, receipt, card, card.secret, card.extra, card.text(),
            stored, sealed, delivery, parts, inbound, flow, flow.vault, flow.pool,
            engine.receipt("shop", "A1"), engine.dispatch(order), engine.settings.platforms,
        ):  # fmt: skip
            planted.eyes.check_value(type(value).__name__, value)
        planted.eyes.check_bytes("a pickled secret", pickle.dumps([card.secret, card.text()]))
        planted.eyes.check_value("fields", attrs.asdict(receipt, recurse=False))

    def test_conflicts_and_refusals(self, planted):
        """Errors about an order name fields and numbers, nothing of what it says."""
        engine = planted.open()
        engine.cards.add("steam", planted.rows)
        engine.dispatch(planted.order())
        other = planted.order(quantity=2)
        unpaid = attrs.evolve(planted.order("A2"), payment=None)
        planted.raises(OrderConflict, lambda: engine.dispatch(other))
        planted.raises(OrderConflict, lambda: engine.expect(other))
        planted.raises(OrderConflict, lambda: engine.dispatch_many([planted.order("B"), other]))
        planted.raises(InvalidOrder, lambda: engine.dispatch(unpaid))
        planted.raises(InvalidOrder, lambda: engine.reserve(unpaid, ttl_s=0))
        planted.raises(AutocardError, lambda: engine.cancel("host", "A1", reason="x"))
        # The frames of a constructor hold what its caller passed; what is told must not.
        for make in (
            lambda: OrderLine(item="steam", target=planted.target + "\x00"),
            lambda: OrderLine(item="steam", options={planted.option: 5}),
            lambda: Buyer(contact=planted.contact + "\n"),
        ):
            with pytest.raises(InvalidOrder) as caught:
                make()
            planted.eyes.check_exception(caught.value.with_traceback(None))

    def test_a_store_that_fails(self, planted):
        """No frame between caller and store shows a card, a contact or a target."""
        engine = planted.open()
        engine.cards.add("steam", planted.rows)
        engine.dispatch(planted.order())
        with planted.broken_store():
            for call in (
                lambda: engine.dispatch(planted.order("A2")),
                lambda: engine.dispatch(planted.order("A2", "shop")),
                lambda: engine.dispatch_many([planted.order("A3"), planted.order("A4")]),
                lambda: engine.reserve(attrs.evolve(planted.order("A5"), payment=None), ttl_s=9),
                lambda: engine.expect(attrs.evolve(planted.order("A5"), payment=None)),
                engine.resume,
            ):
                planted.raises(StoreUnavailable, call)

    def test_a_seal_that_does_not_open(self, planted):
        """A damaged card or order is reported by its id."""
        engine = planted.open()
        engine.cards.add("steam", planted.rows)
        engine.dispatch(planted.order())
        planted.run("UPDATE autocard_cards SET sealed = :x WHERE id IN (1, 2)", x=b"12")
        planted.run("UPDATE autocard_orders SET payload = :x", x=b"12")
        planted.raises(SealError, lambda: engine.receipt("host", "A1"))
        planted.raises(SealError, lambda: engine.dispatch(planted.order()))
        assert engine.dispatch(planted.order("A2")).outcome is Outcome.DELIVERED

    def test_hooks_that_fail_and_quote(self, planted):
        """A host's hook that raises with the buyer's words in it leaves no trace of them."""

        class Bad:
            @hookimpl
            def autocard_assess(self, order, line, history):
                if order.order_no == "A1":
                    raise ValueError(f"{line.target} {order.buyer.contact}")

            @hookimpl
            def autocard_match(self, order, line):
                raise ValueError(f"{line.target} {order.buyer.contact}")

            @hookimpl
            def autocard_recorded(self, event):
                raise ValueError(planted.contact)

        engine = planted.open(plugins=[Bad()])
        engine.cards.add("steam", planted.rows)
        for number in ("A1", "A2"):
            receipt = engine.dispatch(planted.order(number))
            assert receipt.outcome is Outcome.HELD
            planted.eyes.check_value("receipt", receipt)


class Quoting(Exception):
    """What a careless adapter raises."""


FAILURES = [
    TransientError, RejectedError, UnknownOutcome, UnsupportedFeature, AdapterError,
    VerificationError, SealError, Quoting, ValueError, KeyError,
]  # fmt: skip


class TestPushes:
    @pytest.mark.parametrize("kind", FAILURES)
    @pytest.mark.parametrize("platform", ["shop", "post"])
    def test_adapters_that_quote_the_card(self, planted, kind, platform):
        """An adapter may quote card, contact and target in what it raises; nobody repeats it."""
        engine = planted.open()
        engine.cards.add("steam", planted.rows)
        script = planted.script if platform == "shop" else planted.mail
        quoted = f"{planted.rows[0]} for {planted.contact} at {planted.target}"
        for failure in (kind(quoted), (kind(quoted),)):
            script.fail(failure, None, failure, failure, failure)
        number, secret = planted.pairs[0]
        script.fail(kind(secret), (kind(number),), kind(planted.contact), kind(planted.target))
        for index in range(3):
            receipt = engine.dispatch(planted.order(f"A{index}", platform))
            planted.eyes.check_value("receipt", receipt)
        for _ in range(6):
            planted.clock.advance(200)
            engine.resume()
        for index in range(3):
            planted.eyes.check_value("receipt", engine.receipt(platform, f"A{index}"))
            try:
                engine.review.resend(platform, f"A{index}", by="eve", why="lost")
                engine.review.settle(platform, f"A{index}", by="eve", why="seen")
            except AutocardError as error:
                planted.eyes.check_exception(error)

    def test_refunds_that_fail_and_quote(self, planted):
        """The same for refunds."""
        engine = planted.open()
        for index, kind in enumerate(FAILURES):
            number = f"A{index}"
            engine.dispatch(planted.order(number, "shop", item="nothing"))
            engine.review.reject("shop", number, by="eve", why="no", refund=True)
            planted.script.fail(kind(f"{planted.contact} {planted.target}"))
            engine.resume()
            planted.clock.advance(100)


class TestMessages:
    @pytest.mark.parametrize("kind", FAILURES)
    def test_questions_that_fail_and_quote(self, planted, kind):
        """A platform that answers a question with the buyer's own words is not repeated."""
        engine = planted.open()
        engine.cards.add("steam", planted.rows)
        planted.script.orders.append(planted.order("A1", "shop"))
        quoted = f"{planted.contact} {planted.target}"
        error = kind(quoted)
        if isinstance(error, TransientError):
            error.retry_after_s = 60
        planted.script.fail(error)
        inbound = Inbound(
            method="POST", path="/", headers={"proof": "genuine"}, body=b"A1",
            query=planted.contact, remote_addr=planted.ip_address,
        )  # fmt: skip
        reply = engine.receive("shop", inbound)
        planted.eyes.check_value("reply", reply)
        planted.eyes.check_bytes("reply", reply.body)
        planted.eyes.check_value("receipt", engine.receipt("shop", "A1"))
        for _ in range(3):
            planted.clock.advance(100)
            engine.resume()

    def test_forged_and_contradicting_messages(self, planted):
        """A refusal repeats nothing of the message, inside or outside."""
        engine = planted.open()
        engine.cards.add("steam", planted.rows)
        forged = Inbound(
            method="POST", path=f"/{planted.option}", body=planted.rows[0].encode(),
            headers={"authorization": planted.option},
        )  # fmt: skip
        reply = engine.receive("shop", forged)
        planted.eyes.check_bytes("reply", reply.body)
        engine.dispatch(planted.order("A1", "shop"))
        planted.script.orders.append(planted.order("A1", "shop", quantity=3))
        proof = {"proof": "genuine"}
        reply = engine.receive("shop", Inbound(method="POST", path="/", headers=proof, body=b"A1"))
        assert reply.body == b"refused"
        planted.eyes.check_value("receipts", engine.pull("shop"))

    def test_credentials_in_addresses_and_signatures(self, planted):
        """A gateway that takes its credential in the query is asked; no log and no error tells it."""
        credential = planted.plant("credential")
        with _Gateway() as address:
            engine = planted.open(
                platforms={
                    "pay": {
                        "adapter": "epay", "base_url": address, "pid": "1001", "allow_http": True,
                        "credential": credential,
                    }
                }
            )  # fmt: skip
            for _ in range(3):
                try:
                    planted.eyes.check_value("receipts", engine.pull("pay"))
                except AutocardError as error:
                    planted.eyes.check_exception(error)
            inbound = Inbound(method="GET", path="/", query=f"pid=1001&sign={credential}&money=1")
            planted.eyes.check_bytes("reply", engine.receive("pay", inbound).body)
            planted.eyes.check_value("report", engine.check())


class _Broken(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(500)
        self.end_headers()
        self.wfile.write(self.path.encode())  # as servers do that show what they did not like

    do_POST = do_GET  # noqa: N815 - the name the server looks for

    def log_message(self, *_):
        """Say nothing: what this server hears is no business of the test."""


class _Gateway:
    def __enter__(self):
        self._server = HTTPServer(("127.0.0.1", 0), _Broken)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        return f"http://127.0.0.1:{self._server.server_port}"

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class TestPeople:
    def test_cards_typed_in(self, planted):
        """Typed cards are sealed like others; refusals do not repeat them."""
        engine = planted.open()
        engine.cards.add("steam", planted.rows[:1])
        engine.dispatch(planted.order("A1", item="hand", quantity=2))
        typed = planted.rows[2:4]
        review = engine.review
        for cards in (
            typed[:1],
            [planted.rows[0], typed[0]],
            [typed[0]] * 2,
            [planted.pairs[3][0], typed[0]],
            ["\ud800" + typed[0], typed[1]],
        ):
            planted.raises(
                AutocardError,
                lambda cards=cards: review.fulfil("host", "A1", 1, by="eve", cards=cards),
            )
        with planted.broken_store():
            planted.raises(
                AutocardError, lambda: review.fulfil("host", "A1", 1, by="eve", cards=typed)
            )
        receipt = review.fulfil("host", "A1", 1, by="eve", cards=typed)
        assert receipt.outcome is Outcome.DELIVERED
        planted.eyes.check_value("receipt", receipt)

    def test_approve_and_reject(self, planted):
        """What people decide is recorded without what the order says."""
        engine = planted.open()
        engine.cards.add("steam", planted.rows)
        for number in ("A1", "A2"):
            engine.dispatch(planted.order(number, item="unheard-of"))
        planted.eyes.check_value("held", engine.review.pending())
        planted.eyes.check_value(
            "receipt", engine.review.approve("host", "A1", by="eve", sku="steam")
        )
        planted.eyes.check_value("receipt", engine.review.reject("host", "A2", by="eve", why="no"))
        planted.raises(AutocardError, lambda: engine.review.approve("host", "A2", by="eve"))


@pytest.mark.parametrize("store_kind", ["postgresql", "mariadb"])
class TestPassword:
    """The password of the database, which stands in the store's URL."""

    @pytest.fixture(name="url")
    def _url(self, planted):
        """Return the URL of the store with a password that works, and is a canary."""
        usual = planted.url
        url = sa.make_url(usual).set(password=planted.plant("password of the database"))
        if url.get_backend_name() == "postgresql":
            # One that lets everybody in does not mind a password; elsewhere there is one already.
            yield url if sa.make_url(usual).password is None else sa.make_url(usual)
        else:
            (_, arguments) = sa.create_engine(usual).dialect.create_connect_args(sa.make_url(usual))
            cursor = planted.afterwards.enter_context(pymysql.connect(**arguments)).cursor()
            user = "'autocard_leak_test'@'%'"
            cursor.execute(f"DROP USER IF EXISTS {user}")
            cursor.execute(f"CREATE USER {user} IDENTIFIED BY '{url.password}'")
            cursor.execute(f"GRANT ALL ON {url.database}.* TO {user}")
            planted.afterwards.callback(cursor.execute, f"DROP USER {user}")
            yield url.set(username="autocard_leak_test")

    def test_nobody_is_told_while_it_works(self, planted, url):
        """Engine, settings, checks and failures of statements do not show it."""
        planted.url = url.render_as_string(hide_password=False)
        engine = planted.open()
        engine.cards.add("steam", planted.rows)
        planted.eyes.check_value("check", engine.check())
        planted.eyes.check_value("pool", engine._flow.pool)
        with planted.broken_store():
            planted.raises(StoreUnavailable, lambda: engine.dispatch(planted.order()))
        planted.run("ALTER TABLE autocard_events RENAME TO autocard_elsewhere")
        planted.raises(StoreUnavailable, lambda: engine.dispatch(planted.order()))
        planted.raises(StoreUnavailable, engine.ledger.events)
        planted.run("ALTER TABLE autocard_elsewhere RENAME TO autocard_events")
        with pytest.raises(AutocardError) as caught:
            engine.dispatch(planted.order(), connection=object())
        planted.eyes.check_exception(caught.value)

    def test_nobody_is_told_where_it_does_not(self, planted, url, monkeypatch):
        """No server, database, user or password: neither error nor frames say what was tried."""
        planted.open()
        for wrong in (
            url.set(port=1),
            url.set(host="no-such-host.invalid"),
            url.set(database="no_such_database"),
            url.set(username="nobody_here"),
            url.set(drivername="oracle"),
            f"{url.render_as_string(hide_password=False)}?pool_size=none",
        ):
            text = wrong if isinstance(wrong, str) else wrong.render_as_string(hide_password=False)
            monkeypatch.setenv("PLANTED_STORE", text)
            for create in (False, True):
                planted.raises(
                    AutocardError,
                    lambda create=create: Engine.open(
                        {"store": "env:PLANTED_STORE"}, create=create
                    ),
                )


@pytest.mark.parametrize("store_kind", ["sqlite"])
class TestCommandLine:
    def test_nothing_is_printed_without_being_asked(self, planted):
        """The command shows no card, contact or target unless it is told to reveal."""
        pytest.importorskip("click")
        pytest.importorskip("rich")
        planted.open()
        config = planted.folder / "autocard.toml"
        config.write_text(
            f'store = "sqlite:///{planted.store}/shop.db"\n'
            f'keyring = "file:{planted.folder}/shop.keyring"\n'
            '[skus.steam]\nformat = "pair-hyphens"\n'
        )
        cards = planted.folder / "cards.txt"
        cards.write_text("\n".join([*planted.rows, planted.rows[0], planted.option]))
        order = planted.folder / "order.json"
        body = {
            "platform": "host",
            "order_no": "C1",
            "lines": [{"item": "steam", "quantity": 1, "target": planted.target}],
            "payment": {"paid": {"amount": "1", "currency": "CNY"}},
            "buyer": {"contact": planted.contact},
        }
        order.write_text(json.dumps(body))
        for arguments in (
            ["import", "steam", str(cards)],
            ["import", "steam", str(cards)],
            ["dispatch", str(order)],
            ["dispatch", str(order)],
            ["stock"],
            ["orders"],
            ["check"],
        ):
            for json_flag in ([], ["--json"]):
                self._run(planted, config, [*json_flag, *arguments])

    @staticmethod
    def _run(planted, config, arguments):
        done = subprocess.run(
            [sys.executable, "-m", "autocard", "--config", str(config), *arguments],
            capture_output=True, check=False, timeout=60,
        )  # fmt: skip
        planted.eyes.check_bytes(f"output of {arguments}", done.stdout + done.stderr)
        assert done.returncode < 2, done.stderr
        assert b"Traceback" not in done.stderr
