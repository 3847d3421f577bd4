"""The futures of the exchange: what positions cost and margin binds, funding, liquidation, and the
conditional orders of the algo service. It tells more than `matching` does: `conditional` to an
account, and `mark`, `funding` and `liquidation` to everybody.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from decimal import ROUND_UP, Decimal
from heapq import heappop, heappush

from commenda.exchange.checks import check_order
from commenda.exchange.liquidation import close_by_force, liquidate
from commenda.exchange.margins import set_aside, standing
from commenda.exchange.market import Funding, Marked, Status, Tick
from commenda.exchange.matching import Matching
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


class Exchange(Matching[Account]):
    """Contracts with margin, and what accounts have of them."""

    def __init__(self, contracts: Iterable[Contract], start: int) -> None:
        super().__init__(contracts, start)
        self.marks: dict[str, Decimal] = {}
        self.marked: dict[str, Marked] = {}
        self.insurance = ZERO
        self.spares_fund: Callable[[str], bool] = lambda _symbol: False
        """Whether others are deleveraged now, though the fund would last."""
        self._conditionals: dict[str, dict[int, Conditional]] = {}
        self._holders: dict[str, dict[str, Account]] = defaultdict(dict)
        """By contract, who has or had a position in it."""
        self._moved: dict[str, Account] = {}
        """Whose money or position changed since it was last looked at for a liquidation."""
        self._good_till: list[tuple[int, int, Order | Conditional]] = []
        """A heap of what ends by itself."""

    def opened(self, name: str) -> Account:
        return Account(name)

    # --- time and the market --------------------------------------------------------------------

    def apply(self, tick: Tick) -> None:
        if isinstance(tick, Marked):
            self.wait(tick.at)
            self.marks[tick.symbol], self.marked[tick.symbol] = tick.mark, tick
            self.tell("mark", None, tick)
            contract = self.contracts[tick.symbol]
            self._trigger(tick.symbol, "MARK_PRICE", int(tick.mark / contract.tick))
            self._moved |= self._holders[tick.symbol]
            self._liquidate()
        elif isinstance(tick, Funding):
            self.wait(tick.at)
            self._fund(tick)
        else:
            super().apply(tick)

    def wait(self, until: int) -> None:
        """What runs out ends at its own time."""
        while self._good_till and self._good_till[0][0] <= until:
            at, _, one = heappop(self._good_till)
            self.now = max(self.now, at)
            if isinstance(one, Conditional):
                if one.status == "NEW":
                    self.end_conditional(one, "EXPIRED")
            elif one.is_open:
                self.end(one, "EXPIRED", 2)
        super().wait(until)

    def ends_next(self) -> int | None:
        """When the next order runs out, if one does."""
        return self._good_till[0][0] if self._good_till else None

    # --- money ----------------------------------------------------------------------------------

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
        if again:
            account.open[order.id] = order
        else:
            self._end_in_time(order)
            self.enter(account, order)
        self.match(order)
        return order

    def worst(self, order: Order) -> int:
        """A bound around the mark."""
        contract = self.contracts[order.symbol]
        bound = contract.bounds[1 if order.side == BUY else 0]
        return int(self.marks[order.symbol] * bound / contract.tick)

    def look(self) -> None:
        self._liquidate()

    def is_priced(self, symbol: str) -> bool:
        return symbol in self.marks

    def _end_in_time(self, one: Order | Conditional) -> None:
        if one.good_till > 0:
            heappush(self._good_till, (one.good_till, one.id, one))

    def end_all(self, tick: Status) -> None:
        """Orders end, positions close at the mark."""
        contract = self.contracts[tick.symbol]
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

    def allowed(self, contract: Contract, order: Order, lots: int) -> int:
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
        order.quote += worth
        position.updated = self.now
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
        self.advance(account, order, lots)
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

    def triggered(self, symbol: str, ticks: int) -> None:
        self._trigger(symbol, "CONTRACT_PRICE", ticks)

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
