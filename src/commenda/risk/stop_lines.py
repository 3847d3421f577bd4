"""How far stops lie, by what moved: the average range, the deviation, the equity curve, the regime.

A set of stops says how far they lie in a usual market. What is not usual changes that by factors
that multiply:

    range    the wider of the average true range and 1.6 deviations, over the average true range
    regime   1.25 in a wild market, 0.8 in a calm one
    side     0.75 against the market's trend
    curve    0.75 while the flow's own equity falls steadily, by the t of its slope

The range of a Brownian motion over one bar is sqrt(8/pi) = 1.596 of its deviation (Feller, 1951;
Parkinson, 1980): where returns have grown wilder than the ranges of the last bars show, the line
is wider at once. All factors together stay within a half and twice what the set says, and a stop of
the account or of the equity curve is never moved: those are limits, not lines.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from commenda.risk.regimes import Trend, Volatility

OF_RANGE: Final = math.sqrt(8.0 / math.pi)
"""The mean range of a Brownian motion over a bar, in its deviations."""
LINES: Final = ("fraction", "atr", "volatility", "chandelier")
"""The stops that slide: each a multiple of something, or a fraction of the price."""
LEAST, MOST = 0.5, 2.0
"""Of what a set says."""
FALLING: Final = -2.0
"""The t of the equity's slope below which it falls steadily."""
_REGIME: Final[Mapping[Volatility, float]] = {
    Volatility.CALM: 0.8,
    Volatility.NORMAL: 1.0,
    Volatility.WILD: 1.25,
}
_AGAINST: Final = 0.75


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the lines of a position follow."""

    range: float
    """The average true range, as a fraction of the price."""
    deviation: float
    """Of one bar's log return."""
    slope: float
    """The t of the slope of the flow's equity curve (`slope_t`)."""
    volatility: Volatility
    trend: Trend
    side: int
    """1 long, -1 short, 0 flat."""


def factors(now: Conditions) -> dict[str, float]:
    """What moves the lines, each by how much; their product is within LEAST and MOST."""
    against = (now.trend is Trend.UP and now.side < 0) or (now.trend is Trend.DOWN and now.side > 0)
    return {
        "range": max(1.0, OF_RANGE * now.deviation / now.range) if now.range > 0.0 else 1.0,
        "regime": _REGIME[now.volatility],
        "side": _AGAINST if against else 1.0,
        "curve": _AGAINST if now.slope < FALLING else 1.0,
    }


def stop_lines(base: Mapping[str, Any], now: Conditions) -> dict[str, Any]:
    """A set of stops with its lines where they belong now, to four decimals."""
    times = min(max(math.prod(factors(now).values()), LEAST), MOST)
    moved = {name: round(base[name] * times, 4) for name in LINES if base.get(name)}
    if "fraction" in moved:
        moved["fraction"] = min(moved["fraction"], 0.95)
    return {**base, **moved}


def slope_t(values: Sequence[float]) -> float:
    """Student's t of the slope of the logarithms of a curve over its places (ordinary least
    squares); 0 of fewer than five values, or where they lie on a level line.

    On a straight line that is not level it is infinite: it is said as 99, by its sign.
    """
    if len(values) < 5 or min(values) <= 0.0:
        return 0.0
    logs = [math.log(one) for one in values]
    count = len(logs)
    middle, mean = (count - 1) / 2.0, sum(logs) / count
    spread = sum((place - middle) ** 2 for place in range(count))
    slope = sum((place - middle) * (one - mean) for place, one in enumerate(logs)) / spread
    rest = sum((one - mean - slope * (place - middle)) ** 2 for place, one in enumerate(logs))
    error = math.sqrt(rest / (count - 2) / spread)
    if abs(slope) < 1e-12:
        return 0.0
    return max(-99.0, min(99.0, slope / error)) if error > 0.0 else math.copysign(99.0, slope)
