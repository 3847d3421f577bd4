"""A space, a random walk and what a course over it comes to."""

from __future__ import annotations

import numpy as np

from commenda.kernel import Bars, Costs, Terms
from commenda.returns import Calendar, Year
from commenda.strategies import catalogue
from commenda.studies import (
    Space,
    WalkForward,
    space_of,
    splits,
    texts_of,
)
from commenda.studies.evaluate import Course

TREND = catalogue()["ema_trend"]
HOUR = 3_600_000_000_000
HOURS = Year(8_760.0, Calendar.EVERY_DAY)


def space(written: str, **fixed: object) -> Space:
    return space_of(TREND, texts_of(written), fixed)


def noise(count: int, seed: int) -> Bars:
    """Hourly candles of a random walk: nothing to be found in it."""
    moves = np.random.default_rng(seed).normal(0.0, 0.01, count)
    close = 100.0 * np.exp(np.cumsum(moves))
    opening = np.concatenate(([100.0], close[:-1]))
    high, low = np.maximum(opening, close) * 1.001, np.minimum(opening, close) * 0.999
    return Bars(np.arange(count) * HOUR, opening, high, low, close, np.full(count, 1e6))


def course(bars: Bars, walk: WalkForward | None, *objectives: str) -> Course:
    cut = splits(len(bars), walk, 50) if walk else ()
    return Course(bars, None, Costs(), 1_000.0, Terms(), HOURS, objectives or ("sharpe",), cut)
