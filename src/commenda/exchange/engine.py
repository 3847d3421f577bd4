"""The exchange itself: a state machine over a market and a clock that is told the time.

It knows no sockets and no wall clock, draws nothing and waits for nothing: the same market and the
same calls at the same times give the same answers, ids and events. `told` is where it says what
happened: to an account (`order`, `conditional`, `account`), or to everybody (`print`, `levels`,
`mark`, `funding`, `liquidation`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from decimal import ROUND_UP, Decimal
from heapq import heappop, heappush
from typing import Any

from commenda.exchange.book import Book, Match, at_most
from commenda.exchange.checks import check_order
from commenda.exchange.liquidation import close_by_force, liquidate
from commenda.exchange.margins import set_aside, standing
from commenda.exchange.market import Funding, Levels, Marked, Print, Status, Tick
from commenda.exchange.model import (
    BUY,
    CENT,
    ZERO,
    Account,
    Conditional,
    Contract,
    Income,
    Order,
    Position,
    Trade,
    whole_units,
)
from commenda.exchange.refusals import Refused

Teller = Callable[[str, str | None, Any], None]
"""Told what happened (its kind), to which account (None: to everybody), and with what."""


class Exchange:
    """Books, accounts and their orders. Times are milliseconds since 1970."""

    def __init__(self, contracts: Iterable[Contract], start: int) -> None:
        self.contracts = {one.symbol: one for one in contracts}
        self.books = {symbol: Book() for symbol in self.contracts}
        self.accounts: dict[str, Account] = {}
        self.marks: dict[str, Decimal] = {}
        self.marked: dict[str, Marked] = {}
        self.insurance = ZERO
        self.now = start
        self.told: list[Teller] = []
        self.mishap = ""
        """What goes wrong with the next order, of `faults.FAULTS`."""
        self.spares_fund: Callable[[str], bool] = lambda _symbol: False
        """Whether others are deleveraged now, though the fund would last."""
        self._serial = 0
        self._conditionals: dict[str, dict[int, Conditional]] = {}
        self._holders: dict[str, dict[str, Account]] = defaultdict(dict)
        """By contract, who has or had a position in it."""
        self._moved: dict[str, Account] = {}
        """Whose money or position changed since it was last looked at for a liquidation."""
        self._good_till: list[tuple[int, int, Order | Conditional]] = []
        """A heap of what ends by itself."""

    # --- time and the market --------------------------------------------------------------------

    def apply(self, tick: Tick) -> None:
        """One event of the market. What has run out by then ends first."""
        self.wait(tick.at)
        if isinstance(tick, Print):
            self.settle_all(
                tick.symbol, self.books[tick.symbol].print(tick.ticks, tick.lots, tick.taker)
            )
            self.tell("print", None, (tick, self.number()))
            self._trigger(tick.symbol, "CONTRACT_PRICE", tick.ticks)
        elif isinstance(tick, Levels):
            book = self.books[tick.symbol]
            shown = book.show_all if tick.whole else book.show
            self.settle_all(tick.symbol, shown(tick.bids, tick.asks))
            self.tell("levels", None, tick)
        elif isinstance(tick, Marked):
            self.marks[tick.symbol], self.marked[tick.symbol] = tick.mark, tick
            self.tell("mark", None, tick)
            contract = self.contracts[tick.symbol]
            self._trigger(tick.symbol, "MARK_PRICE", int(tick.mark / contract.tick))
            self._moved |= self._holders[tick.symbol]
            self._liquidate()
        elif isinstance(tick, Funding):
            self._fund(tick)
        else:
            self._set_status(tick)

    def wait(self, until: int) -> None:
        """Let time go by in which the market does nothing; what runs out ends at its own time."""
        while self._good_till and self._good_till[0][0] <= until:
            at, _, one = heappop(self._good_till)
            self.now = max(self.now, at)
            if isinstance(one, Conditional):
                if one.status == "NEW":
                    self.end_conditional(one, "EXPIRED")
            elif one.is_open:
                self.end(one, "EXPIRED", 2)
        self.now = max(self.now, until)

    def ends_next(self) -> int | None:
        """When the next order runs out, if one does."""
        return self._good_till[0][0] if self._good_till else None

    def number(self) -> int:
        """The next id: of orders, trades and incomes, one row of numbers for all of them."""
        self._serial += 1
        return self._serial

    def tell(self, kind: str, account: str | None, what: Any) -> None:
        for teller in self.told:
            teller(kind, account, what)

    def account(self, name: str) -> Account:
        found = self.accounts.get(name)
        if found is None:
            found = self.accounts[name] = Account(name)
        return found

    def transfer(
        self, account: Account, amount: Decimal, note: str, kind: str = "TRANSFER"
    ) -> None:
        """Pay in, or out; a note once. Code −4111 for a note known, −2018 for more than is free."""
        if note in account.transfers:
            raise Refused(-4111)
        if amount < 0 and self.free(account) < -amount:
            raise Refused(-2018)
        account.transfers.add(note)
        self.pay(account, kind, "", whole_units(amount), note)
        self.tell("account", account.name, (kind, ()))

    def free(self, account: Account) -> Decimal:
        """What can be taken out: of unrealised profit nothing."""
        found = standing(account, self.contracts, self.marks)
        return max(ZERO, min(found.available, found.cross_wallet))

    def pay(
        self, account: Account, kind: str, symbol: str, amount: Decimal, note: str = ""
    ) -> None:
        """Change a wallet, and say so in its income: by whole units, for who reads it keeps no
        more."""
        assert amount == whole_units(amount), f"{kind} {amount}"
        account.wallet += amount
        account.income.append(Income(self.number(), kind, symbol, amount, "USDT", self.now, note))
        account.forget()

    # --- orders ---------------------------------------------------------------------------------

    def accept(self, account: Account, order: Order, *, again: bool = False) -> Order:
        """Take an order that `checks` let through: match it, then let it rest or end.

        `again` where it was known and changed.
        """
        contract, book = self.contracts[order.symbol], self.books[order.symbol]
        mishap, self.mishap = self.mishap, ""
        account.orders[order.id] = account.open[order.id] = order
        account.forget()
        if not again:
            self._end_in_time(order)
            self.tell("order", account.name, (order, "NEW", None))
        if mishap == "shrunk":
            order.lots = max(1, order.lots // 2)
            self.tell("order", account.name, (order, "AMENDMENT", None))
        limit = order.ticks
        if limit is None:  # a market order's worst price
            bound = contract.bounds[1 if order.side == BUY else 0]
            limit = int(self.marks[order.symbol] * bound / contract.tick)
        if order.tif == "FOK" and book.offered(order.side, limit) < order.lots:
            self.end(order, "EXPIRED", 3)
            return order
        matches = self._without_self(order, book.take(order, limit))
        if mishap == "fills_in_part":
            matches = at_most(matches, max(1, order.lots // 2))
        self.settle_all(order.symbol, matches)
        if order.is_open:
            if mishap == "fills_in_part":
                self.end(order, "EXPIRED", 2)
            elif order.type == "MARKET" or order.tif in ("IOC", "FOK"):
                self.end(order, "EXPIRED", 2 if order.filled or order.tif == "IOC" else 9)
            else:
                book.sides[order.side].rest(order)
        self._liquidate()
        return order

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

    def _end_in_time(self, one: Order | Conditional) -> None:
        if one.good_till > 0:
            heappush(self._good_till, (one.good_till, one.id, one))

    def _set_status(self, tick: Status) -> None:
        """A contract that is delisted: its orders end, its positions close at the mark."""
        contract = self.contracts[tick.symbol]
        contract.status = tick.status
        if tick.status == "TRADING":
            return
        for account in self.accounts.values():
            for order in [one for one in account.open.values() if one.symbol == tick.symbol]:
                self.end(order, "EXPIRED", 7)
            for one in list(account.conditionals.values()):
                if one.status == "NEW" and one.symbol == tick.symbol:
                    self.end_conditional(one, "EXPIRED")
            if tick.status == "SETTLING":
                for position in account.positions.values():
                    if position.symbol == tick.symbol and position.lots:
                        at = int(self.marks[tick.symbol] / contract.tick)
                        close_by_force(self, account, position, at, "settlement_autoclose-")

    # --- fills ----------------------------------------------------------------------------------

    def settle_all(self, symbol: str, matches: Iterator[Match]) -> None:
        for match in matches:
            self.settle(self.contracts[symbol], match)

    def settle(self, contract: Contract, match: Match) -> None:
        """Book one match: the fills of both sides, where they are ours."""
        number = self.number()
        for order, maker in ((match.maker, True), (match.taker, False)):
            if order is not None and order.left:
                lots = self._shrunk(contract, order, match.lots)
                if lots:
                    self.fill(order, match.ticks, lots, number, maker)
        if match.taker is not None:
            tick = Print(self.now, contract.symbol, match.ticks, match.lots, match.taker.side)
            self.books[contract.symbol].last = match.ticks
            self.tell("print", None, (tick, number))

    def _shrunk(self, contract: Contract, order: Order, lots: int) -> int:
        """What a reduce-only order may still fill: no more than closes the position."""
        if not (order.reduce_only or order.close_position):
            return lots
        account = self.accounts[order.account]
        held = account.position(contract.symbol, order.position_side).lots
        closes = max(0, -held * order.side)
        if closes < order.left:
            order.lots = order.filled + closes
            if not closes:
                self.end(order, "EXPIRED", 4)
                return 0
            self.tell("order", order.account, (order, "AMENDMENT", None))
        return min(lots, order.left)

    def fill(self, order: Order, ticks: int, lots: int, number: int, maker: bool) -> None:
        """One fill: position, wallet, fee, order and what the owner is told."""
        contract, account = self.contracts[order.symbol], self.accounts[order.account]
        position = account.position(order.symbol, order.position_side)
        account.positions[order.symbol, order.position_side] = position
        held = position.lots
        realised = position.take(contract, order.side * lots, ticks)
        rate = contract.maker if maker else contract.taker
        worth = contract.worth(ticks, lots)
        fee = (worth * rate).quantize(CENT, ROUND_UP)
        order.filled += lots
        order.quote += worth
        order.updated = position.updated = self.now
        self._holders[order.symbol][account.name] = self._moved[account.name] = account
        set_aside(account, position, contract, held, realised, order.side * lots, ticks)
        if realised:
            self.pay(account, "REALIZED_PNL", order.symbol, realised, str(number))
        if fee:
            self.pay(account, "COMMISSION", order.symbol, -fee, str(number))
        trade = Trade(
            number, order.id, order.symbol, order.side, order.position_side, ticks, lots, fee,
            realised, maker, self.now,
        )  # fmt: skip
        account.trades.append(trade)
        order.fills.append(trade)
        if order.left:
            order.status = "PARTIALLY_FILLED"
        else:
            order.status = "FILLED"
            account.open.pop(order.id, None)
            self.books[order.symbol].sides[order.side].drop(order)
        self.tell("order", account.name, (order, "TRADE", trade))
        self.tell("account", account.name, ("ORDER", (position,)))
        self._follow_actual(account, order)
        self._shrink_resting(account, position, contract)

    def _shrink_resting(self, account: Account, position: Position, contract: Contract) -> None:
        """Reduce-only orders that nothing is left for end, and are told before the next fill."""
        for order in list(account.open.values()):
            if (
                (order.reduce_only or order.close_position)
                and (order.symbol, order.position_side) == (position.symbol, position.side)
                and position.lots * order.side >= 0
            ):
                self.end(order, "EXPIRED", 4)

    # --- conditional orders ---------------------------------------------------------------------

    def keep(self, account: Account, one: Conditional) -> Conditional:
        """Keep a conditional order until its trigger is reached."""
        account.conditionals[one.id] = one
        self._conditionals.setdefault(one.symbol, {})[one.id] = one
        self._end_in_time(one)
        self.tell("conditional", account.name, one)
        return one

    def end_conditional(self, one: Conditional, status: str, refusal: str = "") -> None:
        one.status, one.updated, one.refusal = status, self.now, refusal
        self._conditionals.get(one.symbol, {}).pop(one.id, None)
        self.tell("conditional", one.account, one)

    def _trigger(self, symbol: str, working: str, ticks: int) -> None:
        waiting = self._conditionals.get(symbol, {})
        for one in [o for o in waiting.values() if o.working == working and o.is_met(ticks)]:
            if one.status == "NEW":
                self._send(self.accounts[one.account], one)

    def _send(self, account: Account, one: Conditional) -> None:
        """What a trigger sends is an order like any other, and may be refused like any other."""
        one.status, one.triggered = "TRIGGERING", self.now
        self.tell("conditional", account.name, one)
        held = account.position(one.symbol, one.position_side).lots
        lots = max(0, -held * one.side) if one.close_position else one.lots
        kind = "MARKET" if one.type.endswith("MARKET") else "LIMIT"
        order = Order(
            self.number(), one.client_id, account.name, one.symbol, one.side,
            kind, one.tif, one.ticks, lots, self.now,
            one.position_side, one.reduce_only or one.close_position, good_till=one.good_till,
            original_type=one.type, trigger=self.contracts[one.symbol].price(one.trigger),
            updated=self.now,
        )  # fmt: skip
        try:
            check_order(self, account, order)
        except Refused as refused:
            self.end_conditional(one, "REJECTED", refused.words)
            return
        one.actual = order.id
        self._conditionals[one.symbol].pop(one.id, None)
        one.status, one.updated = "TRIGGERED", self.now
        self.tell("conditional", account.name, one)
        self.accept(account, order)
        self._follow_actual(account, order)

    def _follow_actual(self, account: Account, order: Order) -> None:
        """A conditional order is finished when what came of it is."""
        if order.trigger is None or order.is_open:
            return
        for one in account.conditionals.values():
            if one.actual == order.id and one.status == "TRIGGERED":
                self.end_conditional(one, "FINISHED")

    # --- funding and liquidation ----------------------------------------------------------------

    def _fund(self, tick: Funding) -> None:
        """Long pays short at a positive rate; the same amount is paid to one as taken of another
        of its size. It is stamped when it is paid, which can be seconds after it was due."""
        contract = self.contracts[tick.symbol]
        self.tell("funding", None, tick)
        for account in self._holders[tick.symbol].values():
            for position in account.positions.values():
                if position.symbol != tick.symbol or not position.lots:
                    continue
                notional = position.notional(contract, tick.mark)
                paid = -(notional * tick.rate).quantize(CENT)
                if position.symbol in account.isolated:
                    position.margin = max(ZERO, position.margin + paid)
                self.pay(account, "FUNDING_FEE", tick.symbol, paid)
                self.tell("account", account.name, ("FUNDING_FEE", (position,)))
        self._moved |= self._holders[tick.symbol]
        self._liquidate()

    def _liquidate(self) -> None:
        """Of those whose standing may have changed; one who is liquidated trades with others."""
        while self._moved:
            moved, self._moved = self._moved, {}
            for account in moved.values():
                liquidate(self, account)
