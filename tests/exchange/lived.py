"""One life of an account at the exchange simulator: three books, orders, faults, and what must be
true in the end, whatever went wrong.

Everything happens in this process and at a clock that is moved: see `door`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar

from commenda.books import NewLeg, Scope, open_scopes, pass_on_income, post_forced, request_transfer
from commenda.exchange import Key
from commenda.exchange.market import Funding, Levels, Marked, Print
from commenda.exchange.model import BUY, SELL, Account, Contract, Order, Trade
from commenda.execution import Broker, execute_orders, intend, observe_executions, reconcile
from commenda.execution import Order as OurOrder
from commenda.kit import clock, ids
from commenda.ledger import AccountKey, Journal, Line, Owner, OwnerKind, open_accounts, post
from commenda.market import Instrument
from commenda.venues.binance import Binance
from commenda.venues.ccxt import CcxtVenue
from commenda.venues.dialect import SETTLES_IN, Dialect
from scripted import SECRET
from world import World

from .door import Died, Hands, Near

D = Decimal
KEY, KEYS_SECRET = "key-of-the-desk", "secret-of-the-desk"
CAPITAL = D(5_000)
FIRST = {"AAAUSDT": D(100), "BBBUSDT": D(50)}
DEEP = 10**7
SPREAD = 2
"""Ticks on either side of the price."""
ENDS_AFTER = timedelta(minutes=3)
"""What rests is cancelled then."""


class Quiet:
    """A market that does what the test tells it."""

    def ticks(self, after: int, until: int) -> Iterator[Any]:
        return iter(())

    def candles(self, symbol: str, begin: int, end: int) -> tuple[()]:
        return ()


def contract_of(one: Instrument) -> Contract:
    bounds = D("0.5"), D("1.5")
    return Contract(
        one.symbol, one.base, one.quote, one.tick, one.lot, one.minimum_notional, one.maker_fee,
        one.taker_fee, bounds=bounds,
    )  # fmt: skip


@dataclass
class Heard:
    """What was told on streams."""

    told: list[Any] = field(default_factory=list)

    def append_told(self, stream: str, told: dict[str, Any]) -> None:
        self.told.append(told)


@dataclass
class Life:
    """An account of a world's, and the exchange that has it. `draw` is all of its chance."""

    world: World
    draw: random.Random
    number: int
    capital: Decimal = CAPITAL
    shows: frozenset[str] = frozenset({"AAAUSDT", "BBBUSDT"})
    """Contracts that we know of from the first."""
    near: Near = field(init=False)
    orders: list[OurOrder] = field(default_factory=list)
    mortal: bool = False
    """Whether its process dies now and then, before or after a request."""
    deaths: int = 0
    heard: Heard = field(default_factory=lambda: Heard())
    market: ClassVar[str] = "binance_usdm"
    dialect: ClassVar[Callable[[], Dialect]] = Binance
    listens: ClassVar[str] = "desk"
    """Whose events its stream tells."""

    def __post_init__(self) -> None:
        world = self.world
        hour = world.now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        self.hands = Hands(hour.timestamp())
        self.name = f"{self.market}:life-{self.number}"
        every = world.feed.instruments
        contracts = [contract_of(one) for one in every]
        near = Near(self.hands, contracts, Quiet(), self.number, dialect=type(self).dialect)
        self.near = near
        self.known = {one.id: one for one in every if one.symbol in self.shows}
        self.prices = {one.symbol: FIRST[one.symbol] for one in every}
        self.near.house.open_account(Key("desk", KEY, KEYS_SECRET), self.purse)
        for symbol in self.prices:
            self.trade(symbol, self.prices[symbol])
        if len(self.known) < len(every):  # used before us in what we do not know yet, and closed
            for lots in (300, -300):
                self.by_hand("BBBUSDT", lots)
            self.pass_time(1)
        self.before = {one.id for one in self.desk.trades}
        self.restart()
        self.pass_time(0)
        self.observe()  # the first contact, before any fault
        self.first_cursors = dict(
            world.rows("SELECT stream, cursor FROM venue_cursors WHERE venue = %s", self.name)
        )
        self.legs = [ids.derive("leg", self.name, book) for book in "abc"]
        self._open_books()
        self.settle_before()

    purse: ClassVar[Decimal] = D(0)
    """What is in the account before."""

    def settle_before(self) -> None:
        """What others spent in the account is settled by them."""
        spent = sum((one.amount for one in self.desk.income if one.kind != "TRANSFER"), D(0))
        assert self.desk.wallet == 3 * self.capital + spent
        if spent:
            self.exchange.pay(self.desk, "TRANSFER", "", -spent)

    def _open_books(self) -> None:
        """Three books of one leg each, with their money at the exchange."""
        world, now = self.world, self.world.now
        scopes = [ids.derive("scope", leg) for leg in self.legs]
        owners = [Owner(OwnerKind.INVESTOR, ids.derive("owner", leg)) for leg in self.legs]
        correlation = ids.derive("life", self.name)
        with world.database.transaction() as tx:
            opened = open_scopes(
                tx,
                [
                    (
                        Scope(scope, "vault", owner, "USDT", correlation),
                        [NewLeg(leg, owner.id, self.capital, self.name)],
                    )
                    for leg, scope, owner in zip(self.legs, scopes, owners, strict=True)
                ],
                now,
            )
            (external,) = open_accounts(tx, [AccountKey("external", Owner.platform(), "USDT")])
            lines = [Line(cash, self.capital) for (cash,) in opened]
            lines.append(Line(external, -3 * self.capital))
            post(tx, world.author, Journal(f"life:{self.name}", "follow", correlation, lines))
            request_transfer(
                tx,
                reference=correlation,
                venue=self.name,
                asset="USDT",
                amount=3 * self.capital,
                correlation_id=correlation,
                now=now,
            )
        world.move_cash()

    # --- the exchange's side --------------------------------------------------------------------

    @property
    def exchange(self) -> Any:
        return self.near.house.exchange

    @property
    def desk(self) -> Account:
        return self.exchange.account("desk")  # type: ignore[no-any-return]

    def script(self, *faults: dict[str, Any]) -> None:
        self.near.house.script.set(faults)

    def trade(self, symbol: str, price: Decimal, lots: int = 0, depth: int = DEEP) -> None:
        """The market is at a price and shows so many lots on either side; a trade on the way."""
        exchange = self.exchange
        exchange.wait(int(self.hands.seconds * 1000))
        contract = exchange.contracts[symbol]
        ticks = int(price / contract.tick)
        taker = BUY if price >= self.prices[symbol] else SELL
        price = self.prices[symbol] = contract.price(ticks)
        self.mark(symbol, price)
        if lots:
            exchange.apply(Print(exchange.now, symbol, ticks, lots, taker))
        sides = [[(ticks + sign * (SPREAD + n), depth) for n in range(3)] for sign in (-1, 1)]
        exchange.apply(Levels(exchange.now, symbol, sides[0], sides[1], True))

    def mark(self, symbol: str, price: Decimal) -> None:
        exchange = self.exchange
        exchange.apply(Marked(exchange.now, symbol, price, price, D("0.0001"), 0))

    def held_there(self, symbol: str) -> Decimal:
        """What the exchange has for the account."""
        lots = sum(one.lots for (of, _), one in self.desk.positions.items() if of == symbol)
        found: Decimal = lots * self.world.instruments[symbol].lot
        return found

    def fill_there(self, one: Trade) -> tuple[Decimal, Decimal, Decimal]:
        """Quantity, price and fee that a trade there is here."""
        of = self.exchange.contracts[one.symbol]
        return of.quantity(one.lots), of.price(one.ticks), one.fee

    def waits_there(self) -> list[Any]:
        """What still waits for its trigger."""
        return [one for one in self.desk.conditionals.values() if one.status == "NEW"]

    def funded(self) -> Decimal:
        return sum((one.amount for one in self.desk.income if one.kind == "FUNDING_FEE"), D(0))

    def stir(self, most: int = 40) -> None:
        """Time passes, and the market with it: up to so many hundredths of a per cent."""
        for symbol, price in self.prices.items():
            step = 1 + D(self.draw.randint(-most, most)) / 10_000
            depth = self.draw.choice([40, 2_000, DEEP])
            self.trade(symbol, price * step, self.draw.randint(1, 3_000), depth)

    def fund(self) -> None:
        """Funding of both contracts, at the next whole hour and up to four seconds late."""
        hour = (self.hands.seconds // 3600 + 1) * 3600
        self.pass_time(hour - self.hands.seconds + self.draw.uniform(0, 4))
        for symbol, price in self.prices.items():
            rate = D(self.draw.randint(-50, 50)) / 100_000
            self.exchange.apply(Funding(int(self.hands.seconds * 1000), symbol, rate, price))

    def by_hand(self, symbol: str, lots: int, account: str = "desk") -> Order:
        """A market order of somebody else's in an account."""
        of = self.exchange.account(account)
        number, side = self.exchange.number(), BUY if lots > 0 else SELL
        order = Order(
            number, f"x-{number}", account, symbol, side, "MARKET", "GTC", None, abs(lots),
            self.exchange.now,
        )  # fmt: skip
        return self.exchange.accept(of, order)  # type: ignore[no-any-return]

    # --- our side -------------------------------------------------------------------------------

    def restart(self) -> None:
        """A process that knows nothing but what is stored."""
        desk = self.near.desk(KEY, KEYS_SECRET)
        venue = CcxtVenue(desk, self.known, self.name)
        self.world.broker = Broker((venue,), self.world.feed, SECRET)

    @property
    def broker(self) -> Broker:
        return self.world.broker

    @property
    def venue(self) -> CcxtVenue:
        found = self.broker.venue(self.name)
        assert isinstance(found, CcxtVenue)
        return found

    def pass_time(self, seconds: float) -> None:
        self.hands.move(seconds)
        self.world.now = max(self.world.now, self.hands.now)
        with self.world.database.transaction() as tx:
            clock.advance(tx, self.world.now)
        self.near.door.deliver()

    def ask(self, symbol: str, *quantities: Decimal, **terms: Any) -> list[OurOrder]:
        """An order for each side, of what the legs ask in their order."""
        instrument = self.world.instruments[symbol]
        asked = zip(self.legs, quantities, strict=False)
        cause = ids.derive("life", self.number, len(self.orders))
        with self.world.database.transaction() as tx:
            new, _ = intend(
                tx,
                cause="withdrawal",
                cause_id=cause,
                correlation_id=cause,
                instrument=instrument,
                requests=[(leg, self.name, one) for leg, one in asked if one],
                reference_price=instrument.to_tick(self.prices[symbol]),
                now=self.world.now,
                **terms,
            )
        self.orders += new
        return new

    def step(self) -> None:
        """Some seconds of this account's life."""
        if self.draw.random() < 0.7:
            self.ask_any()
        self.work()
        self.stir()
        self.pass_time(self.draw.uniform(1, 15))
        if self.draw.random() < 0.1:
            self.fund()

    def ask_any(self) -> None:
        """Anything that a book may ask: more, less, nothing any more, or a stop."""
        draw, symbol = self.draw, self.draw.choice(sorted(self.prices))
        lot = self.world.instruments[symbol].lot
        held = [self.world.quantity(leg, symbol) for leg in self.legs]
        what = draw.choice(["open", "add", "reduce", "close", "close", "stop"])
        if what == "close":
            self.ask(symbol, *(-one for one in held))
            return
        quantities = [lot * draw.randint(-4_000, 4_000) for _ in self.legs]
        if what == "reduce":
            parts = [D(draw.randint(1, 9)) / 10 for _ in self.legs]
            quantities = [
                -(one * part).quantize(lot) for one, part in zip(held, parts, strict=True)
            ]
        if what == "stop":
            self.ask_stop()
        elif draw.random() < 0.4:
            self.ask_resting()
        else:
            self.ask(symbol, *quantities)

    def ask_stop(self) -> None:
        draw, symbol = self.draw, self.draw.choice(sorted(self.prices))
        instrument, side = self.world.instruments[symbol], draw.choice([-1, 1])
        away = 1 + side * D(draw.randint(5, 60)) / 10_000
        self.ask(
            symbol,
            *(side * instrument.lot * draw.randint(1, 4_000) for _ in self.legs),
            trigger_price=instrument.to_tick(self.prices[symbol] * away),
            expires_at=self.world.now + ENDS_AFTER,
        )

    def ask_resting(self) -> None:
        """A limit near the market, on either side of it."""
        draw, symbol = self.draw, self.draw.choice(sorted(self.prices))
        self.ask(
            symbol,
            *(self.world.instruments[symbol].lot * draw.randint(-4_000, 4_000) for _ in self.legs),
            collar=D(draw.randint(-30, 20)) / 10_000,
            expires_at=self.world.now + timedelta(seconds=draw.choice([20, 60, 180])),
        )

    def ask_little(self) -> None:
        """Less than the venue takes."""
        self.ask("AAAUSDT", self.world.instruments["AAAUSDT"].lot)

    def work(self) -> None:
        """What a tick does; a process that dies leaves the rest to the next."""
        author = self.world.author
        self.near.door.mortal = self.draw if self.mortal else None
        try:
            errors = execute_orders(self.world.database, self.broker, self.open(), author)
            assert errors == [], errors
            self.observe()
        except Died:
            self.deaths += 1
            self.restart()
        self.near.door.mortal = None

    def open(self) -> list[OurOrder]:
        rows = self.world.column(
            "SELECT id FROM orders WHERE venue = %s AND allocated_at IS NULL", self.name
        )
        return [one for one in self.orders if one.id in set(rows)]

    def observe(self) -> None:
        """Read the account's executions and its income."""
        author = self.world.author
        observe_executions(self.world.database, self.broker, author)
        post_forced(self.world.database, self.broker, author)
        errors = pass_on_income(self.world.database, self.broker, author)
        assert errors == [], errors

    # --- the end --------------------------------------------------------------------------------

    def end(self) -> None:
        """No more faults; everything that works is cancelled, or asked for until it is over."""
        self.script()
        self.near.skew, self.mortal = 0.0, False
        self.near.door.is_open = True
        for _ in range(4):
            self.pass_time(SETTLES_IN.total_seconds() + 120)
            self.work()
        assert self.open() == []

    def unexplained(self) -> dict[str, Decimal]:
        world = self.world
        with world.database.transaction() as tx:
            lines = reconcile(
                tx, self.venue, world.feed.instruments, world.broker.marks(world.now), world.now
            )
        assert {one.subject for one in lines} >= {"USDT", *self.prices}
        return {line.subject: line.unexplained for line in lines if line.unexplained}
