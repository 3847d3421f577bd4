"""Liquidation, as the exchange does it: orders end, positions close in the market at no worse than
their bankruptcy price, the fund takes what the market does not, and pays what the margin did not.
Where the fund does not last for that, positions of others are closed against it, by rank.

Source: Binance, "Liquidation protocols" and "What Is Auto-Deleveraging (ADL)". Of several positions
the one that binds the most margin goes first.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from commenda.exchange.margins import bankruptcy_price, standing
from commenda.exchange.model import (
    BUY,
    SELL,
    SIDE_NAMES,
    ZERO,
    Account,
    Order,
    Position,
    whole_units,
)

if TYPE_CHECKING:
    from commenda.exchange.engine import Exchange

CAUSE = 5
"""Why an order expired: its account was liquidated."""


def liquidate(exchange: Exchange, account: Account) -> None:
    """Close what is down to its maintenance margin: isolated positions one by one, or the cross
    ones until the rest stands."""
    if not any(one.lots for one in account.positions.values()):
        return
    for position in list(account.positions.values()):
        if position.lots and position.symbol in account.isolated and _is_lost(exchange, position):
            _end_orders(exchange, account, position.symbol)
            _close(exchange, account, position)
    while standing(account, exchange.contracts, exchange.marks, with_orders=False).is_lost:
        if _end_orders(exchange, account, None):
            continue
        crossed = [
            one
            for one in account.positions.values()
            if one.lots and one.symbol not in account.isolated
        ]
        largest = max(
            crossed,
            key=lambda one: abs(
                one.notional(exchange.contracts[one.symbol], exchange.marks[one.symbol])
            ),
        )
        _close(exchange, account, largest)


def close_by_force(
    exchange: Exchange,
    account: Account,
    position: Position,
    ticks: int,
    prefix: str,
    lots: int | None = None,
) -> None:
    """Close a position, or so many lots of it, at a price, under a client id that says why, without
    a fee."""
    contract = exchange.contracts[position.symbol]
    side = SELL if position.lots > 0 else BUY
    number = exchange.number()
    order = Order(
        number, f"{prefix}{exchange.now}" if prefix.endswith("-") else prefix, account.name,
        position.symbol, side, "LIMIT", "IOC", ticks, lots or abs(position.lots), exchange.now,
        position.side, updated=exchange.now,
    )  # fmt: skip
    account.orders[order.id] = account.open[order.id] = order
    exchange.tell("order", account.name, (order, "NEW", None))
    fees = contract.maker, contract.taker
    contract.maker = contract.taker = ZERO
    try:
        exchange.fill(order, ticks, order.lots, exchange.number(), False)
    finally:
        contract.maker, contract.taker = fees
    exchange.tell("liquidation", None, (order, SIDE_NAMES[side]))


def _bankruptcy(exchange: Exchange, account: Account, position: Position) -> int:
    """Its price in ticks, on the side that is worse for the account."""
    contract = exchange.contracts[position.symbol]
    price = bankruptcy_price(account, position, exchange.contracts, exchange.marks) / contract.tick
    return max(1, int(price) + (1 if position.lots < 0 and price % 1 else 0))


def _is_lost(exchange: Exchange, position: Position) -> bool:
    contract, mark = exchange.contracts[position.symbol], exchange.marks[position.symbol]
    kept = contract.kept(abs(position.notional(contract, mark)))
    return position.margin + position.unrealised(contract, mark) <= kept


def _end_orders(exchange: Exchange, account: Account, symbol: str | None) -> bool:
    """End what is open, of an isolated contract or of all others; whether there was anything."""
    ended = [
        one
        for one in account.open.values()
        if (one.symbol == symbol if symbol else one.symbol not in account.isolated)
    ]
    for order in ended:
        exchange.end(order, "EXPIRED", CAUSE)
    return bool(ended)


def _close(exchange: Exchange, account: Account, position: Position) -> None:
    """Sell to the market down to the bankruptcy price; the fund takes the rest at that price.

    The fee of a liquidation goes to the fund, as far as the margin lasts.
    """
    contract = exchange.contracts[position.symbol]
    worst = _bankruptcy(exchange, account, position)
    side = SELL if position.lots > 0 else BUY
    order = Order(
        exchange.number(), f"autoclose-{exchange.now}", account.name, position.symbol, side,
        "LIMIT", "IOC", worst, abs(position.lots), exchange.now, position.side, reduce_only=True,
        updated=exchange.now,
    )  # fmt: skip
    account.orders[order.id] = account.open[order.id] = order
    exchange.tell("order", account.name, (order, "CALCULATED", None))
    before = order.quote
    for match in exchange.books[position.symbol].take(order, worst):
        if match.maker is None or match.maker.account != account.name:
            exchange.settle(contract, match)
        if not order.is_open:
            break
    if order.is_open:
        exchange.end(order, "EXPIRED", CAUSE)
    fee = (order.quote - before) * contract.liquidation_fee
    fee = whole_units(min(fee, exchange.free(account)))
    if fee > 0:
        exchange.pay(account, "INSURANCE_CLEAR", position.symbol, -fee)
        exchange.insurance += fee
    if position.lots:
        _take_rest(exchange, account, position, _bankruptcy(exchange, account, position))
    if account.wallet < 0 and not any(one.lots for one in account.positions.values()):
        exchange.insurance += account.wallet
        exchange.pay(account, "INSURANCE_CLEAR", position.symbol, -account.wallet)
    exchange.tell("liquidation", None, (order, side))


def _take_rest(exchange: Exchange, account: Account, position: Position, ticks: int) -> None:
    """What the market did not take at the bankruptcy price: the fund does, which gets rid of it at
    the mark, or those who hold the other side."""
    contract, mark = exchange.contracts[position.symbol], exchange.marks[position.symbol]
    gained = position.notional(contract, mark) - contract.worth(ticks, position.lots)
    if exchange.spares_fund(position.symbol) or exchange.insurance + gained < ZERO:
        for holder, other in ranked(exchange, position.symbol, -position.lots):
            lots = min(abs(other.lots), abs(position.lots))
            if not lots:
                break
            _end_orders(exchange, holder, position.symbol)
            close_by_force(exchange, holder, other, ticks, "adl_autoclose", lots)
            close_by_force(exchange, account, position, ticks, "autoclose-", lots)
    if position.lots:
        exchange.insurance += position.notional(contract, mark)
        exchange.insurance -= contract.worth(ticks, position.lots)
        close_by_force(exchange, account, position, ticks, "autoclose-")


def ranked(exchange: Exchange, symbol: str, side: int) -> list[tuple[Account, Position]]:
    """Who holds a side of a contract, in the order in which they are deleveraged."""
    held = [
        (account, position)
        for account in exchange.accounts.values()
        for position in account.positions.values()
        if position.symbol == symbol and position.lots * side > 0
    ]
    return sorted(held, key=lambda one: _rank(exchange, *one), reverse=True)


def _rank(exchange: Exchange, account: Account, position: Position) -> Decimal:
    """Profit of what stands for it, times the margin ratio; of a loss, divided by it."""
    contract, mark = exchange.contracts[position.symbol], exchange.marks[position.symbol]
    if position.symbol in account.isolated:
        stands = position.margin + position.unrealised(contract, mark)
        kept = contract.kept(abs(position.notional(contract, mark)))
    else:
        of = standing(account, exchange.contracts, exchange.marks)
        stands, kept = of.cross_wallet + of.cross_unrealised, of.cross_kept
    stands = max(stands, contract.tick)
    profit, ratio = position.unrealised(contract, mark) / stands, kept / stands
    return profit * ratio if profit > ZERO else profit / max(ratio, contract.tick)


def quantile(exchange: Exchange, account: Account, position: Position) -> int:
    """How near to the head of that order, from 0 to 4."""
    holders = [one for one, _ in ranked(exchange, position.symbol, position.lots)]
    return 4 - 5 * holders.index(account) // len(holders)
