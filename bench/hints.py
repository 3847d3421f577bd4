"""How soon an exchange's fill is in our books: by ticks alone, and with the account's stream.

`python -m bench.hints [ORDERS]`. The simulator is a process of its own on a real port, at the
wall's time. One order of a book rests inside the spread until somebody else takes it, at any time
between two ticks; its fill bears the exchange's time, and is in the books once a transaction that
posted and shared it out is committed.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from bench.exchange import KEY, SECRET, SYMBOL, simulator
from bench.kit import Figure, fresh_database, machine, show, times
from commenda.books import NewLeg, Scope, open_scopes
from commenda.execution import Broker, execute_order, execute_orders, intend, working_at
from commenda.kit import clock
from commenda.kit.db import Database
from commenda.ledger import Author, Owner, OwnerKind
from commenda.market import Mark, StoredFeed, ensure_instrument, listed, load_catalogue, write_marks
from commenda.operations import Clockwork, Operation, Step
from commenda.operations.jobs import observe_venues
from commenda.venues.binance import Binance
from commenda.venues.ccxt import CcxtVenue
from commenda.venues.desk import Desk
from commenda.venues.streams import listen
from commenda.worker import IDLE

ORDERS, DESK = 40, "binance_usdm:desk"
OTHER = ("other-key", "other-secret")
LOOK = 0.001
AGAIN, LONG = 2.0, 60.0
D = Decimal


def main(orders: int = ORDERS) -> None:
    with (
        fresh_database() as database,
        simulator("--account", f"other:{':'.join(OTHER)}") as address,
    ):
        business = Business(database, address)
        took = {}
        for name, listens in (("ticks alone", False), ("with its stream", True)):
            with business.worker(listens=listens):
                took[name] = sorted(business.fill() for _ in range(orders))
        note = machine(database)
    middle = {name: seconds[len(seconds) // 2] for name, seconds in took.items()}
    show(
        f"hints: {orders} fills of each, from the exchange's moment to our books",
        [
            Figure(
                f"{name}, p{part}",
                1000 * seconds[min(len(seconds) - 1, len(seconds) * part // 100)],
                "ms",
                times(middle["ticks alone"], middle[name]) if part == 50 else "",
            )
            for name, seconds in took.items()
            for part in (50, 90, 99)
        ],
        note,
        "a tick comes each second; what a stream hints at is looked at between two of them",
    )


class Business:
    """One book at an account of the simulator."""

    def __init__(self, database: Database, address: str) -> None:
        self.database, self.address, self.draw = database, address, random.Random(1)
        self.leg = uuid4()
        owner = Owner(OwnerKind.INVESTOR, uuid4())
        with database.transaction() as tx:
            clock.follow_wall(tx)
            terms = listed(load_catalogue(), "binance_usdm", SYMBOL)
            self.instrument = ensure_instrument(tx, terms)
            now = clock.business_now(tx)
            book = Scope(uuid4(), "vault", owner, "USDT", uuid4())
            leg = NewLeg(self.leg, owner.id, D(100_000), DESK)
            open_scopes(tx, [(book, [leg])], now)
        self.other = self._client(*OTHER)
        mark = Mark(D(self.other.fapiPublicGetPremiumIndex({"symbol": SYMBOL})["markPrice"]),
                    datetime.now(UTC), "mark")  # fmt: skip
        with database.transaction() as tx:
            write_marks(tx, [(self.instrument, mark)])

    def _client(self, key: str, secret: str) -> Any:
        client = Binance().client(key, secret, self.address)
        client.enableRateLimit = False
        return client

    @contextmanager
    def worker(self, *, listens: bool) -> Iterator[None]:
        """What a worker does for its orders, in threads of this process."""
        desk = Desk(self._client(KEY, SECRET), Binance(), address=self.address)
        feed = StoredFeed(self.database, interval=60)
        venue = CcxtVenue(desk, {self.instrument.id: self.instrument}, DESK)
        self.broker = Broker((venue,), feed, b"")
        stopping = threading.Event()
        operation = Operation(self.database, self.broker, stopping)
        clockwork = Clockwork(operation, [Step("orders", _tick)], timedelta(minutes=1), 0)

        def work() -> None:
            while not stopping.is_set():
                if not clockwork.poll():
                    self.broker.hints.wait(IDLE)
            clockwork.close()

        threads = [threading.Thread(target=work)]
        if listens:
            told = (lambda: {DESK: desk}, self.broker.hints, stopping)
            threads.append(threading.Thread(target=listen, args=told))
        for thread in threads:
            thread.start()
        while listens and not any(one.is_open for one in self.broker.hints.ears.values()):
            time.sleep(LOOK)
        try:
            yield
        finally:
            stopping.set()
            for thread in threads:
                thread.join()

    def fill(self) -> float:
        """Rest inside the spread, be taken, and look until the book has it; seconds."""
        time.sleep(self.draw.random())
        price = bid = D(0)
        while price - bid < self.instrument.tick:  # a place of its own between the two sides
            best = self.other.fapiPublicGetTickerBookTicker({"symbol": SYMBOL})
            bid, price = D(best["bidPrice"]), D(best["askPrice"]) - self.instrument.tick
        with self.database.transaction() as tx:
            now = clock.business_now(tx)
            (order,), _ = intend(
                tx,
                cause="withdrawal",
                cause_id=uuid4(),
                correlation_id=uuid4(),
                instrument=self.instrument,
                requests=[(self.leg, DESK, D("0.01"))],
                reference_price=price,
                now=now,
                collar=D(0),
            )
        author = Author("bench", "bench/1", now)
        execute_order(self.database, self.broker, order.id, author)
        taker = {"symbol": SYMBOL, "side": "SELL", "type": "MARKET", "quantity": "0.01"}
        asked = "SELECT max(traded_at) FROM orders o JOIN fills f ON f.order_id = o.id"
        asked += " WHERE o.id = %s AND o.allocated_at IS NOT NULL"
        begun, taken = time.monotonic(), 0
        while (waited := time.monotonic() - begun) < LONG:
            if waited >= AGAIN * taken:  # the market may have come before it
                self.other.fapiPrivatePostOrder(taker)
                taken += 1
            with self.database.read() as tx:
                ((at,),) = tx.execute(asked, (order.id,)).fetchall()
            if at is not None:
                return time.time() - float(at.timestamp())
            time.sleep(LOOK)
        raise AssertionError("the order was not filled")


def _tick(operation: Operation, now: datetime) -> None:
    observe_venues(operation, now)
    with operation.database.read() as tx:
        orders = working_at(tx, [DESK])
    execute_orders(operation.database, operation.broker, orders, operation.author(now))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
