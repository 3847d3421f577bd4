"""Spot beside the futures: what a fill moves between two assets, and what open orders lock.

Its books, orders and ids are a market of their own, for a symbol can name both a contract and a
pair. What is bought is had: of each asset an account has what is free and what its open orders
lock, and a fee is taken of what a trade brings, down to eight decimals, the rest of which is not
charged. Of each asset, what all accounts have, the fees and what the market's side has (`market`,
negative where it gave) are together what was paid in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from commenda.exchange.market import Status
from commenda.exchange.matching import Matching
from commenda.exchange.model import BUY, ZERO, Contract, Income, Order, Trade, whole_units
from commenda.exchange.refusals import Refused
from commenda.exchange.spot_model import SpotAccount, SpotOrder


class Spot(Matching[SpotAccount]):
    """Pairs, and what accounts have of their assets."""

    def __init__(self, contracts: Iterable[Contract], start: int) -> None:
        super().__init__(contracts, start)
        self.paid_in: dict[str, Decimal] = defaultdict(Decimal)
        self.fees: dict[str, Decimal] = defaultdict(Decimal)
        self.market: dict[str, Decimal] = defaultdict(Decimal)
        self._waiting: dict[str, dict[int, SpotOrder]] = defaultdict(dict)

    def opened(self, name: str) -> SpotAccount:
        return SpotAccount(name)

    # --- money ----------------------------------------------------------------------------------

    def assets(self) -> list[str]:
        """What is traded, and what was ever paid in."""
        traded = [one for of in self.contracts.values() for one in (of.base, of.quote)]
        return list(dict.fromkeys([*traded, *self.paid_in]))

    def transfer(
        self,
        account: SpotAccount,
        asset: str,
        amount: Decimal,
        note: str,
        kind: str = "TRANSFER",
    ) -> None:
        """Pay in, or out; a note once. Code −4111 for a note known, −2018 for more than is free."""
        amount = whole_units(amount)
        if note in account.transfers:
            raise Refused(-4111)
        if account.of(asset).free + amount < ZERO:
            raise Refused(-2018)
        account.transfers.add(note)
        account.add(asset, amount)
        self.paid_in[asset] += amount
        account.moves.append(Income(self.number(), kind, "", amount, asset, self.now, note))
        account.forget()
        self._tell_balances(account, asset)
        self.tell("moved", account.name, (asset, amount))

    def need(self, order: SpotOrder) -> Decimal:
        """What the rest of an order takes at most, of the asset that it gives."""
        of = self.contracts[order.symbol]
        if order.side != BUY:
            return of.quantity(order.left)
        if order.ticks is not None:
            return of.worth(order.ticks, order.left)
        if order.waits:
            return of.worth(order.trigger_ticks, order.left)
        return self.books[of.symbol].cost(order) * of.tick * of.lot

    def _lock(self, account: SpotAccount, order: SpotOrder, amount: Decimal) -> None:
        """Lock so much for an order in place of what it locks now."""
        more = amount - order.locked
        order.locked = amount
        account.add(order.gives(self.contracts[order.symbol]), -more, more)

    def _tell_balances(self, account: SpotAccount, *assets: str) -> None:
        account.changed = self.now
        self.tell("account", account.name, assets)

    def _tell_both(self, account: SpotAccount, order: Order) -> None:
        of = self.contracts[order.symbol]
        self._tell_balances(account, of.base, of.quote)

    # --- orders ---------------------------------------------------------------------------------

    def accept(self, account: SpotAccount, order: SpotOrder) -> SpotOrder:
        """Take an order that `checks` let through: it waits, rests or ends."""
        self._lock(account, order, self.need(order))
        self.enter(account, order)
        self._tell_both(account, order)
        if order.waits:
            self._waiting[order.symbol][order.id] = order
        else:
            order.working_at = self.now
            self.match(order)
        return order

    def worst(self, order: Order) -> None:
        return None

    def end(self, order: Order, status: str, reason: int = 0) -> None:
        assert isinstance(order, SpotOrder)
        account = self.accounts[order.account]
        self._waiting[order.symbol].pop(order.id, None)
        self._lock(account, order, ZERO)
        super().end(order, status, reason)
        self._tell_both(account, order)

    def end_all(self, tick: Status) -> None:
        for account in self.accounts.values():
            for order in [one for one in account.open.values() if one.symbol == tick.symbol]:
                self.end(order, "EXPIRED", 7)

    def triggered(self, symbol: str, ticks: int) -> None:
        for order in [one for one in self._waiting[symbol].values() if one.is_met(ticks)]:
            if order.is_open:
                self._send(self.accounts[order.account], order)

    def _send(self, account: SpotAccount, order: SpotOrder) -> None:
        """Its price was reached: it trades as what it is without one. Who bids without a limit
        locked what the trigger's price asks, and pays what the book asks now, if he has it."""
        del self._waiting[order.symbol][order.id]
        order.waits, order.working_at, order.updated = False, self.now, self.now
        self.tell("order", account.name, (order, "NEW", None))
        needed = self.need(order)
        if needed - order.locked > account.of(order.gives(self.contracts[order.symbol])).free:
            self.end(order, "EXPIRED", 9)
            return
        self._lock(account, order, needed)
        self.match(order)

    # --- fills ----------------------------------------------------------------------------------

    def fill(self, order: Order, ticks: int, lots: int, number: int, maker: bool) -> None:
        assert isinstance(order, SpotOrder)
        of, account = self.contracts[order.symbol], self.accounts[order.account]
        quantity, worth = of.quantity(lots), of.worth(ticks, lots)
        paid, brought = (worth, quantity) if order.side == BUY else (quantity, worth)
        fee = whole_units(brought * (of.maker if maker else of.taker))
        freed = paid if order.ticks is None else self._freed(of, order, lots)
        gives, gets = order.gives(of), order.gets(of)
        order.locked -= freed
        account.add(gives, freed - paid, -freed)
        account.add(gets, brought - fee)
        self.market[gives] += paid
        self.market[gets] -= brought
        self.fees[gets] += fee
        order.quote += worth
        trade = Trade(
            number, order.id, order.symbol, order.side, "", ticks, lots, fee, ZERO, maker, self.now
        )
        account.trades.append(trade)
        order.fills.append(trade)
        self.advance(account, order, lots)
        if not order.left and order.locked:
            self._lock(account, order, ZERO)
        self.tell("order", account.name, (order, "TRADE", trade))
        self._tell_both(account, order)

    def _freed(self, of: Contract, order: SpotOrder, lots: int) -> Decimal:
        """What an order with a limit had locked for these lots."""
        assert order.ticks is not None
        return of.worth(order.ticks, lots) if order.side == BUY else of.quantity(lots)
