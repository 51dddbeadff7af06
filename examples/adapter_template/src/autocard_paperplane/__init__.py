"""Paperplane for autocard: a platform, a channel and a card format under one name."""

from __future__ import annotations

from autocard.spi import Registry, hookimpl
from autocard_paperplane.adapter import PaperplaneChannel, PaperplanePlatform
from autocard_paperplane.card_format import PaperplaneFormat

__all__ = ["PaperplaneChannel", "PaperplaneFormat", "PaperplanePlatform", "autocard_register"]


@hookimpl
def autocard_register(registry: Registry) -> None:
    """Offer all three."""
    registry.platform(PaperplanePlatform)
    registry.channel(PaperplaneChannel)
    registry.card_format(PaperplaneFormat())
