"""The `file` channel: one private file for each delivery, for programs that pick cards up."""

from __future__ import annotations

from autocard.adapters.file.adapter import FileChannel, FileOptions
from autocard.spi import Registry, hookimpl

__all__ = ["FileChannel", "FileOptions", "autocard_register"]


@hookimpl
def autocard_register(registry: Registry) -> None:
    """Offer the `file` channel."""
    registry.channel(FileChannel)
