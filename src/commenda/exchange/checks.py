"""What an order must be before the exchange takes it: filters, modes, margin."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

from commenda.exchange.margins import ordered_of, standing
from commenda.exchange.model import (
    BOTH,
    BUY,
    LONG,
    SELL,
    ZERO,
    Account,
    Conditional,
    Contract,
    Order,
)
from commenda.exchange.refusals import Refused
from commenda.kit.money import plain

if TYPE_CHECKING:
    from commenda.exchange.engine import Exchange

_CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
MOST_CONDITIONALS = 200


def check_order(exchange: Exchange, account: Account, order: Order) -> None:
    """Refuse an order that breaks a filter, a mode or the margin, with the exchange's code."""
    contract = exchange.contracts[order.symbol]
    _check_terms(exchange, account, order, contract)
    mark = exchange.marks[order.symbol]
    price = mark if order.ticks is None else contract.price(order.ticks)
    notional = price * contract.quantity(order.lots)
    reduces = _reduces(account, order)
    if not (order.reduce_only or order.close_position) and notional < contract.minimum_notional:
        raise Refused(-4164, notional=plain(contract.minimum_notional))
    if order.ticks is not None:
        low, high = (mark * bound for bound in contract.bounds)
        if order.side == BUY and price > high:
            raise Refused(-4016)
        if order.side == SELL and price < low:
            raise Refused(-4024)
    book = exchange.books[order.symbol]
    if order.tif == "GTX" and book.crosses(order):
        raise Refused(-5022)
    if order.type == "MARKET":
        bound = contract.bounds[1 if order.side == BUY else 0]
        if not book.offered(order.side, int(mark * bound / contract.tick)):
            raise Refused(-4131)
    if not reduces:
        _check_margin(exchange, account, contract, order, notional)


def check_conditional(exchange: Exchange, account: Account, one: Conditional) -> None:
    """Refuse a conditional order; whether it has margin is asked when it is sent."""
    contract = exchange.contracts[one.symbol]
    if len([o for o in account.conditionals.values() if o.status == "NEW"]) >= MOST_CONDITIONALS:
        raise Refused(-4045)
    if any(
        o.client_id == one.client_id for o in account.conditionals.values() if o.status == "NEW"
    ):
        raise Refused(-4116)
    _check_side(account, one.side, one.position_side, one.reduce_only)
    if not one.close_position and one.lots <= 0:
        raise Refused(-4003)
    last = exchange.books[one.symbol].last
    price = (
        last if one.working == "CONTRACT_PRICE" else int(exchange.marks[one.symbol] / contract.tick)
    )
    if price is not None and one.is_met(price):
        raise Refused(-2021)


def _check_terms(exchange: Exchange, account: Account, order: Order, contract: Contract) -> None:
    if not _CLIENT_ID.fullmatch(order.client_id):
        raise Refused(-4015)
    if any(one.client_id == order.client_id for one in account.open.values()):
        raise Refused(-4116)
    if order.lots <= 0:
        raise Refused(-2022 if order.close_position or order.reduce_only else -4003)
    if order.lots > contract.maximum_lots:
        raise Refused(-4005)
    if order.ticks is not None and order.ticks <= 0:
        raise Refused(-4013)
    _check_side(account, order.side, order.position_side, order.reduce_only)
    if contract.status != "TRADING" and not _reduces(account, order):
        raise Refused(-4140)
    if exchange.marks.get(order.symbol) is None:
        raise Refused(-1122)


def _check_side(account: Account, side: int, position_side: str, reduce_only: bool) -> None:
    if account.hedge is (position_side == BOTH):
        raise Refused(-4061)
    if account.hedge and reduce_only:
        raise Refused(-1106, name="reduceonly")


def _reduces(account: Account, order: Order) -> bool:
    """Whether an order can only close. Code −2022 for one that must and cannot."""
    held = account.position(order.symbol, order.position_side).lots
    closes = -held * order.side
    if account.hedge:
        if (order.side == BUY) is (order.position_side == LONG):
            return False
        if order.lots > closes - _closing(account, order):
            raise Refused(-2022)
        return True
    if order.reduce_only and closes <= 0:
        raise Refused(-2022)
    return order.reduce_only or (0 < order.lots <= closes)


def _closing(account: Account, order: Order) -> int:
    """Lots that other open orders close of the same side's position."""
    return sum(
        one.left
        for one in account.open.values()
        if (one.symbol, one.position_side, one.side)
        == (order.symbol, order.position_side, order.side)
    )


def _check_margin(
    exchange: Exchange, account: Account, contract: Contract, order: Order, notional: Decimal
) -> None:
    mark, leverage = exchange.marks[order.symbol], account.leverage_of(order.symbol)
    held = abs(account.position(order.symbol, order.position_side).notional(contract, mark))
    if held + notional > contract.largest(leverage):
        raise Refused(-2027)
    now = standing(account, exchange.contracts, exchange.marks)
    before = ordered_of(account, contract, mark)
    after = ordered_of(account, contract, mark, (order.side, notional))
    # What it takes is lost at once: the way from its worst price to the mark, and the fee.
    worse = max(ZERO, order.side * (notional - mark * contract.quantity(order.lots)))
    if after - before + worse + notional * contract.taker > now.available:
        raise Refused(-2019)
