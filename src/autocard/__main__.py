"""The `autocard` command, or what to install for it."""

from __future__ import annotations

import sys
from importlib.util import find_spec


def main() -> None:
    """Run the command; without click and rich say how to get them and exit with 2."""
    if find_spec("click") is None or find_spec("rich") is None:
        sys.stderr.write("the command line needs click and rich: pip install 'autocard[cli]'\n")
        sys.exit(2)
    from autocard.cli import main as command

    command(prog_name="autocard")


if __name__ == "__main__":
    main()
