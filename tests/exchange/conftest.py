"""An exchange on a real port, with ccxt as its customer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from commenda.exchange import House, Key, Server, simulated_house

START = datetime(2026, 3, 2, 10, tzinfo=UTC)


class Served:
    """A server on its own thread. `house` may be touched while nothing asks it."""

    def __init__(self, house: House) -> None:
        self.house, self.server = house, Server(house, "word")
        self._port: Future[int] = Future()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self.address = f"127.0.0.1:{self._port.result(20)}"

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._task = self._loop.create_task(self.server.run("127.0.0.1", 0, self._port.set_result))
        try:
            self._loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            pass
        finally:
            self._loop.close()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(10)

    def client(self, kind: Any = ccxt.binanceusdm) -> Any:
        """A ccxt exchange, whose addresses alone are changed."""
        made = kind(
            {
                "apiKey": "key-a",
                "secret": "secret-a",
                "enableRateLimit": False,
                "options": {"fetchCurrencies": False, "fetchMargins": False},
            }
        )
        for name, url in made.urls["api"].items():
            if isinstance(url, str):
                for host in ("fapi.binance.com", "api.binance.com"):
                    url = url.replace(f"https://{host}", f"http://{self.address}")
                made.urls["api"][name] = url
        if "ws" in made.urls["api"]:
            at = f"ws://{self.address}"
            made.urls["api"]["ws"] |= {"linear": f"{at}/ws", "spot": f"{at}/stream/ws"}
            made.urls["api"]["ws"]["ws-api"]["spot"] = f"{at}/ws-api/v3"
        return made


@pytest.fixture(scope="module")
def both() -> Iterator[Served]:
    """The same, at spot, too: `a` has 50,000 USDT and 1 BTC there."""
    symbols = ["BTCUSDT", "ETHUSDT"]
    house = simulated_house(symbols, seed=7, start=START, pace=60.0, spot=symbols)
    house.open_account(Key("a", "key-a", "secret-a"), Decimal(100_000))
    account = house.spot.account("a")
    for asset, amount in (("USDT", 50_000), ("BTC", 1)):
        house.spot.transfer(account, asset, Decimal(amount), f"opening {asset}")
    found = Served(house)
    yield found
    found.stop()


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """BTC and ETH, a minute of market each second, and an account `a` with 100,000 USDT."""
    house = simulated_house(["BTCUSDT", "ETHUSDT"], seed=7, start=START, pace=60.0)
    house.open_account(Key("a", "key-a", "secret-a"), Decimal(100_000))
    found = Served(house)
    yield found
    found.stop()
