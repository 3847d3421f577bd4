"""Which part of the business, and what is done with it."""

from __future__ import annotations

from enum import StrEnum

RULES = "risk/1"
"""Stored with every event of this domain; changes when a rule of it does."""


class Level(StrEnum):
    PLATFORM = "platform"
    VENUE = "venue"
    INSTRUMENT = "instrument"
    STRATEGY = "strategy"
    FLOW = "flow"
    CREATOR = "creator"
    SCOPE = "scope"


class Effect(StrEnum):
    """What a breach does, from the weakest to the strongest."""

    NO_ENTRIES = "no_entries"
    CANCEL = "cancel"
    REDUCE = "reduce"
    FLATTEN = "flatten"
