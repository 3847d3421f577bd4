"""Spot's market beside the simulated one of the futures: their candles, a small way off.

The way (`basis`) is drawn for each eight hours from seed and symbol and goes in a straight line
between: at most `WIDEST` of the price, so that the two are near each other, and never the same.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from commenda.exchange.market import Funding, Marked, Tick
from commenda.exchange.model import Contract
from commenda.exchange.sources import CandleSource, contract_of
from commenda.market import Bar, Instrument, Kind

WIDEST = 0.0005
PERIOD = 8 * 3600
BOUNDS = (Decimal("0.2"), Decimal(5))
"""A limit's price, of the last one."""
FEE = Decimal("0.001")
LEAST = Decimal(5)
STEPS = {
    "BTC": ("0.01", "0.00001"),
    "ETH": ("0.01", "0.0001"),
    "SOL": ("0.01", "0.001"),
    "BNB": ("0.01", "0.001"),
    "XRP": ("0.0001", "0.1"),
    "DOGE": ("0.00001", "1"),
    "ADA": ("0.0001", "0.1"),
    "LINK": ("0.01", "0.01"),
}
"""Tick and lot of a base at Binance's spot; of others they are the futures'."""


def pair_of(instrument: Instrument) -> Instrument:
    """The pair of a perpetual, on spot's terms."""
    tick, lot = STEPS.get(instrument.base, (instrument.tick, instrument.lot))
    return replace(
        instrument,
        kind=Kind.SPOT,
        tick=Decimal(tick),
        lot=Decimal(lot),
        minimum_notional=LEAST,
        maker_fee=FEE,
        taker_fee=FEE,
    )


def listed_at_spot(pair: Instrument) -> Contract:
    """A pair as the exchange lists it."""
    return replace(contract_of(pair), bounds=BOUNDS)


@dataclass(frozen=True, slots=True)
class SpotSource(CandleSource):
    """A market drawn inside of the futures' candles, moved by the basis."""

    pairs: Sequence[Instrument] = ()
    """The pairs, under the ids of the feed's instruments."""

    def traded(self) -> Sequence[Instrument]:
        return self.pairs

    def bar(self, instrument: Instrument, ts: int) -> Bar | None:
        found = self.feed.bar(instrument.id, ts)
        if found is None:
            return None
        part = 1.0 + self.basis(instrument.symbol, ts)
        prices = (one * part for one in (found.open, found.high, found.low, found.close))
        opened, high, low, close = prices
        return Bar(ts, opened, high, low, close, found.volume)

    def basis(self, symbol: str, ts: int) -> float:
        """How far spot lies from the future then, as a part of its price."""
        period, since = divmod(ts, PERIOD)
        before, after = (
            random.Random(f"{self.seed} basis {symbol} {one}").uniform(-WIDEST, WIDEST)
            for one in (period, period + 1)
        )
        return before + (after - before) * since / PERIOD

    def ticks(self, after: int, until: int) -> Iterator[Tick]:
        every = CandleSource.ticks(self, after, until)
        return (one for one in every if not isinstance(one, Marked | Funding))
