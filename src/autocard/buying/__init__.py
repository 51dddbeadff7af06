"""Buying what stock lacks: decide, commit, ask, commit."""

from __future__ import annotations

from autocard.buying.asking import Asker
from autocard.buying.buyer import Buyer
from autocard.buying.deciding import Decider
from autocard.buying.settling import Settler
from autocard.buying.values import Decision, Heard, Supply, line_need, provenance_of

__all__ = [
    "Asker",
    "Buyer",
    "Decider",
    "Decision",
    "Heard",
    "Settler",
    "Supply",
    "line_need",
    "provenance_of",
]
