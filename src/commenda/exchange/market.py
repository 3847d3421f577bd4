"""What a market does, event by event, as the exchange is told it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple


class Print(NamedTuple):
    """A trade that somebody took on side `taker` (+1 bought)."""

    at: int
    symbol: str
    ticks: int
    lots: int
    taker: int


class Levels(NamedTuple):
    """What is shown at some prices (ticks, lots), or in the whole book."""

    at: int
    symbol: str
    bids: Sequence[tuple[int, int]]
    asks: Sequence[tuple[int, int]]
    whole: bool = False


class Marked(NamedTuple):
    """The mark price and the index (`spot`), and what is going to be charged when."""

    at: int
    symbol: str
    mark: Decimal
    spot: Decimal
    rate: Decimal
    next_funding: int


class Funding(NamedTuple):
    """A funding stamp that is paid now."""

    at: int
    symbol: str
    rate: Decimal
    mark: Decimal


class Status(NamedTuple):
    """A contract begins to trade, or to be settled."""

    at: int
    symbol: str
    status: str


Tick = Print | Levels | Marked | Funding | Status
