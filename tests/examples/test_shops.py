"""Each example shop sells one card for one payment, through its framework's own test client."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import re
import shutil
import sys
import threading
import time
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import attrs
import pytest

from autocard import Engine, Secret
from autocard.adapters.epay.translate import sign_notification
from autocard.testing import LeakDetector

CREDENTIAL = "K7f3Qm9ZtR2xVb8LsW4nDy6HcE1pJ5aG"
FRAMEWORKS = ("flask", "django", "fastapi")


class Gateway:
    """An epay gateway on 127.0.0.1 that knows no order until it is paid; it may be down."""

    def __init__(self):
        self.paid = {}
        self.is_down = False
        gateway = self

        class Answering(BaseHTTPRequestHandler):
            def do_GET(self):
                asked = parse_qs(urlsplit(self.path).query)
                order_no = asked["out_trade_no"][0]
                body = json.dumps(gateway.paid.get(order_no, {"code": -1, "msg": "no"})).encode()
                self.send_response(502 if gateway.is_down else 200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                """Say nothing: the query of a V1 call holds the credential."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    @property
    def address(self):
        return f"http://127.0.0.1:{self._server.server_port}/"

    def pay(self, order_no, money="50.00"):
        """Take the money, and return the query string of the notification about it."""
        trade_no = f"T{order_no}"
        self.paid[order_no] = {
            "code": 1, "msg": "succ", "trade_no": trade_no, "out_trade_no": order_no,
            "pid": "1001", "money": money, "status": 1, "endtime": "2026-01-01 10:21:02",
        }  # fmt: skip
        fields = {
            "pid": "1001", "trade_no": trade_no, "out_trade_no": order_no, "type": "alipay",
            "name": "product", "money": money, "trade_status": "TRADE_SUCCESS",
        }  # fmt: skip
        return sign_notification(fields, Secret(CREDENTIAL))

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@attrs.frozen
class Shop:
    """One example behind the same few calls; *ask* gives (status, headers, body as text)."""

    ask: object
    stranger: object
    resume: object

    def buy(self):
        """Order one card and return its number and the query of the payment page."""
        status, headers, _ = self.ask("POST", "/orders")
        assert status == 303
        address = urlsplit(headers["location"])
        form = {name: values[0] for name, values in parse_qs(address.query).items()}
        return form["out_trade_no"], form

    def notify(self, query, *, method="GET"):
        """Return what the shop answers to a notification."""
        if method == "POST":
            return self.ask("POST", "/notify", form=query)
        return self.ask("GET", f"/notify?{query}")

    def cards(self, order_no):
        """Return the cards on the order's page."""
        status, headers, page = self.ask("GET", f"/orders/{order_no}")
        assert status == 200
        assert "no-store" in headers["cache-control"]
        return re.findall(r"<pre>(.*?)</pre>", page)


@pytest.fixture(name="gateway")
def _gateway():
    gateway = Gateway()
    yield gateway
    gateway.close()


@pytest.fixture(name="folder")
def _folder(gateway, tmp_path, monkeypatch, examples):
    """Stand where the shop keeps its configuration, which is the example's but for the address."""
    text = (examples / "flask_shop" / "autocard.toml").read_text("utf-8")
    usual = 'base_url = "https://pay.example.com/"'
    assert usual in text
    here = f'base_url = "{gateway.address}"\nallow_http = true'
    (tmp_path / "autocard.toml").write_text(text.replace(usual, here), "utf-8")
    monkeypatch.setenv("SHOP_EPAY", CREDENTIAL)
    monkeypatch.setenv("SHOP_URL", "http://127.0.0.1:8000")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(name="detector")
def _detector():
    detector = LeakDetector()
    detector.watch("credential", CREDENTIAL)
    return detector


@pytest.fixture(name="stock")
def _stock(folder, detector):
    """Return three invented cards, which are in stock; one has characters that HTML must escape."""
    cards = [detector.plant(f"card {number}") for number in range(2)]
    cards.append(f"{detector.plant('card 2')}<&>")
    with Engine.open(folder / "autocard.toml", create=True) as engine:
        assert engine.cards.add("steam-50", cards, provenance="test").added == 3
    return cards


def _module(examples, framework):
    """Return the example's module, loaded anew but for Django, which is set up once a process."""
    name = f"example_{framework}_shop"
    if framework == "django" and name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, examples / f"{framework}_shop" / "shop.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def _flask(module):
    app = module.create_app()

    def asking(client):
        def ask(method, path, form=None):
            body = {} if form is None else {
                "data": form, "content_type": "application/x-www-form-urlencoded",
            }  # fmt: skip
            with client.open(path, method=method, **body) as answer:
                return answer.status_code, answer.headers, answer.get_data(as_text=True)

        return ask

    def resume():
        done = app.test_cli_runner().invoke(args=["resume"])
        assert done.exit_code == 0
        return done.output

    yield Shop(asking(app.test_client()), asking(app.test_client()), resume)
    app.extensions["autocard"].close()


@contextlib.contextmanager
def _django(module):
    from django.test import Client

    def asking(client):
        def ask(method, path, form=None):
            kind = "application/x-www-form-urlencoded"
            answer = client.generic(method, path, form or "", content_type=kind)
            return answer.status_code, answer.headers, answer.content.decode()

        return ask

    yield Shop(asking(Client()), asking(Client()), lambda: str(module.engine().resume()))
    module.engine().close()
    module.engine.cache_clear()


@contextlib.contextmanager
def _fastapi(module):
    with warnings.catch_warnings():
        # Newer ones of Starlette would rather test with another HTTP library; this one does, too.
        warnings.filterwarnings("ignore", message="Using `httpx` with")
        from fastapi.testclient import TestClient

    def asking(client):
        def ask(method, path, form=None):
            headers = {"content-type": "application/x-www-form-urlencoded"} if form else {}
            answer = client.request(
                method, path, content=form, headers=headers, follow_redirects=False
            )
            return answer.status_code, answer.headers, answer.text

        return ask

    module.RESUME_EVERY_S = 0.2
    with TestClient(module.app, base_url="http://127.0.0.1:8000") as client:
        stranger = TestClient(module.app, base_url="http://127.0.0.1:8000")
        yield Shop(asking(client), asking(stranger), lambda: None)  # it resumes by itself


@pytest.fixture(name="shop", params=FRAMEWORKS)
def _shop(request, examples, stock, detector):
    """Open each example in turn; nothing secret may be logged while it is open."""
    pytest.importorskip(request.param)
    opened = {"flask": _flask, "django": _django, "fastapi": _fastapi}[request.param]
    with detector, opened(_module(examples, request.param)) as shop:
        yield shop
    detector.assert_clean()


def test_one_payment_is_one_card(shop, gateway, stock, folder):
    """A signed notification shows one card, and repeating it shows the same one."""
    assert shop.ask("GET", "/")[0] == 200
    order_no, form = shop.buy()
    assert (form["pid"], form["money"]) == ("1001", "50.00")
    assert form["notify_url"] == "http://127.0.0.1:8000/notify"
    assert shop.cards(order_no) == []

    query = gateway.pay(order_no)
    for method in ("GET", "GET", "POST"):
        status, _, said = shop.notify(query, method=method)
        assert (status, said) == (200, "success")
        assert shop.cards(order_no) == [stock[0]]
    with Engine.open(folder / "autocard.toml") as engine:
        assert [level.available for level in engine.cards.stock("steam-50")] == [2]
        assert engine.ledger.verify().ok


def test_a_forged_notification_shows_nothing(shop, gateway):
    """A changed amount or a made-up signature is refused, and no card is shown."""
    order_no, _ = shop.buy()
    query = gateway.pay(order_no)
    for forged in (query.replace("50.00", "0.01"), query[:-1], "", "a=%ff", "sign=x&sign=y"):
        for method in ("GET", "POST"):
            status, _, said = shop.notify(forged, method=method)
            assert (status, said) == (400, "fail")
    assert shop.cards(order_no) == []


def test_an_unpaid_order_is_not_served(shop, gateway):
    """A genuine notification of which the gateway knows nothing serves no card."""
    order_no, _ = shop.buy()
    query = gateway.pay(order_no)
    gateway.paid.clear()
    shop.notify(query)
    assert shop.cards(order_no) == []


def test_a_stranger_sees_no_order(shop, gateway):
    """Whoever knows an order number but not its ticket is shown nothing."""
    order_no, _ = shop.buy()
    shop.notify(gateway.pay(order_no))
    assert len(shop.cards(order_no)) == 1
    assert shop.stranger("GET", f"/orders/{order_no}")[0] == 404
    assert shop.ask("GET", "/orders/unknown")[0] == 404


def test_what_is_reserved_is_not_sold_again(shop, gateway, stock):
    """Three cards are three orders; the fourth buyer is told before paying, not after."""
    bought = [shop.buy()[0] for _ in stock]
    status, _, said = shop.ask("POST", "/orders")
    assert status == 409
    assert "sold out" in said
    shop.notify(gateway.pay(bought[0]))
    assert shop.ask("POST", "/orders")[0] == 409


def test_cards_are_escaped(shop, gateway, stock):
    """A card with characters of HTML is shown as text."""
    bought = [shop.buy()[0] for _ in stock]
    shop.notify(gateway.pay(bought[-1]))
    assert shop.ask("GET", f"/orders/{bought[-1]}")[2].count("&lt;&amp;&gt;</pre>") == 1


def test_resume_goes_on_where_the_gateway_failed(shop, gateway, stock):
    """While the gateway cannot be asked the order waits; resuming serves it."""
    order_no, _ = shop.buy()
    query = gateway.pay(order_no)
    gateway.is_down = True
    shop.notify(query)
    assert shop.cards(order_no) == []
    gateway.is_down = False
    until = time.monotonic() + 20
    while not shop.cards(order_no) and time.monotonic() < until:
        shop.resume()
        time.sleep(0.1)
    assert shop.cards(order_no) == [stock[0]]


def test_an_endless_body_is_refused(shop):
    """A body that no notification has is not read into memory."""
    status = shop.notify("a=" + "b" * 70_000, method="POST")[0]
    assert status in {400, 413}


def test_each_shop_is_small_and_configured_alike(examples):
    """The examples stay short, and their configurations are the same."""
    shops = [examples / f"{framework}_shop" for framework in FRAMEWORKS]
    assert all(len((shop / "shop.py").read_text("utf-8").splitlines()) < 120 for shop in shops)
    assert len({(shop / "autocard.toml").read_text("utf-8") for shop in shops}) == 1


def test_django_runs_as_a_program(examples, folder, run, stock):
    """`python shop.py check` and `python shop.py resume` work without a project around them."""
    shutil.copy(examples / "django_shop" / "shop.py", folder)
    for words in (["check"], ["resume"]):
        done = run("-W", "error", "shop.py", *words, folder=folder)
        assert done.returncode == 0, done.stderr
        assert not any(card in done.stdout + done.stderr for card in stock)
