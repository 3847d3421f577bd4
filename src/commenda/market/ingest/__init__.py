"""The live market: an exchange's public streams, heard, checked and stored as they come.

One asyncio process follows a group of instruments at Binance's USD-M futures or its spot market, or
at whatever speaks their protocols, whose differences are in `protocol`. `book` keeps an order book
by its chain of updates, `bars` makes candles of trades and holds them against the exchange's own,
`watch` says what is wrong while it is, `connection` and `rest` are the two ways to the exchange,
`telling` is what others read of it now, `record` keeps it in files, `feed` puts them together. What
it stores any number of feeds may store: a bar, a mark and a finding are one row however many tell
of it.
"""

from commenda.market.ingest.bars import Bars, Candle, Trade
from commenda.market.ingest.book import DepthBook, DepthDelta, DepthSnapshot
from commenda.market.ingest.connection import Backoff, Connection
from commenda.market.ingest.feed import Feed
from commenda.market.ingest.follow import Followed
from commenda.market.ingest.protocol import SPOT, USDM, Protocol, protocol_of
from commenda.market.ingest.record import MINUTES, Recorder
from commenda.market.ingest.rest import Address, Rest, described
from commenda.market.ingest.running import run_feed
from commenda.market.ingest.watch import Watch

__all__ = [
    "MINUTES",
    "SPOT",
    "USDM",
    "Address",
    "Backoff",
    "Bars",
    "Candle",
    "Connection",
    "DepthBook",
    "DepthDelta",
    "DepthSnapshot",
    "Feed",
    "Followed",
    "Protocol",
    "Recorder",
    "Rest",
    "Trade",
    "Watch",
    "described",
    "protocol_of",
    "run_feed",
]
