"""Reading card files of every kind, guessing their format, and reporting what became of each row."""

from __future__ import annotations
