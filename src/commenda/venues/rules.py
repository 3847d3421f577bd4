"""At which price an order trades in a bar, and what is left of it by the fee. Pure."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_UP, Decimal
from typing import NamedTuple, Protocol

from commenda.kit.money import floor_to, quantise, scale_of
from commenda.market import Bar, Instrument, Kind
from commenda.venues.model import Fill, OrderKind, Side, TimeInForce


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
    @property
    def time_in_force(self) -> TimeInForce: ...


class Trade(NamedTuple):
    price: Decimal
    maker: bool


def at_open(order: Priced, bar: Bar, slippage: Decimal, tick: Decimal) -> Trade | None:
    """As a taker: a market order always, a stop that the bar opens at or beyond, and a limit that
    the price after slippage keeps. What only makes was there before: at its limit, as a maker,
    where the bar opens beyond it."""
    opened = Decimal(str(bar.open))
    if order.time_in_force is TimeInForce.POST_ONLY:
        return _made(order, opened, opened)
    if not triggered(order, bar, opens=True):
        return None
    return _kept(order, slip(order.side, opened, slippage, tick))


def would_take(order: Priced, bar: Bar, slippage: Decimal, tick: Decimal) -> bool:
    """Whether what only makes comes too late to a bar that opens now: it would trade at once."""
    if order.time_in_force is not TimeInForce.POST_ONLY:
        return False
    price = slip(order.side, Decimal(str(bar.open)), slippage, tick)
    return _kept(order, price) is not None


def triggered(order: Priced, bar: Bar, *, opens: bool) -> bool:
    """Whether a stop's trigger trades at a bar's open, or else anywhere in it; True without one."""
    worst = bar.open if opens else bar.low if order.side is Side.SELL else bar.high
    if order.trigger_price is None:
        return True
    price = Decimal(str(worst))
    above = order.side is Side.BUY
    return price >= order.trigger_price if above else price <= order.trigger_price


def inside(order: Priced, bar: Bar, slippage: Decimal, tick: Decimal) -> Trade | None:
    """Between a bar's open and its close: a stop whose trigger traded, at the trigger; a limit that
    the bar went through, not one that it touched, at the limit and as a maker."""
    if order.trigger_price is None:
        return _made(order, Decimal(str(bar.low)), Decimal(str(bar.high)))
    if not triggered(order, bar, opens=False):
        return None
    return _kept(order, slip(order.side, order.trigger_price, slippage, tick))


def _kept(order: Priced, price: Decimal) -> Trade | None:
    """As a taker at a price, unless the limit forbids it."""
    if order.limit_price is not None and order.side.sign * (price - order.limit_price) > 0:
        return None
    return Trade(price, maker=False)


def _made(order: Priced, low: Decimal, high: Decimal) -> Trade | None:
    """As a maker at the limit, where the market went through it."""
    if order.limit_price is None:
        return None
    through = low < order.limit_price if order.side is Side.BUY else high > order.limit_price
    return Trade(order.limit_price, maker=True) if through else None


def only_closes(order: Priced, instrument: Instrument) -> bool:
    """Whether an order can get no more than closes what is held: at spot, whatever sells."""
    return instrument.kind is Kind.SPOT and order.side is Side.SELL


def left_of(
    instrument: Instrument, side: Side, quantity: Decimal, price: Decimal, rate: Decimal
) -> tuple[Decimal, Decimal]:
    """Quantity and fee of a fill. What is bought at spot pays it in kind, whole steps of it: less
    is left, and the fee is worth what was taken. Any other pays in money."""
    if instrument.kind is Kind.SPOT and side is Side.BUY:
        taken = floor_to(quantity * rate, instrument.step)
        return quantity - taken, taken * price
    return quantity, quantise(quantity * price * rate, scale_of(instrument.quote), ROUND_UP)


def before_fee(instrument: Instrument, side: Side, fill: Fill) -> Decimal:
    """What was traded of which a fill is left."""
    if instrument.kind is Kind.SPOT and side is Side.BUY:
        return fill.quantity + fill.fee / fill.price
    return fill.quantity


def slip(side: Side, price: Decimal, slippage: Decimal, tick: Decimal) -> Decimal:
    """The price moved against the trader and rounded to the worse tick."""
    moved = price * (1 + side.sign * slippage)
    rounding = ROUND_CEILING if side is Side.BUY else ROUND_FLOOR
    return (moved / tick).to_integral_value(rounding=rounding) * tick
