"""An exchange in this process, and a clock that is moved: no sockets, nothing waits.

ccxt does all that it does but the sending: requests end at `Door`, which asks the server's
`respond`. Time passes by `Hands.move` alone, for the exchange, for the connector and for us.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter

from commenda.exchange import Clock, House, Server
from commenda.exchange.model import Contract
from commenda.exchange.sources import Source
from commenda.venues.binance import Binance
from commenda.venues.desk import Desk
from commenda.venues.dialect import Dialect

ADDRESS = "http://exchange"
DEADLY = 0.02
PATIENCE = 10.0
"""Seconds that ccxt waits for an answer."""


@dataclass
class Hands:
    """The hands of all clocks, in seconds since 1970."""

    seconds: float

    def __call__(self) -> float:
        return self.seconds

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def move(self, by: timedelta | float) -> None:
        self.seconds += by if isinstance(by, int | float) else by.total_seconds()


class Died(BaseException):
    """The process ended here."""


class Door(BaseAdapter):
    """Where a client's requests arrive. One that waits longer than its sender arrives later."""

    def __init__(self, server: Server, hands: Hands) -> None:
        super().__init__()
        self.server, self.hands = server, hands
        self.under_way: list[tuple[float, tuple[Any, ...]]] = []
        self.is_open = True
        """Whether there is an exchange at all."""
        self.asked: list[str] = []
        self.mortal: random.Random | None = None
        """Draws when the process that asks dies: before its request, or with the answer."""

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]
        self.deliver()
        parts = urlsplit(str(request.url))
        body = request.body or b""
        text = body.decode() if isinstance(body, bytes) else body
        told = str(request.method), parts.path, dict(request.headers), parts.query, text
        self.asked.append(f"{told[0]} {told[1]}")
        if self._dies():
            raise Died
        if not self.is_open:
            raise requests.ConnectionError("refused")
        wait = self.server.delay(told[0], told[1])
        if wait >= PATIENCE:
            self.under_way.append((self.hands.seconds + wait, told))
            self.hands.move(PATIENCE)
            raise requests.Timeout("no answer")
        self.hands.move(wait)
        answer = self.server.respond(*told)
        if self._dies():
            raise Died
        if answer is None:
            raise requests.ConnectionError("Connection aborted.")
        found = requests.Response()
        found.status_code, found.reason, found.request = answer.status, "", request
        found.headers.update({"Content-Type": "application/json", **answer.headers})
        found._content = json.dumps(answer.body).encode()
        found.url = str(request.url)
        return found

    def _dies(self) -> bool:
        return self.mortal is not None and self.mortal.random() < DEADLY

    def deliver(self) -> None:
        """Let what was under way arrive, whose sender has heard nothing."""
        due = [told for at, told in self.under_way if at <= self.hands.seconds]
        self.under_way = [one for one in self.under_way if one[0] > self.hands.seconds]
        for told in due:
            self.server.respond(*told)

    def close(self) -> None:
        """Nothing is held open."""


@dataclass
class Near:
    """An exchange in this process: its house, and who comes to it."""

    hands: Hands
    contracts: list[Contract]
    source: Source
    seed: int = 0
    skew: float = 0.0
    """Seconds that our clock is ahead of the exchange's."""
    dialect: Callable[[], Dialect] = Binance
    house: House = field(init=False)
    door: Door = field(init=False)

    def __post_init__(self) -> None:
        clock = Clock(int(self.hands.seconds * 1000), 1.0, self.hands)
        at_spot = self.dialect().capabilities.holds
        pairs = (self.contracts, self.source) if at_spot else None
        self.house = House([] if at_spot else self.contracts, self.source, clock, self.seed, pairs)
        self.door = Door(Server(self.house, None, self.hands), self.hands)

    def client(self, key: str, secret: str) -> Any:
        client = self.dialect().client(key, secret, ADDRESS)
        client.session.mount("http://", self.door)
        client.enableRateLimit = False  # it would sleep; the server's own limits stay
        client.milliseconds = lambda: int((self.hands.seconds + self.skew) * 1000)
        return client

    def desk(self, key: str, secret: str) -> Desk:
        return Desk(self.client(key, secret), self.dialect(), wall=self.hands)
