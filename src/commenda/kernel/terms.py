"""What trading costs and on which terms: fees, slippage, liquidity, latency, margin."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from commenda.kernel.bars import Array

BASIS_POINT = 1e-4
DAY = timedelta(days=1)
INSTANT = timedelta(0)
SPOT_MOST = 0.99
"""The greatest part of its equity that an account holds at spot. Nothing is lent there: at one per
cent beyond the price that it was decided at, which is the farthest that an order of ours goes
(0.99 · 1.01 < 1), what is bought can still be paid; and its fee is taken of it."""


class FeeTier(NamedTuple):
    """Fees in basis points from a turnover of `turnover` in quote currency on."""

    turnover: float
    taker_bps: float
    maker_bps: float


@dataclass(frozen=True, slots=True)
class Costs:
    """Costs of a fill, in basis points of its notional.

    `fee_bps` is the taker's fee, `maker_bps` the maker's (the taker's where None). With `tiers`
    both go by the turnover of the thirty whole days before, as exchanges grade it, and the two
    fees above are those below the first tier.

    Slippage moves every taker's fill against the trader from its reference price (open, or stop):
    `slippage_bps`, half of `spread_bps`, and `impact_bps` · √(quantity / volume of the bar), the
    square-root law of market impact (Almgren, Thum, Hauptmann, Li 2005; Tóth et al. 2011), so
    `impact_bps` is the impact of taking as much as the bar traded. A maker's fill has none.
    """

    fee_bps: float = 5.0
    slippage_bps: float = 1.0
    maker_bps: float | None = None
    spread_bps: float = 0.0
    impact_bps: float = 0.0
    tiers: tuple[FeeTier, ...] = ()

    def __post_init__(self) -> None:
        for name in ("fee_bps", "slippage_bps", "spread_bps", "impact_bps"):
            value = getattr(self, name)
            if not 0.0 <= value < 10_000.0:
                raise ValueError(f"costs: {name} = {value!r} is not within 0 to 10,000 bp")
        # A maker may be paid a rebate.
        if self.maker_bps is not None and not -100.0 < self.maker_bps < 10_000.0:
            raise ValueError(f"costs: maker_bps = {self.maker_bps!r} is not within -100 to 10,000")
        steps = [tier.turnover for tier in self.tiers]
        if any(low >= high for low, high in pairwise(steps)) or any(step <= 0.0 for step in steps):
            raise ValueError(f"costs: turnovers of the fee tiers {steps} do not rise from above 0")
        for tier in self.tiers:
            if not (0.0 <= tier.taker_bps < 10_000.0 and -100.0 < tier.maker_bps < 10_000.0):
                raise ValueError(f"costs: fee tier {tuple(tier)!r} is not within 0 to 10,000 bp")

    @property
    def plain(self) -> bool:
        """Whether every fill costs the same rate, whatever its size and its past."""
        return self.spread_bps == self.impact_bps == 0.0 and not self.tiers

    def fee_table(self) -> Array:
        """Rows of (turnover, taker, maker) as fractions, the first from 0."""
        maker = self.fee_bps if self.maker_bps is None else self.maker_bps
        rows = [FeeTier(0.0, self.fee_bps, maker), *self.tiers]
        return np.array([(t, taker * BASIS_POINT, m * BASIS_POINT) for t, taker, m in rows])


@dataclass(frozen=True, slots=True)
class Latency:
    """How late each side knows: `feed` of a closed bar, `order` to the venue, `response` back.

    Bars know no instant between their open and their close, so a latency is rounded up to whole
    bars: an order sent at the close of bar i with any latency up to one bar reaches the venue in
    time for the open of bar i+2. Where that is too coarse, use finer bars or the L2 replay.
    """

    feed: timedelta = INSTANT
    order: timedelta = INSTANT
    response: timedelta = INSTANT

    def __post_init__(self) -> None:
        for name in ("feed", "order", "response"):
            if getattr(self, name) < INSTANT:
                raise ValueError(f"latency: {name} = {getattr(self, name)} is negative")

    def order_bars(self, interval: timedelta) -> int:
        """Bars by which an order misses the next open."""
        return math.ceil((self.feed + self.order) / interval)

    def response_bars(self, interval: timedelta) -> int:
        """Bars by which a step learns late of its fills. A slow feed hides a slow response."""
        return math.ceil(max(INSTANT, self.response - self.feed) / interval)


class MaintenanceTier(NamedTuple):
    """Maintenance margin from a notional of `notional` in quote currency on, as a fraction."""

    notional: float
    rate: float


@dataclass(frozen=True, slots=True)
class Margin:
    """Margin of a perpetual.

    A position may be opened up to `leverage` times the collateral, its costs paid. Where what is
    left of it at the worst price of a bar falls to the maintenance margin, the position is
    liquidated at the price at which that happened (at the open, if it lay beyond, and before
    anything else trades there), for `fee_bps` of its notional on top of the taker's fee; what is
    left of its margin then remains the account's.
    Cross margin (the default) stands for all positions with the whole account, isolated margin for
    one with what was set aside when it was opened. What is lost beyond that is the venue's loss:
    `Counts.shortfall`.

    `tiers` are marginal, as income tax is: each rate holds for the part of the notional in its
    tier, which is what exchanges express by a rate and a deduction.
    """

    leverage: float
    isolated: bool = False
    tiers: tuple[MaintenanceTier, ...] = (MaintenanceTier(0.0, 0.005),)
    fee_bps: float = 0.0

    def __post_init__(self) -> None:
        if not 1.0 <= self.leverage <= 200.0:
            raise ValueError(f"margin: leverage = {self.leverage!r} is not within 1 to 200")
        if not 0.0 <= self.fee_bps < 10_000.0:
            raise ValueError(f"margin: fee_bps = {self.fee_bps!r} is not within 0 to 10,000 bp")
        steps = [tier.notional for tier in self.tiers]
        if not steps or steps[0] != 0.0 or any(low >= high for low, high in pairwise(steps)):
            raise ValueError(f"margin: notionals of the tiers {steps} do not rise from 0")
        if any(not 0.0 < tier.rate < 1.0 for tier in self.tiers):
            raise ValueError("margin: a maintenance rate is not within 0 to 1")
        if any(low.rate > high.rate for low, high in pairwise(self.tiers)):
            raise ValueError("margin: maintenance rates fall from one tier to the next")

    def table(self) -> Array:
        """Rows of (notional, rate, deduction), so that margin = rate · notional - deduction."""
        rows, deduction, before = [], 0.0, 0.0
        for notional, rate in self.tiers:
            deduction += notional * (rate - before)
            before = rate
            rows.append((notional, rate, deduction))
        return np.array(rows)


@dataclass(frozen=True, slots=True)
class Terms:
    """The venue's terms beyond its costs. The defaults ask for nothing: see `account.py`.

    `participation`: fills of one bar take at most this share of its volume, together (None: no
    cap). `lot`: quantities are whole multiples of it (0: any). `margin` None: none is asked for.
    `spot`: what is bought is held, nothing is lent. A target below 0 counts as 0, one above
    `SPOT_MOST` as that.
    """

    participation: float | None = None
    lot: float = 0.0
    latency: Latency = field(default_factory=Latency)
    margin: Margin | None = None
    spot: bool = False

    def __post_init__(self) -> None:
        if self.spot and self.margin is not None:
            raise ValueError("terms: there is no margin at spot")
        if self.participation is not None and not 0.0 < self.participation <= 1.0:
            raise ValueError(f"terms: participation = {self.participation!r} is not within 0 to 1")
        if not 0.0 <= self.lot < math.inf:
            raise ValueError(f"terms: lot = {self.lot!r} is negative or no number")

    @property
    def plain(self) -> bool:
        """Whether a target is simply filled whole at the next open."""
        return replace(self, spot=False) == Terms()

    @property
    def bounds(self) -> tuple[float, float]:
        """Between what a target is kept."""
        return (0.0, SPOT_MOST) if self.spot else (-math.inf, math.inf)
