"""Spot's streams, and the API that is spoken over a socket.

`/ws/<stream>` and `/stream?streams=a/b` without a prefix are spot's where the house trades it, as
the addresses of `stream.binance.com` are; the futures' are below `/public`, `/market` and
`/private`. `/stream/ws` is the same, for ccxt, which tells spot from futures by "/stream" in an
address. `/ws-api/v3` takes the calls of REST, and tells an account's events to who subscribed.
"""

from __future__ import annotations

from typing import Any

from commenda.exchange.model import BUY, SELL
from commenda.exchange.spot_desk import listener
from commenda.exchange.streams import ApiConnection, Connection
from commenda.exchange.tape import Depth, Shown, Tape

LEVELS = (5, 10, 20)
SPEEDS = ("", "@100ms", "@1000ms")
UNTOLD = {
    "bookTicker": ("e", "E", "T"),
    "depthUpdate": ("T", "pu"),
    "depthLevels": ("e",),
    "trade": ("X",),
}
"""What the futures' messages have and spot's do not."""


class SpotTape(Tape):
    """It tells the best levels whole, too."""

    def _tell_changes(self, symbol: str, depth: Depth, now: dict[int, Shown]) -> None:
        before = depth.told
        Tape._tell_changes(self, symbol, depth, now)
        if depth.told == before:
            return
        of, told = self.exchange.contracts[symbol], {"e": "depthLevels", "lastUpdateId": depth.told}
        for most in LEVELS:
            for side, name in ((BUY, "bids"), (SELL, "asks")):
                rows = list(now[side].items())[:most]
                shown = [[str(of.price(ticks)), str(of.quantity(lots))] for ticks, lots in rows]
                told = told | {name: shown}
            for speed in SPEEDS:
                self.publish("public", f"{symbol.lower()}@depth{most}{speed}", told)


def shaped(told: dict[str, Any]) -> dict[str, Any]:
    """A message of the tape as spot tells it."""
    untold = UNTOLD.get(told["e"], ())
    found = {name: one for name, one in told.items() if name not in untold}
    return found | ({"M": True} if told["e"] in ("aggTrade", "trade") else {})


class SpotConnection(Connection):
    """Listens to spot's market; a listenKey may be of either."""

    def place(self, stream: str) -> str:
        return listener(stream) if "@" in stream else stream

    def shaped(self, stream: str, told: dict[str, Any]) -> list[dict[str, Any]]:
        found = shaped(told)
        name = stream.removeprefix(listener(""))
        return [{"stream": name, "data": found} if self.combined else found]


SPOKEN = {
    "order.place": ("POST", "/api/v3/order"),
    "order.test": ("POST", "/api/v3/order/test"),
    "order.status": ("GET", "/api/v3/order"),
    "order.cancel": ("DELETE", "/api/v3/order"),
    "order.cancelReplace": ("POST", "/api/v3/order/cancelReplace"),
    "openOrders.status": ("GET", "/api/v3/openOrders"),
    "openOrders.cancelAll": ("DELETE", "/api/v3/openOrders"),
    "allOrders": ("GET", "/api/v3/allOrders"),
    "myTrades": ("GET", "/api/v3/myTrades"),
    "account.status": ("GET", "/api/v3/account"),
    "account.commission": ("GET", "/api/v3/account/commission"),
    "account.rateLimits.orders": ("GET", "/api/v3/rateLimit/order"),
    "userDataStream.start": ("POST", "/api/v3/userDataStream"),
    "userDataStream.ping": ("PUT", "/api/v3/userDataStream"),
    "userDataStream.stop": ("DELETE", "/api/v3/userDataStream"),
    "time": ("GET", "/api/v3/time"),
    "ping": ("GET", "/api/v3/ping"),
    "exchangeInfo": ("GET", "/api/v3/exchangeInfo"),
    "depth": ("GET", "/api/v3/depth"),
    "trades.recent": ("GET", "/api/v3/trades"),
    "trades.aggregate": ("GET", "/api/v3/aggTrades"),
    "klines": ("GET", "/api/v3/klines"),
    "avgPrice": ("GET", "/api/v3/avgPrice"),
    "ticker.24hr": ("GET", "/api/v3/ticker/24hr"),
    "ticker.price": ("GET", "/api/v3/ticker/price"),
    "ticker.book": ("GET", "/api/v3/ticker/bookTicker"),
}
"""Methods of spot's WebSocket API, and the calls they are."""


class SpotApiConnection(ApiConnection):
    """Spoken to as spot's REST API is; `userDataStream.subscribe` makes it hear an account."""

    at_spot = True
    spoken = SPOKEN

    def subscribe(self, account: str) -> int:
        """The number of the subscription; an account has one on a connection."""
        stream = listener(account)
        known = self.subscribed.setdefault(stream, len(self.subscribed))
        self.join([stream])
        return known

    def unsubscribe(self, number: int | None) -> None:
        """That one, or all."""
        self.leave([one for one, had in self.subscribed.items() if number in (None, had)])

    def shaped(self, stream: str, told: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"subscriptionId": self.subscribed.get(stream, 0), "event": told}]
