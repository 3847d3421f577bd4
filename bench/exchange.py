"""The exchange simulator: what it matches, what it takes over HTTP, what the connector makes of it.

`python -m bench.exchange [ORDERS]`. The simulator is `commenda exchange`, a process of its own on a
real port, without faults and with nobody's limits in the way. On it trade by turns, one order at a
time, the connector (`CcxtVenue`) and plain ccxt: the order alone, and the order with its fills.
Neither waits for ccxt's own throttle, which is made for Binance's limits. The engine in process has
no sockets and is measured in processor time.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from itertools import cycle
from typing import Any
from uuid import uuid4

import aiohttp

from bench.kit import Figure, cores, median, show, times
from commenda.exchange import Exchange
from commenda.exchange.checks import check_order
from commenda.exchange.market import Levels, Marked
from commenda.exchange.model import BUY, SELL, Account, Contract, Order
from commenda.exchange.refusals import Refused
from commenda.market import Instrument, Kind
from commenda.venues import OrderKind, OrderRequest, OrderStatus, Side
from commenda.venues.binance import binance_client
from commenda.venues.ccxt import CcxtVenue
from commenda.venues.desk import Desk

ORDERS, ROUNDS, EVENTS, AT_ONCE = 300, 3, 5_000, 8
SYMBOL, KEY, SECRET = "BTCUSDT", "bench-key", "bench-secret"
D = Decimal


def main(orders: int = ORDERS) -> None:
    few, many = (median(_matching(count, one) for one in range(ROUNDS)) for count in (4, 1000))
    with _simulator() as address:
        seen = _trade(address, orders)
        alone = asyncio.run(_alone(address, 4 * orders))
    rates = {name: len(took) / sum(took) for name, took in seen.items()}
    beside = {
        name: times(rates[name], rates[name.replace("connector", "plain ccxt")])
        for name in rates
        if name.startswith("connector")
    }
    show(
        f"exchange: {orders} orders of each kind, one at a time",
        [
            Figure("engine in process, 4 accounts", few, "events/s of a core"),
            Figure("engine in process, 1,000 accounts", many, "events/s of a core"),
            Figure(f"simulator over HTTP, {AT_ONCE} connections", alone, "orders/s"),
            *(Figure(name, rate, "orders/s", beside.get(name, "")) for name, rate in rates.items()),
            *(one for name, took in seen.items() for one in _trip(name, took)),
        ],
        cores(),
        "an event: an order taken, refused or cancelled, a match, or a new book of the market's",
        "ratios: the connector's rate to that of plain ccxt for the same",
    )


def _trip(name: str, took: Sequence[float]) -> list[Figure]:
    ordered = sorted(took)
    return [
        Figure(f"{name}, p{part}", 1000 * ordered[len(ordered) * part // 100], "ms")
        for part in (50, 99)
    ]


# --- over the protocol ---------------------------------------------------------------------------


@contextmanager
def _simulator() -> Iterator[str]:
    """An exchange on a port of its own, with one account; its address."""
    command = [sys.executable, "-m", "commenda", "exchange", "--port", "0", "--limits", "1000000"]
    command += ["--symbols", SYMBOL, "--account", f"desk:{KEY}:{SECRET}", "--deposit", "100000000"]
    with tempfile.TemporaryDirectory() as home:
        yield from _served([*command, "--data", home])


def _served(command: list[str]) -> Iterator[str]:
    served = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert served.stdout is not None
        found = re.search(r"http://\S+?:\d+", served.stdout.readline())
        assert found is not None
        yield found[0]
    finally:
        served.terminate()
        served.wait()


def _trade(address: str, orders: int) -> dict[str, list[float]]:
    """Seconds of each order, by how it was sent; they take turns, so each meets the same load."""
    client = binance_client(KEY, SECRET, address)
    client.enableRateLimit = False
    contract = next(iter(client.fetch_markets()))
    tick, lot = (D(str(contract["precision"][one])) for one in ("price", "amount"))
    instrument = Instrument(
        1, "binance_usdm", SYMBOL, Kind.LINEAR_PERPETUAL, "BTC", "USDT", tick, lot, D(5),
        D("0.0002"), D("0.0005"), 125, True,
    )  # fmt: skip
    venue = CcxtVenue(Desk(client), {1: instrument}, "bench")
    venue.prepare()
    plain = binance_client(KEY, SECRET, address)
    plain.enableRateLimit = False
    plain.load_markets()
    price = D(client.fetch_ticker(contract["symbol"])["last"])
    size = (D(200) / price / lot).to_integral_value() * lot

    def connector(side: Side) -> None:
        asked = OrderRequest(uuid4(), 1, side, OrderKind.MARKET, size, price)
        assert venue.submit(asked, datetime.now(UTC)).status is OrderStatus.FILLED

    def connector_alone(side: Side) -> None:
        asked = OrderRequest(uuid4(), 1, side, OrderKind.MARKET, size, price)
        venue.dialect.send(venue.desk.ask, asked, instrument, ends=False)

    def alone(side: Side) -> Any:
        return plain.create_order(contract["symbol"], "market", side.value, float(size))

    def with_fills(side: Side) -> None:
        done = alone(side)
        assert done["status"] == "closed"
        assert plain.fetch_my_trades(contract["symbol"], params={"orderId": done["id"]})

    ways: dict[str, Callable[[Side], object]] = {
        "connector: order and fills": connector,
        "plain ccxt: order and fills": with_fills,
        "connector: order alone": connector_alone,
        "plain ccxt: order alone": alone,
    }
    sides = cycle((Side.BUY, Side.SELL))
    seen: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(orders + 10):
        side = next(sides)
        for name, send in ways.items():
            begun = time.perf_counter()
            send(side)
            if number >= 10:  # the first ones open connections
                seen[name].append(time.perf_counter() - begun)
    return seen


async def _alone(address: str, orders: int) -> float:
    """Orders a second that the simulator takes, where little is done to ask."""
    waiting = iter(range(orders))

    async def ask(session: aiohttp.ClientSession) -> None:
        for number in waiting:
            side = "BUY" if number % 2 else "SELL"
            query = f"symbol={SYMBOL}&side={side}&type=MARKET&quantity=0.01"
            query += f"&timestamp={int(time.time() * 1000)}"
            mark = hmac.new(SECRET.encode(), query.encode(), hashlib.sha256).hexdigest()
            url = f"{address}/fapi/v1/order?{query}&signature={mark}"
            async with session.post(url) as answer:
                assert answer.status == 200, await answer.text()

    async with aiohttp.ClientSession(headers={"X-MBX-APIKEY": KEY}) as session:
        begun = time.perf_counter()
        await asyncio.gather(*(ask(session) for _ in range(AT_ONCE)))
        return orders / (time.perf_counter() - begun)


# --- in process ----------------------------------------------------------------------------------


def _matching(accounts: int, seed: int) -> float:
    """Events of the engine for a second of one core: limit orders about the price, market orders
    and cancellations, by accounts that all hold something, and a new book at every fiftieth."""
    contract = Contract(SYMBOL, "BTC", "USDT", D("0.1"), D("0.001"), D(5), D("0.0002"), D("0.0005"))
    exchange = Exchange([contract], 0)
    draw, done, middle = random.Random(seed), 0, 600_000

    def told(kind: str, account: str | None, what: Any) -> None:
        nonlocal done
        done += kind == "print"

    exchange.told.append(told)
    traders = [exchange.account(f"trader {number}") for number in range(accounts)]
    for one in traders:
        exchange.transfer(one, D(10_000_000), "opening")
    _show(exchange, middle, draw)
    for one in traders:
        _send(exchange, one, draw.choice((BUY, SELL)), None, 1)
    begun, done = time.process_time(), 0
    for number in range(EVENTS):
        if number % 50 == 0:
            middle += draw.randint(-5, 5)
            _show(exchange, middle, draw)
        one, side = draw.choice(traders), draw.choice((BUY, SELL))
        kind = draw.random()
        if kind < 0.2 and one.open:
            exchange.end(next(iter(one.open.values())), "CANCELED")
        elif kind < 0.4:
            _send(exchange, one, side, None, draw.randint(1, 20))
        else:
            _send(exchange, one, side, middle - side * draw.randint(-2, 15), draw.randint(1, 20))
        done += 1
    return done / (time.process_time() - begun)


def _show(exchange: Exchange, middle: int, draw: random.Random) -> None:
    bids, asks = (
        [(middle + sign * level, draw.randint(50, 500)) for level in range(1, 21)]
        for sign in (-1, 1)
    )
    exchange.apply(Levels(exchange.now + 10, SYMBOL, bids, asks, True))
    mark = middle * D("0.1")
    exchange.apply(Marked(exchange.now, SYMBOL, mark, mark, D("0.0001"), 0))


def _send(exchange: Exchange, one: Account, side: int, ticks: int | None, lots: int) -> None:
    number, now = exchange.number(), exchange.now
    kind = "MARKET" if ticks is None else "LIMIT"
    order = Order(number, f"x-{number}", one.name, SYMBOL, side, kind, "GTC", ticks, lots, now)
    try:
        check_order(exchange, one, order)
    except Refused:
        return
    exchange.accept(one, order)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
