"""The configuration: frozen settings, loaded from TOML or a mapping, with errors that say where."""

from __future__ import annotations

from autocard.config.adapters import (
    AdapterSettings,
    ChannelSettings,
    PlatformSettings,
    SupplierSettings,
)
from autocard.config.fields import SettingError
from autocard.config.load import load_settings
from autocard.config.sample import sample_toml
from autocard.config.settings import (
    DeliverySettings,
    RestockSettings,
    ReviewSettings,
    RuleSettings,
    Settings,
    SkuSettings,
    SupplySettings,
)
from autocard.config.structure import structure_options

__all__ = [
    "AdapterSettings",
    "ChannelSettings",
    "DeliverySettings",
    "PlatformSettings",
    "RestockSettings",
    "ReviewSettings",
    "RuleSettings",
    "SettingError",
    "Settings",
    "SkuSettings",
    "SupplierSettings",
    "SupplySettings",
    "load_settings",
    "sample_toml",
    "structure_options",
]
