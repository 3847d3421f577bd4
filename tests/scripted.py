"""Hand-made prices, and a venue that can be told how to behave.

At each hour the last close is the next open, so without slippage a fill happens at the mark.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import numpy as np

from commenda.market import BarArrays, Instrument, Observations
from commenda.market.track import Track
from commenda.venues import OrderRequest, PaperOrder, PaperVenue
from commenda.venues.rules import Trade

D = Decimal
HOUR = 3600
START = datetime(2026, 1, 5, tzinfo=UTC)
HOURS = 24 * 90
ASSET = "USDT"
SECRET = b"the tests' own secret, 32 bytes."

Path = Callable[[int], float]
"""The price of an instrument at each whole hour since START."""


def flat(price: float = 100.0) -> Path:
    """A price that never moves."""
    return lambda _hour: price


def steps(*changes: tuple[int, float]) -> Path:
    """A price that jumps at the given hours: (0, 100), (48, 110) is 100 until hour 48."""
    return lambda hour: [price for since, price in changes if since <= max(hour, 0)][-1]


@dataclass
class Script:
    """What the venue does next. `share_of` answers how much of an order it fills, in lots."""

    refusal: str | None = None
    refused_until: datetime | None = None
    share_of: Callable[[OrderRequest, Instrument], Sequence[tuple[Decimal, Decimal]]] | None = None
    """(quantity, price) of each fill, in place of a whole fill at the open."""
    requests: dict[UUID, OrderRequest] = field(default_factory=dict)


@dataclass(frozen=True)
class ScriptedVenue(PaperVenue):
    """The paper venue with its own books, which fills as its script says."""

    script: Script = field(default_factory=Script)

    def _refusal(self, order: OrderRequest, instrument: Instrument, now: datetime) -> str | None:
        script = self.script
        script.requests[order.id] = order
        if script.refusal is not None and (
            script.refused_until is None or now < script.refused_until
        ):
            return script.refusal
        return PaperVenue._refusal(self, order, instrument, now)

    def _parts(
        self, order: PaperOrder, instrument: Instrument, trade: Trade, offered: Decimal
    ) -> Sequence[tuple[Decimal, Decimal]]:
        if self.script.share_of is None:
            return PaperVenue._parts(self, order, instrument, trade, offered)
        return list(self.script.share_of(self.script.requests[order.id], instrument))


def track_of(instrument: Instrument, path: Path, volume: float, hours: int) -> Track:
    """Bars from the hour before START on; each closes where the next one opens."""
    opens = np.array([path(hour) for hour in range(-1, hours)], dtype=np.float64)
    closes = np.append(opens[1:], opens[-1])
    ts = int(START.timestamp()) + HOUR * np.arange(-1, hours, dtype=np.int64)
    bars = BarArrays(
        ts,
        opens,
        np.maximum(opens, closes),
        np.minimum(opens, closes),
        closes,
        np.full(opens.size, volume),
    )
    stamps = ts[ts % (8 * HOUR) == 0]
    rates = Observations(stamps, np.full(stamps.size, 0.0001))
    return Track(instrument, HOUR, bars, Observations.none(), rates)


def random_fills(
    fraction: Callable[[], float], ticks: Callable[[], int], parts: int = 3
) -> Callable[[OrderRequest, Instrument], list[tuple[Decimal, Decimal]]]:
    """A script that fills a random part of each order in up to `parts` fills at other prices."""

    def share_of(order: OrderRequest, instrument: Instrument) -> list[tuple[Decimal, Decimal]]:
        left = int(order.quantity / instrument.lot * D(repr(fraction())))
        fills = []
        for part in range(parts, 0, -1):
            lots = left if part == 1 else left // part
            left -= lots
            price = order.reference_price + ticks() * instrument.tick
            if lots:
                fills.append((lots * instrument.lot, price))
        return fills

    return share_of
