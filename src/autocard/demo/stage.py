"""Where the story plays: a folder with a configuration, a keyring, a store and a file of cards."""

from __future__ import annotations

import csv
import io
from importlib.resources import files
from pathlib import Path
from typing import Final

import attrs

from autocard.demo.gateway import Gateway
from autocard.demo.telling import Teller
from autocard.secret import Secret

CARD_FILE: Final = "cards_gbk.csv"
CONFIG: Final = "autocard.toml"
KEYRING: Final = "autocard.keyring"
STORE: Final = "autocard.db"
TRAY: Final = "deliveries"
PID: Final = "1001"
CREDENTIAL: Final = Secret("K7f3Qm9ZtR2xVb8LsW4nDy6HcE1pJ5aG")
"""Made up, and worth nothing outside the demonstration."""
_CREDENTIAL_FILE: Final = "gateway.credential"

_SETTINGS: Final = """\
store = "sqlite:///{store}"
keyring = "file:{keyring}"

[skus.steam-50]
format = "steam"

# Orders of the shop are paid at a gateway that notifies us; it is asked before a card is taken.
[platforms.shop]
adapter = "epay"
base_url = "http://127.0.0.1:{port}/"
pid = "{pid}"
credential = "file:{credential}"
confirm = true
deliver = ["direct"]
allow_http = true
timeout_s = 1

# Orders of the counter leave as files.
[platforms.counter]
adapter = "epay"
base_url = "http://127.0.0.1:{port}/"
pid = "{pid}"
credential = "file:{credential}"
confirm = false
deliver = ["channel:tray"]
allow_http = true
timeout_s = 1

[channels.tray]
adapter = "file"
directory = "{tray}"
timeout_s = 1

# A worker that dies in the middle of a delivery is given up after this time.
[delivery]
lease_s = 3
first_retry_s = 0.2
"""


@attrs.frozen
class Stage:
    """A folder that is ready to play in, with the gateway that its configuration names."""

    folder: Path
    gateway: Gateway
    teller: Teller
    cards: tuple[str, ...] = attrs.field(repr=False)
    """The secrets of the shipped card file, so that what is stored can be searched for them."""

    @property
    def config(self) -> Path:
        """The configuration."""
        return self.folder / CONFIG

    @property
    def card_file(self) -> Path:
        """The card file, outside of what autocard writes."""
        return self.folder / CARD_FILE

    @property
    def tray(self) -> Path:
        """Where delivery files go."""
        return self.folder / TRAY


def set_stage(folder: Path, gateway: Gateway, teller: Teller) -> Stage:
    """
    Return the stage in *folder*.

    Effects: writes the configuration, the credential and the card file into it.
    """
    data = files("autocard.demo").joinpath(CARD_FILE).read_bytes()
    stage = Stage(folder, gateway, teller, cards_in(data))
    stage.card_file.write_bytes(data)
    stage.tray.mkdir(mode=0o700)
    private = folder / _CREDENTIAL_FILE
    private.touch(mode=0o600)
    private.write_text(CREDENTIAL.reveal(), "utf-8")
    stage.config.write_text(
        _SETTINGS.format(
            store=STORE, keyring=KEYRING, port=gateway.port, pid=PID,
            credential=_CREDENTIAL_FILE, tray=TRAY,
        ),
        "utf-8",
    )  # fmt: skip
    return stage


def cards_in(data: bytes) -> tuple[str, ...]:
    """Return the whole cards of the shipped file, each once, read without autocard."""
    rows = csv.reader(io.StringIO(data.decode("gb18030"), newline=""))
    next(rows)
    whole = (secret for _number, secret, *_rest in rows if len(secret) == len("XXXXX-XXXXX-XXXXX"))
    return tuple(dict.fromkeys(whole))
