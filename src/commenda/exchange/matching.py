"""What every market of the exchange does: time, books, orders and matches, but no money.

It knows no sockets and no wall clock, draws nothing and waits for nothing: the same market and the
same calls at the same times give the same answers, ids and events. `told` is where it says what
happened: to an account (`order`, `account`), or to everybody (`print`, `levels`). What a fill is
worth to whom is `engine`'s for futures and `spot`'s for spot.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from commenda.exchange.book import Book, Match, at_most
from commenda.exchange.market import Levels, Print, Status, Tick
from commenda.exchange.model import Contract, Customer, Order

Teller = Callable[[str, str | None, Any], None]
"""Told what happened (its kind), to which account (None: to everybody), and with what."""


C = TypeVar("C", bound=Customer)


class Matching(ABC, Generic[C]):
    """Books, accounts and their orders. Times are milliseconds since 1970."""

    def __init__(self, contracts: Iterable[Contract], start: int) -> None:
        self.contracts = {one.symbol: one for one in contracts}
        self.books = {symbol: Book() for symbol in self.contracts}
        self.accounts: dict[str, C] = {}
        self.now = start
        self.told: list[Teller] = []
        self.mishap = ""
        """What goes wrong with the next order, of `faults.FAULTS`."""
        self._serial = 0

    # --- what each market does in its own way ---------------------------------------------------

    @abstractmethod
    def opened(self, name: str) -> C:
        """A new account."""

    @abstractmethod
    def fill(self, order: Order, ticks: int, lots: int, number: int, maker: bool) -> None:
        """One fill: what its account has, the fee, the order, and what the owner is told."""

    @abstractmethod
    def end_all(self, tick: Status) -> None:
        """A contract is no longer traded: nothing of it stays open."""

    @abstractmethod
    def worst(self, order: Order) -> int | None:
        """The price in ticks up to which an order without a limit takes; None for any."""

    def allowed(self, contract: Contract, order: Order, lots: int) -> int:
        """What of these lots an order may still fill."""
        return lots

    @abstractmethod
    def triggered(self, symbol: str, ticks: int) -> None:
        """A trade of the market at a price: what waited for it is sent."""

    def look(self) -> None:
        """After an order was matched."""

    def is_priced(self, symbol: str) -> bool:
        """Whether there is a price of it yet."""
        return self.books[symbol].last is not None

    # --- time and the market --------------------------------------------------------------------

    def apply(self, tick: Tick) -> None:
        """One event of the market. What has run out by then ends first."""
        self.wait(tick.at)
        if isinstance(tick, Print):
            self.settle_all(
                tick.symbol, self.books[tick.symbol].print(tick.ticks, tick.lots, tick.taker)
            )
            self.tell("print", None, (tick, self.number()))
            self.triggered(tick.symbol, tick.ticks)
        elif isinstance(tick, Levels):
            book = self.books[tick.symbol]
            shown = book.show_all if tick.whole else book.show
            self.settle_all(tick.symbol, shown(tick.bids, tick.asks))
            self.tell("levels", None, tick)
        elif isinstance(tick, Status):
            self.contracts[tick.symbol].status = tick.status
            if tick.status != "TRADING":
                self.end_all(tick)

    def wait(self, until: int) -> None:
        """Let time go by in which the market does nothing."""
        self.now = max(self.now, until)

    def number(self) -> int:
        """The next id: of orders, trades and incomes, one row of numbers for all of them."""
        self._serial += 1
        return self._serial

    def tell(self, kind: str, account: str | None, what: Any) -> None:
        for teller in self.told:
            teller(kind, account, what)

    def account(self, name: str) -> C:
        found = self.accounts.get(name)
        if found is None:
            found = self.accounts[name] = self.opened(name)
        return found

    # --- orders ---------------------------------------------------------------------------------

    def enter(self, account: C, order: Order) -> None:
        """Know an order that is new, and say so."""
        account.orders[order.id] = account.open[order.id] = order
        account.forget()
        self.tell("order", account.name, (order, "NEW", None))

    def match(self, order: Order) -> None:
        """Match an open order, then let it rest or end."""
        book = self.books[order.symbol]
        mishap, self.mishap = self.mishap, ""
        if mishap == "shrunk":
            order.lots = max(1, order.lots // 2)
            self.tell("order", order.account, (order, "AMENDMENT", None))
        limit = self.worst(order) if order.ticks is None else order.ticks
        if order.tif == "FOK" and book.offered(order.side, limit) < order.lots:
            self.end(order, "EXPIRED", 3)
            return
        matches = self._without_self(order, book.take(order, limit))
        if mishap == "fills_in_part":
            matches = at_most(matches, max(1, order.lots // 2))
        self.settle_all(order.symbol, matches)
        if order.is_open:
            if mishap == "fills_in_part":
                self.end(order, "EXPIRED", 2)
            elif order.ticks is None or order.tif in ("IOC", "FOK"):
                self.end(order, "EXPIRED", 2 if order.filled or order.tif == "IOC" else 9)
            else:
                book.sides[order.side].rest(order)
        self.look()

    def _without_self(self, order: Order, matches: Iterator[Match]) -> Iterator[Match]:
        """Matches but those with an own order, which one or both do not outlive."""
        for match in matches:
            maker = match.maker
            if maker is None or maker.account != order.account or order.stp == "NONE":
                yield match
                continue
            if order.stp in ("EXPIRE_MAKER", "EXPIRE_BOTH"):
                self.end(maker, "EXPIRED_IN_MATCH", 1)
            if order.stp in ("EXPIRE_TAKER", "EXPIRE_BOTH"):
                self.end(order, "EXPIRED_IN_MATCH", 1)

    def end(self, order: Order, status: str, reason: int = 0) -> None:
        """End an open order."""
        order.status, order.reason, order.updated = status, reason, self.now
        self.accounts[order.account].open.pop(order.id, None)
        self.books[order.symbol].sides[order.side].drop(order)
        kind = "CANCELED" if status == "CANCELED" else "EXPIRED"
        self.tell("order", order.account, (order, kind, None))

    # --- fills ----------------------------------------------------------------------------------

    def settle_all(self, symbol: str, matches: Iterator[Match]) -> None:
        for match in matches:
            self.settle(self.contracts[symbol], match)

    def settle(self, contract: Contract, match: Match) -> None:
        """Book one match: the fills of both sides, where they are ours."""
        number = self.number()
        for order, maker in ((match.maker, True), (match.taker, False)):
            if order is not None and order.left:
                lots = self.allowed(contract, order, match.lots)
                if lots:
                    self.fill(order, match.ticks, lots, number, maker)
        if match.taker is not None:
            tick = Print(self.now, contract.symbol, match.ticks, match.lots, match.taker.side)
            self.books[contract.symbol].last = match.ticks
            self.tell("print", None, (tick, number))

    def advance(self, account: C, order: Order, lots: int) -> None:
        """So much more of an order is filled; it is over once nothing is left."""
        order.filled += lots
        order.updated = self.now
        if order.left:
            order.status = "PARTIALLY_FILLED"
        else:
            order.status = "FILLED"
            account.open.pop(order.id, None)
            self.books[order.symbol].sides[order.side].drop(order)
