"""At which price an order trades in a bar. Pure."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import NamedTuple, Protocol

from commenda.market import Bar
from commenda.venues.model import OrderKind, Side


class Priced(Protocol):
    """What an order says of prices."""

    @property
    def side(self) -> Side: ...
    @property
    def kind(self) -> OrderKind: ...
    @property
    def limit_price(self) -> Decimal | None: ...
    @property
    def trigger_price(self) -> Decimal | None: ...


class Trade(NamedTuple):
    price: Decimal
    maker: bool


def at_open(order: Priced, bar: Bar, slippage: Decimal, tick: Decimal) -> Trade | None:
    """As a taker: a market order always, a stop that the bar opens at or beyond, and a limit that
    the price after slippage keeps."""
    opened = Decimal(str(bar.open))
    if order.trigger_price is not None and not _reached(order.side, order.trigger_price, opened):
        return None
    price = slip(order.side, opened, slippage, tick)
    if order.limit_price is not None and order.side.sign * (price - order.limit_price) > 0:
        return None
    return Trade(price, maker=False)


def inside(order: Priced, bar: Bar, slippage: Decimal, tick: Decimal) -> Trade | None:
    """Between a bar's open and its close: a stop whose trigger traded, at the trigger; a limit that
    the bar went through, not one that it touched, at the limit and as a maker."""
    low, high = Decimal(str(bar.low)), Decimal(str(bar.high))
    if order.trigger_price is not None:
        worst = low if order.side is Side.SELL else high
        if _reached(order.side, order.trigger_price, worst):
            return Trade(slip(order.side, order.trigger_price, slippage, tick), maker=False)
    elif order.limit_price is not None:
        through = low < order.limit_price if order.side is Side.BUY else high > order.limit_price
        if through:
            return Trade(order.limit_price, maker=True)
    return None


def _reached(side: Side, trigger: Decimal, price: Decimal) -> bool:
    return price <= trigger if side is Side.SELL else price >= trigger


def slip(side: Side, price: Decimal, slippage: Decimal, tick: Decimal) -> Decimal:
    """The price moved against the trader and rounded to the worse tick."""
    moved = price * (1 + side.sign * slippage)
    rounding = ROUND_CEILING if side is Side.BUY else ROUND_FLOOR
    return (moved / tick).to_integral_value(rounding=rounding) * tick
