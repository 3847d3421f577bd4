"""What differs between Binance's markets, in one table: a market more is a row.

|                       | USD-M futures                      | spot                           |
|-----------------------|------------------------------------|--------------------------------|
| asked at              | `fapi.binance.com/fapi/v1`         | `api.binance.com/api/v3`       |
| heard at              | `/public/stream`, `/market/stream` | `/stream`                      |
| an update follows     | the id that it names (`pu`)        | the id before its first (`U`)  |
| first after snapshot n| `U` <= n <= `u`                    | `U` <= n + 1 <= `u`            |
| the price of a moment | the exchange's mark                | the last trade's               |
| funding, index, open  | told, and asked for                | there are none                 |
| interest              |                                    |                                |
| least worth           | `MIN_NOTIONAL.notional`            | `NOTIONAL.minNotional`         |
| weight of a minute,   | 2,400                              | 6,000                          |
| of 1,000 levels       | 20                                 | 50                             |

Both rules of the first update are one in `book`: the id before what an update holds is not after
the snapshot's.

Source: Binance, "USDS-M futures API" and "Spot API documentation". An installation's spot markets
are those whose venue is named `…_spot`, as `market fetch` names them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from commenda.market.model import Kind


@dataclass(frozen=True, slots=True)
class Protocol:
    """How one of Binance's markets is asked and heard."""

    kind: Kind
    rest: str
    prefix: str
    """Of the paths that are asked."""
    streams: str
    depth: str
    others: str
    """Paths of the streams: of the depth, and of `told`."""
    told: tuple[str, ...]
    weights: Mapping[str, int]
    """Of what is asked; what is not there is never asked for."""
    budget: int
    """Weight that is used in a minute: less than is allowed, for orders come first."""
    fees: tuple[Decimal, Decimal]
    """Maker and taker of an account without a discount: exchangeInfo names none."""
    least: tuple[str, str]
    """The filter and its field that say the least worth of an order."""
    offered: tuple[str, object]
    """What exchangeInfo says of what is followed."""
    name: str
    """Of what is followed, in a refusal."""

    def offers(self, listed: Mapping[str, Any]) -> bool:
        field, value = self.offered
        return bool(listed.get(field) == value)


USDM = Protocol(
    kind=Kind.LINEAR_PERPETUAL,
    rest="https://fapi.binance.com",
    prefix="/fapi/v1",
    streams="wss://fstream.binance.com",
    depth="/public/stream",
    others="/market/stream",
    told=("aggTrade", "kline_1m", "markPrice@1s"),
    weights={"depth": 20, "klines": 10, "openInterest": 1, "fundingRate": 1, "exchangeInfo": 1},
    budget=1_800,
    fees=(Decimal("0.0002"), Decimal("0.0005")),
    least=("MIN_NOTIONAL", "notional"),
    offered=("contractType", "PERPETUAL"),
    name="perpetual",
)
SPOT = Protocol(
    kind=Kind.SPOT,
    rest="https://api.binance.com",
    prefix="/api/v3",
    streams="wss://stream.binance.com:9443",
    depth="/stream",
    others="/stream",
    told=("aggTrade", "kline_1m"),
    weights={"depth": 50, "klines": 2, "exchangeInfo": 20},
    budget=4_500,
    fees=(Decimal("0.001"), Decimal("0.001")),
    least=("NOTIONAL", "minNotional"),
    offered=("isSpotTradingAllowed", True),
    name="spot market",
)


def protocol_of(venue: str) -> Protocol:
    """How a venue's market is spoken to: spot's where its name ends in `_spot`."""
    return SPOT if venue.endswith("_spot") else USDM
