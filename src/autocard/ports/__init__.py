"""The doors of autocard: what adapters, policies and stores promise to the flow."""

from __future__ import annotations

from autocard.ports.adapters import (
    Adapter,
    Capability,
    CardFormat,
    Channel,
    Client,
    Platform,
    Registry,
    Supplier,
)
from autocard.ports.policies import Dispatcher, Keyring, Matcher
from autocard.ports.store import Pool, Transaction

__all__ = [
    "Adapter",
    "Capability",
    "CardFormat",
    "Channel",
    "Client",
    "Dispatcher",
    "Keyring",
    "Matcher",
    "Platform",
    "Pool",
    "Registry",
    "Supplier",
    "Transaction",
]
