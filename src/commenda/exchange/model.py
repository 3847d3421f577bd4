"""Orders, positions and contracts as the exchange keeps them. Prices are whole ticks and quantities
whole lots; what is paid is exact."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from typing import Any, NamedTuple

BUY, SELL = 1, -1
SIDES = {"BUY": BUY, "SELL": SELL}
SIDE_NAMES = {BUY: "BUY", SELL: "SELL"}
BOTH, LONG, SHORT = "BOTH", "LONG", "SHORT"
OPEN_STATES = ("NEW", "PARTIALLY_FILLED")
CENT = Decimal("0.00000001")
"""What an amount of money is a multiple of."""
ZERO = Decimal(0)
REMEMBERED = 5_000
"""Orders, trades and payments of an account that are remembered after they are over, each."""


def whole_units(amount: Decimal) -> Decimal:
    """An amount at eight decimals, rounded toward zero."""
    return amount.quantize(CENT, ROUND_DOWN)


class Tier(NamedTuple):
    """From `floor` to `cap` of notional: how much leverage, and which margin is to be kept."""

    floor: Decimal
    cap: Decimal
    leverage: int
    rate: Decimal
    deduction: Decimal


TIERS = (
    Tier(Decimal(0), Decimal(50_000), 125, Decimal("0.004"), Decimal(0)),
    Tier(Decimal(50_000), Decimal(500_000), 100, Decimal("0.005"), Decimal(50)),
    Tier(Decimal(500_000), Decimal(8_000_000), 50, Decimal("0.01"), Decimal(2_550)),
    Tier(Decimal(8_000_000), Decimal(50_000_000), 20, Decimal("0.025"), Decimal(122_550)),
    Tier(Decimal(50_000_000), Decimal(10) ** 12, 5, Decimal("0.05"), Decimal(1_372_550)),
)
"""The deduction makes the margin continuous: floor · (rate − the rate before) more each time."""


@dataclass(slots=True)
class Contract:
    """What is traded, and on which terms."""

    symbol: str
    base: str
    quote: str
    tick: Decimal
    lot: Decimal
    minimum_notional: Decimal
    maker: Decimal
    taker: Decimal
    tiers: tuple[Tier, ...] = TIERS
    maximum_lots: int = 10**9
    bounds: tuple[Decimal, Decimal] = (Decimal("0.95"), Decimal("1.05"))
    """A limit's price and a market order's worst one, of the mark."""
    liquidation_fee: Decimal = Decimal("0.0125")
    status: str = "TRADING"

    def price(self, ticks: int) -> Decimal:
        return ticks * self.tick

    def quantity(self, lots: int) -> Decimal:
        return lots * self.lot

    def worth(self, ticks: int, lots: int) -> Decimal:
        return ticks * self.tick * lots * self.lot

    def kept(self, notional: Decimal) -> Decimal:
        """The maintenance margin of a position of that notional."""
        tier = next((one for one in self.tiers if notional < one.cap), self.tiers[-1])
        return notional * tier.rate - tier.deduction

    def largest(self, leverage: int) -> Decimal:
        """The largest notional that is allowed at a leverage."""
        return max(one.cap for one in self.tiers if one.leverage >= leverage)


@dataclass(slots=True)
class Order:
    """An order of one account in the book. `ahead` are the shown lots before it at its price."""

    id: int
    client_id: str
    account: str
    symbol: str
    side: int
    type: str
    tif: str
    ticks: int | None
    lots: int
    at: int
    """When it was accepted, in milliseconds."""
    position_side: str = BOTH
    reduce_only: bool = False
    close_position: bool = False
    stp: str = "EXPIRE_MAKER"
    good_till: int = 0
    original_type: str = ""
    trigger: Decimal | None = None
    status: str = "NEW"
    updated: int = 0
    ahead: int = 0
    filled: int = 0
    quote: Decimal = ZERO
    """What its fills were worth."""
    reason: int = 0
    """Why it expired, in the exchange's numbers."""
    fills: list[Trade] = field(default_factory=list)

    @property
    def left(self) -> int:
        return self.lots - self.filled

    @property
    def is_open(self) -> bool:
        return self.status in OPEN_STATES

    def average(self, contract: Contract) -> Decimal:
        return self.quote / contract.quantity(self.filled) if self.filled else ZERO


@dataclass(slots=True)
class Conditional:
    """An order that is sent once its trigger price is reached, by the algo service."""

    id: int
    client_id: str
    account: str
    symbol: str
    side: int
    type: str
    trigger: int
    """In ticks."""
    working: str
    tif: str
    ticks: int | None
    lots: int
    at: int
    position_side: str = BOTH
    reduce_only: bool = False
    close_position: bool = False
    good_till: int = 0
    status: str = "NEW"
    updated: int = 0
    triggered: int = 0
    actual: int | None = None
    refusal: str = ""
    is_trigger: bool = False
    """Sent as one of OKX's that do not say on which side of the market the trigger lies."""

    @property
    def is_over(self) -> bool:
        return self.status not in ("NEW", "TRIGGERING", "TRIGGERED")

    def is_met(self, ticks: int) -> bool:
        """Whether a price reaches the trigger: a buyer's stop lies above, his take-profit below."""
        return is_reached(self.side, self.type, self.trigger, ticks)


def is_reached(side: int, kind: str, trigger: int, ticks: int) -> bool:
    above = (side == BUY) is kind.startswith("STOP")
    return ticks >= trigger if above else ticks <= trigger


class Trade(NamedTuple):
    """A fill of one order. Of a trade between two accounts there are two, under one id."""

    id: int
    order: int
    symbol: str
    side: int
    position_side: str
    ticks: int
    lots: int
    fee: Decimal
    realised: Decimal
    maker: bool
    at: int


class Income(NamedTuple):
    """What changed a wallet, but for the fees and results of trades that say so themselves."""

    id: int
    kind: str
    symbol: str
    amount: Decimal
    asset: str
    at: int
    note: str = ""


@dataclass(slots=True)
class Position:
    """A position, its cost kept whole: wallet and unrealised profit add up to the last digit.

    `cost` has the sign of `lots`: what the open quantity was bought or sold for. `margin` is the
    isolated wallet; zero under cross margin.
    """

    symbol: str
    side: str
    lots: int = 0
    cost: Decimal = ZERO
    margin: Decimal = ZERO
    updated: int = 0

    def take(self, contract: Contract, lots: int, ticks: int) -> Decimal:
        """Add signed lots at a price; the profit that was realised."""
        realised = ZERO
        if self.lots and (lots > 0) is not (self.lots > 0):
            closed = min(abs(lots), abs(self.lots))
            cost = self.cost
            if closed < abs(self.lots):
                cost = whole_units(self.cost * closed / abs(self.lots))
            signed = closed if self.lots > 0 else -closed
            realised = contract.worth(ticks, signed) - cost
            self.lots -= signed
            self.cost -= cost
            lots += signed
        self.lots += lots
        self.cost += contract.worth(ticks, lots)
        return realised

    def notional(self, contract: Contract, mark: Decimal) -> Decimal:
        return contract.quantity(self.lots) * mark

    def unrealised(self, contract: Contract, mark: Decimal) -> Decimal:
        return self.notional(contract, mark) - self.cost

    def entry(self, contract: Contract) -> Decimal:
        return self.cost / contract.quantity(self.lots) if self.lots else ZERO


@dataclass(slots=True)
class Customer:
    """Who trades, and what of it is remembered."""

    name: str
    open: dict[int, Order] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    trades: list[Trade] = field(default_factory=list)

    def forget(self) -> None:
        """Let go of the oldest of what is over, once there is twice as much as is remembered."""
        cut(self.trades)
        if len(self.orders) > 2 * REMEMBERED:
            over = [number for number, one in self.orders.items() if not one.is_open]
            for number in over[:-REMEMBERED]:
                del self.orders[number]


def cut(rows: list[Any]) -> None:
    """Let go of the oldest rows, once there are twice as many as are remembered."""
    if len(rows) > 2 * REMEMBERED:
        del rows[:-REMEMBERED]


@dataclass(slots=True)
class Account(Customer):
    """What a customer has in futures."""

    wallet: Decimal = ZERO
    """Of the quote asset, isolated margin included."""
    hedge: bool = False
    positions: dict[tuple[str, str], Position] = field(default_factory=dict)
    leverage: dict[str, int] = field(default_factory=dict)
    isolated: set[str] = field(default_factory=set)
    conditionals: dict[int, Conditional] = field(default_factory=dict)
    income: list[Income] = field(default_factory=list)
    transfers: set[str] = field(default_factory=set)

    def position(self, symbol: str, side: str) -> Position:
        """What is held there; to ask makes nothing of it."""
        return self.positions.get((symbol, side)) or Position(symbol, side)

    def leverage_of(self, symbol: str) -> int:
        return self.leverage.get(symbol, 20)

    def forget(self) -> None:
        Customer.forget(self)  # no super(): a class with slots is made anew
        cut(self.income)
        if len(self.conditionals) > 2 * REMEMBERED:
            over = [number for number, one in self.conditionals.items() if one.is_over]
            for number in over[:-REMEMBERED]:
                del self.conditionals[number]
