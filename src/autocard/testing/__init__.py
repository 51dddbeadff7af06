"""
What authors of adapters and hosts test with: conformance suites, fakes, a leak detector.

Needs pytest and hypothesis.
"""

from __future__ import annotations

from autocard.testing.channels import ChannelSuite
from autocard.testing.fakes import (
    FakeClock,
    RepeatableChannel,
    Script,
    ScriptedAdapters,
    ScriptedChannel,
    ScriptedPlatform,
)
from autocard.testing.formats import CardFormatSuite
from autocard.testing.leaks import LeakDetector
from autocard.testing.memory import MemoryPool
from autocard.testing.mutations import CountingClient
from autocard.testing.platforms import PlatformSuite
from autocard.testing.pools import PoolSuite
from autocard.testing.suppliers import SupplierSuite
from autocard.testing.wholesale import FakeSupplier, Good, Wholesaler

__all__ = [
    "CardFormatSuite",
    "ChannelSuite",
    "CountingClient",
    "FakeClock",
    "FakeSupplier",
    "Good",
    "LeakDetector",
    "MemoryPool",
    "PlatformSuite",
    "PoolSuite",
    "RepeatableChannel",
    "Script",
    "ScriptedAdapters",
    "ScriptedChannel",
    "ScriptedPlatform",
    "SupplierSuite",
    "Wholesaler",
]
