"""Protective stops in layers, each a small pure rule that answers with a price.

Four layers watch a position, from the narrowest view to the widest:

- *strategy*: a fraction of the entry price, a multiple of ATR, a multiple of realised volatility,
  a number of bars held (ability 5 and 9 of the specification);
- *trailing*: the Chandelier exit, the parabolic SAR;
- *equity curve*: the fall of the account's equity from its peak;
- *account*: the fall of its equity below what it began with.

How they combine. Every rule that can is turned into a price of the one position held (an equity
falls to its floor at one price), and the tightest price stands: the highest under a long position,
the lowest above a short one. At one price the wider layer has it. Levels use closed bars only, so
nothing slides inside a bar; and what slides at all (ATR, volatility, Chandelier, SAR) only ever
tightens while the position lives. Time has no price: it closes at the next open.

What follows a stop is the layer's: after *strategy* and *trailing* the leg stays flat until the
target changes; after *equity curve* for `curve_bars` bars, whatever the strategy says (then what it
says stands, and the peak is counted anew); after *account* for the rest of the run.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields

import numpy as np

from commenda.kernel.compiling import inner

(
    NO_LAYER,
    BY_FRACTION,
    BY_ATR,
    BY_VOLATILITY,
    BY_CHANDELIER,
    BY_SAR,
    BY_EQUITY_CURVE,
    BY_ACCOUNT,
    BY_BARS,
) = map(float, range(9))
"""The rules that stop a position, as they are told apart where one of them fired."""
LAYERS = (
    "none",
    "fraction",
    "atr",
    "volatility",
    "chandelier",
    "sar",
    "equity_curve",
    "account",
    "bars",
)
"""Their names, in that order."""

FRACTIONS = (
    "fraction",
    "volatility_decay",
    "curve_drawdown",
    "account_loss",
    "sar_step",
    "sar_most",
)


@dataclass(frozen=True, slots=True)
class Stops:
    """Which stops the engine enforces; 0 means none.

    `fraction` of the entry price. `atr` times Wilder's ATR over `atr_length` bars from the entry;
    `volatility` times the deviation of a bar's log return from it, weighted exponentially with
    `volatility_decay` (RiskMetrics). `bars` held. `chandelier` times the same ATR from the extreme
    of `chandelier_length` bars (LeBeau). `sar_step` and `sar_most`: Wilder's parabolic, begun at
    the entry. `curve_drawdown`: fall of equity from its peak, as a fraction, then flat for
    `curve_bars`. `account_loss`: fall of equity below the cash begun with, as a fraction of it.

    `at_desk` says no stop: what is carried over a change of stops needs a desk to lie at, also
    where a fraction is all there is now.
    """

    fraction: float = 0.0
    atr: float = 0.0
    atr_length: int = 14
    volatility: float = 0.0
    volatility_decay: float = 0.97
    bars: int = 0
    chandelier: float = 0.0
    chandelier_length: int = 22
    sar_step: float = 0.0
    sar_most: float = 0.2
    curve_drawdown: float = 0.0
    curve_bars: int = 0
    account_loss: float = 0.0
    at_desk: bool = field(default=False, repr=False)  # a fingerprint of before stays

    def __post_init__(self) -> None:
        for name in FRACTIONS:
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(f"stops: {name} = {getattr(self, name)!r} is not within 0 to 1")
        for each in fields(self):
            value = getattr(self, each.name)
            if not 0.0 <= value < math.inf:
                raise ValueError(f"stops: {each.name} = {value!r} is negative or no number")
        for name in ("atr_length", "chandelier_length"):
            if getattr(self, name) < 1:
                raise ValueError(f"stops: {name} = {getattr(self, name)!r} is less than one bar")

    @property
    def plain(self) -> bool:
        """Whether a fraction of the entry price is all there is."""
        return self == Stops(fraction=self.fraction)


@inner
def fraction_stop(entry, side, fraction):  # type: ignore[no-untyped-def]
    """A fraction of the entry price against the position; `side` is 1 long, -1 short."""
    return entry * (1.0 - side * fraction)


@inner
def atr_stop(entry, side, atr, multiple):  # type: ignore[no-untyped-def]
    """`multiple` average true ranges against the entry price. NaN until the ATR is warm."""
    return entry - side * multiple * atr


@inner
def volatility_stop(entry, side, deviation, multiple):  # type: ignore[no-untyped-def]
    """`multiple` deviations of a bar's log return against the entry price."""
    return entry * math.exp(-side * multiple * deviation)


@inner
def chandelier_stop(side, highest, lowest, atr, multiple):  # type: ignore[no-untyped-def]
    """`multiple` ATRs below the highest high, or above the lowest low, of the window."""
    return highest - multiple * atr if side > 0.0 else lowest + multiple * atr


@inner
def floor_stop(floor, cash, quantity):  # type: ignore[no-untyped-def]
    """The price at which cash + quantity · price falls to `floor`; NaN where no price does."""
    price = (floor - cash) / quantity
    return price if price > 0.0 else np.nan


@inner
def next_sar(sar, extreme, acceleration):  # type: ignore[no-untyped-def]
    """Wilder's step of the parabolic: towards the extreme by the acceleration factor."""
    return sar + acceleration * (extreme - sar)


@inner
def tighter(side, price, standing):  # type: ignore[no-untyped-def]
    """Whether `price` stops a position sooner than `standing` (NaN: nothing stands)."""
    if math.isnan(price):
        return False
    return math.isnan(standing) or side * (price - standing) >= 0.0
