"""Whether one flow earns more than another, asked as often as one likes: pure.

The difference of the two flows' returns, bar by bar, has a mean; a confidence sequence holds that
mean at every bar at once with the stated probability, so that looking after each bar and stopping
at the first answer costs nothing. A fixed interval looked at so often would err sooner or later.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Differences:
    """What the test is told of the differences: how many, their mean and standard deviation."""

    count: int
    mean: float
    deviation: float


@dataclass(frozen=True, slots=True)
class Bounds:
    """The mean of the differences lies within, at every bar, but for the stated error."""

    low: float
    high: float


def differences(pairs: Sequence[tuple[float, float]]) -> Differences:
    """Of (incumbent, canary) returns: what the canary earned more, a bar."""
    found = np.array([canary - incumbent for incumbent, canary in pairs], dtype=float)
    if len(found) < 2:
        return Differences(len(found), float(found.sum()), 0.0)
    return Differences(len(found), float(found.mean()), float(found.std(ddof=1)))


def bounds(told: Differences, error: float, tightest_at: int) -> Bounds | None:
    """The confidence sequence of a mean, two-sided, at level 1 - `error`; None before it says
    anything: of fewer than two differences, or where they do not vary.

    The normal mixture's boundary with the variance estimated from what was seen: Waudby-Smith,
    Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory and asymptotic confidence
    sequences" (Annals of Statistics, 2024): mean ± s·sqrt(2(tρ²+1)/(t²ρ²) ·
    log(sqrt(tρ²+1)/α)). It is the mixture sequential probability ratio test of Robbins (1970)
    turned into an interval. `tightest_at` chooses ρ: of so many differences it is the narrowest.
    It is asymptotic: the first few differences are no ground to stop on.
    """
    if told.count < 2 or told.deviation <= 0.0:
        return None
    log = -2.0 * math.log(error)
    rho = (log + math.log(log + 1.0)) / tightest_at
    scale = told.count * rho
    width = told.deviation * math.sqrt(
        2.0 * (scale + 1.0) / (told.count * scale) * math.log(math.sqrt(scale + 1.0) / error)
    )
    return Bounds(told.mean - width, told.mean + width)
