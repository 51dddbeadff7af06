"""A shop on disk, and a runner that fails when a card is shown without `--reveal`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import attrs
import pytest
from click.testing import CliRunner

from autocard.cli import main

CARDS = tuple(f"CANRY-{letter}2345-QWXYZ" for letter in "ABCDEF")
CONTACT = "canary.buyer@example.com"


@attrs.frozen
class Ended:
    """What one run of the command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        """The document on the standard output."""
        return json.loads(self.out)


class Shop:
    """A directory with configuration, keyring and store, and the command that works on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "autocard.toml"

    def run(self, *arguments: str, text: str | bytes | None = None, env=None) -> Ended:
        """Run the command; without `--reveal` no card and no contact may be shown."""
        usual = {"AUTOCARD_LANG": "en", "AUTOCARD_BY": "li", "COLUMNS": "200"}
        done = CliRunner(env={**usual, **(env or {})}).invoke(
            main, ["--config", str(self.config), *arguments], input=text
        )
        if "--reveal" not in arguments:
            shown = [card for card in (*CARDS, CONTACT) if card in done.stdout + done.stderr]
            assert shown == []
        return Ended(done.exit_code, done.stdout, done.stderr)

    def stock_up(self, count: int = 3) -> None:
        """Bring in the first *count* cards."""
        done = self.run("import", "steam-50", "-", text="\n".join(CARDS[:count]))
        assert done.code == 0, done.err

    def order(self, order_no: str, *, item: str = "steam-50", quantity: int = 1, **fields) -> Path:
        """Write a paid order into a file."""
        price = {"amount": "50.00", "currency": "CNY"}
        paid = {"amount": f"{50 * quantity}.00", "currency": "CNY"}
        order = {
            "platform": "shop",
            "order_no": order_no,
            "lines": [{"item": item, "quantity": quantity, "unit_price": price}],
            "payment": {"paid": paid},
            "buyer": {"id": "u1", "contact": CONTACT},
            **fields,
        }
        path = self.folder / f"{order_no}.json"
        path.write_text(json.dumps({k: v for k, v in order.items() if v is not None}), "utf-8")
        return path

    def configure(self, text: str) -> None:
        """Append *text* to the configuration."""
        with self.config.open("a", encoding="utf-8") as file:
            file.write(text)


@pytest.fixture(name="template", scope="session")
def _template(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("template") / "shop"
    folder.mkdir()
    shop = Shop(folder)
    done = shop.run("init", "--yes")
    assert done.code == 0, done.err
    return folder


@pytest.fixture(name="shop")
def _shop(template, tmp_path) -> Shop:
    folder = tmp_path / "shop"
    shutil.copytree(template, folder)
    return Shop(folder)


@pytest.fixture(name="empty")
def _empty(tmp_path) -> Shop:
    return Shop(tmp_path)


@pytest.fixture(name="cards")
def _cards() -> tuple[str, ...]:
    return CARDS
