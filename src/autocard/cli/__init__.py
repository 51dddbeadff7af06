"""The `autocard` command. Its root is `main`; each module holds the commands of one room."""

from __future__ import annotations

from autocard.cli.archive import COMMANDS as ARCHIVE
from autocard.cli.ledger import COMMANDS as LEDGER
from autocard.cli.moving import COMMANDS as MOVING
from autocard.cli.options import option_version
from autocard.cli.orders import COMMANDS as ORDERS
from autocard.cli.program import Program
from autocard.cli.review import COMMANDS as REVIEW
from autocard.cli.setup import COMMANDS as SETUP
from autocard.cli.stock import COMMANDS as STOCK
from autocard.cli.supply import COMMANDS as SUPPLY
from autocard.cli.working import COMMANDS as WORKING

__all__ = ["main"]

main = Program("autocard")
main.params.append(option_version())
for _command in (*SETUP, *STOCK, *ORDERS, *REVIEW, *SUPPLY, *WORKING, *LEDGER, *ARCHIVE, *MOVING):
    main.add_command(_command)
