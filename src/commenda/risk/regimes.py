"""In which state a market is, told bar by bar from what has closed: how restless, and which way.

Volatility: the deviation of log returns weighted exponentially over a short memory against the same
over a long one (RiskMetrics, 1996, decay 0.94). Trend: Kaufman's efficiency ratio (*Trading
Systems and Methods*, 1978), the net move of the last bars over the way that was walked. Each state
is entered at one level and left at another, so that a figure that wavers about one does not switch
it at every bar. A bar's state depends on nothing after it: `regimes` of a part is a part of
`regimes` of the whole.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final


class Volatility(StrEnum):
    CALM = "calm"
    NORMAL = "normal"
    WILD = "wild"


class Trend(StrEnum):
    DOWN = "down"
    FLAT = "flat"
    UP = "up"


FAST: Final = 0.94
"""RiskMetrics' decay for daily returns: half of the weight is in the last 11 bars."""
SLOW: Final = 0.99
"""Half of the weight is in the last 69 bars."""
WARM: Final = 60
"""Bars before the long memory says something; until then a market is normal."""
WILD_FROM, WILD_TO = 1.5, 1.2
"""Deviation over what is usual: entered at the first, left below the second."""
CALM_FROM, CALM_TO = 0.6, 0.8
"""Entered below the first, left at the second."""
SPAN: Final = 24
"""Bars of the efficiency ratio."""
TREND_FROM, TREND_TO = 0.4, 0.2
"""Efficiency: entered at the first, left below the second."""


@dataclass(frozen=True, slots=True)
class Regime:
    """The state after a bar, and the figures that it was told from."""

    volatility: Volatility
    trend: Trend
    ratio: float
    """Deviation of the short memory over that of the long one; 1 until it is warm."""
    efficiency: float
    """From -1, straight down, to 1, straight up; 0 until there are enough bars."""
    deviation: float
    """Of one bar's log return, by the short memory."""


START: Final = Regime(Volatility.NORMAL, Trend.FLAT, 1.0, 0.0, 0.0)


def regimes(closes: Sequence[float]) -> list[Regime]:
    """The state after each bar of a series of closes, all above 0."""
    found = list[Regime]()
    fast = slow = 0.0
    before = START
    for place, close in enumerate(closes):
        if place:
            square = math.log(close / closes[place - 1]) ** 2
            # The first square begins both memories.
            fast = square if place == 1 else FAST * fast + (1.0 - FAST) * square
            slow = square if place == 1 else SLOW * slow + (1.0 - SLOW) * square
        ratio = math.sqrt(fast / slow) if place >= WARM and slow > 0.0 else 1.0
        straight = efficiency(closes[max(0, place - SPAN) : place + 1])
        before = Regime(
            next_volatility(before.volatility, ratio),
            next_trend(before.trend, straight),
            ratio,
            straight,
            math.sqrt(fast),
        )
        found.append(before)
    return found


def efficiency(closes: Sequence[float]) -> float:
    """The net move over the way walked, signed; 0 of fewer than SPAN moves, or where nothing
    moved."""
    if len(closes) <= SPAN:
        return 0.0
    way = sum(abs(now - last) for last, now in pairwise(closes))
    return (closes[-1] - closes[0]) / way if way > 0.0 else 0.0


def next_volatility(before: Volatility, ratio: float) -> Volatility:
    """The state that follows one at a ratio of deviations."""
    if ratio >= (WILD_TO if before is Volatility.WILD else WILD_FROM):
        return Volatility.WILD
    if ratio < (CALM_TO if before is Volatility.CALM else CALM_FROM):
        return Volatility.CALM
    return Volatility.NORMAL


def next_trend(before: Trend, straight: float) -> Trend:
    """The state that follows one at an efficiency."""
    if straight >= (TREND_TO if before is Trend.UP else TREND_FROM):
        return Trend.UP
    if -straight >= (TREND_TO if before is Trend.DOWN else TREND_FROM):
        return Trend.DOWN
    return Trend.FLAT
